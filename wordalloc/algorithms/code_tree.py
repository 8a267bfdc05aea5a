"""A binary tree from codes that were made elsewhere, such as the bit strings of Brown clustering.

Words that share a code become a class, with a Huffman tree over them below. The sorted codes are divided digit by
digit: what begins alike stands together, so each inner node costs a binary search. Exact; time and
memory O(V + K log K + total length) for K different codes.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Sequence

import numpy as np

from wordalloc.algorithms._arguments import shown
from wordalloc.algorithms.huffman import Places, with_huffman_below
from wordalloc.allocations import Classes, Tree
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary


def tree_from_codes(vocabulary: Vocabulary, codes: Sequence[str]) -> Tree:
    """Return the tree in which every word has the given code, or one that begins with it where words share it.

    Parameters
    ----------
    vocabulary : Vocabulary
        V words in rank order.
    codes : sequence of str, length V
        Of the digits 0 and 1.

    Returns
    -------
    Tree
        With `class_depth` where words share a code.

    Raises
    ------
    InputError
        If a code has other digits, is the beginning of another, or has no counterpart (one that differs from it, or
        from a beginning of it, in the last digit), for then the tree would have a node of one child.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts("abcd", [5, 3, 2, 1])
    >>> tree = tree_from_codes(vocabulary, ["0", "10", "11", "11"])
    >>> tree.codes, tree.class_depth.tolist()
    (['0', '10', '110', '111'], [1, 2, 2, 2])
    """
    if len(codes) != vocabulary.size:
        raise InputError(f"expected a code for each of {vocabulary.size} words, not {len(codes)}")
    for word, code in zip(vocabulary.words, codes, strict=True):
        if code.strip("01"):
            raise InputError(f"the code {shown(code)} of the word {word!r} has digits other than 0 and 1")
    number: dict[str, int] = {}  # classes are numbered by their most frequent words
    word_class = [number.setdefault(code, len(number)) for code in codes]
    classes = Classes(vocabulary, word_class)
    places, class_depth = with_huffman_below(classes, _trie(list(number)))
    shared = classes.n_classes < vocabulary.size
    parameters = {"algorithm": "tree_from_codes", "n_classes": classes.n_classes}
    return Tree.from_nodes(vocabulary, *places, class_depth=class_depth if shared else None, parameters=parameters)


def _trie(codes: list[str]) -> Places:
    """Return the places of inner nodes, numbered by depth and then by code, and of the distinct codes as leaves."""
    order = sorted(range(len(codes)), key=codes.__getitem__)
    ordered = [codes[leaf] for leaf in order]
    nodes: list[tuple[int, int]] = []  # parent and digit
    leaves = np.empty((len(codes), 2), dtype=np.int64)
    waiting = deque([(0, len(codes), 0, -1, 0)])  # first and end in `ordered`, their common digits, parent and digit
    while waiting:
        first, end, depth, parent, digit = waiting.popleft()
        if len(ordered[first]) == depth:
            if end - first > 1:
                shorter, longer = shown(ordered[first]), shown(ordered[first + 1])
                raise InputError(f"the code {shorter} is the beginning of another one, {longer}")
            leaves[order[first]] = parent, digit
            continue
        middle = bisect.bisect_left(ordered, "1", first, end, key=lambda code, place=depth: code[place])  # type: ignore[misc]
        if middle in (first, end):
            missing = shown(ordered[first][:depth] + ("0" if middle == first else "1"))
            raise InputError(f"no code begins with {missing}, the counterpart of others; the tree has a gap")
        waiting += [(first, middle, depth + 1, len(nodes), 0), (middle, end, depth + 1, len(nodes), 1)]
        nodes.append((parent, digit))
    inner = np.array(nodes, dtype=np.int64).reshape(-1, 2)
    return inner[:, 0].copy(), inner[:, 1].copy(), leaves[:, 0].copy(), leaves[:, 1].copy()
