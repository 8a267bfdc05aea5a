"""The optimiser, and the learning rate of every step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from wordalloc.errors import RunError
from wordalloc.training.config import TrainConfig

LOWEST_RATE = 0.02  # of the learning rate, at the end of a schedule


def make_optimizer(model: nn.Module, config: TrainConfig, device: torch.device) -> torch.optim.Optimizer:
    """Return the optimiser a configuration asks for; its rate is set anew in every step."""
    if config.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), lr=0.0)
    return adamw(model.parameters(), device)


def adamw(parameters: Iterable[nn.Parameter], device: torch.device) -> torch.optim.Optimizer:
    """Return AdamW as the trainer uses it, with a rate of 0."""
    fused = device.type in ("cpu", "cuda")  # one pass over weights and moments
    return torch.optim.AdamW(parameters, lr=0.0, betas=(0.9, 0.99), weight_decay=0.0, fused=fused)


def learning_rate(config: TrainConfig, step: int, done: float) -> float:
    """Return the rate of a step.

    Parameters
    ----------
    config : TrainConfig
        Its learning rate must be settled (`TrainConfig.with_defaults`).
    step : int
        Counted from 0; the rate rises over the first `config.warmup`.
    done : float
        Share of the budget, of tokens or seconds, behind this step, by which the rate falls.

    Examples
    --------
    >>> config = TrainConfig(learning_rate=1.0, warmup=1)
    >>> [learning_rate(config, step, done) for step, done in ((0, 0.0), (1, 0.0), (8, 0.5), (15, 1.0))]
    [0.5, 1.0, 0.51, 0.02]
    """
    peak = config.learning_rate or 0.0
    done = min(1.0, done)
    fall = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[config.schedule]
    rise = min(1.0, (step + 1) / (config.warmup + 1))
    return peak * rise * (LOWEST_RATE + (1 - LOWEST_RATE) * fall)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that ``torch.compile`` translates when it is first called.

    Raises
    ------
    RunError
        On a call: if it cannot be translated, as without a C++ compiler.
    """
    whole = torch.compile(function)

    def call(*arguments: Any) -> Any:
        try:
            return whole(*arguments)
        except torch._dynamo.exc.TorchDynamoException as error:
            reason = str(error).strip().partition("\n")[0]
            raise RunError(f"torch.compile does not work here: {reason}; leave out --compile") from error

    return call
