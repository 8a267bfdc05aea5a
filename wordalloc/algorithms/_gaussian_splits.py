"""Recursive splitting of points by mixtures of two Gaussians (Mnih & Hinton 2009, section 5).

A set of points is fitted by two spherical Gaussians with means μ₁, μ₂, variances σ₁², σ₂² and weights π₁, π₂:
expectation maximisation, ten steps as in the paper. It begins at the halves on either side of the median along the
first principal component, where the paper begins at random halves, whose means nearly coincide. The points are then
sorted by the log-odds of their responsibilities and cut where these change sign, but so that each part keeps at least
a given share of the points. Where a set has no spread the order of the points decides.

A point takes part in one fit a level. With a least share s the depth is at most 1 + log(V / 2) / log(1 / (1 - s)), so the
whole takes O(V dim log V) time; memory O(V dim). Heuristic; depends on nothing but the points and the seed.

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

EM_STEPS = 10
POWER_STEPS = 10
LEAST_VARIANCE = 1e-9  # of points of length 1 or less: below it a Gaussian is a point


def split_recursively(
    points: Vectors, weights: npt.NDArray[np.float64], least_share: float, seed: int, progress: Callable[[int, int], None] | None = None
) -> npt.NDArray[np.int64]:
    """Return a binary tree over n ≥ 1 points as the two children of its n - 1 inner nodes, breadth first.

    Parameters
    ----------
    points : float32 (n, dim)
        Of length 1 or less.
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
    start = np.random.default_rng(seed).standard_normal(points.shape[1]).astype(np.float32)
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
    points: Vectors, weights: npt.NDArray[np.float64], start: Vectors, least_share: float
) -> tuple[npt.NDArray[np.int64], int]:
    """Return the points in the order of their log-odds, and how many of them are on the first side."""
    size = len(points)
    least = min(math.ceil(least_share * size), size // 2)
    if size == 2:
        return np.arange(2), 1
    log_odds = _two_gaussians(points, weights, start, EM_STEPS, POWER_STEPS, LEAST_VARIANCE)
    order = np.argsort(log_odds, kind="stable")
    wanted = int(np.count_nonzero(log_odds < 0))
    return order, min(max(wanted, least), size - least)


def _fit_two_gaussians(points, weights, start, em_steps, power_steps, least_variance):  # type: ignore[no-untyped-def]
    """Return the log of the odds with which each point belongs to the second of two Gaussians, (n,)."""
    n, dim = points.shape
    total = np.sum(weights)
    mean = np.zeros(dim)
    for i in range(n):
        for k in range(dim):
            mean[k] += weights[i] * points[i, k]
    mean /= total

    axis = start.astype(np.float64)
    projected = np.zeros(n)
    for _ in range(power_steps):
        axis /= max(np.sqrt(np.sum(axis * axis)), 1e-30)
        image = np.zeros(dim)
        for i in range(n):
            along = 0.0
            for k in range(dim):
                along += (points[i, k] - mean[k]) * axis[k]
            projected[i] = along
            for k in range(dim):
                image[k] += weights[i] * along * (points[i, k] - mean[k])
        axis = image
    log_odds = projected - np.median(projected)

    responsibility = np.empty((2, n))
    means = np.empty((2, dim))
    for step in range(em_steps):
        for i in range(n):  # the first time a hard assignment to halves
            odds = log_odds[i] if step else np.sign(log_odds[i]) * 50.0
            responsibility[1, i] = 1 / (1 + np.exp(-odds))
            responsibility[0, i] = 1 / (1 + np.exp(odds))
        distances = np.zeros((2, n))
        constants = np.zeros(2)
        scales = np.zeros(2)
        for g in range(2):
            weight = 1e-30
            means[g] = 0.0
            for i in range(n):
                share = weights[i] * responsibility[g, i]
                weight += share
                for k in range(dim):
                    means[g, k] += share * points[i, k]
            means[g] /= weight
            spread = 0.0
            for i in range(n):
                squared = 0.0
                for k in range(dim):
                    squared += (points[i, k] - means[g, k]) ** 2
                distances[g, i] = squared
                spread += weights[i] * responsibility[g, i] * squared
            variance = spread / weight / dim + least_variance
            constants[g] = np.log(weight / total) - 0.5 * dim * np.log(variance)
            scales[g] = 0.5 / variance
        for i in range(n):
            log_odds[i] = constants[1] - constants[0] - scales[1] * distances[1, i] + scales[0] * distances[0, i]
    return log_odds


_two_gaussians = njit(_fit_two_gaussians, fast=True)
