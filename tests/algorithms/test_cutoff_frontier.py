"""Bounds on parameters, the frontier, its knee, and the nearest feasible constraints, against brute force."""

from __future__ import annotations

import itertools
import math
import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracles
from tests.algorithms.test_adaptive_cutoffs import constraints, optimise, shapes, whole_models
from tests.algorithms.vocabularies import dyadic_counts, from_counts, zipf
from wordalloc import Cutoffs, adaptive_cutoffs, cutoff_frontier, head_mass_frontier, knee
from wordalloc.algorithms import parameter_bound
from wordalloc.algorithms.adaptive_cutoffs import layer_cost, problem_of
from wordalloc.algorithms.constraints import ROUNDING, Constraints, prefix_masses
from wordalloc.algorithms.cost_model import CostModel, LayerShape
from wordalloc.algorithms.cutoff_frontier import FrontierPoint
from wordalloc.algorithms.cutoff_programme import CutoffProgramme, layer_parameters
from wordalloc.algorithms.parameter_bound import EFFORT
from wordalloc.errors import InputError

MOST = 3  # tail clusters that brute force tries
# Of nearly equal words, answered by dear logits, clusters want to be alike in size, and small layers do not.
opposed = st.tuples(
    st.lists(st.integers(0, 9), min_size=4, max_size=9).map(lambda more: sorted(balanced(more), reverse=True)),
    st.builds(
        CostModel,
        overhead=st.just(0),
        multiply_add=st.just(1),
        softmax=st.sampled_from([9, 50, 99]),
        saturation=st.integers(0, 9),
        weight=st.integers(0, 1),
    ),
    st.builds(LayerShape, dim=st.just(24), batch=st.sampled_from([8, 64]), div_value=st.sampled_from([1.25, 1.5, 2])),
    st.just(Constraints(0, 1, 0)),
)
problems = st.tuples(dyadic_counts(max_size=9), whole_models, shapes, constraints) | opposed


def balanced(more: list[int]) -> list[int]:
    """Nearly equal counts whose sum is 1024."""
    counts = [(1024 - sum(more)) // len(more) + count for count in more]
    return [counts[0] + 1024 - sum(counts), *counts[1:]]


def every_layer(counts, model, shape, limits, most=MOST):
    """(parameters, exact time, cutoffs) of all feasible cutoffs."""
    return [
        (
            oracles.layer_weights(shape, len(counts), cutoffs),
            oracles.layer_time(model, shape, counts, cutoffs, exact=True),
            cutoffs,
        )
        for n_clusters in range(most + 1)
        for cutoffs in oracles.every_cutoffs(limits, counts, n_clusters)
    ]


@given(problems, st.integers(0, 100), st.sampled_from([None, 0, 1, 2, 3]), st.sampled_from([0, 3000, EFFORT]))
@settings(max_examples=200, deadline=None)
def test_a_bound_on_parameters_against_all_cutoffs(problem, percent, n_clusters, effort):
    layers = [layer for layer in every_layer(*problem) if n_clusters in (None, len(layer[2]))]
    if not layers:
        return
    sizes = [layer[0] for layer in layers]
    bound = min(sizes) + (max(sizes) - min(sizes)) * percent // 100
    best = min(time for size, time, _ in layers if size <= bound)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parameter_bound, "EFFORT", effort)
        found = optimise(*problem, n_clusters, max_clusters=MOST, max_params=bound).parameters
    cost, low = found["objective"], found["lower_bound"]
    assert found["max_params"] == bound
    assert low <= best * (1 + Fraction(1e-12)) and best <= cost
    assert found["exact"] == (cost == low) and (found["exact"] or effort < EFFORT)
    if found["exact"]:
        assert cost == pytest.approx(float(best), rel=1e-12, abs=0)
    for solution in found["solved"]:
        alike = {
            cutoffs: time
            for size, time, cutoffs in layers
            if len(cutoffs) == len(solution["cutoffs"]) and size <= bound
        }
        assert solution["cost"] == alike[tuple(solution["cutoffs"])]
        assert solution["lower_bound"] <= min(alike.values()) * (1 + Fraction(1e-12))
    solved = {len(solution["cutoffs"]) for solution in found["solved"]}
    assert solved == {len(cutoffs) for size, _, cutoffs in layers if size <= bound}


@given(problems, st.sampled_from([None, 1, 3]))
@settings(max_examples=80, deadline=None)
def test_too_small_a_bound_names_the_smallest_layer(problem, n_clusters):
    sizes = [size for size, _, cutoffs in every_layer(*problem) if n_clusters in (None, len(cutoffs))]
    if not sizes or min(sizes) == 1:
        return
    with pytest.raises(InputError, match=rf"at most {min(sizes) - 1} parameters.*smallest has {min(sizes)};"):
        optimise(*problem, n_clusters, max_clusters=MOST, max_params=min(sizes) - 1)
    assert optimise(*problem, n_clusters, max_clusters=MOST, max_params=min(sizes))


def test_a_gap_that_no_price_reaches_is_closed_or_told(monkeypatch):
    # Twelve equal words: of 2 clusters within most bounds the best lies above the hull.
    problem = ([64] * 8 + [128] * 4, CostModel(0, 1, 50, 0, 0), LayerShape(24, 8, 1.5), Constraints(0, 1, 0))
    problem[0].sort(reverse=True)
    layers = [layer for layer in every_layer(*problem) if len(layer[2]) == 2]
    gaps = 0
    for bound in range(min(layers)[0], max(layers)[0] + 1, 5):
        monkeypatch.setattr(parameter_bound, "EFFORT", EFFORT)
        found = optimise(*problem, 2, max_params=bound).parameters
        assert found["exact"]
        assert found["objective"] == min(time for size, time, _ in layers if size <= bound)
        monkeypatch.setattr(parameter_bound, "EFFORT", 0)
        told = optimise(*problem, 2, max_params=bound).parameters
        assert told["lower_bound"] <= found["objective"] * (1 + 1e-12)
        gaps += not told["exact"]
    assert gaps > 5


@given(problems, st.integers(1, 3), st.integers(0, 9), st.integers(0, 100))
@settings(max_examples=80, deadline=None)
def test_all_within_a_limit_are_enumerated(problem, n_clusters, price, percent):
    counts, model, shape, limits = problem
    programme = CutoffProgramme(prefix_masses(from_counts(counts)), limits, model, shape)
    priced = {
        cutoffs: time + price * size for size, time, cutoffs in every_layer(*problem) if len(cutoffs) == n_clusters
    }
    if not priced:
        return
    limit = sorted(priced.values())[(len(priced) - 1) * percent // 100]
    found = programme.within(n_clusters, price, float(limit), EFFORT)
    assert [solution.cutoffs for solution in found] == sorted(one for one, cost in priced.items() if cost <= limit)
    if n_clusters > 1:
        assert programme.within(n_clusters, price, float(limit), 0) is None


@given(problems)
@settings(max_examples=150, deadline=None)
def test_the_frontier_is_the_lower_convex_hull_of_all_cutoffs(problem):
    layers = every_layer(*problem)
    points = cutoff_frontier(optimise(*problem, max_clusters=MOST), points=1000)
    assert [(point.parameters, point.cost) for point in points] == oracles.lower_hull(
        [(size, time) for size, time, _ in layers]
    )
    for point in points:
        assert (point.parameters, point.cost, point.cutoffs) in layers
        assert point.head_mass == sum(problem[0][: (point.cutoffs or [None])[0]]) / 1024
    few = cutoff_frontier(optimise(*problem, max_clusters=MOST), points=4)
    assert len(few) <= 4 and (few[0], few[-1]) == (points[0], points[-1])
    for point in few:  # a vertex, or between two
        around = (
            [v for v in points if v.parameters <= point.parameters][-1],
            next(v for v in points if v.parameters >= point.parameters),
        )
        (x, y), (p, q) = ((Fraction(v.parameters), Fraction(v.cost)) for v in around)
        assert (point.cost - y) * (p - x) == (q - y) * (point.parameters - x)


@given(problems, st.sampled_from([None, 2]))
@settings(max_examples=60, deadline=None)
def test_the_frontier_of_head_mass_is_the_optimum_under_each(problem, n_clusters):
    counts, model, shape, limits = problem
    try:
        best = optimise(*problem, n_clusters, max_clusters=MOST)
    except InputError:
        return
    asked = [0.25, 0.9, 1]
    found = {point.min_head_mass: point for point in head_mass_frontier(best, head_masses=asked)}
    for mass in {*asked, limits.min_head_mass}:
        changed = Constraints(mass, limits.min_head, limits.min_tail_share)
        times = [
            (time, len(cutoffs), cutoffs)
            for _, time, cutoffs in every_layer(counts, model, shape, changed)
            if n_clusters in (None, len(cutoffs))
        ]
        assert (mass in found) == bool(times)
        if times:
            assert (found[mass].cost, found[mass].cutoffs) == min(times)[::2]


def test_the_knee_is_the_furthest_from_the_chord():
    points = cutoff_frontier(adaptive_cutoffs(zipf(3000), dim=64, min_head_mass=0.3, min_tail_share=0), points=50)
    few, many = points[0], points[-1]

    def distance(point: FrontierPoint) -> float:
        across = (point.parameters - few.parameters) / (many.parameters - few.parameters)
        down = (few.cost - point.cost) / (few.cost - many.cost)
        return down - across

    assert knee(points) == max(points, key=distance)
    assert 0 < points.index(knee(points)) < len(points) - 1
    coarse = cutoff_frontier(adaptive_cutoffs(zipf(3000), dim=64, min_head_mass=0.3, min_tail_share=0), points=3)
    assert coarse == (few, knee(points), many)  # it does not depend on how many are asked for
    assert knee([few, many]) is None and knee([few]) is None


def test_points_are_spread_along_the_hull():
    points = cutoff_frontier(adaptive_cutoffs(zipf(5000), 3, dim=64, min_head_mass=0.3, min_tail_share=0), points=20)
    assert len(points) == 20
    width, height = points[-1].parameters - points[0].parameters, points[0].cost - points[-1].cost
    steps = [
        math.hypot((b.parameters - a.parameters) / width, (a.cost - b.cost) / height)
        for a, b in itertools.pairwise(points)
    ]
    assert max(steps) < 0.2  # evenly would be about a tenth: the hull is at most 2 long


def test_threads_change_nothing_and_progress_counts_up(tmp_path):
    vocabulary, calls = zipf(3000), []
    options = {"dim": 64, "min_head_mass": 0.3, "min_tail_share": 0}
    results = set()
    for threads in (1, 2, 5):
        bounded = adaptive_cutoffs(vocabulary, max_params=15_000, threads=threads, **options)
        bounded.save(tmp_path / f"{threads}.safetensors")
        points = cutoff_frontier(bounded, points=8, threads=threads, progress=lambda *call: calls.append(call))
        results.add((points, head_mass_frontier(bounded, threads=threads)))
    assert len(results) == len({file.read_bytes() for file in tmp_path.iterdir()}) == 1
    assert calls == sorted(calls[: len(calls) // 3]) * 3 and calls[-1] == (8, 8)


def test_a_bound_that_the_optimum_meets_changes_nothing():
    free = adaptive_cutoffs(zipf(2000))
    model, shape, _ = problem_of(free)
    assert layer_cost(free, model, shape) == pytest.approx(free.parameters["objective"])
    bounded = adaptive_cutoffs(zipf(2000), max_params=layer_parameters(shape, free.sizes))
    assert bounded.cutoffs.tolist() == free.cutoffs.tolist()
    assert {**bounded.parameters, "solved": None} == {
        **free.parameters, "solved": None, "max_params": layer_parameters(shape, free.sizes)
    }  # fmt: skip


@given(problems, st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_a_solution_s_cost_is_the_programme_s(problem, n_clusters):
    counts, model, shape, limits = problem
    programme = CutoffProgramme(prefix_masses(from_counts(counts)), limits, model, shape)
    for cutoffs in oracles.every_cutoffs(limits, counts, n_clusters):
        solution = programme.solution(cutoffs)
        assert solution.cost == oracles.layer_time(model, shape, counts, cutoffs, exact=True)
        assert solution.n_parameters == oracles.layer_weights(shape, len(counts), cutoffs)


def test_the_layer_has_the_parameters_that_are_counted():
    pytest.importorskip("torch")
    from wordalloc.nn import AdaptiveSoftmax

    cutoffs = Cutoffs(zipf(300), [20, 90])
    layer = AdaptiveSoftmax.from_allocation(cutoffs, 24, div_value=3)
    assert sum(parameter.numel() for parameter in layer.parameters()) == layer_parameters(
        LayerShape(24, 1, 3), cutoffs.sizes
    )


@given(
    dyadic_counts(max_size=12),
    st.builds(
        Constraints,
        min_head_mass=st.integers(0, 1000).map(lambda n: n / 1000),
        min_head=st.integers(1, 13),
        min_tail_share=st.integers(0, 1000).map(lambda n: n / 1000),
    ),
    st.integers(1, 12),
)
@settings(max_examples=200, deadline=None)
def test_the_nearest_feasible_constraints(counts, limits, n_clusters):
    def fits(n: int = n_clusters, **changes) -> bool:
        wanted = {**vars(limits), **changes}
        for share in ("min_head_mass", "min_tail_share"):  # a share that is met up to rounding is met
            wanted[share] = max(0.0, wanted[share] - ROUNDING)
        return next(oracles.every_cutoffs(Constraints(**wanted), counts, n), None) is not None

    room = [n for n in range(len(counts)) if fits(n)]
    if n_clusters in room:
        return
    with pytest.raises(InputError, match=rf"{n_clusters} tail clusters do not fit.*at most {max(room)}") as error:
        optimise(counts, CostModel(), LayerShape(), limits, n_clusters)
    message = str(error.value)
    named = dict(re.findall(r"(min_\w+) from \S+ to ([0-9.e-]+)", message))
    if n_clusters >= len(counts):
        assert not named and f"do not fit {len(counts)} words" in message
        return
    free = {"min_head_mass": 0.0, "min_head": 1, "min_tail_share": 0.0}
    assert set(named) == {name for name, value in free.items() if fits(**{name: value})}
    assert ("more than one of" in message) == (not named)
    for name, value in named.items():
        if name == "min_head":
            assert fits(min_head=int(value)) and not fits(min_head=int(value) + 1)
        else:
            share = float(value)
            one_more = share + (10.0 ** (math.floor(math.log10(share)) - 3) if share else 1e-11)
            assert fits(**{name: share}) and not fits(**{name: one_more})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_params": 0}, "max_params must be a whole number of at least 1, not 0"),
        ({"max_params": 1.5}, "max_params must be a whole number"),
    ],
)
def test_impossible_bounds(options, message):
    with pytest.raises(InputError, match=message):
        adaptive_cutoffs(zipf(10), **options)


def test_frontiers_are_of_optima_only():
    with pytest.raises(InputError, match="only cutoffs made by adaptive_cutoffs"):
        cutoff_frontier(Cutoffs(zipf(9), [3]))
    best = adaptive_cutoffs(zipf(9))
    with pytest.raises(InputError, match="points must be a whole number of at least 2"):
        cutoff_frontier(best, points=1)
    with pytest.raises(InputError, match="min_head_mass must be a finite number from 0 to 1, not 2"):
        head_mass_frontier(best, head_masses=[2])


def test_a_vocabulary_of_one_word():
    best = adaptive_cutoffs(from_counts([3]), dim=8)
    (point,) = cutoff_frontier(best)
    assert (point.cutoffs, point.parameters, point.head_mass) == ((), 8, 1)
    assert {point.cutoffs for point in head_mass_frontier(best)} == {()}
