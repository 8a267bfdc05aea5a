"""From allocations to what is drawn of them: plain arrays, without a plotting library.

Masses are shares of all counted tokens, zeros where nothing was counted. Ranks count from 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wordalloc.allocations import Classes, Cutoffs, Table, Tree
from wordalloc.allocations.table import EMPTY
from wordalloc.checks import sums_of_groups
from wordalloc.vocabulary import Vocabulary

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
TOP = 8  # words that stand for a group
MOST_CELLS = 2**22  # of a heat map


@dataclass(frozen=True)
class Groups:
    """Groups of words: bands of cutoffs, or classes.

    Attributes
    ----------
    sizes : ndarray of int64, shape (n,)
        Words in each.
    masses : ndarray of float64, shape (n,)
        Share of all counted tokens in each.
    words : list of list of str, length n
        The most frequent words of each, most frequent first.
    """

    sizes: Ints
    masses: Floats
    words: list[list[str]]


@dataclass(frozen=True)
class TreePart:
    """The nodes of the upper levels of a tree, or of what lies below one of its nodes, parents before children.

    Attributes
    ----------
    node : ndarray of int64, shape (n,)
        The inner node, or -1 - r where the word of rank r hangs there.
    parent : ndarray of int64, shape (n,)
        Place of the parent in these arrays; -1 for the first, which is where the part begins.
    digit : ndarray of int64, shape (n,)
        The digit that leads there from the parent; 0 for the first.
    depth : ndarray of int64, shape (n,)
        Steps from where the part begins.
    sizes, masses : ndarray, shape (n,)
        Words at or below each node, and their share of all counted tokens.
    """

    node: Ints
    parent: Ints
    digit: Ints
    depth: Ints
    sizes: Ints
    masses: Floats


@dataclass(frozen=True)
class NodeTotals:
    """What lies below each inner node of a tree, all of shape (n_nodes,).

    Attributes
    ----------
    sizes : ndarray of int64
        Words.
    masses : ndarray of float64
        Share of all counted tokens.
    first : ndarray of int64
        Rank of the most frequent word.
    """

    sizes: Ints
    masses: Floats
    first: Ints


def band_groups(cutoffs: Cutoffs, n_words: int = TOP) -> Groups:
    """Return the bands of ranks; where they begin is `Cutoffs.bounds`.

    Examples
    --------
    >>> bands = band_groups(Cutoffs(Vocabulary.from_counts("abcde", [5, 2, 1, 1, 1]), [1, 3]), n_words=1)
    >>> bands.sizes.tolist(), bands.masses.tolist(), bands.words
    ([1, 2, 2], [0.5, 0.3, 0.2], [['a'], ['b'], ['d']])
    """
    every = np.arange(cutoffs.vocabulary.size)
    words = first_of_each(cutoffs.vocabulary, every, cutoffs.bounds, n_words)
    return Groups(cutoffs.sizes, cutoffs.masses, words)


def class_groups(classes: Classes, n_words: int = TOP) -> Groups:
    """Return the classes, in the order of their numbers.

    Examples
    --------
    >>> found = class_groups(Classes(Vocabulary.from_counts("abcd", [5, 3, 1, 1]), [1, 0, 1, 0]))
    >>> found.sizes.tolist(), found.masses.tolist(), found.words
    ([2, 2], [0.4, 0.6], [['b', 'd'], ['a', 'c']])
    """
    words = first_of_each(classes.vocabulary, classes.members, classes.offsets, n_words)
    return Groups(classes.sizes, classes.masses, words)


def cell_masses(table: Table) -> Floats:
    """Return the share of all counted tokens in each cell, not a number where it is empty: shape (rows, columns).

    Examples
    --------
    >>> cell_masses(Table(Vocabulary.from_counts("abc", [5, 3, 2]), [0, 3, 1], shape=(2, 2)))
    array([[0.5, 0.2],
           [nan, 0.3]])
    """
    shares = table.vocabulary.counts / max(table.vocabulary.total, 1)
    return np.where(table.word_at == EMPTY, np.nan, shares[table.word_at]).reshape(table.shape)


def node_totals(tree: Tree) -> NodeTotals:
    """Return how many words, and what share of the tokens, hang below each inner node, and the most frequent word.

    Level by level from the deepest up: O(V + nodes) and a few steps of numpy a level.

    Examples
    --------
    >>> tree = Tree(Vocabulary.from_counts("abc", [5, 3, 2]), [0, 1, 3, 5], [0, 0, 1, 0, 1], [0, 1, 0, 1, 1])
    >>> totals = node_totals(tree)
    >>> totals.sizes.tolist(), totals.masses.tolist(), totals.first.tolist()
    ([3, 2], [1.0, 0.5], [0, 1])
    """
    counts, size = tree.vocabulary.counts, tree.vocabulary.size
    below = tree.word_parent if tree.n_nodes else np.zeros(0, np.int64)
    sizes = np.bincount(below, minlength=tree.n_nodes).astype(np.int64)
    tokens = sums_of_groups(below, counts[: below.size], tree.n_nodes)
    first = np.full(tree.n_nodes, size, dtype=np.int64)
    np.minimum.at(first, below, np.arange(below.size))
    for level in levels_upwards(tree):
        above = tree.node_parent[level]
        np.add.at(sizes, above, sizes[level])
        np.add.at(tokens, above, tokens[level])
        np.minimum.at(first, above, first[level])
    return NodeTotals(sizes, tokens / max(tree.vocabulary.total, 1), first)


def tree_part(tree: Tree, totals: NodeTotals, *, root: int = 0, depth: int = 6) -> TreePart:
    """Return the nodes at most `depth` steps below an inner node, level after level, children in the order of digits.

    Parameters
    ----------
    tree : Tree
        Of any arity.
    totals : NodeTotals
        Of this tree.
    root : int
        The inner node where the part begins.
    depth : int
        Most steps below it.

    Examples
    --------
    >>> tree = Tree(Vocabulary.from_counts("abc", [5, 3, 2]), [0, 1, 3, 5], [0, 0, 1, 0, 1], [0, 1, 0, 1, 1])
    >>> part = tree_part(tree, node_totals(tree), depth=1)
    >>> part.node.tolist(), part.parent.tolist(), part.digit.tolist(), part.masses.tolist()
    ([0, -1, 1], [-1, 0, 0], [0, 0, 1], [1.0, 0.5, 0.5])
    """
    offsets, children = tree.children
    start = root if tree.n_nodes else -1
    levels = [(np.array([start]), np.array([-1]), np.zeros(1, np.int64))]
    begin = 0
    for _ in range(depth):
        node = levels[-1][0]
        place = np.flatnonzero(node >= 0)
        many = tree.node_sizes[node[place]]
        if not many.size:
            break
        digit = np.arange(int(many.sum())) - np.repeat(np.cumsum(many) - many, many)
        below = children[np.repeat(offsets[node[place]], many) + digit]
        levels.append((below, begin + np.repeat(place, many), digit))
        begin += node.size
    node, parent, digit = (np.concatenate(arrays) for arrays in zip(*levels, strict=True))
    step = np.repeat(np.arange(len(levels)), [level[0].size for level in levels])
    inner, rank = np.maximum(node, 0), np.maximum(-1 - node, 0)
    shares = tree.vocabulary.counts / max(tree.vocabulary.total, 1)
    if tree.n_nodes:
        sizes = np.where(node >= 0, totals.sizes[inner], 1)
        return TreePart(node, parent, digit, step, sizes, np.where(node >= 0, totals.masses[inner], shares[rank]))
    return TreePart(node, parent, digit, step, np.ones(1, np.int64), shares)


def breadth_first(tree: Tree) -> tuple[Ints, Ints]:
    """Return a tree as two arrays in which nothing but the words has a number: inner nodes level by level.

    Returns
    -------
    branching : ndarray of int64, shape (n_nodes,)
        How many children each inner node has.
    children : ndarray of int64, shape (n_nodes - 1 + V,)
        The children of all of them, in the order of digits: 0 for an inner node, which is the next one that has not
        been met, and r + 1 for the word of rank r.

    Examples
    --------
    >>> tree = Tree(Vocabulary.from_counts("abc", [5, 3, 2]), [0, 1, 3, 5], [0, 0, 1, 0, 1], [0, 1, 0, 1, 1])
    >>> [array.tolist() for array in breadth_first(tree)]
    [[2, 2], [1, 0, 2, 3]]
    """
    offsets, children = tree.children
    branching, listed = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    level = np.arange(min(1, tree.n_nodes))
    while level.size:
        many = tree.node_sizes[level]
        digit = np.arange(int(many.sum())) - np.repeat(np.cumsum(many) - many, many)
        below = children[np.repeat(offsets[level], many) + digit]
        branching.append(many)
        listed.append(np.where(below < 0, -below, 0))
        level = below[below >= 0]
    return np.concatenate(branching), np.concatenate(listed)


def levels_upwards(tree: Tree) -> Iterator[Ints]:
    """Yield the inner nodes of each depth, the deepest first, without the root."""
    order = np.argsort(-tree.node_depth, kind="stable")[: max(0, tree.n_nodes - 1)]
    ends = np.flatnonzero(np.diff(tree.node_depth[order])) + 1
    yield from np.split(order, ends)


def first_of_each(vocabulary: Vocabulary, members: Ints, bounds: Ints, most: int) -> list[list[str]]:
    """Return the first words of each group; its ranks stand in `members` between two bounds."""
    starts, ends = bounds[:-1].tolist(), np.minimum(bounds[1:], bounds[:-1] + most).tolist()
    return [vocabulary.words_at(members[start:end].tolist()) for start, end in zip(starts, ends, strict=True)]
