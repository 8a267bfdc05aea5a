"""Where biases begin: at the unigram distribution, so that training starts with what the counts already tell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def smoothed_shares(counts: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return each word's share of the counts, every one of them one more, so that nothing is impossible: (V,).

    Examples
    --------
    >>> smoothed_shares([2, 1, 0, 0]).round(3).tolist()
    [0.429, 0.286, 0.143, 0.143]
    """
    more = np.asarray(counts, dtype=np.float64) + 1
    return more / more.sum()
