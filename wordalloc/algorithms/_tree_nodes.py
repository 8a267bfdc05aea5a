"""Trees from lists of children: numbered breadth first, without recursion, for degenerate trees are deep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wordalloc.allocations import Tree
from wordalloc.vocabulary import Vocabulary


def tree_from_children(
    vocabulary: Vocabulary,
    children: Sequence[Sequence[int]],
    *,
    root: int = 0,
    arity: int = 2,
    parameters: Mapping[str, Any] | None = None,
) -> Tree:
    """Return the tree below `root`, its inner nodes numbered breadth first: O(V).

    Parameters
    ----------
    vocabulary : Vocabulary
        V words.
    children : sequence of sequences of int
        Of each inner node, in the order of the digits: an inner node by its place here, the word of rank r as
        -1 - r. Nodes that cannot be reached from `root` are left out.
    root : int
        An inner node, or -1 for a vocabulary of one word.
    arity, parameters
        As for `Tree`.

    Raises
    ------
    InputError
        If this is not a tree over the vocabulary.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts("abc", [5, 3, 2])
    >>> tree_from_children(vocabulary, [[-2, -3], [0, -1]], root=1).codes
    ['1', '00', '01']
    """
    node_parent, node_digit = [-1], [0]
    word_parent = np.full(vocabulary.size, -1, dtype=np.int64)
    word_digit = np.zeros(vocabulary.size, dtype=np.int64)
    nodes = [root] if root >= 0 else []  # a node's place here is its number in the tree
    for number, node in enumerate(nodes):
        for digit, child in enumerate(children[node]):
            if child >= 0:
                nodes.append(child)
                node_parent.append(number)
                node_digit.append(digit)
            else:
                word_parent[-1 - child], word_digit[-1 - child] = number, digit
    end = len(nodes)
    return Tree.from_nodes(
        vocabulary, node_parent[:end], node_digit[:end], word_parent, word_digit, arity, parameters=parameters
    )
