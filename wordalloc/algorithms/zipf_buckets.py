"""Zipf buckets: contiguous bands of ranks of equal mass, equal log-rank width, or equal mass under a fitted law.

By mass, boundary i is the rank before which the mass is nearest to i / n (the lower one of two equally near); by
log-rank, the rank nearest to V^(i/n); by zipf, as by mass with the fitted law's probabilities in place of the
counts'. A band that would be empty gets one word: boundaries move up as little as they must, and then, near the end
of the vocabulary, down. Exact by this definition; O(V) after the sort.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms.zipf_mandelbrot import fit_zipf_mandelbrot
from wordalloc.allocations import Cutoffs
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary


def zipf_buckets(vocabulary: Vocabulary, n: int, by: str = "mass") -> Cutoffs:
    """Divide a vocabulary into `n` bands of ranks.

    Parameters
    ----------
    vocabulary : Vocabulary
        V words and counts.
    n : int
        Number of bands, 1 … V.
    by : {"mass", "log-rank", "zipf"}
        What is equal among the bands: probability mass, width in log rank, or mass under the Zipf–Mandelbrot law
        fitted by maximum likelihood (the fit is in the result's parameters).

    Raises
    ------
    InputError
        If `n` is not from 1 to V, `by` is unknown, or all counts are zero where mass is asked for.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts("abcdef", [6, 2, 1, 1, 1, 1])
    >>> zipf_buckets(vocabulary, 2).cutoffs.tolist()
    [1]
    >>> zipf_buckets(vocabulary, 3).sizes.tolist()  # a third is 4 of 12: one word is nearest to 4, and two to 8
    [1, 1, 4]
    """
    size = vocabulary.size
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or not 1 <= n <= size:
        raise InputError(f"the number of buckets must be from 1 to {size}, the number of words, not {n!r}")
    parameters: dict[str, Any] = {"algorithm": "zipf_buckets", "by": by, "n": int(n)}
    steps = np.arange(1, n) / n
    if by == "log-rank":
        boundaries = np.rint(size**steps).astype(np.int64)
    elif by == "mass":
        boundaries = _nearest(vocabulary.counts.astype(np.float64), steps)
    elif by == "zipf":
        fit = fit_zipf_mandelbrot(vocabulary)
        parameters["zipf"] = asdict(fit)
        boundaries = _nearest(fit.probabilities(size), steps)
    else:
        raise InputError(f"buckets are made by 'mass', 'log-rank' or 'zipf', not {by!r}")
    return Cutoffs(vocabulary, _spread(boundaries, size), parameters)


def _nearest(weights: npt.NDArray[np.float64], steps: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the ranks before which the share of the weight is nearest to each step."""
    prefix = np.concatenate(([0.0], np.cumsum(weights)))
    if prefix[-1] == 0:
        raise InputError("all counts are zero, so there is no mass to divide; use --by log-rank")
    wanted = steps * prefix[-1]
    above = np.clip(np.searchsorted(prefix, wanted), 1, weights.size)
    nearer_below = wanted - prefix[above - 1] <= prefix[above] - wanted
    return above - nearer_below


def _spread(boundaries: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """Move boundaries apart so that no band is empty: each at least one above the last, room left for the rest."""
    steps = np.arange(1, boundaries.size + 1)
    lifted = np.maximum.accumulate(np.maximum(boundaries, 1) - steps) + steps
    return np.minimum(lifted, size - boundaries.size + steps - 1)
