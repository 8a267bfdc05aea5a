"""Where a training stands, and what it tells of itself on the way."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from wordalloc.training.distributed import sums


@dataclass(frozen=True)
class TrainProgress:
    """How far a training is: for whoever draws a bar.

    Attributes
    ----------
    epoch : int
        Counted from 1.
    tokens, total_tokens : int
        Trained on so far, and in the whole run.
    nll : float
        Mean training loss of the last steps, nats a token.
    tokens_per_second : float
        Of training, over the last steps.
    stage : {"training", "costs"}
        With "costs", a pass over the text takes what words would cost elsewhere: the tokens are its own.
    done : float
        Share of the budget, of tokens or seconds, that is behind.
    """

    epoch: int
    tokens: int
    total_tokens: int
    nll: float
    tokens_per_second: float
    stage: str = "training"
    done: float = 0.0


@dataclass
class Position:
    """Where a training stands: all that a checkpoint keeps besides tensors, and nothing that is measured."""

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    tokens: int = 0
    epoch_nll: float = 0.0
    epoch_tokens: int = 0
    best_nll: float | None = None
    epochs_without_gain: int = 0
    finished: bool = False
    metrics_size: int = 0
    validations: int = 0
    # Of rounds of reallocation (`wordalloc.training.rounds`): which table stands, how many were made, and so on.
    table: int = 0
    tables: int = 1
    boundary: int = 0
    nll_before: float | None = None
    table_before: int = 0
    settled: bool = False

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Position:
        """Make a position from what a checkpoint holds; raise ValueError or TypeError where it is none."""
        position = cls(**content)
        for field in fields(cls):
            value: Any = getattr(position, field.name)
            if value is None and field.default is None:  # no figure yet
                continue
            whole: Any = type(field.default) if type(field.default) in (bool, int) else (int, float)
            if not isinstance(value, whole) or (whole is int and isinstance(value, bool)) or not 0 <= value < 2**63:
                raise ValueError(f"{field.name} is {str(value)[:40]!r}")
        return position


class Window:
    """The steps since the last report: their losses, on the device, and the time."""

    def __init__(self) -> None:
        self.tokens = 0
        self._own_tokens = 0
        self._losses: list[Tensor] = []
        self._began = time.monotonic()

    def add(self, loss: Tensor, own_tokens: int, n_tokens: int) -> None:
        """Add a step: the summed loss of this process's tokens, their number, and that of all processes."""
        self._losses.append(loss)
        self._own_tokens += own_tokens
        self.tokens += n_tokens

    def losses(self) -> list[float]:
        """Return the summed loss of each step over all processes; waits for the device, and for them."""
        return sums(torch.stack(self._losses).tolist())

    def own_nll(self) -> float:
        """Return the mean loss of this process's tokens; waits for the device."""
        return math.fsum(torch.stack(self._losses).tolist()) / max(self._own_tokens, 1)

    @property
    def seconds(self) -> float:
        """Seconds since the last report."""
        return max(time.monotonic() - self._began, 1e-9)
