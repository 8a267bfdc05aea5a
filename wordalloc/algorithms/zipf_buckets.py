"""Zipf buckets: contiguous bands of ranks of equal mass, equal log-rank width, or equal mass under a fitted law.

By mass, boundary i is the rank before which the mass is nearest to i / n (the lower of two equally near ones); by
log-rank, the rank r for which log(r + 1) is nearest in rank to i / n of log(V + 1); by zipf, as by mass with the
fitted law's probabilities in place of the counts'. A band that would be empty gets one word: boundaries move up as
little as they must. Exact by this definition; time and memory O(V).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from wordalloc.algorithms._arguments import shown, whole_number
from wordalloc.algorithms.bands import nearest_boundaries, spread
from wordalloc.algorithms.prefix_sums import prefix_sums
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
        What is equal among the bands: probability mass, width in log(rank + 1), or mass under the Zipf–Mandelbrot
        law fitted by maximum likelihood (the fit is in the result's parameters).

    Returns
    -------
    Cutoffs
        n - 1 cutoffs; no band is empty.

    Raises
    ------
    InputError
        If `n` is not from 1 to V, `by` is unknown, or the counts do not suffice where mass or the law is asked for.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts("abcdef", [6, 2, 1, 1, 1, 1])
    >>> zipf_buckets(vocabulary, 2).cutoffs.tolist()
    [1]
    >>> zipf_buckets(vocabulary, 3).sizes.tolist()  # a third is 4 of 12: one word is nearest to 4, and two to 8
    [1, 1, 4]
    >>> ones = Vocabulary.from_counts([f"w{i:03}" for i in range(999)], [1] * 999)
    >>> zipf_buckets(ones, 3, by="log-rank").sizes.tolist()  # counted from 1, the ranks 1-9, 10-99, 100-999
    [9, 90, 900]
    """
    size = vocabulary.size
    n = whole_number("the number of buckets", n, 1, size)
    parameters: dict[str, Any] = {"algorithm": "zipf_buckets", "by": by, "n": n}
    if by == "mass":
        boundaries = nearest_boundaries(prefix_sums(vocabulary), n)
    elif by == "log-rank":
        boundaries = np.rint((size + 1) ** (np.arange(1, n) / n) - 1).astype(np.int64)
    elif by == "zipf":
        fit = fit_zipf_mandelbrot(vocabulary)
        parameters["zipf"] = asdict(fit)
        boundaries = nearest_boundaries(np.concatenate(([0.0], np.cumsum(fit.probabilities(size)))), n)
    else:
        raise InputError(f"buckets are made by 'mass', 'log-rank' or 'zipf', not {shown(by)}")
    return Cutoffs(vocabulary, spread(boundaries), parameters)
