"""Sums of counts before each rank."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary


def prefix_sums(vocabulary: Vocabulary) -> npt.NDArray[np.int64]:
    """Return the tokens counted before each rank, shape (V + 1,): exact, as all counts sum to less than 2**63.

    Raises
    ------
    InputError
        If all counts are zero.

    Examples
    --------
    >>> prefix_sums(Vocabulary.from_counts("abc", [5, 2, 1])).tolist()
    [0, 5, 7, 8]
    """
    if vocabulary.total == 0:
        raise InputError("all counts are zero, so no word outweighs another; count a text first")
    return np.concatenate(([0], np.cumsum(vocabulary.counts)))
