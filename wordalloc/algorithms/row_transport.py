r"""Assigning words to rows of equal capacity by an ε-scaling auction with a certificate.

Minimises Σ_w A[w, r(w)] where at most `capacity` words share a row: a transportation problem. Bertsekas & Castañon
(1989), "The auction algorithm for the transportation problem": the places of a row are alike, so a row keeps its bids
in a heap, its price is the lowest of them once it is full, and a higher bid sends that one away. Places that stay empty
are filled by dummies that cost nothing anywhere. When all are placed, each is within ε of its best, and

.. math:: \sum_w \min_r (A_{wr} + p_r) + D \min_r p_r - \text{capacity} \sum_r p_r

with D dummies is a lower bound. ε falls from auction to auction until the gap is small enough. Exact to that gap.

Time O(rows) a bid; memory O(V + rows · capacity) beside the costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._compiled import njit

FIRST_EPSILON = 0.05  # of the median word's mean cost above its least
REDUCTION = 5.0
LEAST_EPSILON = 1e-13  # of the highest price, or of the mean cost: below it, rounding decides
BIDS = 1_000_000  # between looks at the clock

Floats = npt.NDArray[np.float64]


class Rows(NamedTuple):
    """Prices of the rows, and a heap of accepted bids in each, the lowest on top."""

    price: Floats  # (rows,)
    bids: Floats  # (rows, capacity)
    bidders: npt.NDArray[np.int32]  # (rows, capacity)
    filled: npt.NDArray[np.int64]  # (rows,)


class RowTransport:
    """One problem, its prices, and the words' rows at them.

    Parameters
    ----------
    cost : ndarray of float32 or float64, shape (V, rows)
        Finite; read, never changed.
    capacity : int
        Words that fit into a row; rows · capacity is at least V.

    Attributes
    ----------
    row : ndarray of int64, shape (V,)
        The best allocation found so far.
    objective, lower_bound : float
        Its sum, and the best bound so far.
    price : ndarray of float64, shape (rows,)
        At least 0, in the unit of the costs.
    """

    def __init__(self, cost: npt.NDArray[Any], capacity: int) -> None:
        self.cost, self.capacity = cost, capacity
        self.size, self.n_rows = cost.shape
        self.row: npt.NDArray[np.int64] = np.arange(self.size) // capacity
        self.least = cost.min(axis=1).astype(np.float64)
        above = np.maximum(cost.mean(axis=1, dtype=np.float64) - self.least, 0.0)
        positive = above[above > 0]
        self.mean = float(above.mean())
        self.typical = float(np.median(positive)) if positive.size else 0.0
        self.price = np.zeros(self.n_rows)
        self.objective = self._cost_of(self.row)
        self.lower_bound = min(float(self.least.sum()), self.objective)

    @property
    def gap(self) -> float:
        """(objective - lower bound) / |objective|."""
        return (self.objective - self.lower_bound) / max(abs(self.objective), 1e-30)

    def run(self, gap: float, time_limit: float | None, progress: Callable[[float], None] | None = None) -> None:
        """Hold auctions until the gap is small enough, ε is as small as rounding allows, or the time is over."""
        deadline = np.inf if time_limit is None else time.monotonic() + time_limit
        epsilon = FIRST_EPSILON * self.typical
        while self.gap > gap:
            self._phase(epsilon, deadline)
            if progress is not None:
                progress(self.gap)
            smallest = LEAST_EPSILON * max(self.mean, float(self.price.max()))
            if epsilon <= smallest or time.monotonic() > deadline:
                return
            epsilon = max(epsilon / REDUCTION, smallest)

    def _phase(self, epsilon: float, deadline: float) -> None:
        n_rows, capacity = self.n_rows, self.capacity
        n_bidders = n_rows * capacity
        rows = Rows(
            self.price,
            np.empty((n_rows, capacity)),
            np.empty((n_rows, capacity), np.int32),
            np.zeros(n_rows, np.int64),
        )
        queue, state = np.arange(n_bidders, dtype=np.int32), np.array([0, n_bidders])
        row = np.full(n_bidders, -1, np.int32)
        while state[1] and time.monotonic() <= deadline:
            _bid(self.cost, self.least, rows, row, queue, state, epsilon, BIDS)
        chosen = row[: self.size].astype(np.int64)
        if state[1]:
            self._settle(chosen)
        objective = self._cost_of(chosen)
        if objective < self.objective:
            self.objective, self.row = objective, chosen
        n_dummies = n_bidders - self.size
        bound = _least_sum(self.cost, self.least, self.price) + n_dummies * self.price.min()
        bound += self.least.sum() - capacity * self.price.sum()
        self.lower_bound = min(self.objective, max(self.lower_bound, float(bound)))

    def _settle(self, row: npt.NDArray[np.int64]) -> None:
        """Put words that the time limit left without a row where there is room, each where it is cheapest."""
        room = self.capacity - np.bincount(row[row >= 0], minlength=self.n_rows)
        for word in np.flatnonzero(row < 0).tolist():
            row[word] = np.where(room > 0, self.cost[word], np.inf).argmin()
            room[row[word]] -= 1

    def _cost_of(self, row: npt.NDArray[np.int64]) -> float:
        return float(self.cost[np.arange(self.size), row].sum(dtype=np.float64))


@njit
def _bid(cost, least, rows, row, queue, state, epsilon, most):  # type: ignore[no-untyped-def]
    """Let the bidders in the ring `queue` bid one after the other; `state` is its head and its length."""
    n_rows, capacity, price = len(rows.price), rows.bids.shape[1], rows.price
    for _ in range(most):
        if state[1] == 0:
            return
        bidder = queue[state[0]]
        state[0] = 0 if state[0] + 1 == len(queue) else state[0] + 1
        state[1] -= 1
        best, second, where = np.inf, np.inf, 0
        for place in range(n_rows):
            value = price[place]
            if bidder < len(cost):
                value += cost[bidder, place]
            if value < second:
                if value < best:
                    second, best, where = best, value, place
                else:
                    second = value
        offer = price[where] + epsilon + (second - best if n_rows > 1 else 0.0)
        row[bidder] = where
        sent_away = _accept(rows, where, capacity, offer, bidder)
        if sent_away >= 0:
            row[sent_away] = -1
            tail = state[0] + state[1]
            queue[tail - len(queue) if tail >= len(queue) else tail] = sent_away
            state[1] += 1


@njit
def _accept(rows, where, capacity, offer, bidder):  # type: ignore[no-untyped-def]
    """Take a bid into a row's heap; return who is sent away, or -1."""
    bids, bidders, filled = rows.bids[where], rows.bidders[where], rows.filled[where]
    sent_away = np.int32(-1)
    if filled < capacity:
        rows.filled[where] = filled + 1
        place = filled
        while place > 0 and bids[(place - 1) // 2] > offer:
            bids[place], bidders[place] = bids[(place - 1) // 2], bidders[(place - 1) // 2]
            place = (place - 1) // 2
    else:
        sent_away, place = bidders[0], 0
        while True:
            child = 2 * place + 1
            if child >= capacity:
                break
            if child + 1 < capacity and bids[child + 1] < bids[child]:
                child += 1
            if bids[child] >= offer:
                break
            bids[place], bidders[place] = bids[child], bidders[child]
            place = child
    bids[place], bidders[place] = offer, bidder
    if rows.filled[where] == capacity:
        rows.price[where] = max(rows.price[where], bids[0])
    return sent_away


@njit
def _least_sum(cost, least, price):  # type: ignore[no-untyped-def]
    """Σ_w min_r (cost - the word's least + price)."""
    total = 0.0
    for word in range(len(cost)):
        best = np.inf
        for place in range(len(price)):
            best = min(best, cost[word, place] - least[word] + price[place])
        total += best
    return total
