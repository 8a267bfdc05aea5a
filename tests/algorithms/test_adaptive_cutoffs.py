"""The optimum against brute force and the plain recurrence; its constraints, ties, errors and bytes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracles
from tests.algorithms.vocabularies import dyadic_counts, from_counts, zipf
from wordalloc import CostModel, Cutoffs, Vocabulary, adaptive_cutoffs
from wordalloc.algorithms.adaptive_cutoffs import layer_cost
from wordalloc.algorithms.constraints import Constraints
from wordalloc.algorithms.cost_model import LayerShape
from wordalloc.errors import InputError

small = st.integers(0, 9)
whole_models = st.builds(
    CostModel,
    overhead=small,
    multiply_add=st.integers(1, 9),
    softmax=small,
    saturation=st.integers(0, 99),
    weight=small,
)
shapes = st.builds(
    LayerShape,
    dim=st.sampled_from([1, 2, 8, 24]),
    batch=st.sampled_from([1, 8, 64]),
    div_value=st.sampled_from([1, 2, 4]),
)
eighths = st.integers(0, 8).map(lambda n: n / 8)
constraints = st.builds(Constraints, min_head_mass=eighths, min_head=st.integers(1, 4), min_tail_share=eighths)


def optimise(counts, model, shape, limits, n_clusters=None, **options):
    return adaptive_cutoffs(
        from_counts(counts),
        n_clusters,
        dim=shape.dim,
        batch=shape.batch,
        div_value=shape.div_value,
        cost_model=model,
        min_head_mass=limits.min_head_mass,
        min_head=limits.min_head,
        min_tail_share=limits.min_tail_share,
        **options,
    )


@given(dyadic_counts(max_size=9), whole_models, shapes, constraints, st.integers(0, 4))
@settings(max_examples=150, deadline=None)
def test_it_is_the_best_of_all_cutoffs_and_the_lexicographically_smallest(counts, model, shape, limits, n_clusters):
    every = [
        (oracles.layer_time(model, shape, counts, cutoffs, exact=True), cutoffs)
        for cutoffs in oracles.every_cutoffs(limits, counts, n_clusters)
    ]
    if not every:
        with pytest.raises(InputError, match="do not fit"):
            optimise(counts, model, shape, limits, n_clusters)
        return
    cost, cutoffs = min(every)
    found = optimise(counts, model, shape, limits, n_clusters)
    assert tuple(found.cutoffs) == cutoffs
    assert found.parameters["objective"] == cost


@given(dyadic_counts(max_size=40), whole_models, shapes, constraints)
@settings(max_examples=100, deadline=None)
def test_whole_costs_agree_exactly_with_the_plain_recurrence_for_every_number_of_clusters(counts, model, shape, limits):
    found = optimise(counts, model, shape, limits, max_clusters=4)
    expected = [oracles.best_cutoffs(model, shape, limits, counts, n_clusters) for n_clusters in range(5)]
    feasible = [(cost, cutoffs) for cost, cutoffs in expected if cutoffs is not None]
    solved = [(solution["cost"], tuple(solution["cutoffs"])) for solution in found.parameters["solved"]]
    assert solved == feasible
    cost, cutoffs = min(feasible, key=lambda answer: answer[0])  # the first of several has the fewest clusters
    assert (found.parameters["objective"], tuple(found.cutoffs)) == (cost, cutoffs)


@given(
    counts=st.lists(st.integers(0, 10**6), min_size=2, max_size=80).filter(any),
    model=st.builds(CostModel, overhead=st.floats(0, 1e-3), saturation=st.floats(0, 1e6), weight=st.floats(0, 1e-7)),
    shape=st.builds(LayerShape, dim=st.integers(1, 700), batch=st.integers(1, 9000), div_value=st.floats(1, 8)),
    limits=st.builds(Constraints, min_head_mass=st.floats(0, 0.9), min_tail_share=st.floats(0, 0.9)),
)
@settings(max_examples=80, deadline=None)
def test_real_costs_agree_with_the_plain_recurrence_to_twelve_digits(counts, model, shape, limits):
    counts = sorted(counts, reverse=True)
    for solution in optimise(counts, model, shape, limits, max_clusters=3).parameters["solved"]:
        n_clusters = len(solution["cutoffs"])
        cost, _ = oracles.best_cutoffs(model, shape, limits, counts, n_clusters)
        assert solution["cost"] == pytest.approx(cost, rel=1e-12, abs=0)
        attained = oracles.layer_time(model, shape, counts, solution["cutoffs"])
        assert attained == pytest.approx(cost, rel=1e-12, abs=0)


def test_a_case_by_hand_with_two_tail_clusters():
    # d = 4, div_value = 2: widths 2 and 1; B = 8; masses 4/8, 2/8, 1/8, 1/8; each multiply-add takes a second.
    # Cutoffs (1, 2): head 8·4·(1 + 2) = 96; tail 1: 2 tokens, 2·4·2 + 2·2·1 = 20; tail 2: 2·4·1 + 2·1·2 = 12.
    # Cutoffs (1, 3): the same head; tail 1: 3·4·2 + 3·2·2 = 36; tail 2: 1·4·1 + 1·1·1 = 5. A larger head: +32.
    model = CostModel(overhead=0, multiply_add=1, softmax=0, saturation=0, weight=0)
    found = optimise([4, 2, 1, 1], model, LayerShape(4, 8, 2), Constraints(0, 1, 0), n_clusters=2)
    assert found.cutoffs.tolist() == [1, 2]
    assert found.parameters["objective"] == 128
    assert layer_cost(found, model, LayerShape(4, 8, 2)) == 128


def test_among_equal_costs_the_fewest_clusters_and_the_smallest_cutoffs_win():
    # Far below saturation every product takes 16 · its width, so all cutoffs with one tail cluster cost the same.
    flat = CostModel(overhead=0, multiply_add=1, softmax=0, saturation=16, weight=0)
    one = LayerShape(dim=1, batch=1, div_value=1)
    found = optimise([1] * 6, flat, one, Constraints(0, 1, 0), n_clusters=1)
    assert found.cutoffs.tolist() == [1]
    assert optimise([1] * 6, flat, one, Constraints(0, 2, 0), n_clusters=3).cutoffs.tolist() == [2, 3, 4]
    assert optimise([1] * 6, flat, one, Constraints(0, 1, 0)).cutoffs.tolist() == []


@pytest.mark.parametrize("limits", [Constraints(), Constraints(0.5, 300, 0.25), Constraints(0.95, 1, 0.8)])
def test_random_feasible_cutoffs_of_a_large_vocabulary_cost_no_less(limits):
    vocabulary = zipf(20_000)
    found = optimise(vocabulary.counts, CostModel(), LayerShape(), limits)
    assert limits.met_by(found)
    assert found.parameters["objective"] == pytest.approx(layer_cost(found, CostModel(), LayerShape()), rel=1e-12)
    rng = np.random.default_rng(0)
    prefix = np.cumsum([0, *vocabulary.counts]) / vocabulary.total
    ends = limits.earliest_ends(prefix)
    for _ in range(300):
        cutoffs = [limits.smallest_head(prefix) + int(rng.exponential(100))]
        for _ in range(rng.integers(0, 5)):
            start = min(cutoffs[-1], vocabulary.size)
            cutoffs.append(int(ends[start]) + int(rng.exponential(300)))
        other = Cutoffs(vocabulary, [cutoff for cutoff in cutoffs if cutoff < vocabulary.size])
        assert limits.met_by(other)
        assert layer_cost(other, CostModel(), LayerShape()) >= found.parameters["objective"] * (1 - 1e-12)


@given(dyadic_counts(max_size=8), constraints)
@settings(deadline=None)
def test_constraints_say_what_the_fractions_say(counts, limits):
    vocabulary = from_counts(counts)
    for n_clusters in range(4):
        for cutoffs in itertools.combinations(range(1, len(counts)), n_clusters):
            met = limits.met_by(Cutoffs(vocabulary, np.array(cutoffs, dtype=np.int64)))
            assert met == oracles.is_feasible(limits, counts, cutoffs)


def test_the_defaults_keep_the_head_and_the_first_tail_clusters_from_collapsing():
    vocabulary = zipf(50_000)
    free = adaptive_cutoffs(vocabulary, 3, min_head_mass=0, min_tail_share=0)
    kept = adaptive_cutoffs(vocabulary, 3)
    assert free.masses[0] < 0.6  # the trap
    assert kept.masses[0] >= 0.85
    assert kept.masses[1] >= 0.5 * (1 - kept.masses[0])
    assert free.parameters["objective"] < kept.parameters["objective"] < kept.parameters["full_cost"]


def test_the_parameters_say_all_the_result_depends_on_and_can_be_saved(tmp_path):
    found = adaptive_cutoffs(zipf(500), max_clusters=np.int64(2), dim=64, batch=np.int32(100), div_value=2)
    known = found.parameters
    assert known["objective"] == known["lower_bound"] == min(solution["cost"] for solution in known["solved"])
    assert known["exact"] is True
    assert {name: known[name] for name in ("algorithm", "max_clusters", "dim", "batch", "div_value")} == {
        "algorithm": "adaptive_cutoffs",
        "max_clusters": 2,
        "dim": 64,
        "batch": 100,
        "div_value": 2.0,
    }
    assert (known["min_head_mass"], known["min_head"], known["min_tail_share"]) == (0.85, 1, 0.5)
    assert CostModel.from_json(known["profile"]) == CostModel()
    assert "max_clusters" not in adaptive_cutoffs(zipf(500), 1).parameters
    found.save(tmp_path / "a.safetensors")


def test_threads_change_no_byte_and_progress_counts_up(tmp_path):
    vocabulary, calls = zipf(3000), []
    for threads in (1, 2, 7):
        found = adaptive_cutoffs(vocabulary, threads=threads, progress=lambda *call: calls.append(call))
        found.save(tmp_path / f"{threads}.safetensors")
    assert len({file.read_bytes() for file in tmp_path.iterdir()}) == 1
    assert calls == [(solved, 6) for solved in range(1, 7)] * 3


def test_too_small_a_vocabulary_gets_fewer_clusters():
    one = adaptive_cutoffs(from_counts([3]))
    assert one.cutoffs.tolist() == []
    assert [len(solution["cutoffs"]) for solution in one.parameters["solved"]] == [0]
    free = Constraints(0, 1, 0)
    three = optimise([5, 1, 1], CostModel(), LayerShape(), free)
    assert [len(solution["cutoffs"]) for solution in three.parameters["solved"]] == [0, 1, 2]


def test_the_largest_counts_and_words_never_seen():
    huge = optimise([2**59] * 8 + [0] * 4, CostModel(), LayerShape(), Constraints(0, 1, 0), max_clusters=3)
    small = optimise([1] * 8 + [0] * 4, CostModel(), LayerShape(), Constraints(0, 1, 0), max_clusters=3)
    assert huge.parameters["solved"] == small.parameters["solved"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_clusters": 5}, "5 tail clusters do not fit 5 words; under the constraints at most 4 do"),
        (
            {"n_clusters": 3, "min_head": 3},
            "at least 3 of 5 words: there is room for 2;.*or lower min_head from 3 to 2$",
        ),
        (
            {"n_clusters": 1, "min_head_mass": 1},
            "at least 5 of 5 words: there is room for 0;.*lower min_head_mass from 1 to 0.909$",
        ),
        ({"n_clusters": 2, "min_tail_share": 1}, "there is room for 1;.*or lower min_tail_share from 1 to 0.8571$"),
        (
            {"n_clusters": 3, "min_head": 4, "min_tail_share": 1},
            "at most 1, or lower more than one of min_head, min_tail_share: no",
        ),
        ({"n_clusters": -1}, "n_clusters must be a whole number of at least 0, not -1"),
        ({"n_clusters": 1.0}, "n_clusters must be a whole number"),
        ({"n_clusters": True}, "n_clusters must be a whole number"),
        ({"max_clusters": 0}, "max_clusters must be a whole number of at least 1, not 0"),
        ({"dim": 0}, "dim must be a whole number from 1 to 2147483647, not 0"),
        ({"batch": 10**5000}, "batch must be .* not a number of thousands of digits"),
        ({"batch": "8"}, "batch must be .* not '8'"),
        ({"div_value": 0.5}, "div_value must be a finite number of at least 1, not 0.5"),
        ({"div_value": math.nan}, "div_value must be a finite number"),
        ({"min_head_mass": 1.5}, "min_head_mass must be a finite number from 0 to 1, not 1.5"),
        ({"min_head": 0}, "min_head must be a whole number of at least 1"),
        ({"min_tail_share": -0.1}, "min_tail_share must be a finite number from 0 to 1"),
        ({"threads": 0}, "threads must be a whole number of at least 1, not 0"),
    ],
)
def test_what_cannot_be_met_is_said(options, message):
    with pytest.raises(InputError, match=message):
        adaptive_cutoffs(from_counts([4, 3, 2, 1, 1]), **{"min_head_mass": 0, "min_tail_share": 0, **options})


def test_counts_of_nothing_have_no_optimum():
    with pytest.raises(InputError, match="all counts are zero"):
        adaptive_cutoffs(Vocabulary(["a", "b"], [0, 0]))
