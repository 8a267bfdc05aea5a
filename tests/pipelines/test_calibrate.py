"""Timing of steps, the profile of this device, and predictions held against measurements."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from tests.algorithms.vocabularies import zipf
from wordalloc import adaptive_cutoffs
from wordalloc.algorithms.constraints import Constraints, prefix_masses
from wordalloc.algorithms.cost_fit import MeasuredStep
from wordalloc.algorithms.cost_model import CostModel, LayerShape
from wordalloc.allocations import Cutoffs
from wordalloc.errors import InputError, RunError
from wordalloc.pipelines.calibrate import calibrate, grid, make
from wordalloc.pipelines.verify import draw_tokens, random_cutoffs, verify
from wordalloc.training.timing import Place, Step, timings

CPU = Place.of("cpu", "float32")


def test_timings_are_medians_of_runs_taken_in_turn():
    calls = []

    def sleeper(name: str, seconds: float):
        def run():
            calls.append(name)
            time.sleep(seconds if len(calls) > 4 else 0.2)  # the first rounds are slow

        return run

    told = []
    short, long = timings([sleeper("a", 0.01), sleeper("b", 0.03)], CPU, budget=0.5, progress=lambda *p: told.append(p))
    assert calls[:6] == ["a", "b"] * 3
    assert 0.01 <= short.seconds < long.seconds < 0.2
    assert told[0] == (1, 6) and told[-1] == (6, 6)


def test_a_step_trains_the_layer():
    torch.manual_seed(0)
    layer, hidden, target = make(MeasuredStep(LayerShape(8, 64), (4, 20), (0.5, 0.5), 0.0))
    step = Step(layer, hidden, target, CPU)
    step._optimizer.param_groups[0]["lr"] = 0.05
    before = layer.loss(hidden, target).item()
    for _ in range(20):
        step()
    assert layer.loss(hidden, target).item() < before - 0.1
    assert all(parameter.grad is None for parameter in layer.parameters())


def test_each_cluster_of_a_measured_layer_gets_its_tokens():
    _, hidden, target = make(MeasuredStep(LayerShape(8, 1000, 2), (10, 90, 900), (0.85, 0.1, 0.05), 0.0))
    assert hidden.shape == (1000, 8)
    assert np.histogram(target.numpy(), [0, 10, 100, 1000])[0].tolist() == [850, 100, 50]


def test_the_grid_has_every_width_alone_and_as_a_tail():
    for dim in (512, 5, 1):
        layers = grid(dim)
        assert layers == grid(dim)
        widths = {max(1, dim // 4**power) for power in range(4)}
        first = layers[: len(layers) // 2]  # any part covers all
        assert {layer.shape.dim for layer in first if len(layer.sizes) == 1} == widths
        tails = {layer.shape.width(1) for layer in first if len(layer.sizes) == 2}
        assert tails == (widths - {dim} or {1})


@pytest.mark.long  # tests/cli/test_calibrate.py does it through the command
def test_a_short_calibration_says_how_far_it_is_off(monkeypatch):
    from wordalloc.pipelines import calibrate as module

    monkeypatch.setattr(module, "grid", lambda dim: [layer for layer in grid(dim) if layer.shape.batch < 1000][:24])
    told = []
    found = calibrate(device="cpu", dim=32, seconds=20, progress=lambda *p: told.append(p))
    assert told and told[-1][0] <= told[-1][1]
    assert found.model.device == "cpu" and found.model.dtype == "float32"
    assert found.error.steps == len(found.held_out) > 0
    assert not set(found.fitted) & set(found.held_out)
    assert sum(error.steps for _, error in found.by_kind()) == len(found.held_out)
    content = found.to_json()
    calibration = content.pop("calibration")
    assert CostModel.from_json(content) == found.model
    assert len(calibration["fitted"]) == len(found.fitted)
    assert calibration["error"]["median"] == found.error.median


def test_too_little_time_is_said(monkeypatch):
    from wordalloc.pipelines import calibrate as module

    monkeypatch.setattr(module, "grid", lambda dim: grid(dim)[:3])
    with pytest.raises(RunError, match="too few for a profile"):
        calibrate(device="cpu", dim=4, seconds=1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_a_device_that_is_not_there():
    with pytest.raises(InputError, match="the device cuda is not there"):
        calibrate(device="cuda")


def test_random_cutoffs_are_feasible_and_differ():
    vocabulary = zipf(3000)
    for limits in (Constraints(), Constraints(0.5, 10, 0.2), Constraints(0.99, 1, 0.9), Constraints(1, 1, 0.5)):
        rng, seen = np.random.default_rng(0), set()
        for number in range(40):
            drawn = random_cutoffs(vocabulary, limits, number % 6, rng)
            assert len(drawn) <= number % 6
            assert limits.met_by(Cutoffs(vocabulary, drawn))
            seen.add(tuple(drawn.tolist()))
        assert len(seen) > 15 or limits.min_head_mass > 0.98


def test_tokens_are_drawn_by_their_counts():
    vocabulary = zipf(50, tokens=10**6)
    drawn = draw_tokens(vocabulary, 200_000, np.random.default_rng(0)).numpy()
    shares = np.bincount(drawn, minlength=50) / 200_000
    np.testing.assert_allclose(shares, np.diff(prefix_masses(vocabulary)), atol=0.005)


def test_verifying_measures_the_optimum_the_copied_and_random_ones():
    vocabulary = zipf(4000)
    best = adaptive_cutoffs(vocabulary, dim=16, batch=64)
    rows = verify(best, n_random=2)
    assert [row.name for row in rows] == [
        "optimum", "copied 20000,60000", "copied 20000,40000,200000", "random 1", "random 2",
    ]  # fmt: skip
    assert rows[0].predicted == pytest.approx(best.parameters["objective"])
    assert all(row.measured.seconds > 0 for row in rows)
    assert rows[0].feasible and rows[3].feasible and rows[4].feasible
    assert all(row.predicted >= rows[0].predicted for row in rows if row.feasible)
