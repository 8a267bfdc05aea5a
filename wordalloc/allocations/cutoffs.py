"""Cutoffs: contiguous bands of ranks, as adaptive softmax and Zipf buckets use them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from wordalloc.allocations.base import Allocation
from wordalloc.allocations.storage import Arrays, take
from wordalloc.checks import read_only, whole_numbers
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary


class Cutoffs(Allocation):
    """Increasing, half-open bands of ranks: ``[0, c₁), [c₁, c₂), …, [c_J, V)``.

    The first band is the head (shortlist), the J others are the tail clusters. This is PyTorch's meaning of
    ``cutoffs``: the vocabulary size is left out.

    Parameters
    ----------
    vocabulary : Vocabulary
        V words in rank order.
    cutoffs : array_like of int, shape (J,)
        Strictly increasing, each between 1 and V - 1. Empty: one band of all words.
    parameters : mapping, optional
        What the result depends on.

    Raises
    ------
    InputError
        If the cutoffs are not strictly increasing inside the vocabulary.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts("abcde", [5, 2, 1, 1, 1])
    >>> bands = Cutoffs(vocabulary, [1, 3])
    >>> bands.sizes.tolist(), bands.masses.tolist()
    ([1, 2, 2], [0.5, 0.3, 0.2])
    >>> bands.cluster_of([0, 2, 4]).tolist()
    [0, 1, 2]
    """

    kind = "cutoffs"
    names = frozenset({"cutoffs"})

    def __init__(
        self, vocabulary: Vocabulary, cutoffs: npt.ArrayLike, parameters: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(vocabulary, parameters)
        self.cutoffs = whole_numbers(cutoffs, "cutoffs")
        if self.cutoffs.ndim != 1:
            raise InputError(f"cutoffs must be a flat list of whole numbers, not of shape {self.cutoffs.shape}")
        bounds = self.bounds
        if (bounds[1:] <= bounds[:-1]).any():  # compared, not subtracted: a difference can overflow
            raise InputError(
                f"cutoffs must increase strictly between 1 and {vocabulary.size - 1} "
                f"(the vocabulary has {vocabulary.size} words), not {_shorten(self.cutoffs)}"
            )

    @property
    def bounds(self) -> npt.NDArray[np.int64]:
        """First rank of every band, and V at the end: shape (J + 2,)."""
        return np.concatenate(([0], self.cutoffs, [self.vocabulary.size])).astype(np.int64)

    @property
    def n_clusters(self) -> int:
        """J, the number of tail clusters: one less than the number of bands."""
        return int(self.cutoffs.size)

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Words in each band, shape (J + 1,)."""
        return np.diff(self.bounds)

    @cached_property
    def masses(self) -> npt.NDArray[np.float64]:
        """Share of all counted tokens in each band, shape (J + 1,); zeros where nothing was counted."""
        sums = np.add.reduceat(self.vocabulary.counts, self.bounds[:-1])
        return read_only(sums / max(self.vocabulary.total, 1))

    def cluster_of(self, ranks: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the band of each rank.

        Parameters
        ----------
        ranks : array_like of int
            Of any shape, each between 0 and V - 1.

        Returns
        -------
        ndarray of int64, the shape of `ranks`
            0 for the head, i for tail cluster i.

        Raises
        ------
        InputError
            If a rank is not between 0 and V - 1.
        """
        array = whole_numbers(ranks, "ranks")
        if array.size and (array.min() < 0 or array.max() >= self.vocabulary.size):
            raise InputError(f"ranks must lie between 0 and {self.vocabulary.size - 1}")
        return np.searchsorted(self.cutoffs, array, side="right").astype(np.int64)

    def __repr__(self) -> str:
        return f"Cutoffs({_shorten(self.cutoffs)}, vocabulary of {self.vocabulary.size} words)"

    def arrays(self) -> Arrays:
        """Return ``{"cutoffs": int64 (J,)}``."""
        return {"cutoffs": self.cutoffs}

    def addresses(self) -> Arrays:
        """Return ``{"cluster": int64 (V,)}``: 0 for the head, i for tail cluster i."""
        return {"cluster": np.repeat(np.arange(self.n_clusters + 1), self.sizes)}

    @classmethod
    def from_arrays(cls, vocabulary: Vocabulary, arrays: Arrays, parameters: Mapping[str, Any]) -> Self:
        """Make the cutoffs from what a file holds."""
        return cls(vocabulary, take(cls.kind, arrays, "cutoffs", np.int64), parameters)


def _shorten(cutoffs: npt.NDArray[np.int64]) -> str:
    shown = ", ".join(map(str, cutoffs[:12].tolist()))
    return f"[{shown}{', …' if cutoffs.size > 12 else ''}]"
