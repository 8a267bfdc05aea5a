"""wordalloc: vocabulary clustering and word allocation.

Every cheap softmax over a large vocabulary gives each word an address. This package computes the addresses
from counts, by exact optimisation where that is possible, keeps them in one safe file, and ships the PyTorch
layers (`wordalloc.nn`) and the trainer (`wordalloc.training`) that load the file.

The names below are loaded when they are first used, so importing the package costs little.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "Allocation": "wordalloc.allocations",
    "Cutoffs": "wordalloc.allocations",
    "load": "wordalloc.allocations",
    "save": "wordalloc.allocations",
    "TextOptions": "wordalloc.vocabulary",
    "Vocabulary": "wordalloc.vocabulary",
    "WordallocError": "wordalloc.errors",
    "count": "wordalloc.corpus",
    "CostModel": "wordalloc.algorithms.cost_model",
    "adaptive_cutoffs": "wordalloc.algorithms.adaptive_cutoffs",
    "zipf_buckets": "wordalloc.algorithms.zipf_buckets",
}

__all__ = [
    "Allocation",
    "CostModel",
    "Cutoffs",
    "TextOptions",
    "Vocabulary",
    "WordallocError",
    "__version__",
    "adaptive_cutoffs",
    "count",
    "load",
    "save",
    "zipf_buckets",
]

if TYPE_CHECKING:
    from wordalloc.algorithms.adaptive_cutoffs import adaptive_cutoffs
    from wordalloc.algorithms.cost_model import CostModel
    from wordalloc.algorithms.zipf_buckets import zipf_buckets
    from wordalloc.allocations import Allocation, Cutoffs, load, save
    from wordalloc.corpus import count
    from wordalloc.errors import WordallocError
    from wordalloc.vocabulary import TextOptions, Vocabulary


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("wordalloc")
    if name not in _HOMES:
        raise AttributeError(f"module 'wordalloc' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value  # the next use finds it without this detour
    return value


def __dir__() -> list[str]:
    return __all__
