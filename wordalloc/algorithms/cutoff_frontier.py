"""What cutoffs can reach: the frontier of expected time against parameters and against head mass, and its knee.

Against parameters: the vertices of the lower convex hull of (parameters, time) over all feasible cutoffs, by the
dichotomic scheme of Aneja & Nair (1979), "Bicriteria transportation problem", Management Science 25(1). It starts
from the smallest layer and the fastest one. The slope between two neighbours is a price of a parameter, and the
optimum at that price (`wordalloc.algorithms.cutoff_programme`, exact) is a point of the hull below the line through
them, or shows that there is none. The longest edge comes first, both axes scaled to [0, 1], so that also where the
search ends before it has them all the points are spread along the hull. Exact: every point lies on the hull. At most
two optima a point, O(V J² log V) time each over all J; memory O(V J²).

Against head mass: the exact optimum under each of several least head masses.
"""

from __future__ import annotations

import concurrent.futures
import heapq
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from wordalloc.algorithms._arguments import whole_number
from wordalloc.algorithms.adaptive_cutoffs import n_workers, problem_of
from wordalloc.algorithms.constraints import numbers_of_clusters, prefix_masses
from wordalloc.algorithms.cutoff_programme import CutoffProgramme, Solution
from wordalloc.algorithms.parameter_bound import cheapest_within, is_below, price_between
from wordalloc.allocations import Cutoffs

HEAD_MASSES = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975, 0.99)
_TIE = 1e-12  # of the fastest layer's time, for all its parameters: a price too low for anything but to break ties

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class FrontierPoint:
    """A layer that none beats in both respects.

    Attributes
    ----------
    cutoffs : tuple of int
        Empty: the full softmax.
    cost : float
        Expected seconds of a training step.
    parameters : int
        Weights of the layer.
    head_mass : float
        Share of the tokens that the head answers.
    min_head_mass : float
        The least share it had to answer.
    """

    cutoffs: tuple[int, ...]
    cost: float
    parameters: int
    head_mass: float
    min_head_mass: float


def cutoff_frontier(
    optimum: Cutoffs, *, points: int = 30, threads: int | None = None, progress: Progress | None = None
) -> tuple[FrontierPoint, ...]:
    """Return the convex frontier of expected time against parameters, the smallest layer first, the fastest last.

    Parameters
    ----------
    optimum : Cutoffs
        A result of `adaptive_cutoffs`: its parameters name the profile, the layer, the constraints and the numbers of
        tail clusters. A bound on its parameters is left aside.
    points : int
        Most points to find, at least 2; with fewer the hull has no more vertices.
    threads : int, optional
        Default: the number of processors. The result does not depend on it.
    progress : callable, optional
        Called as ``progress(found, points)``.

    Raises
    ------
    InputError
        If the cutoffs were not made by `adaptive_cutoffs`, or a value is impossible.

    Examples
    --------
    >>> from wordalloc import CostModel, Vocabulary, adaptive_cutoffs
    >>> model = CostModel(overhead=0, multiply_add=1, softmax=0, saturation=0, weight=0)
    >>> vocabulary = Vocabulary.from_counts("abcd", [5, 1, 1, 1])
    >>> free = dict(min_head_mass=0, min_tail_share=0)
    >>> best = adaptive_cutoffs(vocabulary, 1, dim=8, batch=8, div_value=1.5, cost_model=model, **free)
    >>> for point in cutoff_frontier(best):
    ...     print(point.cutoffs, point.parameters, point.cost, point.head_mass)
    (1,) 71 293.0 0.625
    (2,) 74 292.0 0.75

    By the first cutoff the head takes 8·8·(1 + 1) seconds, the tail 3·(8·5 + 5·3). A word more in the head takes 64
    more there and 65 less in the tail, whose width is 5. The third takes more of both.
    """
    programme, wanted = _programme_of(optimum)
    most = whole_number("points", points, 2)
    with concurrent.futures.ThreadPoolExecutor(min(n_workers(threads), len(wanted))) as pool:

        def cheapest(price: float) -> Solution:
            solutions = pool.map(lambda j: programme.solve(j, price), wanted)
            return min(solutions, key=lambda s: (s.priced(price), s.n_parameters, len(s.cutoffs)))

        least = min(programme.smallest(j).n_parameters for j in wanted)
        smallest = [answer[0] for answer in pool.map(lambda j: cheapest_within(programme, j, least), wanted) if answer]
        fastest = cheapest(0.0)
        fastest = cheapest(_TIE * fastest.cost / fastest.n_parameters)
        few = min(smallest, key=lambda solution: (solution.cost, len(solution.cutoffs)))
        found = _search(few, fastest, cheapest, most, progress)
    return tuple(_point(programme, solution) for solution in _lower_hull(found))


def head_mass_frontier(
    optimum: Cutoffs,
    *,
    head_masses: Sequence[float] = HEAD_MASSES,
    threads: int | None = None,
    progress: Progress | None = None,
) -> tuple[FrontierPoint, ...]:
    """Return the exact optimum under each least head mass, with its own among them, in increasing order.

    Parameters
    ----------
    optimum : Cutoffs
        A result of `adaptive_cutoffs`, as for `cutoff_frontier`.
    head_masses : sequence of float
        Each 0 … 1; one that leaves no room for the number of tail clusters asked for is left out.
    threads : int, optional
        Default: the number of processors. The result does not depend on it.
    progress : callable, optional
        Called as ``progress(solved, least head masses)``.

    Examples
    --------
    >>> from wordalloc import CostModel, Vocabulary, adaptive_cutoffs
    >>> model = CostModel(overhead=0, multiply_add=1, softmax=0, saturation=0, weight=0)
    >>> vocabulary = Vocabulary.from_counts("abcd", [5, 1, 1, 1])
    >>> best = adaptive_cutoffs(vocabulary, 1, dim=8, batch=8, cost_model=model, min_head_mass=0.6)
    >>> for point in head_mass_frontier(best, head_masses=[0.7, 0.8]):
    ...     print(point.min_head_mass, point.cutoffs, point.head_mass)
    0.6 (1,) 0.625
    0.7 (2,) 0.75
    0.8 (3,) 0.875
    """
    programme, _ = _programme_of(optimum)
    exactly = "n_clusters" in optimum.parameters
    most = int(optimum.parameters["n_clusters" if exactly else "max_clusters"])

    def best(head_mass: float) -> Solution | None:
        other = replace(programme, constraints=replace(programme.constraints, min_head_mass=head_mass))
        room = len(other.constraints.shortest(other.prefix, most))
        tried = range(most if exactly else 0, room + 1)
        return min((other.solve(j) for j in tried), key=lambda s: (s.cost, len(s.cutoffs)), default=None)

    masses = sorted({*head_masses, programme.constraints.min_head_mass})
    found: list[FrontierPoint] = []
    with concurrent.futures.ThreadPoolExecutor(min(n_workers(threads), len(masses))) as pool:
        for done, (mass, solution) in enumerate(zip(masses, pool.map(best, masses), strict=True), start=1):
            if solution is not None:
                found.append(replace(_point(programme, solution), min_head_mass=mass))
            if progress is not None:
                progress(done, len(masses))
    return tuple(found)


def knee(points: Sequence[FrontierPoint]) -> FrontierPoint | None:
    """Return the point of a frontier against parameters that is furthest below the chord between its ends.

    Both axes are first scaled to [0, 1]: Satopää, Albrecht, Irwin & Raghavan (2011), "Finding a 'kneedle' in a
    haystack". It is where the next parameters begin to buy less time than they do on average. The search
    for the frontier splits that chord first, so that its knee does not depend on how many points were asked for.

    Parameters
    ----------
    points : sequence of FrontierPoint
        In the order of `cutoff_frontier`.

    Returns
    -------
    FrontierPoint or None
        None where there are fewer than three points, and so no chord with anything below it.

    Examples
    --------
    >>> pairs = [(0, 10), (2, 4), (6, 1), (10, 0)]
    >>> points = [FrontierPoint((), cost, parameters, 1.0, 0.0) for parameters, cost in pairs]
    >>> knee(points).parameters  # 0.2 + 0.4 is less than 0.6 + 0.1
    2
    """
    if len(points) < 3:
        return None
    width = points[-1].parameters - points[0].parameters
    height = points[0].cost - points[-1].cost
    return min(points, key=lambda point: (point.parameters / width + point.cost / height, point.parameters))


def _programme_of(optimum: Cutoffs) -> tuple[CutoffProgramme, range]:
    """Return what the optimum was found in: the dynamic programme and the numbers of tail clusters."""
    model, shape, constraints = problem_of(optimum)
    prefix = prefix_masses(optimum.vocabulary)
    asked = optimum.parameters
    wanted = numbers_of_clusters(prefix, constraints, asked.get("n_clusters"), asked.get("max_clusters", 1))
    return CutoffProgramme(prefix, constraints, model, shape), wanted


def _search(
    few: Solution, many: Solution, cheapest: Callable[[float], Solution], most: int, progress: Progress | None
) -> list[Solution]:
    """Return points of the hull between its ends, the longest edges split first."""
    found = [few, many]
    width, height = many.n_parameters - few.n_parameters, few.cost - many.cost
    if width <= 0 or height <= 0:  # the fastest layer is the smallest
        return found
    order = itertools.count()  # of two edges of one length the older one first
    edges: list[tuple[float, int, Solution, Solution]] = []

    def add(few: Solution, many: Solution) -> None:
        across, down = many.n_parameters - few.n_parameters, few.cost - many.cost
        if across > 0 and down > 0:
            heapq.heappush(edges, (-math.hypot(across / width, down / height), next(order), few, many))

    add(few, many)
    while edges and len(found) < most:
        _, _, few, many = heapq.heappop(edges)
        price = price_between(few, many)
        middle = cheapest(price)
        if is_below(middle, few, price):
            found.append(middle)
            add(few, middle)
            add(middle, many)
        if progress is not None:
            progress(len(found), most)
    return found


def _lower_hull(found: list[Solution]) -> list[Solution]:
    """Return those that are vertices of the hull of all, by rising parameters and falling time."""
    hull: list[Solution] = []
    for solution in sorted(found, key=lambda s: (s.n_parameters, s.cost)):
        if hull and solution.cost >= hull[-1].cost:
            continue
        while len(hull) > 1 and not is_below(hull[-1], hull[-2], price_between(hull[-2], solution)):
            hull.pop()
        hull.append(solution)
    return hull


def _point(programme: CutoffProgramme, solution: Solution) -> FrontierPoint:
    head = solution.cutoffs[0] if solution.cutoffs else programme.prefix.size - 1
    return FrontierPoint(
        solution.cutoffs,
        solution.cost,
        solution.n_parameters,
        float(programme.prefix[head]),
        programme.constraints.min_head_mass,
    )
