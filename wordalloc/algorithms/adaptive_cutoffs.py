"""Exact cutoffs of an adaptive softmax: the least expected time of a training step.

What is minimised and how is said in `wordalloc.algorithms.cutoff_programme`: an exact dynamic programme for each
number of tail clusters, O(V J log V) time and O(V J) memory. Among several optima the one with fewest clusters, then
the lexicographically smallest, is returned. What the cutoffs must meet, and why, is said in
`wordalloc.algorithms.constraints`. A bound on the layer's parameters makes the problem harder: the answer is then
exact or comes with a lower bound of the time (`wordalloc.algorithms.parameter_bound`).
"""

from __future__ import annotations

import concurrent.futures
import math
import os
from collections.abc import Callable
from dataclasses import asdict

import numpy as np

from wordalloc.algorithms._arguments import whole_number
from wordalloc.algorithms.constraints import (
    MIN_HEAD,
    MIN_HEAD_MASS,
    MIN_TAIL_SHARE,
    Constraints,
    numbers_of_clusters,
    prefix_masses,
)
from wordalloc.algorithms.cost_model import CostModel, LayerShape, cluster_costs, full_cost
from wordalloc.algorithms.cutoff_programme import CutoffProgramme
from wordalloc.algorithms.parameter_bound import cheapest_within
from wordalloc.allocations import Cutoffs
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary


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
    max_params: int | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Cutoffs:
    """Return the adaptive-softmax cutoffs of least expected time of a training step.

    The exact optimum; with `max_params`, exact or with a lower bound.

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
    max_params : int, optional
        Most parameters of the layer: d·(c₁ + J) of the head, d·dᵢ + kᵢ·dᵢ of tail cluster i of kᵢ words.
    threads : int, optional
        Default: the number of processors. The result does not depend on it.
    progress : callable, optional
        Called as ``progress(solved, numbers of clusters to solve)``.

    Returns
    -------
    Cutoffs
        Its parameters hold what it depends on, the objective (seconds), its lower bound (equal where `exact` is
        true), the cost of a full softmax, and the best found for every number of clusters that was solved.

    Raises
    ------
    InputError
        If `n_clusters` tail clusters do not fit the vocabulary and the constraints (the message says how many
        do, and which constraint is in the way), no layer is as small as `max_params` (it says how small one can
        be), all counts are zero, or a value is impossible.

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
    programme = CutoffProgramme(prefix_masses(vocabulary), constraints, model, shape)
    wanted = numbers_of_clusters(programme.prefix, constraints, n_clusters, max_clusters)
    limit = math.inf if max_params is None else whole_number("max_params", max_params, 1)
    workers = n_workers(threads)

    answers = []
    with concurrent.futures.ThreadPoolExecutor(min(workers, len(wanted))) as pool:
        for answer in pool.map(lambda j: cheapest_within(programme, j, limit), wanted):
            answers.append(answer)
            if progress is not None:
                progress(len(answers), len(wanted))
    solved = [answer for answer in answers if answer is not None]
    if not solved:
        least = min(programme.smallest(j).n_parameters for j in wanted)
        raise InputError(
            f"no layer has at most {max_params} parameters: under the constraints the smallest has "
            f"{least}; allow as many, or ease them"
        )
    best, _ = min(solved, key=lambda answer: (answer[0].cost, len(answer[0].cutoffs)))
    bound = min(low for _, low in solved)

    asked = {"max_clusters": int(max_clusters)} if n_clusters is None else {"n_clusters": int(n_clusters)}
    parameters = {
        "algorithm": "adaptive_cutoffs",
        **asked,
        **asdict(shape),
        **asdict(constraints),
        **({} if max_params is None else {"max_params": int(max_params)}),
        "profile": model.to_json(),
        "objective": best.cost,
        "lower_bound": bound,
        "exact": bound == best.cost,
        "full_cost": full_cost(model, shape, vocabulary.size),
        "solved": [
            {"cutoffs": list(solution.cutoffs), "cost": solution.cost, "lower_bound": low} for solution, low in solved
        ],
    }
    return Cutoffs(vocabulary, np.array(best.cutoffs, dtype=np.int64), parameters)


def layer_cost(cutoffs: Cutoffs, cost_model: CostModel, shape: LayerShape) -> float:
    """Return the expected seconds of a training step at any cutoffs."""
    return math.fsum(cluster_costs(cost_model, shape, cutoffs.sizes, cutoffs.masses))


def problem_of(optimum: Cutoffs) -> tuple[CostModel, LayerShape, Constraints]:
    """Return what `adaptive_cutoffs` was asked when it made a result, so that others can be judged alike.

    Raises
    ------
    InputError
        If the cutoffs come from elsewhere.
    """
    known = optimum.parameters
    if known.get("algorithm") != "adaptive_cutoffs":
        raise InputError("only cutoffs made by adaptive_cutoffs say by which cost others can be compared with them")
    return (
        CostModel.from_json(known["profile"]),
        LayerShape(known["dim"], known["batch"], known["div_value"]),
        Constraints(known["min_head_mass"], known["min_head"], known["min_tail_share"]),
    )


def n_workers(threads: int | None) -> int:
    """Return how many threads to use: what the caller says, else the number of processors."""
    return (os.cpu_count() or 1) if threads is None else whole_number("threads", threads, 1)
