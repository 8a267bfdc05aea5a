r"""Fitting the Zipf–Mandelbrot law to counts, by maximum likelihood.

The law (Mandelbrot 1953) gives the word of rank r = 1 … V the probability

.. math:: p(r) = (r + q)^{-s} / Z(q, s), \qquad Z(q, s) = \sum_{r=1}^{V} (r + q)^{-s}, \qquad q > -1.

The log-likelihood of counts n_r is -s Σ n_r log(r + q) - N log Z(q, s): an exponential family in s for each q.
It is maximised over (log(1 + q), s) by L-BFGS with the exact gradient; a numerical optimum, O(V) an evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary

_BOUNDS = ((-6.0, 12.0), (0.0, 20.0))  # log(1 + q) and s


@dataclass(frozen=True)
class ZipfMandelbrot:
    """The law fitted to a vocabulary.

    Attributes
    ----------
    q, s : float
        Shift and exponent.
    log_likelihood : float
        Nats, of all counted tokens.
    kl_divergence : float
        Nats a token that the law loses against the counts' own frequencies; 0 is a perfect fit.
    """

    q: float
    s: float
    log_likelihood: float
    kl_divergence: float

    def probabilities(self, size: int) -> npt.NDArray[np.float64]:
        """Return the law's probabilities of ranks 0 … size - 1, shape (size,)."""
        logs = -self.s * np.log(np.arange(1, size + 1) + self.q)
        weights = np.exp(logs - logs.max())
        return weights / weights.sum()


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
    >>> round(fit.q, 2), round(fit.s, 3)
    (2.0, 1.0)
    """
    from scipy.optimize import minimize

    counts = vocabulary.counts.astype(np.float64)
    total = float(vocabulary.total)
    if np.count_nonzero(counts) < 3:
        raise InputError("a Zipf-Mandelbrot law needs at least three counted words; use --by mass or log-rank")
    frequencies = counts / total
    ranks = np.arange(1, counts.size + 1, dtype=np.float64)

    def loss(parameters: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        """Negative log-likelihood a token and its gradient, in (log(1 + q), s)."""
        shift, s = parameters
        shifted = ranks + np.expm1(shift)
        logs = np.log(shifted)
        weights = np.exp(-s * (logs - logs[0]))
        normaliser = weights.sum()
        surplus = frequencies - weights / normaliser
        mean_log = float(frequencies @ logs)
        value = s * mean_log + float(np.log(normaliser)) - s * float(logs[0])
        return value, np.array([s * float(surplus @ (1 / shifted)) * np.exp(shift), float(surplus @ logs)])

    best = minimize(loss, x0=np.array([1.0, 1.0]), jac=True, method="L-BFGS-B", bounds=_BOUNDS, options={"ftol": 1e-14})
    occupied = frequencies[frequencies > 0]
    entropy = -float(occupied @ np.log(occupied))
    shift, s = map(float, best.x)
    return ZipfMandelbrot(float(np.expm1(shift)), s, -total * float(best.fun), max(0.0, float(best.fun) - entropy))
