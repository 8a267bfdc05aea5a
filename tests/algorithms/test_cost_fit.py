"""Fitting a cost model: what was put in comes out, also under noise and with spoilt measurements."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordalloc.algorithms.cost_fit import NUMBERS, MeasuredStep, fit_cost_model, fit_error, predicted
from wordalloc.algorithms.cost_model import CostModel, LayerShape, cluster_costs
from wordalloc.errors import InputError

TRUE = CostModel(overhead=2e-4, multiply_add=3e-11, softmax=1.5e-9, saturation=3e4, weight=2e-9, name="made up")


def steps_of(model: CostModel, noise: float = 0.0) -> list[MeasuredStep]:
    rng = np.random.default_rng(0)
    steps = []
    for dim, batch, size in itertools.product((512, 128, 32, 8), (32, 512, 4096), (512, 8192, 65536)):
        steps.append(MeasuredStep(LayerShape(dim, batch), (size,), (1.0,), 1.0))
    for div_value, batch, mass in itertools.product((4, 64), (512, 4096), (0.01, 0.3)):
        steps.append(MeasuredStep(LayerShape(512, batch, div_value), (64, 30_000), (1 - mass, mass), 1.0))
    factors = np.exp(noise * rng.standard_normal(len(steps)))
    return [
        dataclasses.replace(step, seconds=float(seconds * factor))
        for step, seconds, factor in zip(steps, predicted(model, steps), factors, strict=True)
    ]


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e3])
def test_the_numbers_that_made_the_times_are_found(scale):
    timed = {name: getattr(TRUE, name) * (1.0 if name == "saturation" else scale) for name in NUMBERS}
    true = dataclasses.replace(TRUE, **timed)
    found = fit_cost_model(steps_of(true))
    for name in NUMBERS:
        assert getattr(found, name) == pytest.approx(getattr(true, name), rel=1e-3), name


@given(
    st.builds(
        CostModel,
        overhead=st.floats(1e-6, 1e-3),
        multiply_add=st.floats(1e-13, 1e-10),
        softmax=st.floats(1e-11, 1e-8),
        saturation=st.floats(1e2, 1e5),
        weight=st.floats(1e-11, 1e-8),
    )
)
@settings(max_examples=25, deadline=None)
def test_any_device_of_this_form_is_predicted(model):
    error = fit_error(fit_cost_model(steps_of(model)), steps_of(model))
    assert error.median < 0.02 and error.greatest < 0.2  # the search is a local one


def test_spoilt_measurements_do_not_bend_the_rest():
    steps = steps_of(TRUE, noise=0.02)
    spoilt = [
        dataclasses.replace(step, seconds=step.seconds * 20) if number % 10 == 3 else step
        for number, step in enumerate(steps)
    ]
    good = [step for number, step in enumerate(steps) if number % 10 != 3]
    assert fit_error(fit_cost_model(spoilt), good).median < 0.04


def test_the_error_is_that_of_the_worst_and_of_the_middle():
    model = CostModel(overhead=0, multiply_add=1, softmax=0, saturation=0, weight=0)
    shapes = [LayerShape(1, batch) for batch in (1, 2, 4)]
    steps = [MeasuredStep(shape, (10,), (1.0,), seconds) for shape, seconds in zip(shapes, (10, 25, 20), strict=True)]
    error = fit_error(model, steps)  # predicted: 10, 20, 40
    assert (error.steps, error.median, error.greatest) == (3, pytest.approx(0.2), 1.0)
    assert (error.worst, error.predicted) == (steps[2], 40)


def test_a_prediction_is_the_sum_over_clusters():
    step = MeasuredStep(LayerShape(64, 100), (50, 950), (0.9, 0.1), 1.0)
    assert predicted(TRUE, [step])[0] == cluster_costs(TRUE, step.shape, [50, 950], [0.9, 0.1]).sum()


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
def test_times_that_cannot_be_are_refused(seconds):
    steps = steps_of(TRUE)
    with pytest.raises(InputError, match="positive and finite"):
        fit_cost_model([*steps, dataclasses.replace(steps[0], seconds=seconds)])


def test_too_few_steps_are_refused():
    with pytest.raises(InputError, match="at least 10 measured steps, not 9"):
        fit_cost_model(steps_of(TRUE)[:9])


def test_what_the_device_is_called_is_kept():
    start = CostModel(name="a card", device="cuda", dtype="bfloat16")
    found = fit_cost_model(steps_of(TRUE), start)
    assert (found.name, found.device, found.dtype) == ("a card", "cuda", "bfloat16")
