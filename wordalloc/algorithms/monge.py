r"""One layer of a dynamic programme over ranks, for costs that obey the quadrangle inequality.

The cost of a band of ranks [a, b) of size k = b - a and mass m, the sum of its weights, is

.. math:: w(a, b) = c + \max(f_0, f_1 m k) + \max(g_0, g_1 m) + h_1 k

with non-negative numbers. It obeys w(a, c) + w(b, d) ≤ w(a, d) + w(b, c) for a ≤ b ≤ c ≤ d: m and k are additive
over adjacent bands, so for the product the difference of the two sides is m(a, b)·k(c, d) + m(c, d)·k(a, b) ≥ 0;
a convex, non-decreasing function of a quantity that obeys the inequality and grows with the band obeys it; and so
do sums. (max(f·m, h·k), of unlike quantities, does not.) Given S(b) for every b, `best_next` computes

.. math:: S'(a) = \min_{g(a) \le b \le n} w(a, b) + S(b)

with the smallest b that attains it, where g(a) > a never falls as a rises. Because of the inequality that b never
falls either (the bound keeps it so: where a < a' and b < b', if (a', b) is allowed so are (a, b) and (a', b')).
So the states halfway between those already solved are bounded by their neighbours' choices, and all of them
together need O(n log n) evaluations: divide and conquer, level by level. Exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._compiled import njit


def band_cost(coefficients: npt.NDArray[np.float64], mass: Any, size: Any) -> Any:
    """Return w of bands of the given mass and size, scalars or arrays.

    Parameters
    ----------
    coefficients : ndarray of float64, shape (6,)
        c, f₀, f₁, g₀, g₁, h₁.
    mass, size : float or array_like of float
        m and k.

    Examples
    --------
    >>> float(band_cost(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), mass=0.5, size=10))  # 1 + 15 + 4 + 60
    80.0
    """
    constant, f0, f1, g0, g1, h1 = coefficients
    return constant + np.maximum(f0, f1 * (mass * size)) + np.maximum(g0, g1 * mass) + h1 * size


_band_cost = njit(band_cost)


@njit
def best_next(
    prefix: npt.NDArray[np.float64],
    coefficients: npt.NDArray[np.float64],
    following: npt.NDArray[np.float64],
    earliest: npt.NDArray[np.int64],
    first: int,
    last: int,
    values: npt.NDArray[np.float64],
    choices: npt.NDArray[np.int64],
) -> None:
    """Fill `values` and `choices` for the states a in [first, last), each choosing b in [earliest[a], last].

    Parameters
    ----------
    prefix : ndarray of float64, shape (n + 1,)
        Mass of the words before each rank.
    coefficients : ndarray of float64, shape (6,)
        Of w, as `band_cost` takes them.
    following : ndarray of float64, shape (n + 1,)
        S(b); infinite where nothing is feasible from b on.
    earliest : ndarray of int64, shape (n + 1,)
        g(a); a state with nothing feasible in its reach gets an infinite value.
    first, last : int
        The range of states.
    values, choices : ndarray of float64 and of int64, shape (n + 1,)
        Filled in place.
    """
    n = last - first
    stride = 1
    while stride < n:
        stride *= 2
    while stride >= 1:
        # The states first + stride - 1, first + 3·stride - 1, …: both neighbours at ± stride are solved.
        for step in range(stride, n + 1, 2 * stride):
            a = first + step - 1
            low = max(earliest[a], choices[a - stride]) if step > stride else earliest[a]
            high = choices[a + stride] if step + stride <= n else last
            best, choice = np.inf, min(low, last)
            for b in range(low, high + 1):
                cost = _band_cost(coefficients, prefix[b] - prefix[a], b - a) + following[b]
                if cost < best:
                    best, choice = cost, b
            values[a] = best
            choices[a] = choice
        stride //= 2
