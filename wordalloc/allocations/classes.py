"""Classes: every word belongs to one, as two-level softmax and class-based models use them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from wordalloc.allocations.base import Allocation
from wordalloc.allocations.storage import Arrays, take
from wordalloc.checks import read_only, sums_of_groups, whole_numbers
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary


class Classes(Allocation):
    """A partition of the words into K classes; a word's slot is its place among its class's words.

    Parameters
    ----------
    vocabulary : Vocabulary
        V words in rank order.
    word_class : array_like of int, shape (V,)
        Class of each rank, 0 … K - 1; no class is empty.
    parameters : mapping, optional
        What the result depends on.

    Raises
    ------
    InputError
        If there is not one class a word, or a class is negative or empty.

    Examples
    --------
    >>> classes = Classes(Vocabulary.from_counts("abcde", [5, 2, 1, 1, 1]), [0, 1, 1, 0, 1])
    >>> classes.n_classes, classes.sizes.tolist(), classes.masses.tolist()
    (2, [2, 3], [0.6, 0.4])
    >>> classes.slots.tolist()
    [0, 0, 1, 1, 2]
    """

    kind = "classes"
    names = frozenset({"word_class"})

    def __init__(
        self, vocabulary: Vocabulary, word_class: npt.ArrayLike, parameters: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(vocabulary, parameters)
        array = whole_numbers(word_class, "word_class")
        if array.shape != (vocabulary.size,):
            raise InputError(
                f"word_class must have one class a word: expected shape ({vocabulary.size},), got {array.shape}"
            )
        if array.min() < 0 or array.max() >= vocabulary.size:
            raise InputError(f"classes of {vocabulary.size} words must lie between 0 and {vocabulary.size - 1}")
        self.word_class: npt.NDArray[np.int32] = read_only(array.astype(np.int32))
        if not self.sizes.all():
            raise InputError(
                f"class {int(np.argmin(self.sizes))} is empty; number the classes 0 … K - 1 without leaving one out"
            )

    @property
    def n_classes(self) -> int:
        """K."""
        return int(self.sizes.size)

    @cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Words in each class, shape (K,)."""
        return read_only(np.bincount(self.word_class).astype(np.int64))

    @cached_property
    def masses(self) -> npt.NDArray[np.float64]:
        """Share of all counted tokens in each class, shape (K,); zeros where nothing was counted."""
        sums = sums_of_groups(self.word_class, self.vocabulary.counts)
        return read_only(sums / max(self.vocabulary.total, 1))

    @cached_property
    def members(self) -> npt.NDArray[np.int64]:
        """All ranks, class after class, in rank order inside each: shape (V,)."""
        return read_only(np.argsort(self.word_class, kind="stable"))

    @cached_property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Where each class begins in `members`, and V at the end: shape (K + 1,)."""
        return read_only(np.concatenate(([0], np.cumsum(self.sizes))))

    @cached_property
    def slots(self) -> npt.NDArray[np.int64]:
        """Place of each word among its class's words, shape (V,)."""
        slots = np.empty(self.vocabulary.size, dtype=np.int64)
        slots[self.members] = np.arange(self.vocabulary.size) - np.repeat(self.offsets[:-1], self.sizes)
        return read_only(slots)

    def __repr__(self) -> str:
        return f"Classes({self.n_classes} classes, vocabulary of {self.vocabulary.size} words)"

    def arrays(self) -> Arrays:
        """Return ``{"word_class": int32 (V,)}``."""
        return {"word_class": self.word_class}

    def addresses(self) -> Arrays:
        """Return ``{"class": int32 (V,), "slot": int64 (V,)}``."""
        return {"class": self.word_class, "slot": self.slots}

    @classmethod
    def from_arrays(cls, vocabulary: Vocabulary, arrays: Arrays, parameters: Mapping[str, Any]) -> Self:
        """Make the classes from what a file holds."""
        return cls(vocabulary, take(cls.kind, arrays, "word_class", np.int32), parameters)
