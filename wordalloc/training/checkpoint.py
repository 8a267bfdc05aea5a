"""Checkpoints: one safetensors file with every number that the next step depends on, and JSON beside them.

What several processes have in common is there once; the recurrent states of their rows are put together, so that any
number of processes can take them up; and each has a random state of its own, those after the first under their rank.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from wordalloc.errors import FormatError, OutputError, WordallocError
from wordalloc.files import atomic_path
from wordalloc.training.distributed import (
    is_first,
    json_from_first,
    own_rows,
    rank,
    tensors_from_first,
    tensors_of_all,
)
from wordalloc.training.model import State

_KEY = "wordalloc_checkpoint"


def save_checkpoint(path: Path, tensors: dict[str, Tensor], content: dict[str, Any]) -> None:
    """Write tensors and a JSON object as one file, whole or not at all."""
    with atomic_path(path) as temporary:
        try:
            # A tied weight stands twice in a state dict; the format wants copies.
            copies = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
            save_file(copies, temporary, metadata={_KEY: json.dumps(content, sort_keys=True)})
        except SafetensorError as error:
            raise OutputError(
                f"cannot write the checkpoint {path}: {error}; make room, then continue with --resume"
            ) from error


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_checkpoint` wrote.

    Raises
    ------
    FormatError
        If the file is damaged or no checkpoint.
    """
    with damage_reported(path), safe_open(path, framework="pt") as file:
        content = json.loads((file.metadata() or {})[_KEY])
        if not isinstance(content, dict):
            raise ValueError("its metadata are no object")
        return {name: file.get_tensor(name) for name in file.keys()}, content  # noqa: SIM118


def shared_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Return what the first process reads in a checkpoint, in every process; None where there is no such file."""
    found = load_checkpoint(path) if is_first() and path.exists() else None
    if json_from_first(lambda: found is None):
        return None
    tensors, content = found or ({}, {})
    return tensors_from_first(tensors), json_from_first(lambda: content)


@contextlib.contextmanager
def damage_reported(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a checkpoint is read or put in place into one sentence."""
    try:
        yield
    except WordallocError:
        raise
    except (SafetensorError, OSError, LookupError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise FormatError(f"{path}: damaged checkpoint: {reason}; train anew in another --run") from error


def pack(model: nn.Module, optimizer: torch.optim.Optimizer, state: State, device: torch.device) -> dict[str, Tensor]:
    """Return all tensors of a training in progress: weights, optimiser, recurrent state, random states.

    Of several processes each must call this.
    """
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, entry in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in entry.items()}
    own: dict[str, Tensor] = {}
    if state is not None:
        parts = state if isinstance(state, tuple) else (state,)
        own |= {f"state.{number}": part for number, part in enumerate(parts)}
    own["random.cpu"] = torch.get_rng_state()
    if device.type != "cpu":
        own["random.device"] = torch.get_device_module(device).get_rng_state()
    everyone = tensors_of_all(own)
    states = [_below(each, "state.") for each in everyone]
    tensors |= {f"state.{name}": torch.cat([each[name] for each in states if each], 1) for name in states[0]}
    for number, each in enumerate(everyone):
        tensors |= {_random(name, number): state for name, state in _below(each, "random.").items()}
    return tensors


def unpack(
    tensors: dict[str, Tensor], model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device
) -> State:
    """Put everything back where `pack` found it, and return the recurrent state of this process's rows.

    A process that was not there keeps its random state.
    """
    model.load_state_dict(_below(tensors, "model."))
    entries: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _below(tensors, "optimizer.").items():
        number, _, key = name.partition(".")
        entries.setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
    if not rank() or _random("cpu", rank()) in tensors:
        torch.set_rng_state(tensors[_random("cpu", rank())])
        if device.type != "cpu":
            torch.get_device_module(device).set_rng_state(tensors[_random("device", rank())])
    states = [state for _, state in sorted(_below(tensors, "state.").items())]
    parts = [state[:, own_rows(state.shape[1])].contiguous().to(device) for state in states]
    return None if not parts else parts[0] if len(parts) == 1 else tuple(parts)


def _random(name: str, number: int) -> str:
    return f"random.{name}.{number}" if number else f"random.{name}"


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
