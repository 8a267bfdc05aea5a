"""Loading a model that was saved with an allocation's head."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError

from wordalloc.allocations import Allocation, load
from wordalloc.errors import FormatError, InputError, WordallocError
from wordalloc.nn.huggingface.causal_lm import ALLOCATION_FILE, allocated_class
from wordalloc.nn.huggingface.replacing import install

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def from_pretrained(folder: str | os.PathLike[str], **kwargs: Any) -> PreTrainedModel:
    """Load a model that ``save_pretrained`` wrote after `replace_lm_head`: the folder holds its allocation, too.

    Parameters
    ----------
    folder : path-like
        With ``config.json``, the weights as safetensors, and ``allocation.safetensors``.
    **kwargs
        Those of transformers' ``from_pretrained``, as ``dtype`` and ``device_map``.

    Returns
    -------
    PreTrainedModel
        In eval mode.

    Raises
    ------
    InputError
        If there is no such folder, or the model in it has no allocation.
    FormatError
        If a file is damaged, or the weights are not those of the model.
    """
    import transformers

    folder = Path(folder)
    if not (folder / ALLOCATION_FILE).is_file():
        raise InputError(f"{folder} holds no {ALLOCATION_FILE}; was the model saved there after replace_lm_head?")
    allocation = load(folder / ALLOCATION_FILE)
    with _one_line_errors(folder):
        config = transformers.AutoConfig.from_pretrained(folder)
    note, names = getattr(config, "wordalloc", None), config.architectures or [""]
    base = getattr(transformers, names[0], None)
    if not (isinstance(note, dict) and note.keys() == {"embedding", "options"} and isinstance(allocation, Allocation)):
        raise FormatError(f"{folder} is not what save_pretrained wrote after replace_lm_head: save the model again")
    if not (isinstance(base, type) and issubclass(base, transformers.PreTrainedModel)):
        raise InputError(f"{folder} holds a model of the class {names[0]!r}, which transformers does not have")
    return _load(folder, base, allocation, note, kwargs)


@contextlib.contextmanager
def _one_line_errors(folder: Path) -> Iterator[None]:
    """Turn what transformers says of files it cannot use, often a page, into one line."""
    try:
        yield
    except WordallocError:
        raise
    except (OSError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
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
    with _one_line_errors(folder):
        model, told = loading.from_pretrained(folder, use_safetensors=True, output_loading_info=True, **kwargs)  # type: ignore[attr-defined]
    wrong = sorted([*told["missing_keys"], *told["unexpected_keys"]])
    if wrong or told["mismatched_keys"]:
        raise FormatError(f"the weights in {folder} are not those of its config and allocation: {wrong[:3]}")
    for name, buffer in made.items():
        model.get_buffer(name).copy_(buffer)
    model.__class__ = allocated
    return model
