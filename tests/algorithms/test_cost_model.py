"""The cost model against its definition, written out product by product, and what it refuses."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracles
from wordalloc.algorithms.cost_model import CostModel, LayerShape, cluster_costs, full_cost, tail_coefficients
from wordalloc.algorithms.monge import band_cost
from wordalloc.errors import InputError

seconds = st.floats(0, 1e3)
models = st.builds(
    CostModel,
    overhead=seconds,
    multiply_add=st.floats(1e-12, 1e3),
    softmax=seconds,
    saturation=st.floats(0, 1e9),
    weight=seconds,
)
shapes = st.builds(
    LayerShape, dim=st.integers(1, 4096), batch=st.integers(1, 10**6), div_value=st.sampled_from([1, 1.5, 2, 4, 1e9])
)


@given(models, shapes, st.lists(st.tuples(st.integers(1, 10**6), st.floats(0, 1)), min_size=1, max_size=7))
@settings(deadline=None)
def test_a_layer_costs_what_its_products_and_weights_cost(model, shape, clusters):
    sizes, masses = zip(*clusters, strict=True)
    tails = [oracles.tail_time(model, shape, i, masses[i], sizes[i]) for i in range(1, len(clusters))]
    expected = [oracles.head_time(model, shape, sizes[0], len(tails)), *tails]
    np.testing.assert_allclose(cluster_costs(model, shape, sizes, masses), expected, rtol=1e-12)


@given(models, shapes, st.integers(1, 10**6))
@settings(deadline=None)
def test_a_full_softmax_is_a_head_without_tails(model, shape, size):
    assert full_cost(model, shape, size) == cluster_costs(model, shape, [size], [1.0])[0]


@given(models, shapes, st.integers(1, 6))
@settings(deadline=None)
def test_the_parts_of_a_tail_cost_are_convex_and_do_not_fall(model, shape, cluster):
    numbers = tail_coefficients(model, shape, cluster)
    assert numbers.shape == (6,)
    assert (numbers >= 0).all()
    sizes = np.arange(1, 50)
    costs = band_cost(numbers, 0.25, sizes)
    assert (np.diff(costs) >= -1e-9 * costs[1:]).all()


@given(models)
@settings(deadline=None)
def test_a_profile_survives_json(model):
    assert CostModel.from_json(json.loads(json.dumps(model.to_json()))) == model


def test_numbers_become_floats_so_that_equal_profiles_are_written_alike():
    model = CostModel(1, np.float32(2), np.int64(3), 4, 5)
    assert [type(value) for value in model.to_json().values()] == [float] * 5 + [str] * 3


def test_widths_never_reach_zero():
    assert [LayerShape(dim=10, div_value=3).width(i) for i in range(5)] == [10, 3, 1, 1, 1]
    assert LayerShape(dim=2**31 - 1, div_value=1e300).width(40) == 1
    assert LayerShape(dim=7, div_value=1).width(5000) == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"overhead": -1}, "the profile's overhead must be a finite number from 0 to 1e[+]100, not -1"),
        ({"weight": math.nan}, "weight must be a finite number"),
        ({"saturation": math.inf}, "saturation must be a finite number"),
        ({"overhead": 1e101}, "overhead must be a finite number from 0 to 1e[+]100"),
        ({"softmax": 10**400}, "softmax must be a finite number"),
        ({"multiply_add": 0}, "multiply_add must be positive"),
        ({"multiply_add": "1"}, "multiply_add must be a finite number from 0 to 1e[+]100, not '1'"),
        ({"overhead": True}, "overhead must be a finite number"),
        ({"name": 3}, "name must be a text, not 3"),
        ({"speed": 1}, "unknown key 'speed' in the profile; its keys are overhead, multiply_add"),
        ({7: 1}, "unknown key 7 in the profile"),
    ],
)
def test_impossible_profiles_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        CostModel.from_json({**CostModel().to_json(), **change})


def test_a_profile_must_hold_every_number_but_no_name():
    content = CostModel().to_json()
    del content["name"]
    assert CostModel.from_json(content).name == ""
    del content["weight"]
    with pytest.raises(InputError, match="the profile lacks 'weight'"):
        CostModel.from_json(content)
    with pytest.raises(InputError, match="a profile is a JSON object"):
        CostModel.from_json([1, 2])


def test_the_largest_profile_does_not_overflow():
    largest = CostModel(*[1e100] * 5)
    assert np.isfinite(cluster_costs(largest, LayerShape(2**31 - 1, 2**31 - 1), [2**40, 2**40], [0.5, 0.5])).all()
