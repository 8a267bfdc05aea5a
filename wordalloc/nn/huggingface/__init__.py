"""Heads in models of transformers. Needs the extra ``huggingface``: pip install 'wordalloc[train,huggingface]'."""

from __future__ import annotations

import importlib.util

from wordalloc.errors import InputError

if importlib.util.find_spec("transformers") is None:
    raise InputError("heads in Hugging Face models need transformers: pip install 'wordalloc[train,huggingface]'")

from wordalloc.nn.huggingface.loading import from_pretrained
from wordalloc.nn.huggingface.replacing import Replacement, replace_lm_head

__all__ = ["Replacement", "from_pretrained", "replace_lm_head"]
