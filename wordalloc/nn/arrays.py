"""Fresh arrays for blocks and gradients, and gradients of a few rows."""

from __future__ import annotations

import math
import threading

import numpy as np
import torch
from torch import Tensor


def fresh(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, *, zero: bool = False) -> Tensor:
    """Return a new tensor, of zeros or of anything.

    On the CPU the memory is numpy's, which asks the system for huge pages where torch does not: the first writing of
    130 MB takes 6 ms instead of 33, and zeros cost nothing until they are touched.
    """
    if device.type != "cpu":
        return (torch.zeros if zero else torch.empty)(shape, dtype=dtype, device=device)
    if 0 in shape:
        return torch.empty(shape, dtype=dtype)
    memory = (np.zeros if zero else np.empty)(math.prod(shape) * dtype.itemsize, np.uint8)
    return torch.from_numpy(memory).view(dtype).view(shape)


_of_thread = threading.local()


def scratch(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return a tensor of anything, to be forgotten before the next one is asked for by this thread.

    On the CPU it is the same memory each time: to have 32 MB mapped anew for every matrix of every step costs as much
    as the softmax over them.
    """
    if device.type != "cpu":
        return torch.empty(shape, dtype=dtype, device=device)
    n_bytes = math.prod(shape) * dtype.itemsize
    kept = getattr(_of_thread, "kept", None)
    if kept is None or kept.numel() < n_bytes:
        kept = _of_thread.kept = fresh((max(n_bytes, 1),), torch.uint8, device)
    return kept[:n_bytes].view(dtype).view(shape)


def row_sparse(rows: Tensor, values: Tensor, like: Tensor) -> Tensor:
    """Return a gradient that is zero but for these distinct rows, in rising order: as ``nn.Embedding(sparse=True)``."""
    return torch.sparse_coo_tensor(rows[None], values, like.shape, check_invariants=False, is_coalesced=True)


def precise_dtype(like: Tensor) -> torch.dtype:
    """Return what sums are kept in: float64 where the tensor is, else float32."""
    return torch.float64 if like.dtype == torch.float64 else torch.float32
