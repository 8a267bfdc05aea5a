"""Triton kernels that turn rows of scores into their nll, and in place into its gradient: one program a row.

The gradient of a row's nll by its scores is softmax - 1 at the label. It is written over the scores, so that a block
of logits and its gradient share their memory, as in the Liger kernels (Hsu et al. 2024, "Liger Kernel: Efficient
Triton Kernels for LLM Training"). O(k) a row; the scores are read once for the logsumexp and once for the gradient.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from wordalloc.errors import InputError

# Chosen by arithmetic, 16 scores a thread; not measured on any device.
COLUMNS = 4096
WARPS = 8

_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_LOWEST = tl.constexpr(-3.4028234663852886e38)  # finite: the difference of two -inf is no number


def row_nll(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return each row's nll under its softmax, and its logsumexp.

    Parameters
    ----------
    scores : Tensor, shape (n, k)
        float32, bfloat16 or float16; contiguous inside a row.
    labels : Tensor, shape (n,), int64
        A row whose number is outside 0 … k - 1 has no label: its nll is its logsumexp.

    Returns
    -------
    values, logsumexp : Tensor, shape (n,), float32
        In nats.
    """
    _check(scores)
    values, logsumexp = torch.empty(2, scores.shape[0], dtype=torch.float32, device=scores.device)
    _launch(scores, labels, values, logsumexp, known=False, write=False)
    return values, logsumexp


def softmax_minus_label_(scores: Tensor, labels: Tensor, logsumexp: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Overwrite each row of scores by the gradient of its nll, softmax - 1 at the label, in its own dtype.

    Parameters
    ----------
    scores : Tensor, shape (n, k)
        float32, bfloat16 or float16; contiguous inside a row. Overwritten.
    labels : Tensor, shape (n,), int64
        A row whose number is outside 0 … k - 1 has no label: its nll is its logsumexp, whose gradient is the softmax.
    logsumexp : Tensor, shape (n,), float32, optional
        Of each row, where it is known already: saves one of two passes over the scores.

    Returns
    -------
    values, logsumexp : Tensor, shape (n,), float32
        In nats; `logsumexp` is the one given, if any.
    """
    _check(scores)
    values = torch.empty(scores.shape[0], dtype=torch.float32, device=scores.device)
    known = logsumexp is not None
    norm = torch.empty_like(values) if logsumexp is None else logsumexp.contiguous()
    _launch(scores, labels, values, norm, known=known, write=True)
    return values, norm


def _check(scores: Tensor) -> None:
    if scores.dtype not in _DTYPES:
        raise InputError(f"the kernels take float32, bfloat16 or float16, not {scores.dtype}")
    if scores.dim() != 2 or scores.shape[1] == 0 or (scores.shape[1] > 1 and scores.stride(1) != 1):
        raise InputError(
            f"expected (n, k) scores, contiguous inside a row, not {tuple(scores.shape)} with strides {scores.stride()}"
        )


def _launch(scores: Tensor, labels: Tensor, values: Tensor, logsumexp: Tensor, *, known: bool, write: bool) -> None:
    n, k = scores.shape
    if n == 0:
        return
    block = min(COLUMNS, triton.next_power_of_2(k))
    with torch.cuda.device_of(scores):
        _row_kernel[(n,)](
            scores, scores.stride(0), labels.contiguous(), values, logsumexp, k, COLUMNS=block, KNOWN=known,
            WRITE=write, num_warps=WARPS if block == COLUMNS else 4,
        )  # fmt: skip


@triton.jit
def _row_kernel(  # type: ignore[no-untyped-def]
    scores, stride, labels, values, logsumexp, k, COLUMNS: tl.constexpr, KNOWN: tl.constexpr, WRITE: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    scores += row * stride
    label = tl.load(labels + row)
    lanes = tl.arange(0, COLUMNS)
    # The label's score is picked from the tiles, lane by lane: an unchecked label is never an address, and a thread
    # reads no score that another may have overwritten.
    picked = tl.zeros((COLUMNS,), tl.float32)
    best = tl.full((), _LOWEST, tl.float32)
    if KNOWN:
        log_total = tl.load(logsumexp + row)
        best = tl.zeros((), tl.float32)
    else:
        total = tl.zeros((), tl.float32)
        for first in range(0, k, COLUMNS):
            columns = first + lanes
            seen = columns < k
            tile = tl.load(scores + columns, mask=seen, other=float("-inf")).to(tl.float32)
            higher = tl.maximum(best, tl.max(tile, 0))
            total = total * tl.exp(best - higher) + tl.sum(tl.exp(tile - higher), 0)
            best = higher
            picked += tl.where(seen & (columns == label), tile, 0.0)
        log_total = tl.log(total)
        tl.store(logsumexp + row, best + log_total)
    if WRITE:
        for first in range(0, k, COLUMNS):
            columns = first + lanes
            seen = columns < k
            hit = seen & (columns == label)
            tile = tl.load(scores + columns, mask=seen, other=0.0).to(tl.float32)
            if KNOWN:
                picked += tl.where(hit, tile, 0.0)
            share = tl.exp((tile - best) - log_total) - tl.where(hit, 1.0, 0.0)
            tl.store(scores + columns, share.to(scores.dtype.element_ty), mask=seen)
    # The maximum is subtracted first: a sum with the logarithm would lose its digits where scores are huge.
    tl.store(values + row, (best - tl.sum(picked, 0)) + log_total)
