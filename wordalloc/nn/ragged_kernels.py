"""Triton kernels for a tail cluster whose number of tokens only the device knows.

Tokens are sorted by cluster once: `order` (N,) holds their positions, and `offsets` (J + 2,) where each cluster
starts in it; cluster 0 is the head. A grid is launched for the worst case, all N tokens in the cluster, and programs
past its last token return at once. So the host reads nothing from the device and never waits for it.

The scores of a cluster, n × k of them, are never stored. A program makes a tile of them, folds it into a running
maximum and sum (forward) or into a gradient (backward, which makes the tile anew and needs only the logsumexp), and
makes the next: O(n k w) multiplications, O(N + k w) memory and a bounded number of partial results. There are no
atomics: partial results are added in a fixed order, so the same input gives the same bytes.

References: the adaptive softmax is that of Grave et al. (2017), "Efficient softmax approximation for GPUs"; making
the scores tile by tile in both directions is that of Wijmans et al. (2024), "Cut Your Losses in Large-Vocabulary
Language Models", here with rows that are gathered and counted on the device.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor

from wordalloc.errors import InputError
from wordalloc.nn.ragged_tiles import combine_gradient, combine_nll, narrow_gradient, output_gradient, partial_nll

# Chosen by arithmetic and by what compiling for an H100 reports: in bfloat16 no registers are spilled (in float32
# without TF32 some are). Not measured on any device.
ROWS = 64  # tokens in a tile
NLL_COLUMNS = 128  # words in a tile of scores, forward
GRADIENT_COLUMNS = 64  # the same where a gradient's accumulator needs registers too
INNER_BYTES = 256  # of a row that one step of a dot product takes
WIDTH_BYTES = 512  # of a gradient's row that one program adds up; wider rows take several, each with its own scores
SPAN = 4096  # words that one program goes over, at least
MAX_SPLITS = 32  # programs that share a row block's words
ENOUGH_PROGRAMS = 264  # two for each multiprocessor of an H100; fewer blocks of words than this share out the tokens
MAX_ROW_SPLITS = 16
PARTIAL_BYTES = 64 << 20  # of a gradient's partial sums, at most
LAUNCH = {"num_warps": 8, "num_stages": 2}  # takes 99 KiB of shared memory at most, as small devices have

_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


class _Tiles(NamedTuple):
    inner: int
    width: int
    precision: str


def tail_nll(
    narrow: Tensor, output: Tensor, order: Tensor, offsets: Tensor, cluster: int, local: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the nll and the logsumexp of a tail cluster's tokens under softmax(output · narrow), 0 for all others.

    Parameters
    ----------
    narrow : Tensor, shape (N, w)
        Projected hidden states of all tokens: float32, bfloat16 or float16.
    output : Tensor, shape (k, w)
        The cluster's output matrix, of the same dtype.
    order : Tensor, shape (N,), int64
        Positions of the tokens, sorted by cluster.
    offsets : Tensor, shape (J + 2,), int64
        Where each cluster's tokens start in `order`; cluster 0 is the head.
    cluster : int
        From 1 to J.
    local : Tensor, shape (N,), int64
        Each token's target minus the cluster's first rank. Any number for the tokens of other clusters; a token of
        the cluster whose number is outside 0 … k - 1 has no label, and its nll is its logsumexp.

    Returns
    -------
    values, logsumexp : Tensor, shape (N,), float32
        In nats; exactly 0 for tokens of other clusters.
    """
    n, w, k = narrow.shape[0], narrow.shape[1], output.shape[0]
    values, logsumexp = torch.zeros(2, n, dtype=torch.float32, device=narrow.device)
    if n == 0:
        return values, logsumexp
    tiles, narrow, output = _checked(narrow, output)
    span, splits = _column_splits(k)
    partial = torch.empty(3, splits, n, dtype=torch.float32, device=narrow.device)
    members = (order.contiguous(), offsets.contiguous(), cluster)
    with torch.cuda.device_of(narrow):
        partial_nll[(triton.cdiv(n, ROWS), splits)](
            narrow, narrow.stride(0), output, output.stride(0), *members, local.contiguous(), *partial, n, k, span,
            W=w, ROWS=ROWS, COLUMNS=NLL_COLUMNS, INNER=tiles.inner, PRECISION=tiles.precision, **LAUNCH,
        )  # fmt: skip
        combine_nll[(triton.cdiv(n, 128),)](*partial, *members, values, logsumexp, n, splits, ROWS=128, num_warps=4)
    return values, logsumexp


def tail_gradients(
    narrow: Tensor,
    output: Tensor,
    order: Tensor,
    offsets: Tensor,
    cluster: int,
    local: Tensor,
    logsumexp: Tensor,
    slope: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return the gradients of Σ slope · nll over a tail cluster's tokens, by narrow and by output.

    Parameters
    ----------
    narrow, output, order, offsets, cluster, local
        As for `tail_nll`.
    logsumexp : Tensor, shape (N,), float32
        As `tail_nll` returns it.
    slope : Tensor, shape (N,)
        Derivative of the loss by each token's nll.

    Returns
    -------
    by_narrow : Tensor, shape (N, w)
        In the dtype of `narrow`, added up in float32; exactly 0 for tokens of other clusters.
    by_output : Tensor, shape (k, w)
        In the dtype of `output`, added up in float32.
    """
    (n, w), k = narrow.shape, output.shape[0]
    by_narrow = torch.zeros(n, w, dtype=narrow.dtype, device=narrow.device)
    if n == 0:
        return by_narrow, torch.zeros(k, w, dtype=output.dtype, device=output.device)
    tiles, narrow, output = _checked(narrow, output)
    matrices = (narrow, narrow.stride(0), output, output.stride(0))
    members = (order.contiguous(), offsets.contiguous(), cluster)
    slope = slope.float().contiguous()
    labels = (local.contiguous(), logsumexp.contiguous())
    with torch.cuda.device_of(narrow):
        _fill_by_narrow(by_narrow, matrices, members, (*labels, slope), k, tiles)
        by_output = _by_output(matrices, members, (*labels, slope), tiles)
    return by_narrow, by_output


def _fill_by_narrow(by_narrow: Tensor, matrices: Any, members: Any, labels: Any, k: int, tiles: _Tiles) -> None:
    """Write the rows of the cluster's tokens; where many programs share a row, by way of partial sums."""
    n, w = by_narrow.shape
    span, splits = _column_splits(k, limit=PARTIAL_BYTES // (4 * n * w))
    grid = (triton.cdiv(n, ROWS), splits, triton.cdiv(w, tiles.width))
    shared = splits > 1
    sums = by_narrow.new_empty(splits, n, w, dtype=torch.float32) if shared else by_narrow
    narrow_gradient[grid](
        *matrices, *members, *labels, sums, n, k, span, W=w, ROWS=ROWS, COLUMNS=GRADIENT_COLUMNS, INNER=tiles.inner,
        WIDTH=tiles.width, SHARED=shared, PRECISION=tiles.precision, **LAUNCH,
    )  # fmt: skip
    if shared:
        combine_gradient[(triton.cdiv(n, 16), triton.cdiv(w, tiles.width))](
            sums, *members, by_narrow, n, splits, W=w, ROWS=16, WIDTH=tiles.width, num_warps=4
        )


def _by_output(matrices: Any, members: Any, labels: Any, tiles: _Tiles) -> Tensor:
    """Return the gradient by `output`; where its blocks are too few to fill a device, each is shared by tokens."""
    narrow, _, output, _ = matrices
    (n, w), k = narrow.shape, output.shape[0]
    # Rounding to a narrow dtype is harmless to shares of a softmax and fatal to them times a slope such as 1 / N.
    *labels, slope = labels
    steepest = slope.abs().amax().clamp_min(torch.finfo(torch.float32).tiny)
    blocks, chunks = triton.cdiv(k, GRADIENT_COLUMNS), triton.cdiv(w, tiles.width)
    splits = max(1, min(ENOUGH_PROGRAMS // (blocks * chunks), triton.cdiv(n, ROWS), MAX_ROW_SPLITS))
    sums = output.new_empty(splits, k, w, dtype=torch.float32 if splits > 1 else output.dtype)
    output_gradient[(blocks, chunks, splits)](
        *matrices, *members, *labels, slope / steepest, steepest, sums, k, splits, W=w, ROWS=ROWS,
        COLUMNS=GRADIENT_COLUMNS, INNER=tiles.inner, WIDTH=tiles.width, PRECISION=tiles.precision, **LAUNCH,
    )  # fmt: skip
    return sums.sum(0).to(output.dtype) if splits > 1 else sums[0]


def _checked(narrow: Tensor, output: Tensor) -> tuple[_Tiles, Tensor, Tensor]:
    """Return the tiles' sizes and the matrices with contiguous rows; the rows themselves may lie apart."""
    if narrow.dtype != output.dtype or narrow.dtype not in _DTYPES:
        raise InputError(f"the kernels take float32, bfloat16 or float16, not {narrow.dtype} and {output.dtype}")
    if narrow.shape[1:] != output.shape[1:]:
        raise InputError(f"expected (N, w) and (k, w), not {tuple(narrow.shape)} and {tuple(output.shape)}")
    whole = max(16, triton.next_power_of_2(narrow.shape[1]))  # a dot product takes at least 16
    size = narrow.element_size()
    tiles = _Tiles(min(whole, INNER_BYTES // size), min(whole, WIDTH_BYTES // size), _precision())
    narrow, output = (m if m.stride(1) == 1 else m.contiguous() for m in (narrow, output))
    return tiles, narrow, output


def _precision() -> str:
    """Return how float32 is multiplied: as torch's own products are."""
    matmul = torch.backends.cuda.matmul
    # Torch refuses to read the older of its two settings where the newer was used.
    fast = matmul.fp32_precision == "tf32" if hasattr(matmul, "fp32_precision") else matmul.allow_tf32
    return "tf32" if fast else "ieee"


def _column_splits(k: int, limit: int = MAX_SPLITS) -> tuple[int, int]:
    """Return how many words a program goes over, whole tiles of them, and how many programs go over all k words."""
    splits = max(1, min(triton.cdiv(k, SPAN), MAX_SPLITS, limit))
    tile = max(NLL_COLUMNS, GRADIENT_COLUMNS)
    span = triton.cdiv(triton.cdiv(k, splits), tile) * tile
    return span, triton.cdiv(k, span)  # none of them is empty
