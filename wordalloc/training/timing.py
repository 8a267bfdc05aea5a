"""How long a training step takes on a device: warm, synchronised, the median of several."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from wordalloc.algorithms._arguments import shown
from wordalloc.errors import InputError
from wordalloc.nn import OutputLayer
from wordalloc.training.model import choose_device
from wordalloc.training.optimisation import adamw

DTYPES = ("float32", "bfloat16")
LEAST_ROUNDS = 3


@dataclass(frozen=True)
class Place:
    """Where steps run: a device, and the dtype of products (bfloat16 is autocast over float32 weights).

    Raises
    ------
    InputError
        If the device is not there, or the dtype is unknown.
    """

    device: torch.device
    dtype: str

    @classmethod
    def of(cls, device: str, dtype: str) -> Place:
        """Return the place of these names; device "auto" is the best there is."""
        if dtype not in DTYPES:
            raise InputError(f"the dtype must be one of {', '.join(DTYPES)}, not {shown(dtype)}")
        return cls(choose_device(device), dtype)

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context that forward passes run in."""
        if self.dtype == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def wait(self) -> None:
        """Wait until the device has done all that it was asked for."""
        if self.device.type != "cpu":
            torch.get_device_module(self.device).synchronize()


class Step:
    """One training step of an output layer: loss, gradients, and AdamW's update of its weights.

    Parameters
    ----------
    layer : OutputLayer
        On the device.
    hidden : Tensor, shape (N, d)
        Its gradient is computed, too.
    target : Tensor of int, shape (N,)
    place : Place
    """

    def __init__(self, layer: OutputLayer, hidden: Tensor, target: Tensor, place: Place) -> None:
        self._layer, self._place = layer.to(place.device), place
        self._hidden = hidden.to(place.device).requires_grad_()
        self._target = target.to(place.device)
        self._optimizer = adamw(self._layer.parameters(), place.device)

    def __call__(self) -> None:
        with self._place.autocast():
            loss = self._layer.loss(self._hidden, self._target)
        loss.backward()
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._hidden.grad = None


@dataclass(frozen=True)
class Timing:
    """Seconds of several runs: their median, and the distance of their quartiles ÷ the median."""

    seconds: float
    spread: float


def timings(
    runs: Sequence[Callable[[], None]],
    place: Place,
    *,
    budget: float,
    progress: Callable[[int, int], None] | None = None,
) -> list[Timing]:
    """Time several functions in turn, so that a drift of the machine falls on all of them alike.

    Parameters
    ----------
    runs : list of callable
        Each is called once to warm up.
    place : Place
        Is waited for before and after each run.
    budget : float
        Seconds, without the warm-up, after which no further round begins; but there are at least three.
    progress : callable, optional
        Called as ``progress(runs done, runs of the least number of rounds)``.
    """
    for run in runs:
        run()
    taken: list[list[float]] = [[] for _ in runs]
    began, least = time.perf_counter(), LEAST_ROUNDS * len(runs)
    while len(taken[-1]) < LEAST_ROUNDS or time.perf_counter() - began < budget:
        for own, run in zip(taken, runs, strict=True):
            place.wait()
            start = time.perf_counter()
            run()
            place.wait()
            own.append(time.perf_counter() - start)
            if progress is not None:
                progress(min(least, sum(map(len, taken))), least)
    return [_timing(own) for own in taken]


def _timing(taken: list[float]) -> Timing:
    median = statistics.median(taken)
    low, _, high = statistics.quantiles(taken, n=4, method="inclusive")
    return Timing(median, (high - low) / median)
