"""A sweep of exchange clustering: every word once, in batches.

A batch is evaluated by several threads on counts that stay as they are; then its words move one after the other (see
`wordalloc.algorithms.exchange_kernels`). Batches depend on the data alone, so the result does not depend on the number
of threads.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms.exchange_kernels import Graph, Partition, make_scratch, move, propose

BATCH_ROWS = 2000  # classes beside a batch's words: so few that the counts it is evaluated on are fresh
# From so many classes on, one batch is worth handing to threads; below, whole searches are.
BATCHED_CLASSES = 200


class Sweeper(contextlib.AbstractContextManager["Sweeper"]):
    """Sweeps over one graph; use it as a context.

    Parameters
    ----------
    graph : Graph
        The bigrams.
    n_classes : int
        K.
    threads : int
        How many evaluate a batch.
    """

    def __init__(self, graph: Graph, n_classes: int, threads: int) -> None:
        self.graph = graph
        self.threads = threads if n_classes >= BATCHED_CLASSES else 1
        self._scratch = [make_scratch(n_classes) for _ in range(self.threads)]
        self._pool = concurrent.futures.ThreadPoolExecutor(max(1, self.threads - 1))
        right, left = (np.minimum(np.diff(offsets), n_classes) for offsets in (graph.right_offsets, graph.left_offsets))
        self._rows = right + left + 2

    def __exit__(self, *exception: object) -> None:
        self._pool.shutdown()

    def sweep(self, words: npt.NDArray[np.int64], parts: Partition, *, temperature: float = 0.0, seed: int = 0) -> int:
        """Take each of `words` once, in order; return how many moved.

        Temperature 0 is greedy: AMI does not fall. Words not placed yet are placed.
        """
        moved = 0
        for batch in self._batches(words):
            proposals = self._propose(batch, parts, temperature, seed)
            moved += move(batch, proposals, temperature == 0, self.graph, parts, self._scratch[0])
        return moved

    def _batches(self, words: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
        """Cut where BATCH_ROWS are reached: by the data alone, so that the threads do not matter."""
        batch = np.cumsum(self._rows[words]) // BATCH_ROWS
        yield from np.split(words, np.flatnonzero(np.diff(batch)) + 1)

    def _propose(
        self, batch: npt.NDArray[np.int64], parts: Partition, temperature: float, seed: int
    ) -> npt.NDArray[np.int32]:
        proposals = np.empty(batch.size, np.int32)

        def work(thread: int) -> None:
            mine = self._scratch[thread]
            propose(batch, thread, self.threads, self.graph, parts, mine, temperature, seed, proposals)

        others = [self._pool.submit(work, thread) for thread in range(1, self.threads)]
        work(0)
        for other in others:
            other.result()
        return proposals
