"""From the measurements of several seeds to what is drawn: curves with bands, points with spreads, the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wordalloc.errors import InputError

Floats = npt.NDArray[np.float64]
Seeds = Sequence[tuple[npt.ArrayLike, npt.ArrayLike]]


@dataclass(frozen=True)
class Curve:
    """Perplexity over time: the median of the seeds, the least and the greatest, all of shape (n,), n at least 1."""

    seconds: Floats
    middle: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Point:
    """A method's parameters and the median, least and greatest of its seeds' perplexities."""

    parameters: float
    middle: float
    low: float
    high: float


def curve_of_seeds(seeds: Sequence[tuple[Floats, Floats]]) -> Curve:
    """Return the median and the range of seeds' curves in the stretch of time that all of them cover.

    Between its points a seed is interpolated linearly in the logarithms of both, as the picture draws it, and the
    grid is all points of all seeds in the stretch: so the band covers each seed's line exactly. Seeds that share no
    stretch (each measured once) give one point, the median and range of their last.

    Parameters
    ----------
    seeds : sequence of (ndarray of float64, ndarray of float64)
        Seconds, increasing and positive, and perplexities: at least one point each.

    Examples
    --------
    >>> curve = curve_of_seeds([(np.array([1.0, 4.0]), np.array([400.0, 100.0])), (np.array([2.0]), np.array([300.0]))])
    >>> curve.seconds.round(), curve.low.round(), curve.middle.round(), curve.high.round()
    (array([2.]), array([200.]), array([250.]), array([300.]))
    """
    start, end = max(s[0] for s, _ in seeds), min(s[-1] for s, _ in seeds)
    if start > end:
        last = np.array([p[-1] for _, p in seeds])[:, None]
        seconds = np.median([s[-1] for s, _ in seeds], keepdims=True)
    else:
        seconds = np.unique(np.concatenate([s for s, _ in seeds]))
        seconds = seconds[(start <= seconds) & (seconds <= end)]
        last = np.exp([np.interp(np.log(seconds), np.log(s), np.log(p)) for s, p in seeds])
    return Curve(seconds, np.median(last, axis=0), last.min(axis=0), last.max(axis=0))


def finite_curves(curves: Mapping[str, Seeds]) -> tuple[dict[str, Curve], list[str]]:
    """Return the curve of each method with a finite point, and in words what was lost.

    Raises
    ------
    InputError
        If seconds do not increase from above 0, shapes differ, a perplexity is not above 0, or no method is left.
    """
    kept: dict[str, Curve] = {}
    lost: list[str] = []
    for name, seeds in curves.items():
        finite = [(s, p) for s, p in (_finite_points(name, *seed) for seed in seeds) if s.size]
        lost += _lost(name, len(finite), len(seeds))
        if finite:
            kept[name] = curve_of_seeds(finite)
    _check_some(kept)
    return kept, lost


def finite_points(points: Mapping[str, tuple[float, npt.ArrayLike]]) -> tuple[dict[str, Point], list[str]]:
    """Return the point of each method with a finite perplexity, and in words what was lost.

    Raises
    ------
    InputError
        If parameters are not finite and above 0, a perplexity is not above 0, or no method is left.
    """
    kept: dict[str, Point] = {}
    lost: list[str] = []
    for name, (parameters, values) in points.items():
        if not 0 < parameters < np.inf:
            raise InputError(f"the parameters of {name!r} must be a number above 0, not {parameters!r}")
        perplexities = _perplexities(name, values)
        finite = perplexities[np.isfinite(perplexities)]
        lost += _lost(name, finite.size, perplexities.size)
        if finite.size:
            kept[name] = Point(float(parameters), float(np.median(finite)), float(finite.min()), float(finite.max()))
    _check_some(kept)
    return kept, lost


def pareto_front(parameters: npt.ArrayLike, perplexities: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the points that no other beats, by parameters: none is as good in both and better in one.

    Of points that agree in both the first is returned. Exact, O(n log n).

    Parameters
    ----------
    parameters, perplexities : array_like of float, shape (n,)
        The less of each, the better.

    Returns
    -------
    ndarray of int64, shape (m,)
        Their indices: parameters increase, perplexities decrease.

    Examples
    --------
    >>> pareto_front([5, 1, 3, 5], [70, 90, 95, 80])
    array([1, 0])
    """
    order = np.lexsort(np.array([perplexities, parameters], dtype=np.float64))
    sorted_perplexities = np.asarray(perplexities, dtype=np.float64)[order]
    best_before = np.minimum.accumulate(np.concatenate([[np.inf], sorted_perplexities[:-1]]))
    return order[sorted_perplexities < best_before]


def _finite_points(name: str, seconds: npt.ArrayLike, perplexities: npt.ArrayLike) -> tuple[Floats, Floats]:
    times, values = _floats(name, "seconds", seconds), _perplexities(name, perplexities)
    if times.shape != values.shape:
        raise InputError(f"each perplexity of {name!r} needs its seconds: got {times.size} times for {values.size}")
    if not np.isfinite(times).all() or np.any(times <= 0) or np.any(np.diff(times) <= 0):
        raise InputError(f"the seconds of {name!r} must be finite, above 0 and increasing")
    finite = np.isfinite(values)
    return times[finite], values[finite]


def _perplexities(name: str, values: npt.ArrayLike) -> Floats:
    array = _floats(name, "perplexities", values)
    if np.any(array <= 0):
        raise InputError(f"the perplexities of {name!r} must be above 0, but one is {array.min():g}")
    return array


def _floats(name: str, what: str, values: npt.ArrayLike) -> Floats:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"the {what} of {name!r} must be a list of numbers: {error}") from error
    if array.ndim != 1:
        raise InputError(f"the {what} of {name!r} must be a list of numbers, not of shape {array.shape}")
    return array


def _lost(name: str, n_finite: int, n_seeds: int) -> list[str]:
    if 0 < n_finite == n_seeds:
        return []
    return [f"{name} ({n_seeds - n_finite} of {n_seeds} seeds)" if n_finite else name]


def _check_some(kept: Mapping[str, object]) -> None:
    if not kept:
        raise InputError("there is nothing to draw: no method has a finite perplexity; give at least one")
