"""Assigning points to centres of given capacities by an auction (Bertsekas & Castañon 1989, similar objects).

Minimises Σ weightᵢ |xᵢ - μ_c(i)|² where centre c takes exactly capacity_c points. Centres have prices. A point without
a centre bids for the one where cost and price together are least, so much that it would be indifferent to the second
best, and ε more. A centre keeps its highest bidders, sends the others away, and once it is full its price is the
lowest bid that it holds. When all points are placed, each is where cost and price are within ε of the least, so the
sum is within n ε of the optimum, and by duality the prices give a lower bound of it. Auctions with smaller and smaller
ε, each from the last one's prices, are held until the sum is within half a percent of that bound, at most eight.

All points without a centre bid at once (the Jacobi version). A round of m bids takes O(m K dim); memory O(n + block),
never O(n K). Deterministic: of equal centres the first, of equal bids those of the first points.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._vectors import BLOCK, Vectors

GAP = 5e-3
PHASES = 8
REDUCTION = 0.25  # of ε; the first is a quarter of the mean cost at the centre of the centres
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def balanced_assignment(points: Vectors, weights: Floats, centres: Vectors, capacity: Ints) -> Ints:
    """Return the centre of each point, (n,): each centre has as many points as its capacity.

    Parameters
    ----------
    points : float32 (n, dim)
        What to assign.
    weights : float64 (n,)
        Positive.
    centres : float32 (K, dim)
        What to assign to.
    capacity : int64 (K,)
        At least 1 each, and n together.
    """
    if len(centres) == 1:
        return np.zeros(len(points), dtype=np.int64)
    prices = np.zeros(len(centres))
    spread = weights @ _squared(points, centres.mean(axis=0, keepdims=True))[:, 0]
    epsilon = max(float(spread), 1e-9 * float(weights.sum())) / len(points)
    for _ in range(PHASES):
        epsilon *= REDUCTION
        centre = _auction(points, weights, centres, capacity, prices, epsilon)
        cost = float(weights @ ((points - centres[centre]) ** 2).sum(axis=1))
        lower_bound = float(_two_cheapest(points, weights, centres, prices)[1].sum() - prices @ capacity)
        if cost - lower_bound <= GAP * cost:
            break
    return centre


def _auction(
    points: Vectors, weights: Floats, centres: Vectors, capacity: Ints, prices: Floats, epsilon: float
) -> Ints:
    """Place all points, and raise the prices by what that takes."""
    n_centres = len(centres)
    centre, bids = np.full(len(points), -1), np.zeros(len(points))
    bidders: Ints = np.arange(len(points))
    while bidders.size:
        best, least, second = _two_cheapest(points[bidders], weights[bidders], centres, prices)
        centre[bidders], bids[bidders] = best, prices[best] + (second - least) + epsilon
        wanted = np.zeros(n_centres + 1, dtype=bool)
        wanted[best] = True  # and the place that -1 points to stays False
        rivals = np.flatnonzero(wanted[centre])
        rivals = rivals[np.lexsort((-bids[rivals], centre[rivals]))]
        theirs = centre[rivals]
        sizes = np.bincount(theirs, minlength=n_centres)
        place = np.arange(len(rivals)) - (np.cumsum(sizes) - sizes)[theirs]
        last = place == capacity[theirs] - 1
        prices[theirs[last]] = bids[rivals[last]]
        bidders = np.sort(rivals[place >= capacity[theirs]])
        centre[bidders] = -1
    return centre


def _two_cheapest(points: Vectors, weights: Floats, centres: Vectors, prices: Floats) -> tuple[Ints, Floats, Floats]:
    """Return where cost and price are least, what they are there, and what they are at the second best."""
    rows = max(1, BLOCK // len(centres))
    best = np.empty(len(points), dtype=np.int64)
    least, second = np.empty(len(points)), np.empty(len(points))
    for start in range(0, len(points), rows):
        block = slice(start, start + rows)
        cost = _squared(points[block], centres) * weights[block, None] + prices
        every = np.arange(len(cost))
        best[block] = cost.argmin(axis=1)
        least[block] = cost[every, best[block]]
        cost[every, best[block]] = np.inf
        second[block] = cost.min(axis=1)
    return best, least, second


def _squared(points: Vectors, centres: Vectors) -> Vectors:
    """Return the squared distances of all points to all centres."""
    products = points @ centres.T
    lengths = np.einsum("nd,nd->n", points, points)[:, None] + np.einsum("kd,kd->k", centres, centres)
    return np.maximum(lengths - 2 * products, 0)
