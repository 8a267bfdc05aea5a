"""Of trees: the words below a node, and how long the codes are; plain arrays, without a plotting library."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wordalloc.allocations import Tree
from wordalloc.checks import sums_of_groups
from wordalloc.report.content import TOP, Floats, first_of_each, levels_upwards
from wordalloc.vocabulary import Vocabulary


def words_below(tree: Tree, nodes: npt.ArrayLike, n_words: int = TOP) -> list[list[str]]:
    """Return the most frequent words below each of some inner nodes, none of which lies below another.

    Examples
    --------
    >>> tree = Tree(Vocabulary.from_counts("abc", [5, 3, 2]), [0, 1, 3, 5], [0, 0, 1, 0, 1], [0, 1, 0, 1, 1])
    >>> words_below(tree, [1]), words_below(tree, [0], n_words=2)
    ([['b', 'c']], [['a', 'b']])
    """
    nodes = np.asarray(nodes, dtype=np.int64)
    group = np.full(tree.n_nodes, -1, dtype=np.int64)
    group[nodes] = np.arange(nodes.size)
    for level in reversed(list(levels_upwards(tree))):
        group[level] = np.where(group[level] >= 0, group[level], group[tree.node_parent[level]])
    own = group[tree.word_parent] if tree.n_nodes else np.zeros(0, np.int64)
    members = np.argsort(own, kind="stable")
    bounds = np.searchsorted(own[members], np.arange(nodes.size + 1))
    return first_of_each(tree.vocabulary, members, bounds, n_words)


def code_length_shares(tree: Tree) -> tuple[Floats, Floats]:
    """Return the share of the tokens and of the words whose code has each length: both of shape (longest + 1,).

    Examples
    --------
    >>> tree = Tree(Vocabulary.from_counts("abc", [5, 3, 2]), [0, 1, 3, 5], [0, 0, 1, 0, 1], [0, 1, 0, 1, 1])
    >>> tokens, words = code_length_shares(tree)
    >>> tokens.tolist(), words.round(2).tolist()
    ([0.0, 0.5, 0.5], [0.0, 0.33, 0.67])
    """
    tokens = sums_of_groups(tree.code_lengths, tree.vocabulary.counts)
    words = np.bincount(tree.code_lengths)
    return tokens / max(tree.vocabulary.total, 1), words / tree.vocabulary.size


def entropy(vocabulary: Vocabulary, base: int = 2) -> float:
    """Return the entropy of the words' shares of the tokens: no code of digits below `base` is shorter on average.

    Examples
    --------
    >>> entropy(Vocabulary.from_counts("abc", [2, 1, 1]))
    1.5
    """
    counted = vocabulary.counts[vocabulary.counts > 0]
    shares = counted / max(vocabulary.total, 1)
    return float(-(shares * np.log(shares)).sum() / np.log(base)) + 0.0  # not -0.0
