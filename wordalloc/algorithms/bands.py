"""Boundaries of contiguous bands of ranks from prefix sums of what the bands divide."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def nearest_boundaries(prefix: npt.NDArray[np.int64] | npt.NDArray[np.float64], n: int) -> npt.NDArray[np.int64]:
    """Return, for i = 1 … n - 1, the rank whose prefix sum is nearest to i / n of the whole, the lower one of two.

    Whole numbers are compared exactly: i · whole, and n times a sum, may exceed 64 bits.
    """
    whole = prefix[-1].item()
    if isinstance(whole, int):
        wanted = [-(-i * whole // n) for i in range(1, n)]  # no sum lies between i / n and this
    else:
        wanted = [i * whole / n for i in range(1, n)]
    above = np.searchsorted(prefix, np.array(wanted, dtype=prefix.dtype))
    either_side = zip(prefix[above - 1].tolist(), prefix[above].tolist(), strict=True)
    below_is_nearer = [2 * i * whole <= n * (low + high) for i, (low, high) in enumerate(either_side, start=1)]
    nearest = above - np.array(below_is_nearer, dtype=bool)
    return np.searchsorted(prefix, prefix[nearest])  # of ranks with equal sums (words of count 0) the lowest


def spread(boundaries: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Move boundaries up so that no band is empty: the first to at least 1, each next at least one above the last.

    None is pushed past the end: what is divided descends with rank, so that boundary i of n lies at i / n of the
    vocabulary or before, and n words or more leave room for it and for all that follow.
    """
    steps = np.arange(1, boundaries.size + 1)
    return np.maximum.accumulate(np.maximum(boundaries, 1) - steps) + steps
