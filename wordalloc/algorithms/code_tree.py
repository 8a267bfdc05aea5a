"""A binary tree from codes that were made elsewhere, such as the bit strings of Brown clustering.

Words that share a code become a class, with a Huffman tree over them below. Exact; O(total length of the codes).
"""

from __future__ import annotations

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
    """Return the places of inner nodes, numbered by depth and then by code, and of the codes as leaves."""
    leaves = set(codes)
    inner = {code[:length] for code in codes for length in range(len(code))}
    for code in codes:
        if code in inner:
            longer = next(other for other in codes if other != code and other.startswith(code))
            raise InputError(f"the code {shown(code)} is the beginning of another one, {shown(longer)}")
    for node in sorted(inner):
        for digit in "01":
            if node + digit not in inner and node + digit not in leaves:
                raise InputError(f"no code begins with {node + digit!r}, the counterpart of others; the tree has a gap")
    order = {code: place for place, code in enumerate(sorted(inner, key=lambda code: (len(code), code)))}
    places = []
    for names in (list(order), codes):
        places.append(np.array([order[name[:-1]] if name else -1 for name in names], dtype=np.int64))
        places.append(np.array([int(name[-1]) if name else 0 for name in names], dtype=np.int64))
    return places[0], places[1], places[2], places[3]
