r"""One layer of a dynamic programme over ranks whose costs obey the quadrangle inequality.

Given S(b) for every b, computes for every state a

.. math:: S'(a) = \min_{g(a) \le b \le n} w(a, b) + S(b)

with the smallest b that attains it, where g(a) > a never falls as a rises. Because w obeys the quadrangle
inequality (and a bound of this form keeps it: where (a', b) is allowed, every (a, b) and (a', b') with a < a' and
b < b' is), that b never falls either. So the states halfway between those already solved are bounded by their
neighbours' choices, and all of them together need O(n log n) evaluations. Exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wordalloc.algorithms._compiled import njit

if TYPE_CHECKING:
    import numpy.typing as npt


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
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
        Of w, as `wordalloc.algorithms.cost_model.tail_coefficients` gives them.
    following : ndarray of float64, shape (n + 1,)
        S(b); infinite where nothing is feasible from b on.
    earliest : ndarray of int64, shape (n + 1,)
        g(a); a state with g(a) > last is infeasible and gets an infinite value.
    first, last : int
        The range of states.
    values, choices : ndarray, shape (n + 1,)
        Filled in place.
    """
    constant, f0, f1, g0, g1, h1 = coefficients
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
            mass_before = prefix[a]
            best, choice = np.inf, min(low, last)
            for b in range(low, high + 1):
                mass = prefix[b] - mass_before
                size = b - a
                cost = constant + max(f0, f1 * (mass * size)) + max(g0, g1 * mass) + h1 * size + following[b]
                if cost < best:
                    best, choice = cost, b
            values[a] = best
            choices[a] = choice
        stride //= 2
