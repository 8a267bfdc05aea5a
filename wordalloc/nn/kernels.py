"""Where hand-written kernels run."""

from __future__ import annotations

import functools
import importlib.util

import torch
from torch import Tensor


def has_kernels(like: Tensor) -> bool:
    """Tell whether a tensor can go through the Triton kernels: on CUDA, up to float32, with Triton installed."""
    return like.is_cuda and like.dtype != torch.float64 and _has_triton()


@functools.cache
def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None
