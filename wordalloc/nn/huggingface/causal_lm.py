"""A class of transformers' causal language models whose head is an `AllocatedHead`: what of it changes, and no more.

With labels, a model of transformers computes ``logits = lm_head(hidden)`` and ``loss_function(logits, labels)``. Here
the head gives the hidden states back, and the loss function is the layer's own, which takes hidden states: nothing in
between is touched. Logits are not made while training; in eval mode they are, also where only the loss is looked at.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from wordalloc.errors import InputError

ALLOCATION_FILE = "allocation.safetensors"


class AllocatedModel:
    """What is put before a class of causal language models; `allocated_class` adds that class and ``forward``."""

    unallocated: type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        name = type(self).__name__
        raise InputError(f"make a {name} of transformers first, and call replace_lm_head, which takes an allocation")

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str], **kwargs: Any) -> Any:
        """Load a model of this class by `wordalloc.nn.huggingface.from_pretrained`."""
        from wordalloc.nn.huggingface.loading import from_pretrained  # it makes this class

        return from_pretrained(folder, model_class=cls, **kwargs)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Say how copies are made, and pickles, which find classes by their name: it is that of another class."""
        return _empty, (self.unallocated,), vars(self)

    @property
    def loss_function(self) -> Callable[..., Tensor]:
        """The layer's loss, of hidden states instead of logits. It cannot be set."""
        head = self.get_output_embeddings()  # type: ignore[attr-defined]

        def loss(logits: Tensor, labels: Tensor, vocab_size: int | None = None, **kwargs: Any) -> Tensor:
            known = ("num_items_in_batch", "ignore_index", "shift_labels")
            return head.loss(logits, labels, **{name: kwargs[name] for name in known if name in kwargs})

        return loss

    def save_pretrained(
        self, save_directory: str | os.PathLike[str], is_main_process: bool = True, *args: Any, **kwargs: Any
    ) -> None:
        """Save the model as ever, and its allocation beside it, for `wordalloc.nn.huggingface.from_pretrained`."""
        folder = Path(save_directory)
        if is_main_process and not folder.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            self.get_output_embeddings().allocation.save(folder / ALLOCATION_FILE)  # type: ignore[attr-defined]
            self.config.wordalloc["sha256"] = digest(folder / ALLOCATION_FILE)  # type: ignore[attr-defined]
        super().save_pretrained(save_directory, is_main_process, *args, **kwargs)  # type: ignore[misc]

    def resize_token_embeddings(self, *args: Any, **kwargs: Any) -> None:
        """Refuse: the allocation says which tokens there are."""
        raise InputError(
            "the tokens of an allocation are fixed; resize the model's embeddings before replace_lm_head, with an "
            "allocation that has the new tokens"
        )


@functools.cache
def allocated_class(base: type) -> type:
    """Return the class of causal language models `base` with an `AllocatedHead`.

    It has the same name, by which transformers knows its family: in ``config.json`` and in Trainer.
    """
    named = {"__module__": base.__module__, "__qualname__": base.__qualname__, "__doc__": base.__doc__}
    own = {**named, "unallocated": base}
    return type(base.__name__, (AllocatedModel, base), {**own, "forward": _forward(base.forward)})  # type: ignore[attr-defined]


def _empty(base: type) -> Any:
    """Return a model of an allocated class without anything in it, for copies to fill."""
    return object.__new__(allocated_class(base))


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _forward(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the forward pass that gets its loss from hidden states; its signature is the original's."""
    signature = inspect.signature(original)
    place = list(signature.parameters)[1:].index("labels")

    @functools.wraps(original)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        labels = args[place] if len(args) > place else kwargs.get("labels")
        if labels is None:
            return original(self, *args, **kwargs)
        as_object = kwargs.pop("return_dict", None)
        head = self.get_output_embeddings()
        head.for_loss = True
        try:
            output = original(self, *args, return_dict=True, **kwargs)
        finally:
            head.for_loss = False
        # What is called logits so far are the hidden states. While training nobody looks at them.
        logits = None if self.training else head.logits(output.logits)
        output = type(output)(**{**output, "logits": logits})
        return output if (self.config.return_dict if as_object is None else as_object) else output.to_tuple()

    # Accelerate, when it takes off its own wrapper, follows this name to the last function it finds.
    del forward.__wrapped__
    forward.__signature__ = signature  # type: ignore[attr-defined]
    return forward
