"""Softmax cross-entropy of a linear layer, in blocks of rows: the logits are never stored whole.

A block's logits are made, turned in place into the gradient by them, and used up for the gradients by states and
matrix before the next block is made in the same memory, as fused linear cross-entropy kernels do (Hsu et al. 2024,
"Liger Kernel", section 3.2). So the peak is one block, and on a CPU it stays in the cache.

The gradient by the logits of a row is slope · (share - 1 at the target). The slope is applied to the narrow factors of
the products, which saves a pass over the wide one.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from wordalloc.nn.arrays import fresh, precise_dtype, scratch
from wordalloc.nn.kernels import has_kernels

# Of logits. On a CPU a block should fit the last-level cache, and yet hold enough rows for products at full speed: of
# 1 to 64 MB, 32 MB was the fastest or near it for heads and tails of all widths.
CPU_BLOCK_BYTES = 32 << 20
GPU_BLOCK_BYTES = 128 << 20
CHUNK_BYTES = 1 << 20
NARROW = 8  # widths up to which a CPU's product is two to four times as fast when its long side is the inner one
# With fewer rows a block would spend its time on reading the matrix and adding to the gradient by it: 267,735 words at
# width 512 take 1.7 times as long with 16.
LEAST_ROWS = 128
_TINY = 1e-30


class Gradients(NamedTuple):
    """Those of Σ slope · nll."""

    by_hidden: Tensor  # (n, w)
    by_matrix: Tensor  # (k, w)
    by_bias: Tensor | None  # (k,)


def linear_nll(
    hidden: Tensor,
    matrix: Tensor,
    bias: Tensor | None,
    target: Tensor,
    logsumexp: Tensor | None = None,
    slope: Tensor | None = None,
) -> tuple[Tensor, Tensor, Gradients | None]:
    """Return each row's nll and logsumexp, (n,), and with `slope` the gradients.

    Parameters
    ----------
    hidden : Tensor, shape (n, w)
        States.
    matrix, bias : Tensor, shapes (k, w) and (k,), or None
        The linear layer.
    target : Tensor of int, shape (n,)
        Columns.
    logsumexp : Tensor, shape (n,), optional
        That of an earlier pass, from which the shares follow without another sum.
    slope : Tensor, shape (n,), optional
        The weight of each row in the sum that is differentiated.
    """
    n, k = hidden.shape[0], matrix.shape[0]
    rows = _block_rows(n, k, hidden)
    logits = scratch((rows, k), hidden.dtype, hidden.device)
    values = hidden.new_empty(n, dtype=precise_dtype(hidden))
    sums = torch.empty_like(values)
    gradients = None if slope is None else _new_gradients(hidden, matrix, bias)
    for start in range(0, n, rows):
        block = slice(start, min(start + rows, n))
        states, labels = hidden[block], target[block, None].long()
        scores = _scores(states, matrix, bias, logits[: states.shape[0]])
        known = None if logsumexp is None else logsumexp[block]
        if has_kernels(scores):
            values[block], sums[block] = _by_kernel(scores, labels, known, gradients is not None)
        else:
            values[block], sums[block], lost = _by_torch(scores, labels, known, gradients is not None)
            if lost is not None and lost.numel():
                _mend(values[block], sums[block], lost, states, matrix, bias, labels)
        if gradients is not None and slope is not None:
            _add_gradients(gradients, block, scores, states, matrix, slope[block, None].to(hidden.dtype))
    if gradients is not None:
        by_bias = None if bias is None or gradients.by_bias is None else gradients.by_bias.to(bias.dtype)
        gradients = Gradients(gradients.by_hidden, gradients.by_matrix.to(matrix.dtype), by_bias)
    return values, sums, gradients


def _block_rows(n: int, k: int, hidden: Tensor) -> int:
    """Return how many rows a block holds: blocks of one size, so that no last one is too small to be quick."""
    most = CPU_BLOCK_BYTES if hidden.is_cpu else GPU_BLOCK_BYTES
    blocks = -(-n * k * hidden.element_size() // most)
    return -(-n // max(1, min(blocks, n // LEAST_ROWS))) or 1


def _new_gradients(hidden: Tensor, matrix: Tensor, bias: Tensor | None) -> Gradients:
    precise, nothing = precise_dtype(hidden), hidden.shape[0] == 0
    by_bias = None if bias is None else torch.zeros_like(bias, dtype=precise)
    return Gradients(
        torch.empty_like(hidden), fresh(tuple(matrix.shape), precise, matrix.device, zero=nothing), by_bias
    )


def _scores(states: Tensor, matrix: Tensor, bias: Tensor | None, out: Tensor) -> Tensor:
    """Fill in and return the logits of a block."""
    if states.is_cpu:
        # Columns for which the matrix's part fits a core's second-level cache: a third faster than the whole at once.
        columns = max(256, CHUNK_BYTES // (matrix.shape[1] * matrix.element_size()))
        for part, own in zip(out.split(columns, 1), matrix.split(columns), strict=True):
            torch.mm(states, own.t(), out=part)
    else:
        torch.mm(states, matrix.t(), out=out)
    return out if bias is None else out.add_(bias)


def _by_kernel(scores: Tensor, labels: Tensor, known: Tensor | None, wanted: bool) -> tuple[Tensor, Tensor]:
    """Return the nll and logsumexp of each row; where it is `wanted`, scores become their gradient in place."""
    from wordalloc.nn import row_kernels

    if wanted:
        return row_kernels.softmax_minus_label_(scores, labels[:, 0], known)
    return row_kernels.row_nll(scores, labels[:, 0])


def _by_torch(
    scores: Tensor, labels: Tensor, known: Tensor | None, wanted: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Do what `_by_kernel` does, and return which rows' figures are to be mended."""
    precise = precise_dtype(scores)
    chosen = scores.gather(1, labels).squeeze(1).to(precise)
    lost = None
    if known is None and scores.is_cpu and scores.dtype == precise:
        # The softmax in place takes a quarter of the time of a logsumexp and the exponential after it. Its logarithm is
        # as exact, but where a share is too small for its dtype.
        torch.softmax(scores, 1, out=scores)
        shares = scores.gather(1, labels).squeeze(1)
        values, lost = shares.log().neg_(), (shares < _TINY).nonzero().squeeze(1)
        sums = chosen + values
    else:
        sums = torch.logsumexp(scores.to(precise), 1) if known is None else known
        values = sums - chosen
        if wanted and scores.dtype == precise:
            scores.sub_(sums[:, None]).exp_()
        elif wanted:
            scores.copy_((scores.to(precise) - sums[:, None]).exp_())
    if wanted:
        scores.scatter_add_(1, labels, scores.new_full((1, 1), -1.0).expand(labels.shape))
    return values, sums, lost


def _mend(
    values: Tensor, sums: Tensor, lost: Tensor, states: Tensor, matrix: Tensor, bias: Tensor | None, labels: Tensor
) -> None:
    """Compute the figures of rows whose share is too small the long way."""
    scores = F.linear(states[lost], matrix, bias)
    sums[lost] = scores.logsumexp(1)
    values[lost] = F.cross_entropy(scores, labels[lost, 0], reduction="none")


def _add_gradients(
    gradients: Gradients, block: slice, delta: Tensor, states: Tensor, matrix: Tensor, slope: Tensor
) -> None:
    """Fill in the gradient by the block's states and add those by matrix and bias."""
    torch.mm(delta, matrix, out=gradients.by_hidden[block]).mul_(slope)
    scaled, total = states * slope, gradients.by_matrix
    first, narrow = block.start == 0, delta.is_cpu and scaled.shape[1] <= NARROW
    if narrow or total.dtype != delta.dtype:
        product = (scaled.t() @ delta).t() if narrow else delta.t() @ scaled
        total.copy_(product) if first else total.add_(product)
    elif first:  # the memory is fresh: writing it once is half of what adding costs
        torch.mm(delta.t(), scaled, out=total)
    else:
        total.addmm_(delta.t(), scaled)
    if gradients.by_bias is not None:
        gradients.by_bias.add_(delta.t() @ slope.squeeze(1))
