"""Checkpoints: one safetensors file with every number that the next step depends on, and JSON beside them."""

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
            raise OutputError(f"cannot write the checkpoint {path}: {error}") from error


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
    """Return all tensors of a training in progress: weights, optimiser, recurrent state, random states."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, entry in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in entry.items()}
    if state is not None:
        parts = state if isinstance(state, tuple) else (state,)
        tensors |= {f"state.{number}": part for number, part in enumerate(parts)}
    tensors["random.cpu"] = torch.get_rng_state()
    if device.type != "cpu":
        tensors["random.device"] = torch.get_device_module(device).get_rng_state()
    return tensors


def unpack(
    tensors: dict[str, Tensor], model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device
) -> State:
    """Put everything back where `pack` found it, and return the recurrent state."""
    model.load_state_dict(_below(tensors, "model."))
    entries: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _below(tensors, "optimizer.").items():
        number, _, key = name.partition(".")
        entries.setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
    torch.set_rng_state(tensors["random.cpu"])
    if device.type != "cpu":
        torch.get_device_module(device).set_rng_state(tensors["random.device"])
    parts = [part.to(device) for _, part in sorted(_below(tensors, "state.").items())]
    return None if not parts else parts[0] if len(parts) == 1 else tuple(parts)


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
