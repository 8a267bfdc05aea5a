"""Trees that know nothing of the words but their ranks, or not even these: what other trees must beat.

Both are complete trees, laid out as a k-ary heap: of n inner nodes and V words, numbered breadth first and the words
last, number j > 0 hangs below (j - 1) // k at digit (j - 1) mod k. So depths differ by one at most, and the words at
the lesser depth are those that come first. Time and memory O(V).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._arguments import whole_number
from wordalloc.allocations import Tree
from wordalloc.allocations.tree import MAX_ARITY
from wordalloc.vocabulary import Vocabulary


def balanced_tree(vocabulary: Vocabulary, arity: int = 2) -> Tree:
    """Return the complete tree over the words in rank order.

    Neighbours in rank are neighbours in the tree. Of all trees whose code lengths differ by at most one, it has the
    least mean code length: ⌊log V⌋ or ⌈log V⌉ digits to the base `arity`, the fewer ones for the most frequent words.

    Parameters
    ----------
    vocabulary : Vocabulary
        V words and counts.
    arity : int
        Children of a node, at least 2; the last node may have fewer.

    Returns
    -------
    Tree
        ⌈(V - 1) / (arity - 1)⌉ inner nodes.

    Raises
    ------
    InputError
        If `arity` is not a whole number of at least 2.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts("abcde", [9, 5, 3, 2, 1])
    >>> balanced_tree(vocabulary).codes
    ['01', '10', '11', '000', '001']
    >>> balanced_tree(vocabulary, arity=3).codes
    ['1', '2', '00', '01', '02']
    """
    arity = whole_number("arity", arity, 2, MAX_ARITY)
    parameters = {"algorithm": "balanced_tree", "arity": arity}
    return _complete(vocabulary, np.arange(vocabulary.size), arity, parameters)


def random_tree(vocabulary: Vocabulary, arity: int = 2, seed: int = 0) -> Tree:
    """Return the complete tree over the words in random order.

    Parameters
    ----------
    vocabulary : Vocabulary
        V words and counts.
    arity : int
        Children of a node, at least 2; the last node may have fewer.
    seed : int
        Of the order.

    Returns
    -------
    Tree

    Raises
    ------
    InputError
        If `arity` is not a whole number of at least 2, or `seed` is negative.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts("abcde", [9, 5, 3, 2, 1])
    >>> sorted(random_tree(vocabulary, seed=7).codes)  # those of the balanced tree
    ['000', '001', '01', '10', '11']
    """
    arity = whole_number("arity", arity, 2, MAX_ARITY)
    seed = whole_number("seed", seed, 0)
    order = np.random.default_rng(seed).permutation(vocabulary.size)
    return _complete(vocabulary, order, arity, {"algorithm": "random_tree", "arity": arity, "seed": seed})


def _complete(vocabulary: Vocabulary, order: npt.NDArray[np.int64], arity: int, parameters: dict[str, Any]) -> Tree:
    """Return the complete tree whose leaves, breadth first, are the ranks in `order`."""
    size = vocabulary.size
    n_nodes = -(-(size - 1) // (arity - 1))
    parent, digit = np.divmod(np.arange(n_nodes + size) - 1, arity)  # of the root: -1, and a digit that is not used
    digit[0] = 0
    word_parent, word_digit = np.empty(size, np.int64), np.empty(size, np.int64)
    word_parent[order], word_digit[order] = parent[n_nodes:], digit[n_nodes:]
    return Tree.from_nodes(
        vocabulary, parent[:n_nodes], digit[:n_nodes], word_parent, word_digit, arity, parameters=parameters
    )
