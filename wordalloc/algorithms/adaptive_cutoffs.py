"""Exact cutoffs of an adaptive softmax: the least expected time of a training step.

Minimises, over cutoffs 0 < c₁ < … < c_J < V, the cost of `wordalloc.algorithms.cost_model` (Grave et al. 2017,
section 4): the head's, and each tail cluster's at its mass and size. With Sᵢ(a) the least cost of clusters i … J
over the ranks from a on,

    S_J(a) = w_J(a, V),    Sᵢ(a) = min over b > a of wᵢ(a, b) + Sᵢ₊₁(b),    answer: min over c₁ of head(c₁) + S₁(c₁).

wᵢ obeys the quadrangle inequality, so a layer takes O(V log V) (`wordalloc.algorithms.monge`); the last cluster and
the head's extra entries depend on J, so each J has its own J - 1 layers. Exact; memory O(V J). Among several optima
the one with fewest clusters, then the lexicographically smallest, is returned.

Left to itself the optimum shrinks the head to a few dozen words and, where d is large and logits are cheap, the
clusters behind it to one word each, only to reach the narrow widths, which are cheap and predict badly. Three
constraints keep it from that:

`min_head_mass` = 0.85
    The head answers at least this share of all tokens at the full width d. It is what people have by habit: the
    constants they copy give the head 86 % of the tokens of English novels, scaled to a vocabulary of 30,000 words.
`min_head` = 1
    A floor in words, for those who want one.
`min_tail_share` = 0.5
    Each tail cluster but the last answers at least this share of the tokens that reach it, so that at most
    (1 - 0.85) / 2ⁱ⁻¹ of all tokens are answered at width d / div_valueⁱ or less.
"""

from __future__ import annotations

import concurrent.futures
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._arguments import real_number, whole_number
from wordalloc.algorithms.cost_model import (
    CostModel,
    LayerShape,
    cluster_costs,
    full_cost,
    head_cost,
    tail_coefficients,
)
from wordalloc.algorithms.monge import band_cost, best_next
from wordalloc.algorithms.prefix_sums import prefix_sums
from wordalloc.allocations import Cutoffs
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary

MIN_HEAD_MASS = 0.85
MIN_HEAD = 1
MIN_TAIL_SHARE = 0.5
ROUNDING = 1e-12  # a constraint that is met up to the rounding of the masses is met


@dataclass(frozen=True)
class Constraints:
    """What cutoffs must meet to be feasible; the module's text says why.

    Attributes
    ----------
    min_head_mass : float
        Least share of the tokens that the head answers, 0 … 1.
    min_head : int
        Least number of words in the head.
    min_tail_share : float
        Least share, of the tokens that reach a tail cluster, that it answers, 0 … 1 (the last one answers all).

    Raises
    ------
    InputError
        If a value is out of its range.
    """

    min_head_mass: float = MIN_HEAD_MASS
    min_head: int = MIN_HEAD
    min_tail_share: float = MIN_TAIL_SHARE

    def __post_init__(self) -> None:
        object.__setattr__(self, "min_head_mass", real_number("min_head_mass", self.min_head_mass, 0, 1))
        object.__setattr__(self, "min_head", whole_number("min_head", self.min_head, 1))
        object.__setattr__(self, "min_tail_share", real_number("min_tail_share", self.min_tail_share, 0, 1))

    def smallest_head(self, prefix: npt.NDArray[np.float64]) -> int:
        """Return the least size of a feasible head: V where only the whole vocabulary will do."""
        by_mass = int(np.searchsorted(prefix, self.min_head_mass - ROUNDING))
        return min(prefix.size - 1, max(self.min_head, by_mass))

    def earliest_ends(self, prefix: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Return, for every first rank of a tail cluster that is not the last one, its least end."""
        needed = prefix + self.min_tail_share * (1 - prefix)
        ends = np.searchsorted(prefix, needed - ROUNDING)
        return np.maximum(ends, np.arange(1, prefix.size + 1))

    def met_by(self, cutoffs: Cutoffs) -> bool:
        """Tell whether cutoffs of any origin are feasible; without a tail cluster they always are."""
        prefix = prefix_masses(cutoffs.vocabulary)
        bounds = cutoffs.bounds
        if cutoffs.n_clusters == 0:
            return True
        inner = bounds[1:-2]
        return bool(
            bounds[1] >= self.smallest_head(prefix) and (self.earliest_ends(prefix)[inner] <= bounds[2:-1]).all()
        )


@dataclass(frozen=True)
class Solution:
    """The optimum for one number of tail clusters: its cutoffs and expected seconds a step."""

    cutoffs: tuple[int, ...]
    cost: float


def adaptive_cutoffs(
    vocabulary: Vocabulary,
    n_clusters: int | None = None,
    *,
    max_clusters: int = 5,
    dim: int = 512,
    batch: int = 4096,
    div_value: float = 4.0,
    cost_model: CostModel | None = None,
    min_head_mass: float = MIN_HEAD_MASS,
    min_head: int = MIN_HEAD,
    min_tail_share: float = MIN_TAIL_SHARE,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Cutoffs:
    """Return the adaptive-softmax cutoffs of least expected time of a training step: the exact optimum.

    Parameters
    ----------
    vocabulary : Vocabulary
        V words and counts.
    n_clusters : int, optional
        J, the number of tail clusters; 0 is the full softmax. Default: the best from 0 to `max_clusters`.
    max_clusters : int
        Where `n_clusters` is left out; of these as many are tried as fit.
    dim : int
        d, width of the hidden state.
    batch : int
        Tokens in a step.
    div_value : float
        Tail cluster i has width max(1, ⌊d / div_valueⁱ⌋).
    cost_model : CostModel, optional
        The device's profile. Default: two CPU cores.
    min_head_mass : float
        Least share of tokens that the head answers, 0 … 1.
    min_head : int
        Least number of words in the head.
    min_tail_share : float
        Least share, of the tokens that reach a tail cluster, that it answers (the last one answers all).
    threads : int, optional
        Default: the number of processors. The result does not depend on it.
    progress : callable, optional
        Called as ``progress(solved, numbers of clusters to solve)``.

    Returns
    -------
    Cutoffs
        Its parameters hold what it depends on, the objective (seconds, equal to its lower bound), the cost of a
        full softmax, and the optimum of every number of clusters that was solved.

    Raises
    ------
    InputError
        If `n_clusters` tail clusters do not fit the vocabulary and the constraints (the message says how many
        do), all counts are zero, or a value is impossible.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts("abcdefgh", [60, 20, 10, 5, 2, 1, 1, 1])
    >>> model = CostModel(overhead=0, multiply_add=1, softmax=0, saturation=0, weight=0)
    >>> best = adaptive_cutoffs(vocabulary, 1, dim=4, batch=100, cost_model=model, min_head_mass=0)
    >>> best, best.parameters["objective"]
    (Cutoffs([1], vocabulary of 8 words), 1240.0)

    The head costs 4·100·(1 + 1) = 800; the tail's 40 tokens cost 4·40·1 to project and 1·40·7 to answer.
    """
    model, shape = cost_model or CostModel(), LayerShape(dim, batch, div_value)
    constraints = Constraints(min_head_mass, min_head, min_tail_share)
    prefix = prefix_masses(vocabulary)
    first, earliest = constraints.smallest_head(prefix), constraints.earliest_ends(prefix)
    wanted = _numbers_of_clusters(n_clusters, max_clusters, first, earliest)
    workers = (os.cpu_count() or 1) if threads is None else whole_number("threads", threads, 1)

    solutions: list[Solution] = []
    with concurrent.futures.ThreadPoolExecutor(min(workers, len(wanted))) as pool:
        for solution in pool.map(lambda j: _solve(prefix, earliest, model, shape, j, first), wanted):
            solutions.append(solution)
            if progress is not None:
                progress(len(solutions), len(wanted))
    best = min(solutions, key=lambda solution: (solution.cost, len(solution.cutoffs)))

    asked = {"max_clusters": int(max_clusters)} if n_clusters is None else {"n_clusters": int(n_clusters)}
    parameters = {
        "algorithm": "adaptive_cutoffs",
        **asked,
        **asdict(shape),
        **asdict(constraints),
        "profile": model.to_json(),
        "objective": best.cost,
        "lower_bound": best.cost,
        "exact": True,
        "full_cost": full_cost(model, shape, vocabulary.size),
        "solved": [{"cutoffs": list(solution.cutoffs), "cost": solution.cost} for solution in solutions],
    }
    return Cutoffs(vocabulary, np.array(best.cutoffs, dtype=np.int64), parameters)


def layer_cost(cutoffs: Cutoffs, cost_model: CostModel, shape: LayerShape) -> float:
    """Return the expected seconds of a training step at any cutoffs."""
    return math.fsum(cluster_costs(cost_model, shape, cutoffs.sizes, cutoffs.masses))


def prefix_masses(vocabulary: Vocabulary) -> npt.NDArray[np.float64]:
    """Return the share of tokens before each rank, shape (V + 1,), from exactly 0 to exactly 1."""
    return prefix_sums(vocabulary) / float(vocabulary.total)


def _numbers_of_clusters(
    n_clusters: int | None, max_clusters: int, first: int, earliest: npt.NDArray[np.int64]
) -> range:
    """Return the numbers of tail clusters to solve, all of which fit."""
    if n_clusters is None:
        most = whole_number("max_clusters", max_clusters, 1)
        return range(_room(first, earliest, most) + 1)
    wanted = whole_number("n_clusters", n_clusters, 0)
    room = _room(first, earliest, wanted)
    if room < wanted:
        raise InputError(
            f"{wanted} tail clusters do not fit: the constraints give the head at least {first} of "
            f"{earliest.size - 1} words and leave room for at most {room} tail clusters; ask for fewer, or lower "
            "min_head_mass, min_head or min_tail_share"
        )
    return range(wanted, wanted + 1)


def _room(first: int, earliest: npt.NDArray[np.int64], limit: int) -> int:
    """Return how many tail clusters fit, at most `limit`: the shortest allowed ones, one after the other."""
    room, start = 0, first
    while room < limit and start < earliest.size - 1:
        room, start = room + 1, int(earliest[start])
    return room


def _solve(
    prefix: npt.NDArray[np.float64],
    earliest: npt.NDArray[np.int64],
    model: CostModel,
    shape: LayerShape,
    n_clusters: int,
    first: int,
) -> Solution:
    """Return the optimum for exactly `n_clusters` tail clusters, which fit, and a head of at least `first` words."""
    size = prefix.size - 1
    if n_clusters == 0:
        return Solution((), full_cost(model, shape, size))
    starts = np.arange(size + 1)
    values = band_cost(tail_coefficients(model, shape, n_clusters), prefix[-1] - prefix, size - starts)
    values[size] = np.inf  # no cluster is empty
    choices: list[npt.NDArray[np.int64]] = []
    for cluster in range(n_clusters - 1, 0, -1):
        following, values = values, np.full(size + 1, np.inf)
        choice = np.full(size + 1, size)
        coefficients = tail_coefficients(model, shape, cluster)
        best_next(prefix, coefficients, following, earliest, first, size - 1, values, choice)
        choices.append(choice)
    totals = head_cost(model, shape, starts, n_clusters) + values
    cutoffs = [first + int(np.argmin(totals[first:]))]
    cost = float(totals[cutoffs[0]])
    for choice in reversed(choices):
        cutoffs.append(int(choice[cutoffs[-1]]))
    return Solution(tuple(cutoffs), cost)
