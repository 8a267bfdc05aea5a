"""Recursive splitting of points by mixtures of two Gaussians (Mnih & Hinton 2009, section 5).

A set of points is fitted by two spherical Gaussians with means μ₁, μ₂, variances σ₁², σ₂² and weights π₁, π₂:
expectation maximisation, ten steps as in the paper. It begins at the halves on either side of the median along the
first principal component, where the paper begins at random halves, whose means nearly coincide. The points are then
sorted by the log-odds of their responsibilities and cut where these change sign, but so that each part keeps at least
a given share of the points. Where a set has no spread the order of the points decides. Points have weights: with √count
for words the classes at the cuts of the tree have more mutual information, and the codes are shorter, than with one
vote a word or a token.

A point takes part in one fit a level. With a least share s the depth is at most 1 + log(V / 2) / log(1 / (1 - s)),
so the whole takes O(V dim log V) time; memory O(V dim). Heuristic.

scikit-learn's GaussianMixture fits the same model, but a call of it takes milliseconds however few the points are,
and V - 1 sets are to be split.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._compiled import njit
from wordalloc.algorithms._vectors import Vectors

LEAST_SHARE = 1 / 8
EM_STEPS = 10
POWER_STEPS = 10
MOST_LOG_ODDS = 50.0  # beyond these a responsibility is 0 or 1
LEAST_VARIANCE = 1e-9  # of points of length 1 or less: below it a Gaussian is a point


def split_recursively(
    points: Vectors,
    weights: npt.NDArray[np.float64],
    least_share: float,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.int64]:
    """Return a binary tree over n ≥ 1 points as the two children of its n - 1 inner nodes, breadth first.

    Parameters
    ----------
    points : float32 (n, dim)
        Of length 1 or less.
    weights : float64 (n,)
        Positive.
    least_share : float
        At least ⌈this × size of a set⌉ of its points come to either side; 0.5 leaves only halves.
    seed : int
        Of the direction in which the search for the principal component starts.
    progress : callable, optional
        Called as ``progress(inner nodes made, n - 1)``.

    Returns
    -------
    int64 (n - 1, 2)
        A child is an inner node ≥ 1, or point i as -1 - i.
    """
    children = np.empty((max(0, len(points) - 1), 2), dtype=np.int64)
    start = np.random.default_rng(seed).standard_normal((points.shape[1],))
    sets = [np.arange(len(points))]  # those of two points and more; a set's place is its node's number
    for node in range(len(children)):
        members, sets[node] = sets[node], np.empty(0, np.int64)
        order, cut = _split(points[members], weights[members], start, least_share)
        for digit, part in enumerate((members[order[:cut]], members[order[cut:]])):
            if len(part) == 1:
                children[node, digit] = -1 - part[0]
            else:
                children[node, digit] = len(sets)
                sets.append(np.sort(part))
        if progress is not None and (node + 1 == len(children) or not (node + 1) % 256):
            progress(node + 1, len(children))
    return children


def _split(
    points: Vectors, weights: npt.NDArray[np.float64], start: npt.NDArray[np.float64], least_share: float
) -> tuple[npt.NDArray[np.int64], int]:
    """Return the points in the order of their log-odds, and how many of them are on the first side."""
    size = len(points)
    least = min(math.ceil(least_share * size), size // 2)
    if size == 2:
        return np.arange(2), 1
    log_odds = _two_gaussians(points, weights, start, POWER_STEPS, EM_STEPS, LEAST_VARIANCE)
    order = np.argsort(log_odds, kind="stable")
    wanted = int(np.count_nonzero(log_odds < 0))
    return order, min(max(wanted, least), size - least)


def _project(points, weights, start, steps):  # type: ignore[no-untyped-def]
    """Return the points' places along the first principal component, (n,), by the power method."""
    n, dim = points.shape
    mean = np.zeros(dim)
    for i in range(n):
        for k in range(dim):
            mean[k] += weights[i] * points[i, k]
    mean /= weights.sum()
    places, axis = np.zeros(n), start.copy()
    for _ in range(steps):
        image = np.zeros(dim)
        axis /= max(np.sqrt((axis * axis).sum()), 1e-150)
        for i in range(n):
            place = 0.0
            for k in range(dim):
                place += (points[i, k] - mean[k]) * axis[k]
            places[i] = place
            for k in range(dim):
                image[k] += weights[i] * place * (points[i, k] - mean[k])
        axis = image
    return places


def _maximise(points, weights, second, least_variance):  # type: ignore[no-untyped-def]
    """Fit both Gaussians to the points by the responsibilities of the second; return the log-odds of it, (n,)."""
    n, dim = points.shape
    log_odds, distances = np.zeros(n), np.zeros(n)
    for sign in (-1.0, 1.0):
        mass, spread, mean = 1e-150, 0.0, np.zeros(dim)
        for i in range(n):
            share = weights[i] * (second[i] if sign > 0 else 1 - second[i])
            mass += share
            for k in range(dim):
                mean[k] += share * points[i, k]
        mean /= mass
        for i in range(n):
            squared = 0.0
            for k in range(dim):
                squared += (points[i, k] - mean[k]) ** 2
            distances[i] = squared
            spread += weights[i] * (second[i] if sign > 0 else 1 - second[i]) * squared
        variance = spread / mass / dim + least_variance
        log_density = np.log(mass) - 0.5 * dim * np.log(variance)
        for i in range(n):
            log_odds[i] += sign * (log_density - 0.5 * distances[i] / variance)
    return log_odds


def _fit(points, weights, start, power_steps, em_steps, least_variance):  # type: ignore[no-untyped-def]
    """Return the log of the odds with which each point belongs to the second of two Gaussians, (n,)."""
    log_odds = _projected(points, weights, start, power_steps)
    log_odds = np.sign(log_odds - np.median(log_odds)) * MOST_LOG_ODDS
    for _ in range(em_steps):
        second = 1 / (1 + np.exp(-np.minimum(np.maximum(log_odds, -MOST_LOG_ODDS), MOST_LOG_ODDS)))
        log_odds = _maximised(points, weights, second, least_variance)
    return log_odds


_projected = njit(_project, fast=True)
_maximised = njit(_maximise, fast=True)
_two_gaussians = njit(_fit, fast=True)
