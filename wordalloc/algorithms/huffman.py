"""Huffman trees: codes of least average length, by two queues.

Leaves wait in one queue, by rising count, and merged nodes in another, in the order they were made, which is by
rising weight too. So the lightest is at the head of one of them, and the tree is built in O(V) from sorted counts
(van Leeuwen 1976). With arity k every node gets k children but the first one made, the deepest: it gets what is left
over, 2 … k, so that the root is full. Of equal weights a word goes before a node, which keeps the longest code as
short as it can be; the lightest child has the last digit. Exact.

The average length lies between the entropy in digits and the entropy plus 1 (Huffman 1952; Shannon 1948).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._arguments import whole_number
from wordalloc.algorithms._compiled import njit
from wordalloc.allocations import Classes, Tree
from wordalloc.vocabulary import Vocabulary

Ints = npt.NDArray[np.int64]
Places = tuple[Ints, Ints, Ints, Ints]


def huffman(vocabulary: Vocabulary, arity: int = 2) -> Tree:
    """Return the Huffman tree of a vocabulary's counts: the least possible average code length.

    Time and memory O(V).

    Parameters
    ----------
    vocabulary : Vocabulary
        V words and counts.
    arity : int
        k, children of a node, from 2.

    Returns
    -------
    Tree
        Its parameters hold the objective: ``mean_code_length``, digits a token.

    Raises
    ------
    InputError
        If `arity` is below 2.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts("abcd", [5, 2, 1, 1])
    >>> tree = huffman(vocabulary)
    >>> tree.codes, tree.mean_code_length == (5 * 1 + 2 * 2 + 2 * 3) / 9
    (['0', '11', '100', '101'], True)
    >>> huffman(vocabulary, arity=3).codes
    ['0', '2', '10', '11']
    """
    arity = whole_number("arity", arity, 2, 2**31 - 1)
    places = huffman_places(vocabulary.counts, arity)
    parameters = {"algorithm": "huffman", "arity": arity, "exact": True}
    return Tree.from_nodes(vocabulary, *places, arity=arity, parameters=parameters)


def huffman_places(counts: Ints, arity: int = 2) -> Places:
    """Return the places of a Huffman tree's nodes and words, as `Tree.from_nodes` takes them; node 0 is the root.

    Parameters
    ----------
    counts : ndarray of int64, shape (V,)
        Descending; their sum fits int64, as a vocabulary's does.
    arity : int
        k.
    """
    n_words = counts.size
    n_nodes = -(-(n_words - 1) // (arity - 1))
    places = (
        np.zeros(n_nodes, np.int64),
        np.zeros(n_nodes, np.int64),
        np.zeros(n_words, np.int64),
        np.zeros(n_words, np.int64),
    )
    if n_nodes:
        _build(counts, arity, np.empty(n_nodes, np.int64), *places)
        places[0][0] = -1
    else:
        places[2][0] = -1
    return places


@njit
def _build(counts, arity, weights, node_parent, node_digit, word_parent, word_digit):  # type: ignore[no-untyped-def]
    """Make the nodes from the lightest up; the i-th made is number n - 1 - i, so that parents have lower numbers."""
    n_nodes, word, node = weights.shape[0], counts.shape[0] - 1, 0
    m = counts.shape[0] - (n_nodes - 1) * (arity - 1)  # children of the first
    for made in range(n_nodes):
        name = n_nodes - 1 - made
        weight = 0
        for digit in range(m - 1, -1, -1):
            if node == made or (word >= 0 and counts[word] <= weights[node]):
                word_parent[word], word_digit[word] = name, digit
                weight += counts[word]
                word -= 1
            else:
                child = n_nodes - 1 - node
                node_parent[child], node_digit[child] = name, digit
                weight += weights[node]
                node += 1
        weights[made] = weight
        m = arity


def with_huffman_below(classes: Classes, top: Places, arity: int = 2) -> tuple[Places, npt.NDArray[np.int64]]:
    """Return a tree over classes with a Huffman tree over each class's words in the place of its leaf.

    Parameters
    ----------
    classes : Classes
        K classes.
    top : four arrays
        Places of the nodes above, and of the K classes as their leaves; node 0 is the root.
    arity : int
        Of the trees below.

    Returns
    -------
    places : four arrays
        As `Tree.from_nodes` takes them.
    class_depth : ndarray of int64, shape (V,)
        Digits of each word's class.
    """
    parents, digits, class_parent, class_digit = top
    nodes, node_digits = [parents], [digits]
    # A class of one word is that word; the others get a root, with their words below.
    word_parent, word_digit = class_parent[classes.word_class], class_digit[classes.word_class]
    first = parents.size
    for number in np.flatnonzero(classes.sizes > 1).tolist():
        members = classes.members[classes.offsets[number] : classes.offsets[number + 1]]
        below = huffman_places(classes.vocabulary.counts[members], arity)
        nodes.append(below[0] + first)
        node_digits.append(below[1])
        nodes[-1][0], node_digits[-1][0] = class_parent[number], class_digit[number]
        word_parent[members], word_digit[members] = below[2] + first, below[3]
        first += below[0].size
    places = np.concatenate(nodes), np.concatenate(node_digits), word_parent, word_digit
    return places, depths(parents, class_parent)[classes.word_class]


def depths(node_parent: Ints, leaf_parent: Ints) -> Ints:
    """Return the depth of each leaf; a node's parent has a lower number than the node."""
    depth = np.zeros(node_parent.size, np.int64)
    for node in range(1, node_parent.size):
        depth[node] = depth[node_parent[node]] + 1
    return np.where(leaf_parent < 0, 0, depth[leaf_parent] + 1) if node_parent.size else np.zeros(leaf_parent.size, int)
