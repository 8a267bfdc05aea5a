"""Cutoffs of least expected time among layers of at most so many parameters, for one number of tail clusters.

The dual method of Handler & Zang (1980), "A dual algorithm for the constrained shortest path problem", Networks 10.
Of two solutions, one within the bound and one beyond it, the line through their (parameters, time) gives a
price μ for a parameter; the optimum at that price (`wordalloc.algorithms.cutoff_programme`, exact) either lies below
the line and replaces the one on its side, or the line is an edge of the lower convex hull of all solutions. It ends
at that edge after finitely many steps, few in practice. The edge's height at the bound is a lower bound of the time.

The end of the edge within the bound is optimal where it attains the bound. Elsewhere the optimum may lie above the
hull, in the gap that no price reaches. The gap is closed, as it is there, by looking at every solution whose priced
cost leaves room for a better one: first a descent, from both ends, moves one cutoff at a time to the best of
all its places within the bound, so that few are left; then they are enumerated, as long as that takes at most
`EFFORT` costs. Where it does the answer is exact; where it does not the lower bound says how far it can be off.
Time O(V J log V) a step; memory O(V J).
"""

from __future__ import annotations

import numpy as np

from wordalloc.algorithms.constraints import ROUNDING
from wordalloc.algorithms.cutoff_programme import CutoffProgramme, Solution

EFFORT = 20_000_000  # a second or two


def cheapest_within(
    programme: CutoffProgramme, n_clusters: int, max_parameters: float
) -> tuple[Solution, float] | None:
    """Return the best cutoffs found within the bound and a lower bound of the best time; None where none fit.

    Parameters
    ----------
    programme : CutoffProgramme
        The vocabulary's masses, the device, the layer and the constraints.
    n_clusters : int
        J tail clusters, which the constraints leave room for.
    max_parameters : float
        The bound; infinite: none.

    Examples
    --------
    >>> from wordalloc.algorithms.constraints import Constraints
    >>> from wordalloc.algorithms.cost_model import CostModel, LayerShape
    >>> model = CostModel(overhead=0, multiply_add=1, softmax=0, saturation=0, weight=0)
    >>> prefix = np.array([0, 0.25, 0.5, 0.75, 1])
    >>> programme = CutoffProgramme(prefix, Constraints(0, 1, 0), model, LayerShape(dim=8, batch=4, div_value=1.5))
    >>> [programme.solution([cutoff]) for cutoff in (1, 2, 3)]  # head 8·4·(c + 1); tail (4 - c)·(8·5 + 5·(4 - c))
    [Solution(cutoffs=(1,), cost=229.0, n_parameters=71), \
Solution(cutoffs=(2,), cost=196.0, n_parameters=74), \
Solution(cutoffs=(3,), cost=173.0, n_parameters=77)]
    >>> cheapest_within(programme, 1, 75)
    (Solution(cutoffs=(2,), cost=196.0, n_parameters=74), 196.0)
    """
    few = programme.smallest(n_clusters)
    if few.n_parameters > max_parameters:
        return None
    many = programme.solve(n_clusters)
    if many.n_parameters <= max_parameters:
        return many, many.cost
    while True:
        price = price_between(few, many)
        middle = programme.solve(n_clusters, price)
        if not is_below(middle, few, price):
            break
        if middle.n_parameters <= max_parameters:
            few = middle
        else:
            many = middle
    bound = min(middle.priced(price), few.priced(price)) - price * max_parameters
    starts = [few, *_moves(programme, many, max_parameters)[:1]]
    best = min((_descend(programme, start, max_parameters) for start in starts), key=_rank)
    if best.cost - bound > ROUNDING * best.cost:
        limit = (best.cost + price * max_parameters) * (1 + ROUNDING)
        rest = programme.within(n_clusters, price, limit, EFFORT)
        if rest is None:
            return best, bound
        best = min((one for one in rest if one.n_parameters <= max_parameters), key=_rank, default=best)
    return best, best.cost


def price_between(few: Solution, many: Solution) -> float:
    """Return the seconds for which a parameter more is bought between two solutions."""
    return max(0.0, (few.cost - many.cost) / (many.n_parameters - few.n_parameters))


def is_below(solution: Solution, other: Solution, price: float) -> bool:
    """Tell whether a solution is better at a price, by more than rounding."""
    return solution.priced(price) < other.priced(price) * (1 - ROUNDING)


def _descend(programme: CutoffProgramme, best: Solution, max_parameters: float) -> Solution:
    """Move single cutoffs to their best places within the bound while the time falls."""
    while (better := _moves(programme, best, max_parameters)[0]).cost < best.cost:
        best = better
    return best


def _moves(programme: CutoffProgramme, solution: Solution, max_parameters: float) -> list[Solution]:
    """Return, the best first, what comes of moving each cutoff alone to its best place within the bound."""
    places = (_best_place(programme, solution, i, max_parameters) for i in range(len(solution.cutoffs)))
    return sorted((place for place in places if place is not None), key=_rank)


def _best_place(programme: CutoffProgramme, solution: Solution, i: int, max_parameters: float) -> Solution | None:
    """Return the solution with cutoff `i` at its best place within the bound; None where no place is within it."""
    n_clusters = len(solution.cutoffs)
    bounds = (0, *solution.cutoffs, programme.prefix.size - 1)
    start, place, end = bounds[i : i + 3]
    low = programme.first if i == 0 else int(programme.earliest[start])
    high = end - 1
    if i < n_clusters - 1:  # the next cluster must still answer its share
        high = int(np.searchsorted(programme.earliest, end, side="right")) - 1
    added = programme.shape.width(i) - programme.shape.width(i + 1)  # parameters, for each word moved forward
    room = max_parameters - solution.n_parameters
    if added:
        high = min(high, place + int(room // added))
    if high < low or (not added and room < 0):
        return None
    places = np.arange(low, high + 1)
    times = programme.cluster_time(i, start, places, n_clusters)
    times = times + programme.cluster_time(i + 1, places, end, n_clusters)
    best = int(places[np.argmin(times)])
    return programme.solution((*solution.cutoffs[:i], best, *solution.cutoffs[i + 1 :]))


def _rank(solution: Solution) -> tuple[float, tuple[int, ...]]:
    return solution.cost, solution.cutoffs
