"""Softmax cross-entropy of a linear layer, in blocks of rows: the logits are never stored whole.

A block's logits are made, turned in place into the gradient by them, and used up for the gradients by states and
matrix before the next block is made in the same memory, as fused linear cross-entropy kernels do (Hsu et al. 2024,
"Liger Kernel", section 3.2). So the peak is one block, and on a CPU it stays in the cache.

The gradient by the logits of a row is slope · (share - 1 at the target). The slope is applied to the narrow factors of
the products, which saves a pass over the wide one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from wordalloc.nn.arrays import fresh, precise_dtype

# Of logits. On a CPU a block should fit the last-level cache, and yet hold enough rows for products at full speed: of
# 1 to 64 MB, 32 MB was the fastest or near it for heads and tails of all widths.
CPU_BLOCK_BYTES = 32 << 20
GPU_BLOCK_BYTES = 128 << 20
_LEAST_ROWS = 16
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
    logits = fresh((rows, k), hidden.dtype, hidden.device)
    values = hidden.new_empty(n, dtype=precise_dtype(hidden))
    sums = torch.empty_like(values)
    gradients = None if slope is None else _new_gradients(hidden, matrix, bias)
    for start in range(0, n, rows):
        block = slice(start, min(start + rows, n))
        states, labels = hidden[block], target[block, None].long()
        scores = torch.mm(states, matrix.t(), out=logits[: states.shape[0]])
        if bias is not None:
            scores += bias
        chosen = scores.gather(1, labels).squeeze(1).to(values.dtype)
        if logsumexp is not None:
            sums[block] = logsumexp[block]
            _shares_of_sum(scores, sums[block])
            torch.sub(sums[block], chosen, out=values[block])
        elif scores.is_cpu and scores.dtype == values.dtype:
            _softmax(scores, labels, values[block])
            _mend(values[block], states, matrix, bias, labels)
            torch.add(chosen, values[block], out=sums[block])
        else:
            torch.logsumexp(scores.to(values.dtype), 1, out=sums[block])
            _shares_of_sum(scores, sums[block])
            torch.sub(sums[block], chosen, out=values[block])
        if gradients is not None and slope is not None:
            scores.scatter_add_(1, labels, scores.new_full((1, 1), -1.0).expand(labels.shape))
            _add_gradients(gradients, block, scores, states, matrix, slope[block, None].to(hidden.dtype))
    if gradients is not None:
        by_bias = None if bias is None or gradients.by_bias is None else gradients.by_bias.to(bias.dtype)
        gradients = Gradients(gradients.by_hidden, gradients.by_matrix.to(matrix.dtype), by_bias)
    return values, sums, gradients


def _block_rows(n: int, k: int, hidden: Tensor) -> int:
    """Return how many rows a block holds: blocks of one size, so that no last one is too small to be quick."""
    most = CPU_BLOCK_BYTES if hidden.is_cpu else GPU_BLOCK_BYTES
    blocks = max(1, -(-n * k * hidden.element_size() // most))
    return max(1, min(n, max(_LEAST_ROWS, -(-n // blocks))))


def _new_gradients(hidden: Tensor, matrix: Tensor, bias: Tensor | None) -> Gradients:
    precise, nothing = precise_dtype(hidden), hidden.shape[0] == 0
    by_bias = None if bias is None else torch.zeros_like(bias, dtype=precise)
    return Gradients(
        torch.empty_like(hidden), fresh(tuple(matrix.shape), precise, matrix.device, zero=nothing), by_bias
    )


def _softmax(scores: Tensor, labels: Tensor, values: Tensor) -> None:
    """Turn scores into shares in place and fill in the nll of the labels, on the CPU.

    The softmax in place takes a quarter of the time of a log-softmax and the exponential after it. Its logarithm is
    as exact, but where a share is too small for its dtype: such rows are mended.
    """
    torch.softmax(scores, 1, out=scores)
    torch.log(scores.gather(1, labels).squeeze(1), out=values).neg_()


def _mend(values: Tensor, states: Tensor, matrix: Tensor, bias: Tensor | None, labels: Tensor) -> None:
    """Compute the nll of labels whose share is too small the long way."""
    lost = (values > -math.log(_TINY)).nonzero().squeeze(1)
    if lost.numel():
        values[lost] = F.cross_entropy(F.linear(states[lost], matrix, bias), labels[lost, 0], reduction="none")


def _shares_of_sum(scores: Tensor, sums: Tensor) -> None:
    """Turn scores into shares in place, given their logsumexp."""
    if scores.dtype == sums.dtype:
        scores.sub_(sums[:, None]).exp_()
    else:
        scores.copy_((scores.to(sums.dtype) - sums[:, None]).exp_())


def _add_gradients(
    gradients: Gradients, block: slice, delta: Tensor, states: Tensor, matrix: Tensor, slope: Tensor
) -> None:
    """Fill in the gradient by the block's states and add those by matrix and bias."""
    torch.mm(delta, matrix, out=gradients.by_hidden[block]).mul_(slope)
    scaled, total = states * slope, gradients.by_matrix
    first = block.start == 0
    if total.dtype != delta.dtype:
        product = delta.t() @ scaled
        total.copy_(product) if first else total.add_(product)
    elif first:  # the memory is fresh: writing it once is half of what adding costs
        torch.mm(delta.t(), scaled, out=total)
    else:
        total.addmm_(delta.t(), scaled)
    if gradients.by_bias is not None:
        gradients.by_bias.add_(delta.t() @ slope.squeeze(1))
