"""Boundaries of contiguous bands of ranks from prefix sums of what the bands divide."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def nearest_boundaries(prefix: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.int64]:
    """Return, for i = 1 … n - 1, the rank whose prefix sum is nearest to i / n of the whole, the lower one of two."""
    wanted = np.arange(1, n) * prefix[-1] / n
    above = np.searchsorted(prefix, wanted)
    below_is_nearer = wanted - prefix[above - 1] <= prefix[above] - wanted
    nearest = above - below_is_nearer
    return np.searchsorted(prefix, prefix[nearest])  # of ranks with equal sums (words of count 0) the lowest


def spread(boundaries: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Move boundaries up so that no band is empty: the first to at least 1, each next at least one above the last.

    None is pushed past the end: what is divided descends with rank, so that boundary i of n lies at i / n of the
    vocabulary or before, and n words or more leave room for it and for all that follow.
    """
    steps = np.arange(1, boundaries.size + 1)
    return np.maximum.accumulate(np.maximum(boundaries, 1) - steps) + steps
