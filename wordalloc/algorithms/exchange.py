"""Exchange clustering of words into classes: AMI raised by annealed moves of single words.

Heuristic: a local optimum of the average mutual information (AMI) of adjacent classes, or equivalently of the
likelihood of the class bigram model p(w | v) = p(c(w) | c(v)) p(w | c(w)) (Brown et al. 1992; Martin, Liermann & Ney
1998). The search:

1. The most frequent words alone, dealt to the classes by rank, are moved greedily for a few sweeps. Where K is small,
   which of the many local optima one ends in matters most, so several starts are made and the best kept.
2. They are annealed: each word draws its class with probability ∝ exp(gain / temperature), while the temperature
   falls; then greedy sweeps.
3. The other words are placed, each into its best class.
4. With effort "high", all words are annealed gently.
5. Greedy sweeps of all words until none moves.

Time O(K) for each distinct class beside each word and sweep; memory O(bigrams + K²). The result depends neither on
the number of threads nor on anything else but the bigrams, K, the seed and the options.
"""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._arguments import shown, whole_number
from wordalloc.algorithms.exchange_kernels import UNPLACED, Graph, Partition, make_graph, make_partition
from wordalloc.algorithms.exchange_sweep import BATCHED_CLASSES, Sweeper
from wordalloc.algorithms.mutual_information import average_mutual_information
from wordalloc.allocations import Bigrams, Classes
from wordalloc.errors import InputError
from wordalloc.memory import check_memory

COOLEST = 0.03  # bits: the temperature annealing ends at
GENTLE = 0.3  # bits: where the annealing of words that are well placed begins
BYTES_A_PAIR = 24  # of classes, in a `Partition`
GREEDY_SWEEPS = 3  # after an annealing of the frequent words

T = TypeVar("T")


@dataclass(frozen=True)
class Effort:
    """How long to search.

    Attributes
    ----------
    starts, start_sweeps : int
        Greedy searches from different starts, and their sweeps.
    chains : int
        How many of them are annealed.
    sweeps : int
        Of annealing the frequent words; 0: none.
    hottest : float
        Its first temperature, bits.
    gentle_sweeps : int
        Of annealing all words.
    """

    starts: int
    start_sweeps: int
    chains: int
    sweeps: int
    hottest: float
    gentle_sweeps: int


def effort_for(name: str, n_classes: int) -> Effort:
    """Return what an effort means for K classes: about the same time for any K up to a thousand."""
    # Which of many local optima a search ends in matters most where K is small, and searches are short there.
    starts, chains = (8, 2) if n_classes < BATCHED_CLASSES else (1, 1)
    if name == "fast":
        return Effort(1, 0, 1, 0, 0.0, 0)
    if name == "normal":
        return Effort(starts, 3 if starts == 1 else 6, chains, int(np.clip(4000 // n_classes, 4, 50)), 1.0, 0)
    if name == "high":
        sweeps = int(np.clip(1_600_000 / n_classes**1.5, 30, 300))
        return Effort(max(2, starts), 6, 2, sweeps, 1.5, sweeps // 5)
    raise InputError(f"effort must be 'fast', 'normal' or 'high', not {shown(name)}")


@dataclass(frozen=True)
class Sweep:
    """What one sweep came to: for whoever shows the search.

    Attributes
    ----------
    stage : str
        What the sweep was part of.
    ami_bits : float
        After it, bits; of the words placed so far.
    moved : int
        Words that changed their class.
    """

    stage: str
    ami_bits: float
    moved: int


def exchange_classes(
    bigrams: Bigrams,
    n_classes: int,
    seed: int = 0,
    *,
    effort: str = "normal",
    iterations: int = 5,
    init: Classes | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Classes:
    """Return classes of high average mutual information: a local optimum.

    Parameters
    ----------
    bigrams : Bigrams
        Counts of adjacent words.
    n_classes : int
        K, 1 … V.
    seed : int
        Of starts and draws.
    effort : {"fast", "normal", "high"}
        Greedy sweeps alone; a short annealing before; a long one.
    iterations : int
        The most greedy sweeps of all words at the end, which stop when no word moves.
    init : Classes, optional
        Begin with these K classes, of this vocabulary or another: words that it lacks are placed. The result's AMI
        is not below theirs.
    threads : int, optional
        Default: the number of processors. The result does not depend on it.
    progress : callable, optional
        Called as ``progress(sweeps done, sweeps expected)``.

    Returns
    -------
    Classes
        Numbered by their most frequent words. The parameters hold the objective, ``ami_bits``, and ``sweeps``: the
        stage, the AMI and the words moved of each sweep.

    Raises
    ------
    InputError
        If `n_classes` is not from 1 to V, or `init` has another number of classes.

    Examples
    --------
    A text in which two kinds of words alternate:

    >>> from wordalloc.vocabulary import Vocabulary
    >>> vocabulary = Vocabulary.from_counts(["cat", "dog", "runs", "sits"], [4, 4, 4, 4])
    >>> pairs = [(0, 2), (0, 3), (1, 2), (1, 3), (2, 0), (2, 1), (3, 0), (3, 1)]
    >>> left, right = zip(*pairs)
    >>> classes = exchange_classes(Bigrams(vocabulary, left, right, [2] * 8), 2)
    >>> classes.word_class.tolist(), round(classes.parameters["objective"], 6)
    ([0, 0, 1, 1], 1.0)
    """
    size = bigrams.vocabulary.size
    n_classes = whole_number("n_classes", n_classes, 1, size)
    seed = whole_number("seed", seed, 0, 2**63 - 1)
    iterations = whole_number("iterations", iterations, 1)
    threads = (os.cpu_count() or 1) if threads is None else whole_number("threads", threads, 1)
    at_once = min(threads, effort_for(effort, n_classes).chains)
    check_memory(f"exchange with {n_classes:,} classes", at_once * BYTES_A_PAIR * n_classes**2, "choose fewer")
    search = _Search(make_graph(bigrams), n_classes, seed, effort_for(effort, n_classes), iterations, threads, progress)
    parts, sweeps = search.improve(_placed(init, bigrams, n_classes)) if init is not None else search.run()
    parameters = {
        "algorithm": "exchange",
        "n_classes": n_classes,
        "seed": seed,
        "effort": effort,
        "iterations": iterations,
        **({} if init is None else {"init": init.parameters}),
        "objective": average_mutual_information(parts.exact),
        "exact": False,
        "sweeps": [asdict(sweep) for sweep in sweeps],
    }
    return Classes(bigrams.vocabulary, by_first_word(parts.word_class), parameters)


def by_first_word(word_class: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the classes numbered by their most frequent words, without those that have none."""
    _, first, number = np.unique(word_class, return_index=True, return_inverse=True)
    order = np.empty(first.size, dtype=np.int64)
    order[np.argsort(first)] = np.arange(first.size)
    return order[number]


def _placed(init: Classes, bigrams: Bigrams, n_classes: int) -> npt.NDArray[np.int32]:
    """Return the classes that `init` gives the words of this vocabulary; UNPLACED where it has none."""
    rank = init.vocabulary.index(bigrams.vocabulary.words)
    word_class = np.where(rank >= 0, init.word_class[rank], UNPLACED).astype(np.int32)
    found = np.unique(word_class[word_class >= 0]).size
    if init.n_classes != n_classes or found != n_classes:
        raise InputError(
            f"init has {init.n_classes} classes, {found} of them with words of this vocabulary; "
            f"to begin with them, all {n_classes} must be there"
        )
    return word_class


class _Search:
    """One search over one graph, with what all its parts share."""

    def __init__(
        self,
        graph: Graph,
        n_classes: int,
        seed: int,
        effort: Effort,
        iterations: int,
        threads: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.graph, self.n_classes, self.seed, self.effort = graph, n_classes, seed, effort
        self.iterations, self.threads, self.progress = iterations, threads, progress
        self.size = graph.right_offsets.size - 1
        # Words that decide the classes; the rest finds its place among them.
        self.n_frequent = min(self.size, max(5000, 20 * n_classes)) if effort.sweeps else self.size
        self.done, self.stopped = 0, False
        per_chain = effort.sweeps + effort.gentle_sweeps + 2 * GREEDY_SWEEPS + iterations
        self.expected = effort.starts * effort.start_sweeps + effort.chains * per_chain

    def run(self) -> tuple[Partition, list[Sweep]]:
        """Search from nothing; return the best partition and how it was reached."""
        starts = self._in_parallel(self._start, range(self.effort.starts))
        starts.sort(key=lambda start: -average_mutual_information(start[0].exact))  # stable: ties by number
        chains = list(enumerate(starts[: self.effort.chains]))
        ends = self._in_parallel(lambda sweeper, chain: self._anneal(sweeper, *chain), chains)
        return max(ends, key=lambda end: average_mutual_information(end[0].exact))

    def improve(self, word_class: npt.NDArray[np.int32]) -> tuple[Partition, list[Sweep]]:
        """Search from given classes; return a partition that is no worse."""
        with Sweeper(self.graph, self.n_classes, self.threads) as sweeper:
            parts = make_partition(self.graph, word_class, self.n_classes)
            sweeps: list[Sweep] = []
            self._place_rest(sweeper, parts, sweeps)
            self._greedy(sweeper, parts, self._words(self.size), self.iterations, sweeps)
            if not self.effort.sweeps:
                return parts, sweeps
            before = parts.word_class.copy()
            reached = average_mutual_information(parts.exact)
            n_sweeps = max(self.effort.sweeps, self.effort.gentle_sweeps)
            self._heat(sweeper, parts, self._words(self.size), n_sweeps, GENTLE, 0, sweeps)
            self._greedy(sweeper, parts, self._words(self.size), self.iterations, sweeps)
            better = average_mutual_information(parts.exact) > reached
            return (parts if better else make_partition(self.graph, before, self.n_classes)), sweeps

    def _in_parallel(self, task: Callable[[Sweeper, Any], T], items: Any) -> list[T]:
        """Do `task` for all items, as many at once as there are threads."""
        items = list(items)
        at_once = min(self.threads, len(items))

        def alone(item: Any) -> T:
            with Sweeper(self.graph, self.n_classes, self.threads // at_once) as sweeper:
                return task(sweeper, item)

        if at_once == 1:
            return [alone(item) for item in items]
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            try:
                return list(pool.map(alone, items))
            except BaseException:
                self.stopped = True  # or the pool would wait for the searches that still run
                raise

    def _start(self, sweeper: Sweeper, number: int) -> tuple[Partition, list[Sweep]]:
        """Deal the frequent words to the classes, by rank or (from the second start on) at random, and go up."""
        dealt = (np.arange(self.n_frequent) % self.n_classes).astype(np.int32)
        if number:
            dealt = np.random.default_rng((self.seed, number)).permutation(dealt)
        word_class = np.full(self.size, UNPLACED, np.int32)
        word_class[: self.n_frequent] = dealt
        parts = make_partition(self.graph, word_class, self.n_classes)
        sweeps: list[Sweep] = []
        self._greedy(sweeper, parts, self._words(self.n_frequent), self.effort.start_sweeps, sweeps, "start")
        return parts, sweeps

    def _anneal(
        self, sweeper: Sweeper, number: int, start: tuple[Partition, list[Sweep]]
    ) -> tuple[Partition, list[Sweep]]:
        (parts, sweeps), effort = start, self.effort
        if effort.sweeps:
            frequent = self._words(self.n_frequent)
            self._heat(sweeper, parts, frequent, effort.sweeps, effort.hottest, number, sweeps)
            self._greedy(sweeper, parts, frequent, GREEDY_SWEEPS, sweeps)
        self._place_rest(sweeper, parts, sweeps)
        everything = self._words(self.size)
        if effort.gentle_sweeps:
            self._greedy(sweeper, parts, everything, GREEDY_SWEEPS, sweeps)
            self._heat(sweeper, parts, everything, effort.gentle_sweeps, GENTLE, number, sweeps)
        self._greedy(sweeper, parts, everything, self.iterations, sweeps)
        return parts, sweeps

    def _place_rest(self, sweeper: Sweeper, parts: Partition, sweeps: list[Sweep]) -> None:
        rest = np.flatnonzero(parts.word_class == UNPLACED)
        if rest.size:
            self._record("place", parts, sweeper.sweep(rest, parts), sweeps)

    def _greedy(
        self,
        sweeper: Sweeper,
        parts: Partition,
        words: npt.NDArray[np.int64],
        most: int,
        sweeps: list[Sweep],
        stage: str = "greedy",
    ) -> None:
        for _ in range(most):
            moved = sweeper.sweep(words, parts)
            self._record(stage, parts, moved, sweeps)
            if not moved:
                break

    def _heat(
        self,
        sweeper: Sweeper,
        parts: Partition,
        words: npt.NDArray[np.int64],
        n_sweeps: int,
        hottest: float,
        number: int,
        sweeps: list[Sweep],
    ) -> None:
        for heat in np.geomspace(hottest, COOLEST, n_sweeps).tolist():
            draws = np.random.SeedSequence((self.seed, number, len(sweeps))).generate_state(1, np.uint64)[0]
            moved = sweeper.sweep(words, parts, temperature=heat, seed=draws)
            self._record("anneal", parts, moved, sweeps)

    def _words(self, n: int) -> npt.NDArray[np.int64]:
        return np.arange(n)

    def _record(self, stage: str, parts: Partition, moved: int, sweeps: list[Sweep]) -> None:
        if self.stopped:
            raise KeyboardInterrupt
        sweeps.append(Sweep(stage, average_mutual_information(parts.exact), moved))
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, max(self.done, self.expected))
