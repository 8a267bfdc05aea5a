r"""Assigning words to the cells of a table by an ε-scaling auction with a certificate.

Minimises

.. math:: \sum_w R_{w, r(w)} + C_{w, c(w)} + H_{r(w), c(w)}

over all ways to give V words different cells (r, c): an assignment problem of V × rows · columns costs, of which none
is ever stored. Bertsekas (1988), "The auction algorithm": cells have prices p; a word without a cell bids for the one
where cost and price together are least, so much that it would be indifferent to its second best, and ε more. The one
who had that cell is sent away. When all words have cells, each is within ε of its best, so the sum is within V ε of the
optimum. By duality,

.. math:: \sum_w \min_{rc} (R_{wr} + C_{wc} + H_{rc} + p_{rc}) - \text{(the sum of the V greatest } p_{rc})

is a lower bound at any prices: the certificate. Auctions with smaller and smaller ε, each from the last one's prices,
are held until the gap between both is small enough. Exact to that gap.

A word remembers its K best cells and a bound on all others. Prices only rise, so the bound stays valid, and most bids
look at K cells; a word whose second best has risen above its bound searches anew (`auction_kernels`), and several
threads share the searches. The result depends on the order of the bids alone, not on the threads.

Cells that stay empty belong to rows · columns - V dummies that cost nothing anywhere. As they are alike, they are
handled as one bidder who wants that many cells (Bertsekas & Castañon 1989), and do not outbid each other.

Time: a bid takes O(K), a search O(rows + cells in the rows that can matter); how many there are depends on the costs.
Memory O(V K + cells) beside the costs.
"""

from __future__ import annotations

import concurrent.futures
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms import auction_kernels as kernels
from wordalloc.algorithms.auction_kernels import BIDS, BLOCK, COUNT, DUMMIES, HEAD, NO_CELL, NOBODY, STALE
from wordalloc.allocations.costs import total_cost

KEPT = 32  # cells that a word remembers
BATCH = 512  # words that search at the same prices
SHARED = 24  # searches from which on threads share them
FIRST_EPSILON = 0.003  # of the median word's mean cost: larger ones teach prices that later phases must unlearn
REDUCTION = 5.0  # of ε from phase to phase
PATIENCE = 12  # bids a word in the first phase; where it takes more, all want the same cells, and ε is too small
LEAST_EPSILON = 1e-13  # of the highest price, or of the mean cost: below it, rounding decides

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Auction:
    """One problem, its prices, and the words' places at them.

    Parameters
    ----------
    row_cost, col_cost : ndarray of float32 or float64, shapes (V, rows) and (V, columns)
        Finite; read, never changed.
    cell_cost : ndarray of float64, shape (rows, columns), optional
        H, the same for every word.
    threads : int, optional
        Default: as many as this process may use.

    Attributes
    ----------
    cell : ndarray of int64, shape (V,)
        The best allocation found so far.
    objective, lower_bound : float
        Its sum, and the best bound so far.
    prices : ndarray of float64, shape (rows, columns)
        At least 0, in the unit of the costs: those of the moment.
    """

    def __init__(
        self,
        row_cost: npt.NDArray[Any],
        col_cost: npt.NDArray[Any],
        cell_cost: Floats | None = None,
        threads: int | None = None,
    ) -> None:
        self.row_cost, self.col_cost, self.cell_cost = row_cost, col_cost, cell_cost
        self.size, self.shape = len(row_cost), (row_cost.shape[1], col_cost.shape[1])
        self.threads = (os.cpu_count() or 1) if threads is None else threads
        self.cell: Ints = np.arange(self.size)
        row_least, col_least, mean, typical = _least_and_mean(row_cost, col_cost)
        offset_least = 0.0 if cell_cost is None else float(cell_cost.min())
        if cell_cost is not None:
            mean += float(cell_cost.mean()) - offset_least
            typical += float(cell_cost.mean()) - offset_least
        self.scale = 2.0 ** -np.floor(np.log2(mean)) if mean > 0 else 1.0
        self.typical = (typical or mean) * self.scale
        self.base = float(row_least.sum() + col_least.sum() + self.size * offset_least)
        self._offset_least = offset_least
        self._make(row_least, col_least)
        self.objective = total_cost(row_cost, col_cost, cell_cost, self.cell)
        self.lower_bound = min(self.base, self.objective)  # what prices of 0 prove

    def _make(self, row_least: Floats, col_least: Floats) -> None:
        (n_rows, n_columns), size = self.shape, self.size
        width = -(-n_columns // BLOCK) * BLOCK
        n_kept = min(KEPT, n_rows * n_columns)
        offset = np.zeros((n_rows, width))
        if self.cell_cost is not None:
            offset[:, :n_columns] = (self.cell_cost - self._offset_least) * self.scale
        price = offset.copy()
        price[:, n_columns:] = NO_CELL
        floor = (price * (1 - 2e-7)).astype(np.float32)
        self.words = kernels.Words(
            self.row_cost,
            self.col_cost,
            row_least,
            col_least,
            self.scale,
            np.full((size, n_kept), -1, np.int32),
            np.empty((size, n_kept)),
            np.full(size, -np.inf),
        )
        owner = np.full(n_rows * width, NOBODY, np.int32)
        block_floor = np.zeros((n_rows, width // BLOCK), np.float32)
        self.cells = kernels.Cells(price, floor, block_floor, np.zeros(n_rows, np.float32), offset, owner)
        self.queue = kernels.Queue(
            np.empty(size, np.int32),
            np.empty(BATCH, np.int32),
            np.empty(n_rows * width),
            np.empty(n_rows * width, np.int32),
            np.zeros(5, np.int64),
        )
        self.mate = np.full(size, -1, np.int32)
        self.least = np.empty(size)

    @property
    def n_dummies(self) -> int:
        """Cells that stay empty."""
        return self.shape[0] * self.shape[1] - self.size

    @property
    def prices(self) -> Floats:
        """Prices without the cells' own costs, (rows, columns)."""
        return (self.cells.price - self.cells.offset)[:, : self.shape[1]] / self.scale

    @property
    def gap(self) -> float:
        """(objective - lower bound) / |objective|."""
        return (self.objective - self.lower_bound) / max(abs(self.objective), 1e-30)

    def run(self, gap: float, time_limit: float | None, progress: Callable[[float], None] | None = None) -> None:
        """Hold auctions until the gap is small enough, ε is as small as rounding allows, or the time is over."""
        deadline = np.inf if time_limit is None else time.monotonic() + time_limit
        if self.gap <= gap:
            return
        with concurrent.futures.ThreadPoolExecutor(self.threads) as self._pool:
            self._search(np.arange(self.size, dtype=np.int32))
            epsilon, patience = FIRST_EPSILON * self.typical, float(PATIENCE * self.size)
            while True:
                epsilon = self._phase(epsilon, patience, deadline)
                self._judge()
                if progress is not None:
                    progress(self.gap)
                smallest = LEAST_EPSILON * max(1.0, float(self.prices.max()) * self.scale)
                if self.gap <= gap or epsilon <= smallest or time.monotonic() > deadline:
                    return
                epsilon, patience = max(epsilon / REDUCTION, smallest), np.inf

    def _phase(self, epsilon: float, patience: float, deadline: float) -> float:
        """Hold one auction, from the prices there are; return ε, raised where bidding took too long."""
        cells, queue = self.cells, self.queue
        self._least()
        kernels.free_unhappy(queue, self.words, cells, self.mate, self.least, epsilon)
        self._place_dummies()
        while queue.state[COUNT] + queue.state[STALE] and time.monotonic() <= deadline:
            kernels.bid(queue, self.words, cells, self.mate, epsilon, SHARED, 100_000)
            self._search(queue.stale[: queue.state[STALE]])
            if queue.state[BIDS] > patience:
                epsilon, patience = epsilon * REDUCTION, patience + PATIENCE * self.size
        self._settle()
        return epsilon

    def _place_dummies(self) -> None:
        """Give the dummies the cheapest cells; a word that had one must bid anew."""
        if not self.n_dummies:
            return
        cells, queue = self.cells, self.queue
        cells.owner[cells.owner == DUMMIES] = NOBODY
        true = (cells.price - cells.offset).ravel()
        chosen = np.sort(np.argpartition(true, self.n_dummies - 1)[: self.n_dummies])
        sent_away = cells.owner[chosen]
        for word in sent_away[sent_away >= 0].tolist():
            self.mate[word] = -1
            place = (queue.state[HEAD] + queue.state[COUNT]) % self.size
            queue.words[place] = word
            queue.state[COUNT] += 1
        cells.owner[chosen] = DUMMIES
        kernels.start_heap(queue, cells)

    def _settle(self) -> None:
        """Give words that the time limit left without a cell the free ones, by exact assignment of a few at a time."""
        waiting = np.flatnonzero(self.mate < 0)
        if not waiting.size:
            return
        from scipy.optimize import linear_sum_assignment

        cells, width = self.cells, self.cells.price.shape[1]
        free = np.flatnonzero((cells.owner < 0) & (cells.price.ravel() < 0.1 * NO_CELL))
        free = free[: max(waiting.size, min(free.size, 4 * BATCH))] if waiting.size < BATCH else free
        for begin in range(0, waiting.size, BATCH // 2):
            some = waiting[begin : begin + BATCH // 2]
            there = free[: 2 * BATCH] if begin + len(some) < waiting.size else free
            rows, columns = np.divmod(there, width)
            cost = self.row_cost[some][:, rows].astype(np.float64) + self.col_cost[some][:, columns]
            cost += cells.offset[rows, columns] / self.scale
            _, place = linear_sum_assignment(cost)
            self.mate[some] = there[place]
            cells.owner[there[place]] = some
            free = np.setdiff1d(free, there[place], assume_unique=True)

    def _judge(self) -> None:
        """Keep the allocation if it is the best so far, and the bound."""
        self._least()
        row, column = np.divmod(self.mate.astype(np.int64), self.cells.price.shape[1])
        cell = row * self.shape[1] + column
        objective = total_cost(self.row_cost, self.col_cost, self.cell_cost, cell)
        if objective < self.objective:
            self.objective, self.cell = objective, cell
        prices = self.prices.ravel()
        greatest = prices if not self.n_dummies else np.partition(prices, self.n_dummies)[self.n_dummies :]
        bound = self.base + (self.least.sum() / self.scale - greatest.sum())
        self.lower_bound = min(self.objective, max(self.lower_bound, float(bound)))

    def _least(self) -> None:
        """Take every word's least value at the prices of now."""
        kernels.least_values(self.words, self.cells, self.least)
        lost = np.flatnonzero(np.isnan(self.least)).astype(np.int32)
        if lost.size:
            self._search(lost)
            kernels.least_values(self.words, self.cells, self.least)

    def _search(self, words: npt.NDArray[np.int32]) -> None:
        """Search for the best cells of these words, shared among the threads."""
        if not len(words):
            return
        kernels.refresh_floors(self.cells)
        futures = [
            self._pool.submit(kernels.search, words, first, self.threads, self.words, self.cells)
            for first in range(1, self.threads)
        ]
        kernels.search(words, 0, self.threads, self.words, self.cells)
        for future in futures:
            future.result()


def _least_and_mean(row_cost: npt.NDArray[Any], col_cost: npt.NDArray[Any]) -> tuple[Floats, Floats, float, float]:
    """Return each word's least costs, and the mean and the median of the words' mean cost above them.

    The median is that of the words that are not indifferent: most of a vocabulary may never have been seen.
    """
    row_least, col_least = (cost.min(axis=1).astype(np.float64) for cost in (row_cost, col_cost))
    above = row_cost.mean(axis=1, dtype=np.float64) - row_least
    above += col_cost.mean(axis=1, dtype=np.float64) - col_least
    above = np.maximum(above, 0.0)
    positive = above[above > 0]
    median = float(np.median(positive)) if positive.size else 0.0
    return row_least, col_least, float(above.mean()), median
