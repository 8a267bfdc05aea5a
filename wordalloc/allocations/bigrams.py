"""Bigrams: how often each word follows each other one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from wordalloc.allocations.base import Stored
from wordalloc.allocations.storage import Arrays, take
from wordalloc.checks import exact_sum, read_only, sums_of_groups, whole_numbers
from wordalloc.errors import InputError
from wordalloc.vocabulary import MAX_COUNT, Vocabulary


class Bigrams(Stored):
    """Counts of adjacent pairs of words: a sparse V × V matrix.

    Parameters
    ----------
    vocabulary : Vocabulary
        V words in rank order.
    left, right : array_like of int, shape (n,)
        Ranks of the first and second word of each pair seen, sorted by (left, right), each pair once.
    count : array_like of int, shape (n,)
        Occurrences of each pair, at least 1; their sum is at most 2**62.
    parameters : mapping, optional
        What the counts depend on.

    Raises
    ------
    InputError
        If the arrays differ in length, a rank is not of the vocabulary, the pairs are not sorted, or a count is
        impossible.

    Examples
    --------
    "a b a b a":

    >>> vocabulary = Vocabulary.from_counts("ab", [3, 2])
    >>> bigrams = Bigrams(vocabulary, left=[0, 1], right=[1, 0], count=[2, 2])
    >>> bigrams.total, bigrams.left_counts.tolist(), bigrams.right_counts.tolist()
    (4, [2, 2], [2, 2])
    """

    kind = "bigrams"
    names = frozenset({"left", "right", "count"})

    def __init__(
        self,
        vocabulary: Vocabulary,
        left: npt.ArrayLike,
        right: npt.ArrayLike,
        count: npt.ArrayLike,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(vocabulary, parameters)
        self.left, self.right = _ranks(left, "left", vocabulary.size), _ranks(right, "right", vocabulary.size)
        self.count: npt.NDArray[np.int64] = whole_numbers(count, "count")
        if self.count.ndim != 1 or not self.left.size == self.right.size == self.count.size:
            raise InputError(
                "left, right and count must be flat and of one length, "
                f"not {self.left.size}, {self.right.size} and {self.count.shape}"
            )
        pairs = self.left.astype(np.int64) * vocabulary.size + self.right
        if (pairs[1:] <= pairs[:-1]).any():
            place = int(np.argmax(pairs[1:] <= pairs[:-1])) + 1
            raise InputError(f"pairs must be sorted by (left, right), each one once, but pair {place} is out of order")
        if self.count.size and (self.count.min() < 1 or self.total > MAX_COUNT):
            raise InputError("counts of pairs must be at least 1, and at most 2**62 together")

    @cached_property
    def total(self) -> int:
        """Pairs counted."""
        return exact_sum(self.count)

    @cached_property
    def left_counts(self) -> npt.NDArray[np.int64]:
        """How often each word is the first of a pair, shape (V,)."""
        return read_only(sums_of_groups(self.left, self.count, self.vocabulary.size))

    @cached_property
    def right_counts(self) -> npt.NDArray[np.int64]:
        """How often each word is the second of a pair, shape (V,)."""
        return read_only(sums_of_groups(self.right, self.count, self.vocabulary.size))

    def __repr__(self) -> str:
        return f"Bigrams({self.count.size} pairs, {self.total} counted, vocabulary of {self.vocabulary.size} words)"

    def arrays(self) -> Arrays:
        """Return ``{"left": int32 (n,), "right": int32 (n,), "count": int64 (n,)}``."""
        return {"left": self.left, "right": self.right, "count": self.count}

    @classmethod
    def from_arrays(cls, vocabulary: Vocabulary, arrays: Arrays, parameters: Mapping[str, Any]) -> Self:
        """Make the bigrams from what a file holds."""
        left, right = (take(cls.kind, arrays, name, np.int32) for name in ("left", "right"))
        return cls(vocabulary, left, right, take(cls.kind, arrays, "count", np.int64), parameters)


def _ranks(values: npt.ArrayLike, name: str, size: int) -> npt.NDArray[np.int32]:
    array = whole_numbers(values, name)
    if array.ndim != 1 or (array.size and (array.min() < 0 or array.max() >= size)):
        raise InputError(f"{name} must be a flat list of ranks from 0 to {size - 1}")
    return read_only(array.astype(np.int32))
