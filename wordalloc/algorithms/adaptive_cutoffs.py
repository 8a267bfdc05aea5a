"""Exact cutoffs of an adaptive softmax: the least expected time of a training step.

Minimises, over cutoffs 0 < c₁ < … < c_J < V, the cost of `wordalloc.algorithms.cost_model` (Grave et al. 2017,
section 4): the head's, and each tail cluster's at its mass and size. With Sᵢ(a) the least cost of clusters i … J
over the ranks from a on,

    S_J(a) = w_J(a, V),    Sᵢ(a) = min over b > a of wᵢ(a, b) + Sᵢ₊₁(b),    answer: min over c₁ of head(c₁) + S₁(c₁).

wᵢ obeys the quadrangle inequality, so a layer takes O(V log V) (`wordalloc.algorithms.monge`); widths and the
head's extra entries depend on J, so each J has its own layers: J (J - 1) / 2 of them up to J. Exact; memory O(V J).
Among several optima the one with fewest clusters, then the lexicographically smallest, is returned.

Left to itself the optimum shrinks the head to a few dozen words and the clusters behind it to one word each, only
to reach the narrow widths, which are cheap and predict badly. Three constraints keep it from that:

`min_head_mass` = 0.85
    The head answers at least this share of all tokens at the full width d. Grave et al. (2017, section 4.3) find
    that 80 to 90 % of the tokens belong there; the constants people copy for WikiText-103 give the head 92 %.
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
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms.cost_model import (
    CostModel,
    LayerShape,
    cluster_costs,
    full_cost,
    head_cost,
    tail_coefficients,
    tail_cost,
)
from wordalloc.algorithms.monge import best_next
from wordalloc.allocations import Cutoffs
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary

MIN_HEAD_MASS = 0.85
MIN_HEAD = 1
MIN_TAIL_SHARE = 0.5
ROUNDING = 1e-12  # a constraint that is met up to the rounding of the masses is met


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
        J, the number of tail clusters; 0 is the full softmax. Default: the best from 1 to `max_clusters`.
    max_clusters : int
        Where `n_clusters` is left out; a vocabulary too small for so many gets fewer.
    dim : int
        d, width of the hidden state.
    batch : int
        Tokens in a step.
    div_value : float
        Tail cluster i has width max(1, ⌊d / div_valueⁱ⌋).
    cost_model : CostModel, optional
        The device's profile.
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
        Its parameters hold the objective (seconds, equal to its lower bound), the cost of a full softmax, and
        the optimum of every number of clusters that was solved.

    Raises
    ------
    InputError
        If no cutoffs with `n_clusters` meet the constraints (the message says how many do), or a value is
        impossible.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts("abcdefgh", [60, 20, 10, 5, 2, 1, 1, 1])
    >>> model = CostModel(overhead=0, multiply_add=1, saturation=0, weight=0)
    >>> best = adaptive_cutoffs(vocabulary, 1, dim=4, batch=100, cost_model=model, min_head_mass=0)
    >>> best, best.parameters["objective"]
    (Cutoffs([1], vocabulary of 8 words), 1240.0)

    The head costs 4·100·(1 + 1) = 800; the tail's 40 tokens cost 4·40·1 to project and 1·40·7 to answer.
    """
    model, shape = cost_model or CostModel(), LayerShape(dim, batch, div_value)
    prefix = _prefix_masses(vocabulary)
    first = _smallest_head(prefix, min_head_mass, min_head)
    earliest = _earliest_ends(prefix, min_tail_share)
    wanted = _numbers_of_clusters(n_clusters, max_clusters)

    solutions: list[Solution] = []
    with concurrent.futures.ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        for number, solution in enumerate(pool.map(lambda j: _solve(prefix, earliest, model, shape, j, first), wanted)):
            if solution is not None:
                solutions.append(solution)
            if progress is not None:
                progress(number + 1, len(wanted))
    if not solutions and n_clusters is None:
        solutions = [Solution((), full_cost(model, shape, vocabulary.size))]  # too few words for any tail
    if not solutions:
        raise InputError(_infeasible(prefix, earliest, first, wanted[0]))
    best = min(solutions, key=lambda solution: (solution.cost, len(solution.cutoffs)))

    parameters = {
        "algorithm": "adaptive_cutoffs",
        "dim": int(dim),
        "batch": int(batch),
        "div_value": float(div_value),
        "profile": model.to_json(),
        "min_head_mass": float(min_head_mass),
        "min_head": int(min_head),
        "min_tail_share": float(min_tail_share),
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


def _solve(
    prefix: npt.NDArray[np.float64],
    earliest: npt.NDArray[np.int64],
    model: CostModel,
    shape: LayerShape,
    n_clusters: int,
    first: int,
) -> Solution | None:
    """Return the optimum for exactly `n_clusters` tail clusters and a head of at least `first` words."""
    size = prefix.size - 1
    if n_clusters == 0:
        return Solution((), full_cost(model, shape, size))
    starts = np.arange(size + 1)
    values = tail_cost(tail_coefficients(model, shape, n_clusters), prefix[-1] - prefix, size - starts)
    values[size] = np.inf  # no cluster is empty
    choices: list[npt.NDArray[np.int64]] = []
    for cluster in range(n_clusters - 1, 0, -1):
        following, values = values, np.full(size + 1, np.inf)
        choice = np.full(size + 1, size)
        coefficients = tail_coefficients(model, shape, cluster)
        best_next(prefix, coefficients, following, earliest, first, size - 1, values, choice)
        choices.append(choice)
    totals = head_cost(model, shape, starts, n_clusters) + values
    cut = first + int(np.argmin(totals[first:]))
    if not math.isfinite(totals[cut]):
        return None
    cutoffs = [cut]
    for choice in reversed(choices):
        cutoffs.append(int(choice[cutoffs[-1]]))
    return Solution(tuple(cutoffs), float(totals[cut]))


def _prefix_masses(vocabulary: Vocabulary) -> npt.NDArray[np.float64]:
    """Return the share of tokens before each rank, shape (V + 1,): sums are exact before the one rounding."""
    if vocabulary.total == 0:
        raise InputError("all counts are zero, so no cutoffs are better than others; count a text first")
    high = np.cumsum(vocabulary.counts >> 32)
    low = np.cumsum(vocabulary.counts & 0xFFFFFFFF)
    sums = high.astype(np.float64) * 2.0**32 + low.astype(np.float64)
    return np.concatenate(([0.0], sums / float(vocabulary.total)))


def _smallest_head(prefix: npt.NDArray[np.float64], min_head_mass: float, min_head: int) -> int:
    """Return the least number of words that meets both constraints on the head."""
    if not (isinstance(min_head_mass, int | float) and 0 <= min_head_mass <= 1):
        raise InputError(f"min_head_mass must be a share from 0 to 1, not {min_head_mass!r}")
    if isinstance(min_head, bool) or not isinstance(min_head, int | np.integer) or min_head < 1:
        raise InputError(f"min_head must be a positive whole number, not {min_head!r}")
    size = prefix.size - 1
    by_mass = int(np.searchsorted(prefix, min_head_mass - ROUNDING))
    return min(size, max(1, int(min_head), by_mass))


def _earliest_ends(prefix: npt.NDArray[np.float64], min_tail_share: float) -> npt.NDArray[np.int64]:
    """Return, for every first rank of a tail cluster that is not the last one, its least end."""
    if not (isinstance(min_tail_share, int | float) and 0 <= min_tail_share <= 1):
        raise InputError(f"min_tail_share must be a share from 0 to 1, not {min_tail_share!r}")
    needed = prefix + min_tail_share * (1 - prefix)
    ends = np.searchsorted(prefix, needed - ROUNDING)
    return np.maximum(ends, np.arange(1, prefix.size + 1))


def _numbers_of_clusters(n_clusters: int | None, max_clusters: int) -> list[int]:
    name, value, least = ("max_clusters", max_clusters, 1) if n_clusters is None else ("n_clusters", n_clusters, 0)
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return list(range(1, int(value) + 1)) if n_clusters is None else [int(value)]


def _infeasible(prefix: npt.NDArray[np.float64], earliest: npt.NDArray[np.int64], first: int, n_clusters: int) -> str:
    """Say how many tail clusters the constraints leave room for: the shortest allowed ones, one after the other."""
    size = prefix.size - 1
    most, start = 0, first
    while start < size:
        most, start = most + 1, int(earliest[start])
    return (
        f"{n_clusters} tail clusters do not fit: of {size} words the head takes at least {first}, and the "
        f"constraints leave room for {most} tail clusters; ask for so many, or lower min_head_mass, min_head or "
        "min_tail_share"
    )
