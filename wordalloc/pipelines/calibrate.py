"""The profile of a device: training steps of many layers, timed, and the cost model that predicts them."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from wordalloc.algorithms._arguments import real_number
from wordalloc.algorithms.cost_fit import FEWEST, FitError, MeasuredStep, fit_cost_model, fit_error, predicted
from wordalloc.algorithms.cost_model import CostModel, LayerShape
from wordalloc.errors import RunError
from wordalloc.nn import AdaptiveSoftmax
from wordalloc.training.timing import Place, Step, timings

SECONDS = 45.0
HELD_OUT = 5  # every fifth step is not fitted, but predicted
FULL, TAILS = 64, 40  # steps without and with a tail cluster, of all that the grid has
HEAD = 64  # words of the head where a tail is measured
POOR = 0.15  # median error from which a fit is said to be poor,
ENOUGH = 3  # of so many steps at least: fewer say little
_LONGEST = 0.25  # seconds of a step: longer ones say nothing that these do not


@dataclass(frozen=True)
class Calibration:
    """A device's cost model, and what it rests on.

    Attributes
    ----------
    model : CostModel
    fitted, held_out : tuple of MeasuredStep
    unmeasured : int
        Steps of the grid for which there was no time.
    """

    model: CostModel
    fitted: tuple[MeasuredStep, ...]
    held_out: tuple[MeasuredStep, ...]
    unmeasured: int

    def by_kind(self) -> list[tuple[str, FitError]]:
        """Return the error on the steps held out: full softmaxes by width, then those with a tail by its width."""
        kinds: dict[str, list[MeasuredStep]] = {}
        for step in sorted(self.held_out, key=lambda step: (len(step.sizes), -step.shape.dim, step.shape.div_value)):
            tail = len(step.sizes) > 1
            name = f"tail of width {step.shape.width(1)}" if tail else f"width {step.shape.dim}"
            kinds.setdefault(name, []).append(step)
        return [(name, fit_error(self.model, steps)) for name, steps in kinds.items()]

    @property
    def error(self) -> FitError:
        """The error on all steps held out."""
        return fit_error(self.model, self.held_out)

    def to_json(self) -> dict[str, Any]:
        """Return the profile as `wordalloc cutoffs --profile` reads it, with the measurements beside it."""
        return {
            **self.model.to_json(),
            "calibration": {
                "threads": torch.get_num_threads(),
                "torch": torch.__version__,
                "unmeasured": self.unmeasured,
                "error": {"median": self.error.median, "greatest": self.error.greatest, "steps": self.error.steps},
                "fitted": self._steps(self.fitted),
                "held_out": self._steps(self.held_out),
            },
        }

    def _steps(self, steps: Sequence[MeasuredStep]) -> list[dict[str, Any]]:
        return [
            {**asdict(step), "predicted": float(seconds)}
            for step, seconds in zip(steps, predicted(self.model, steps), strict=True)
        ]


def calibrate(
    *,
    device: str = "auto",
    dtype: str = "float32",
    dim: int = 512,
    seconds: float = SECONDS,
    progress: Callable[[int, int], None] | None = None,
) -> Calibration:
    """Time training steps of layers of many shapes on a device, and fit the cost model that predicts them.

    A step is the loss, its gradients, and AdamW's update: products of B tokens by k words at the widths d, d/4, d/16
    and d/64 with the softmax after them, alone and as tail clusters that part of the tokens fall into.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        Auto is the best there is.
    dtype : {"float32", "bfloat16"}
        Of the products; bfloat16 is autocast over float32 weights.
    dim : int
        d.
    seconds : float
        After which no further step is measured.
    progress : callable, optional
        Called as ``progress(measured, steps)``.

    Raises
    ------
    InputError
        If the device is not there, or a value is impossible.
    RunError
        If the time sufficed for too few steps.

    Notes
    -----
    The result depends on the device's times: two runs differ by their noise.
    """
    shape, budget = LayerShape(dim), real_number("seconds", seconds, 1)
    place = Place.of(device, dtype)
    start = CostModel(name=f"{_device_name(place)}, {dtype}", device=place.device.type, dtype=dtype)
    layers = grid(shape.dim)
    began, share, skipped = time.perf_counter(), budget / len(layers), 0
    steps = [measure(_PROBE, place, share)]
    slower = steps[0].seconds / predicted(start, steps)[0]
    for number, layer in enumerate(layers):
        estimate = predicted(start, [layer])[0] * slower
        if time.perf_counter() - began > budget:
            skipped += len(layers) - number
            break
        if estimate <= _LONGEST:
            steps.append(measure(layer, place, share))
        if progress is not None:
            progress(number + 1, len(layers))
    if len(steps) < FEWEST * HELD_OUT // (HELD_OUT - 1) + 1:
        raise RunError(
            f"{budget:g} seconds sufficed for {len(steps)} of {len(layers)} steps, which are too few for a profile; "
            "give it more with --seconds"
        )
    held_out = steps[HELD_OUT - 1 :: HELD_OUT]
    fitted = [step for number, step in enumerate(steps) if number % HELD_OUT != HELD_OUT - 1]
    return Calibration(fit_cost_model(fitted, start), tuple(fitted), tuple(held_out), skipped)


_PROBE = MeasuredStep(LayerShape(256, 512), (2048,), (1.0,), 0.0)


def grid(dim: int) -> list[MeasuredStep]:
    """Return the layers to measure, without times, in an order that any part of covers all of them."""
    widths = sorted({max(1, dim // 4**power) for power in range(4)})
    batches, sizes = (32, 256, 1024, 4096, 16384), (512, 2048, 8192, 32768, 131072)
    full = [
        MeasuredStep(LayerShape(width, batch), (size,), (1.0,), 0.0)
        for width, batch, size in itertools.product(widths, batches, sizes)
    ]
    tails = [
        MeasuredStep(LayerShape(dim, batch, div_value), (HEAD, size), _masses(batch, mass), 0.0)
        for div_value, batch, mass, size in itertools.product(
            [dim / width for width in widths if width < dim] or [1.0], (256, 1024, 4096), (0.02, 0.1, 0.5), sizes[1:]
        )
    ]
    choose = random.Random(0)
    layers = choose.sample(full, min(len(full), FULL)) + choose.sample(tails, min(len(tails), TAILS))
    choose.shuffle(layers)
    return layers


def measure(layer: MeasuredStep, place: Place, seconds: float) -> MeasuredStep:
    """Return a layer with the time its training step takes, from runs of about so many seconds."""
    step = Step(*make(layer), place)
    timing = timings([step], place, budget=seconds)[0]
    return MeasuredStep(layer.shape, layer.sizes, layer.masses, timing.seconds, timing.spread)


def make(layer: MeasuredStep) -> tuple[AdaptiveSoftmax, torch.Tensor, torch.Tensor]:
    """Return the layer, hidden states, and targets of which each cluster gets its share, to the token."""
    rng = np.random.default_rng(0)
    bounds = np.cumsum([0, *layer.sizes])
    module = AdaptiveSoftmax(int(bounds[-1]), layer.shape.dim, bounds[1:-1].tolist(), div_value=layer.shape.div_value)
    ends = np.rint(np.cumsum(layer.masses) * layer.shape.batch).astype(np.int64)
    tokens = np.diff(ends, prepend=0)
    target = np.concatenate(
        [rng.integers(low, high, n) for low, high, n in zip(bounds[:-1], bounds[1:], tokens.tolist(), strict=True)]
    )
    rng.shuffle(target)
    hidden = torch.randn(layer.shape.batch, layer.shape.dim, generator=torch.Generator().manual_seed(0))
    return module, hidden, torch.from_numpy(target)


def _masses(batch: int, mass: float) -> tuple[float, float]:
    tail = max(1, round(batch * mass)) / batch
    return 1 - tail, tail


def _device_name(place: Place) -> str:
    if place.device.type == "cuda":
        return torch.cuda.get_device_name(place.device)
    threads = torch.get_num_threads()
    return f"{place.device.type}, {threads} thread{'s' if threads > 1 else ''}"
