"""Loading a model that was saved with an allocation's head."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from wordalloc.allocations import Allocation, load
from wordalloc.errors import FormatError, InputError, WordallocError
from wordalloc.nn.huggingface.causal_lm import ALLOCATION_FILE, AllocatedModel, allocated_class, digest
from wordalloc.nn.huggingface.replacing import install

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def from_pretrained(
    folder: str | os.PathLike[str], *, model_class: type[PreTrainedModel] | None = None, **kwargs: Any
) -> PreTrainedModel:
    """Load a model that ``save_pretrained`` wrote after `replace_lm_head`: the folder holds its allocation, too.

    Parameters
    ----------
    folder : path-like
        With ``config.json``, the weights as safetensors, and ``allocation.safetensors``.
    model_class : type, optional
        The model's class, before or after `replace_lm_head`; needed where it is not one of transformers' own.
    **kwargs
        Those of transformers' ``from_pretrained``, as ``dtype`` and ``device_map``.

    Returns
    -------
    PreTrainedModel
        In eval mode.

    Raises
    ------
    InputError
        If there is no such folder, or the model in it has no allocation or is of another class.
    FormatError
        If a file is damaged, or allocation or weights are not those of the model.
    """
    import transformers

    for name in ("output_loading_info", "use_safetensors"):
        if name in kwargs:
            raise InputError(f"leave {name} out: what was loaded is checked here, and weights are safetensors")
    folder = Path(folder)
    if not (folder / ALLOCATION_FILE).is_file():
        raise InputError(f"{folder} holds no {ALLOCATION_FILE}; was the model saved there after replace_lm_head?")
    allocation = load(folder / ALLOCATION_FILE)
    with _one_line_errors(folder):
        config = transformers.AutoConfig.from_pretrained(folder)
    note: Any = getattr(config, "wordalloc", None)
    types = {name: type(value) for name, value in note.items()} if isinstance(note, dict) else {}
    if types != {"embedding": bool, "options": dict, "sha256": str} or not isinstance(allocation, Allocation):
        raise FormatError(f"{folder} is not what save_pretrained wrote after replace_lm_head: save the model again")
    if note["sha256"] != digest(folder / ALLOCATION_FILE):
        raise FormatError(f"{folder / ALLOCATION_FILE} is not the file that was saved with the model")
    return _load(folder, _class_of(folder, config.architectures, model_class), allocation, note, kwargs)


def _class_of(folder: Path, names: Any, given: type[PreTrainedModel] | None) -> Any:
    """Return the class that a model had before its head was replaced."""
    import transformers

    name = names[0] if isinstance(names, list) and len(names) == 1 else names
    own = getattr(transformers, name, None) if isinstance(name, str) else None
    found: Any = own if given is None else getattr(given, "unallocated", given)
    if not (isinstance(found, type) and issubclass(found, transformers.PreTrainedModel)):
        raise InputError(
            f"{folder} holds a model of the class {name!r}, which transformers does not have; pass it as model_class="
        )
    if found.__name__ != name:
        raise InputError(f"{folder} holds a model of the class {name!r}, not a {found.__name__}")
    if "labels" not in inspect.signature(found.forward).parameters:  # type: ignore[attr-defined]
        raise FormatError(f"{folder} names the class {name!r}, which is no causal language model")
    return found


@contextlib.contextmanager
def _one_line_errors(folder: Path) -> Iterator[None]:
    """Turn what transformers says of files it cannot use, often a page, into one line."""
    try:
        yield
    except WordallocError:
        raise
    except Exception as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise FormatError(f"cannot load the model in {folder}: {reason}") from error


def _load(
    folder: Path, base: type[PreTrainedModel], allocation: Allocation, note: dict[str, Any], kwargs: dict[str, Any]
) -> PreTrainedModel:
    """Load the weights by the class's own ``from_pretrained``, into a model that gets its head when it is made."""
    made: dict[str, torch.Tensor] = {}

    def make(self: PreTrainedModel, *args: Any, **more: Any) -> None:
        base.__init__(self, *args, **more)
        # transformers makes models without memory. The layers look at their allocation, so these are made with it,
        # and what follows from the allocation is kept here: transformers thinks it lost and leaves it undefined.
        with torch.device("cpu"):
            install(self, allocation, note["embedding"], note["options"])
        modules = [self.get_output_embeddings(), *([self.get_input_embeddings()] if note["embedding"] else [])]
        own = {id(buffer) for module in modules for buffer in module.buffers()}
        made.update({name: buffer for name, buffer in self.named_buffers() if id(buffer) in own})

    allocated = allocated_class(base)  # type: ignore[arg-type]  # a class is hashable
    loading = type(base.__name__, (allocated,), {"__init__": make, "__module__": base.__module__})
    by_base = super(AllocatedModel, loading).from_pretrained  # type: ignore[misc]  # AllocatedModel's own leads here
    with _one_line_errors(folder):
        model, told = by_base(folder, use_safetensors=True, output_loading_info=True, **kwargs)
    wrong = sorted([*told["missing_keys"], *told["unexpected_keys"]])
    if wrong or told["mismatched_keys"]:
        raise FormatError(f"the weights in {folder} are not those of its config and allocation: {wrong[:3]}")
    for name, buffer in made.items():
        model.get_buffer(name).copy_(buffer)
    model.__class__ = allocated
    return model
