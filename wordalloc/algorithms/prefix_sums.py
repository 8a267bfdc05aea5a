"""Sums of counts before each rank, right also where they exceed 64 bits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary


def prefix_sums(vocabulary: Vocabulary) -> npt.NDArray[np.float64]:
    """Return the tokens counted before each rank, shape (V + 1,), each to within float64's own rounding.

    Two integer sums, of the high and the low 32 bits, are exact; they are rounded once, when they are joined.

    Raises
    ------
    InputError
        If all counts are zero.

    Examples
    --------
    >>> prefix_sums(Vocabulary.from_counts("abc", [5, 2, 1])).tolist()
    [0.0, 5.0, 7.0, 8.0]
    >>> prefix_sums(Vocabulary.from_counts("abcd", [2**62] * 4)).tolist()[-1] == 2.0**64
    True
    """
    if vocabulary.total == 0:
        raise InputError("all counts are zero, so no word outweighs another; count a text first")
    high = np.cumsum(vocabulary.counts >> 32)
    low = np.cumsum(vocabulary.counts & 0xFFFFFFFF)
    return np.concatenate(([0.0], high * 2.0**32 + low))
