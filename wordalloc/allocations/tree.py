"""Tree: every word is a leaf, as hierarchical softmax uses them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from wordalloc.allocations.base import Allocation
from wordalloc.allocations.classes import Classes
from wordalloc.allocations.storage import Arrays, take
from wordalloc.checks import read_only, sums_of_groups, whole_numbers
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary

MAX_ARITY = 2**31 - 1
_BLOCK = 1 << 16  # words whose paths are looked at together

Ints = npt.NDArray[np.int64]
Structure = tuple[Ints, Ints, Ints, Ints]  # parents and digits of the nodes, and of the words


class Tree(Allocation):
    """A tree whose leaves are the words; a word's path is the inner nodes from the root and the digit taken at each.

    Inner node 0 is the root. A node with m children uses the digits 0 … m - 1, where 2 ≤ m ≤ arity. So no code is
    the prefix of another, and Σ over the words of Π 1/m along the path is 1. A vocabulary of one word has no inner
    node and an empty path.

    Parameters
    ----------
    vocabulary : Vocabulary
        V words in rank order.
    path_offsets : array_like of int, shape (V + 1,)
        Where each word's path begins in the next two.
    path_nodes, path_digits : array_like of int, shape (sum of the code lengths,)
        Inner nodes from the root, and the digits taken.
    arity : int
        The most children a node may have.
    class_depth : array_like of int, shape (V,), optional
        How many leading digits name the word's class: all words below that place share it.
    parameters : mapping, optional
        What the result depends on.

    Raises
    ------
    InputError
        If the paths are not those of one such tree; the message says what is wrong.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts("abc", [5, 3, 2])
    >>> tree = Tree(vocabulary, [0, 1, 3, 5], [0, 0, 1, 0, 1], [0, 1, 0, 1, 1])
    >>> tree.codes, tree.mean_code_length
    (['0', '10', '11'], 1.5)
    """

    kind = "tree"
    names = frozenset({"path_offsets", "path_nodes", "path_digits", "arity", "class_depth"})

    def __init__(
        self,
        vocabulary: Vocabulary,
        path_offsets: npt.ArrayLike,
        path_nodes: npt.ArrayLike,
        path_digits: npt.ArrayLike,
        arity: int = 2,
        class_depth: npt.ArrayLike | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(vocabulary, parameters)
        offsets, nodes, digits = _checked_paths(vocabulary.size, path_offsets, path_nodes, path_digits)
        self._settle(_structure(offsets, nodes, digits), arity, class_depth)

    @classmethod
    def from_nodes(
        cls,
        vocabulary: Vocabulary,
        node_parent: npt.ArrayLike,
        node_digit: npt.ArrayLike,
        word_parent: npt.ArrayLike,
        word_digit: npt.ArrayLike,
        arity: int = 2,
        class_depth: npt.ArrayLike | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Self:
        """Make a tree of n inner nodes from the place of each node and word below its parent.

        Parameters
        ----------
        vocabulary : Vocabulary
            V words in rank order.
        node_parent, node_digit : array_like of int, shape (n,)
            Parent of each inner node and the digit that leads to it; -1 and 0 for node 0, the root.
        word_parent, word_digit : array_like of int, shape (V,)
            The same of each word; -1 and 0 for a vocabulary of one word.
        arity, class_depth, parameters
            As for the class.

        Raises
        ------
        InputError
            If the nodes and words do not make one tree.

        Examples
        --------
        >>> vocabulary = Vocabulary.from_counts("abc", [5, 3, 2])
        >>> Tree.from_nodes(vocabulary, [-1, 0], [0, 1], [0, 1, 1], [0, 0, 1]).path_nodes.tolist()
        [0, 0, 1, 0, 1]
        """
        tree = cls.__new__(cls)
        Allocation.__init__(tree, vocabulary, parameters)
        given = {"node_parent": node_parent, "node_digit": node_digit}
        of_words = {"word_parent": word_parent, "word_digit": word_digit}
        arrays = [whole_numbers(values, name) for name, values in (given | of_words).items()]
        if arrays[0].ndim != 1 or arrays[0].shape != arrays[1].shape:
            raise InputError(f"node_parent and node_digit must be flat and of one length, not {arrays[0].shape}")
        if arrays[2].shape != (vocabulary.size,) or arrays[3].shape != (vocabulary.size,):
            raise InputError(f"word_parent and word_digit must have one entry a word: ({vocabulary.size},)")
        tree._settle((arrays[0], arrays[1], arrays[2], arrays[3]), arity, class_depth)
        return tree

    def _settle(
        self,
        structure: Structure,
        arity: int,
        class_depth: npt.ArrayLike | None,
    ) -> None:
        """Check the structure, from which all else follows, and keep it."""
        node_parent, node_digit, word_parent, word_digit = structure
        if isinstance(arity, bool) or not isinstance(arity, int | np.integer) or not 2 <= arity <= MAX_ARITY:
            raise InputError(f"arity must be a whole number from 2 to {MAX_ARITY}, not {arity!r}")
        self.arity = int(arity)
        _check_structure(node_parent, node_digit, word_parent, word_digit, self.arity, self.vocabulary)
        self.node_parent: npt.NDArray[np.int32] = read_only(node_parent.astype(np.int32))
        self.node_digit: npt.NDArray[np.int32] = read_only(node_digit.astype(np.int32))
        self.word_parent: npt.NDArray[np.int32] = read_only(word_parent.astype(np.int32))
        self.word_digit: npt.NDArray[np.int32] = read_only(word_digit.astype(np.int32))
        if (self.node_depth < 0).any():
            lost = int(np.argmax(self.node_depth < 0))
            raise InputError(f"inner node {lost} cannot be reached from the root")
        self.class_depth: npt.NDArray[np.int32] | None = None
        if class_depth is not None:
            self.__dict__["class_depth"] = self._checked_class_depth(class_depth)

    @property
    def n_nodes(self) -> int:
        """Inner nodes."""
        return int(self.node_parent.size)

    @cached_property
    def children(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Children of all inner nodes, in the order of their digits.

        Two arrays: where each node's children begin in the second, (n_nodes + 1,); and the children, (n_nodes - 1 +
        V,): an inner node by its number, the word of rank r as -1 - r.
        """
        parents = np.concatenate((self.node_parent[1:], self.word_parent)).astype(np.int64)
        digits = np.concatenate((self.node_digit[1:], self.word_digit)).astype(np.int64)
        names = np.concatenate((np.arange(1, self.n_nodes), -1 - np.arange(self.vocabulary.size)))
        if not self.n_nodes:
            return read_only(np.zeros(1, np.int64)), read_only(np.zeros(0, np.int64))
        sizes = np.bincount(parents, minlength=self.n_nodes)
        offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
        children = np.empty(parents.size, dtype=np.int64)
        children[offsets[parents] + digits] = names  # the digits of a node are 0 … m - 1, each once
        return read_only(offsets), read_only(children)

    @cached_property
    def node_sizes(self) -> npt.NDArray[np.int64]:
        """m, the number of children of each inner node: shape (n_nodes,)."""
        return read_only(np.diff(self.children[0]))

    @cached_property
    def node_depth(self) -> npt.NDArray[np.int64]:
        """Digits on the way to each inner node, 0 for the root: shape (n_nodes,)."""
        depth = np.full(self.n_nodes, -1, dtype=np.int64)
        offsets, children = self.children
        frontier, level = np.arange(min(1, self.n_nodes)), 0
        while frontier.size:
            depth[frontier] = level
            below = children[_ranges(offsets[frontier], offsets[frontier + 1])]
            frontier, level = below[below >= 0], level + 1
        return read_only(depth)

    @cached_property
    def code_lengths(self) -> npt.NDArray[np.int64]:
        """Digits in each word's code: shape (V,)."""
        if not self.n_nodes:
            return read_only(np.zeros(1, dtype=np.int64))
        return read_only(self.node_depth[self.word_parent] + 1)

    @property
    def mean_code_length(self) -> float:
        """Digits a token, by the vocabulary's counts (each word once where nothing was counted)."""
        counts = self.vocabulary.counts if self.vocabulary.total else np.ones(self.vocabulary.size, dtype=np.int64)
        of_length = sums_of_groups(self.code_lengths, counts).tolist()  # their products with it may exceed 64 bits
        return sum(length * count for length, count in enumerate(of_length)) / sum(of_length)

    @cached_property
    def path_offsets(self) -> npt.NDArray[np.int64]:
        """Where each word's path begins, and the end: shape (V + 1,)."""
        return read_only(np.concatenate(([0], np.cumsum(self.code_lengths))))

    @property
    def path_nodes(self) -> npt.NDArray[np.int32]:
        """Inner nodes on the way to each word, from the root, word after word."""
        return self._paths[0]

    @property
    def path_digits(self) -> npt.NDArray[np.int32]:
        """Digits taken on the way to each word, word after word."""
        return self._paths[1]

    @cached_property
    def _paths(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Climb from all words at once."""
        nodes = np.empty(int(self.path_offsets[-1]), dtype=np.int32)
        digits = np.empty_like(nodes)
        place = self.path_offsets[1:] - 1
        node, digit = self.word_parent, self.word_digit
        while (climbing := node >= 0).any():
            place, node, digit = place[climbing], node[climbing], digit[climbing]
            nodes[place], digits[place] = node, digit
            place, node, digit = place - 1, self.node_parent[node], self.node_digit[node]
        return read_only(nodes), read_only(digits)

    @property
    def codes(self) -> list[str]:
        """The digits of each word as text: end to end up to arity 10, else with dots between them."""
        spans = itertools.pairwise(self.path_offsets.tolist())
        if self.arity <= 10:
            text = (self.path_digits + ord("0")).astype(np.uint8).tobytes().decode("ascii")
            return [text[start:end] for start, end in spans]
        digits = list(map(str, self.path_digits.tolist()))
        return [".".join(digits[start:end]) for start, end in spans]

    def codes_at(self, ranks: Iterable[int]) -> list[str]:
        """Return the codes of some words, as `codes` has them, without making those of all.

        Parameters
        ----------
        ranks : iterable of int
            Each from 0 to V - 1.
        """
        return [("" if self.arity <= 10 else ".").join(map(str, self._digits(rank))) for rank in ranks]

    def _digits(self, rank: int) -> list[int]:
        """Climb from one word."""
        digits, node, digit = [], int(self.word_parent[rank]), int(self.word_digit[rank])
        while node >= 0:
            digits.append(digit)
            node, digit = int(self.node_parent[node]), int(self.node_digit[node])
        return digits[::-1]

    def cut(self) -> Classes:
        """Return the classes that `class_depth` names, numbered by their most frequent words.

        Raises
        ------
        InputError
            If the tree has no `class_depth`.
        """
        if self.class_depth is None:
            raise InputError("this tree names no classes: it has no class_depth; a Brown tree does")
        _, first, number = np.unique(self._class_places(self.class_depth), return_index=True, return_inverse=True)
        order = np.empty(first.size, dtype=np.int64)
        order[np.argsort(first)] = np.arange(first.size)
        return Classes(self.vocabulary, order[number], {"algorithm": "cut", "tree": self.parameters})

    def _class_places(self, class_depth: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return where each word's class stands: an inner node, or -1 - r where the word of rank r is alone in it."""
        place = -1 - np.arange(self.vocabulary.size)
        node, steps = self.word_parent.astype(np.int64), self.code_lengths - class_depth
        while (climbing := np.flatnonzero(steps > 0)).size:
            place[climbing] = node[climbing]
            node[climbing] = self.node_parent[node[climbing]]
            steps[climbing] -= 1
        return place

    def _checked_class_depth(self, values: npt.ArrayLike) -> npt.NDArray[np.int32]:
        depth = whole_numbers(values, "class_depth")
        if depth.shape != (self.vocabulary.size,):
            raise InputError(f"class_depth must have one entry a word: ({self.vocabulary.size},), not {depth.shape}")
        if (depth < 0).any() or (depth > self.code_lengths).any():
            raise InputError("class_depth must lie between 0 and the word's code length")
        places = self._class_places(depth)
        # The class that holds each inner node, from the root down: the first class met on the way.
        is_class = np.zeros(self.n_nodes, dtype=bool)
        is_class[places[places >= 0]] = True
        holder = np.full(self.n_nodes, -1, dtype=np.int64)
        order = np.argsort(self.node_depth, kind="stable")
        for level in np.split(order, np.flatnonzero(np.diff(self.node_depth[order])) + 1):
            above = np.where(self.node_parent[level] < 0, -1, holder[self.node_parent[level]])
            holder[level] = np.where(above >= 0, above, np.where(is_class[level], level, -1))
        if self.n_nodes and (holder[self.word_parent] != np.maximum(places, -1)).any():
            word = int(np.argmax(holder[self.word_parent] != np.maximum(places, -1)))
            raise InputError(f"class_depth puts the word {self.vocabulary.words[word]!r} into a class inside a class")
        return read_only(depth.astype(np.int32))

    def __repr__(self) -> str:
        return f"Tree({self.n_nodes} inner nodes of arity {self.arity}, vocabulary of {self.vocabulary.size} words)"

    def arrays(self) -> Arrays:
        """Return the paths, ``arity`` (int64, one entry) and, where classes are named, ``class_depth``."""
        paths: Arrays = {
            "path_offsets": self.path_offsets,
            "path_nodes": self.path_nodes,
            "path_digits": self.path_digits,
        }
        depth = {} if self.class_depth is None else {"class_depth": self.class_depth}
        return {**paths, **depth, "arity": np.array([self.arity])}

    def addresses(self) -> Arrays:
        """Return ``{"code": str (V,)}``, and ``class_depth`` where classes are named."""
        depth = {} if self.class_depth is None else {"class_depth": self.class_depth}
        return {"code": np.array(self.codes, dtype=object), **depth}

    @classmethod
    def from_arrays(cls, vocabulary: Vocabulary, arrays: Arrays, parameters: Mapping[str, Any]) -> Self:
        """Make the tree from what a file holds."""
        arity = take(cls.kind, arrays, "arity", np.int64)
        if arity.shape != (1,):
            raise InputError(f"the array 'arity' must have one entry, not {arity.shape}")
        return cls(
            vocabulary,
            take(cls.kind, arrays, "path_offsets", np.int64),
            take(cls.kind, arrays, "path_nodes", np.int32),
            take(cls.kind, arrays, "path_digits", np.int32),
            int(arity[0]),
            take(cls.kind, arrays, "class_depth", np.int32) if "class_depth" in arrays else None,
            parameters,
        )


def _checked_paths(
    size: int, path_offsets: npt.ArrayLike, path_nodes: npt.ArrayLike, path_digits: npt.ArrayLike
) -> tuple[Ints, npt.NDArray[Any], npt.NDArray[Any]]:
    offsets = whole_numbers(path_offsets, "path_offsets")
    nodes, digits = _long(path_nodes, "path_nodes"), _long(path_digits, "path_digits")
    if nodes.ndim != 1 or nodes.shape != digits.shape:
        raise InputError(f"path_nodes and path_digits must be flat and of one length, not {nodes.shape}")
    # Compared, not subtracted: the difference of two hostile offsets can overflow.
    if offsets.shape != (size + 1,) or (offsets[1:] < offsets[:-1]).any() or offsets[0] or offsets[-1] != nodes.size:
        raise InputError(
            f"path_offsets must rise from 0 to {nodes.size}, the length of the paths, in {size + 1} entries"
        )
    if size > 1 and (offsets[1:] == offsets[:-1]).any():
        raise InputError(f"the path of word {int(np.argmax(offsets[1:] == offsets[:-1]))} is empty")
    if nodes.size and (nodes.min() < 0 or nodes.max() >= max(1, size - 1)):
        raise InputError(f"inner nodes of a tree over {size} words must lie between 0 and {max(0, size - 2)}")
    return offsets, nodes, digits


def _long(values: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    """Take the paths as a file holds them: they are the longest arrays there are, and are read once, not kept."""
    return values if isinstance(values, np.ndarray) and values.dtype == np.int32 else whole_numbers(values, name)


def _structure(offsets: Ints, nodes: npt.NDArray[Any], digits: npt.NDArray[Any]) -> Structure:
    """Return the parents and digits of nodes and words, which the paths of several words must agree on."""
    if not nodes.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.full(1, -1), np.zeros(1, np.int64)
    if nodes[offsets[:-1]].any():
        word = int(np.argmax(nodes[offsets[:-1]] != 0))
        raise InputError(f"the path of word {word} does not begin at the root, inner node 0")
    node_parent, node_digit = np.full(int(nodes.max()) + 1, -1), np.zeros(int(nodes.max()) + 1, dtype=np.int64)
    for above, digit, below in _steps(offsets, nodes, digits):
        node_parent[below], node_digit[below] = above, digit
    for above, digit, below in _steps(offsets, nodes, digits):
        wrong = (node_parent[below] != above) | (node_digit[below] != digit)
        if wrong.any():
            raise InputError(f"inner node {int(below[np.argmax(wrong)])} is reached in two ways")
    return node_parent, node_digit, nodes[offsets[1:] - 1], digits[offsets[1:] - 1]


def _steps(offsets: Ints, nodes: npt.NDArray[Any], digits: npt.NDArray[Any]) -> Iterator[tuple[npt.NDArray[Any], ...]]:
    """Yield the steps from inner node to inner node on the paths, block by block: node, digit, next node."""
    for first in range(0, offsets.size - 1, _BLOCK):
        bounds = offsets[first : first + _BLOCK + 1]
        block = slice(bounds[0], bounds[-1])
        begins = np.zeros(int(bounds[-1] - bounds[0]), dtype=bool)
        begins[bounds[:-1] - bounds[0]] = True
        below = np.flatnonzero(~begins)
        yield nodes[block][below - 1], digits[block][below - 1], nodes[block][below]


def _check_structure(
    node_parent: npt.NDArray[np.int64],
    node_digit: npt.NDArray[np.int64],
    word_parent: npt.NDArray[np.int64],
    word_digit: npt.NDArray[np.int64],
    arity: int,
    vocabulary: Vocabulary,
) -> None:
    """Refuse what is no tree; that every node can be reached from the root is checked later."""
    n_nodes = node_parent.size
    if not n_nodes:
        if vocabulary.size > 1 or word_parent[0] != -1:
            raise InputError(f"a tree over {vocabulary.size} words needs a root")
        return
    if node_parent[0] != -1:
        raise InputError("inner node 0 is the root and cannot have a parent")
    parents = np.concatenate((node_parent[1:], word_parent))
    digits = np.concatenate((node_digit[1:], word_digit))
    if parents.min() < 0 or parents.max() >= n_nodes:
        raise InputError(f"a parent is no inner node: they are numbered 0 to {n_nodes - 1}")
    if digits.min() < 0 or digits.max() >= arity:
        raise InputError(
            f"digits of arity {arity} must lie between 0 and {arity - 1}, not {int(digits.min())} … {int(digits.max())}"
        )
    sizes = np.bincount(parents, minlength=n_nodes)
    if sizes.min() < 2:
        raise InputError(f"inner node {int(np.argmin(sizes))} has {int(sizes.min())} children; it needs at least 2")
    # With as many children as places, the digits are 0 … m - 1 if none is beyond m - 1 and no place is left empty.
    beyond = digits >= sizes[parents]
    if beyond.any():
        child = int(np.argmax(beyond))
        raise InputError(
            f"inner node {int(parents[child])} has {int(sizes[parents[child]])} children "
            f"but uses the digit {int(digits[child])}"
        )
    taken = np.zeros(parents.size, dtype=bool)
    first_place = np.cumsum(sizes) - sizes
    taken[first_place[parents] + digits] = True
    if not taken.all():
        node = int(np.searchsorted(first_place, int(np.argmin(taken)), side="right")) - 1
        raise InputError(f"inner node {node} uses a digit twice: one code would be another's, or its prefix")


def _ranges(starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return start … end - 1 of every pair, end to end."""
    sizes = ends - starts
    return np.arange(int(sizes.sum())) + np.repeat(starts - np.cumsum(sizes) + sizes, sizes)
