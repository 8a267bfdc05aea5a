r"""Fitting the Zipf–Mandelbrot law to counts, by maximum likelihood.

The law (Mandelbrot 1953) gives the word of rank r = 1 … V the probability

.. math:: p(r) = (r + q)^{-s} / Z(q, s), \qquad Z(q, s) = \sum_{r=1}^{V} (r + q)^{-s}, \qquad q > -1.

The log-likelihood of counts n_r is -s Σ n_r log(r + q) - N log Z(q, s): concave in s for each q, as in every
exponential family. It is maximised over log(1 + q) and s, in a box wide enough for any text, by L-BFGS with the
exact gradient, from three starts, because in both together it has several maxima for some counts: a numerical optimum;
O(V) time an evaluation, some sixty evaluations; memory O(V).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary

STARTS = ((1.0, 1.0), (-3.0, 0.5), (6.0, 10.0))  # a text, one word ahead of all others, and counts that fall like eᵃʳ
BOUNDS = ((-6.0, 12.0), (0.0, 20.0))  # of log(1 + q) and s


@dataclass(frozen=True)
class ZipfMandelbrot:
    """The law fitted to a vocabulary, and how well it fits.

    Attributes
    ----------
    q, s : float
        Shift and exponent.
    log_likelihood : float
        Nats, of all counted tokens, without the multinomial coefficient.
    kl_divergence : float
        Nats a token that the law loses against the counts' own frequencies; 0 is a perfect fit.
    r_squared : float
        Share of the variance of log frequency that the law explains, over bands of ranks that double in size
        (1, 2-3, 4-7, …) and were counted at all; 1 is a perfect fit.
    """

    q: float
    s: float
    log_likelihood: float
    kl_divergence: float
    r_squared: float

    def probabilities(self, size: int) -> npt.NDArray[np.float64]:
        """Return the law's probabilities over a vocabulary of `size` words, in rank order: shape (size,)."""
        return _law(self.q, self.s, size)


def fit_zipf_mandelbrot(vocabulary: Vocabulary) -> ZipfMandelbrot:
    """Return the Zipf–Mandelbrot law of greatest likelihood.

    Raises
    ------
    InputError
        If fewer than three words were counted: two parameters would fit anything.

    Examples
    --------
    >>> counts = [round(1e6 / (rank + 2.0)) for rank in range(1, 201)]
    >>> fit = fit_zipf_mandelbrot(Vocabulary.from_counts([f"{i:03}" for i in range(200)], counts))
    >>> round(fit.q, 2), round(fit.s, 3), round(fit.r_squared, 3)
    (2.0, 1.0, 1.0)
    """
    from scipy.optimize import minimize

    counts = vocabulary.counts.astype(np.float64)
    if np.count_nonzero(counts) < 3:
        raise InputError("a Zipf-Mandelbrot law needs at least three counted words; use --by mass or log-rank")
    frequencies = counts / float(vocabulary.total)
    ranks = np.arange(1, counts.size + 1, dtype=np.float64)
    ends = [
        minimize(
            negative_log_likelihood,
            x0=np.array(start),
            args=(frequencies, ranks),
            jac=True,
            method="L-BFGS-B",
            bounds=BOUNDS,
            options={"ftol": 1e-15, "gtol": 1e-9},
        )
        for start in STARTS
    ]
    best = min(ends, key=lambda end: float(end.fun))
    q, s = float(np.expm1(best.x[0])), float(best.x[1])
    occupied = frequencies[frequencies > 0]
    entropy = -_dot(occupied, np.log(occupied))
    return ZipfMandelbrot(
        q,
        s,
        log_likelihood=-float(best.fun) * vocabulary.total,
        kl_divergence=max(0.0, float(best.fun) - entropy),
        r_squared=_r_squared(frequencies, _law(q, s, counts.size)),
    )


def negative_log_likelihood(
    parameters: npt.NDArray[np.float64], frequencies: npt.NDArray[np.float64], ranks: npt.NDArray[np.float64]
) -> tuple[float, npt.NDArray[np.float64]]:
    """Return nats a token and the gradient in (log(1 + q), s), at these parameters; ranks count from 1."""
    shift, s = parameters
    shifted = ranks + np.expm1(shift)
    logs = np.log(shifted)
    weights = np.exp(-s * (logs - logs[0]))  # the largest is 1, so that nothing overflows
    normaliser = weights.sum()
    surplus = frequencies - weights / normaliser
    value = s * _dot(frequencies, logs - logs[0]) + float(np.log(normaliser))
    return value, np.array([s * _dot(surplus, 1 / shifted) * np.exp(shift), _dot(surplus, logs)])


def _dot(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    """Return Σ a·b; numpy's own product of long vectors is rounded differently by different numbers of threads."""
    return float((a * b).sum())


def _law(q: float, s: float, size: int) -> npt.NDArray[np.float64]:
    logs = np.log(np.arange(1, size + 1) + q)
    weights = np.exp(-s * (logs - logs[0]))
    return weights / weights.sum()


def _r_squared(frequencies: npt.NDArray[np.float64], expected: npt.NDArray[np.float64]) -> float:
    starts = 2 ** np.arange(frequencies.size.bit_length()) - 1
    sizes = np.diff(starts, append=frequencies.size)
    observed = np.add.reduceat(frequencies, starts) / sizes
    occupied = observed > 0
    logs = np.log(observed[occupied])
    residuals = logs - np.log((np.add.reduceat(expected, starts) / sizes)[occupied])
    variance = float(((logs - logs.mean()) ** 2).sum())
    if variance < 1e-12:  # all words are equally frequent: there is nothing to explain
        return 1.0
    return 1 - float((residuals**2).sum()) / variance
