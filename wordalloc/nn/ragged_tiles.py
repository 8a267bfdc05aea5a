"""The device's half of `ragged_kernels`: programs that make tiles of scores for one cluster's tokens.

A tile is ROWS tokens by COLUMNS words. Both have any number of inputs, W, gone over INNER at a time; a gradient's
program holds WIDTH of them. Rows are positions among the cluster's tokens; `order` turns them into tokens.
"""

from __future__ import annotations

import os

import triton
import triton.language as tl

_INTERPRETED = tl.constexpr(os.environ.get("TRITON_INTERPRET") == "1")
_LOWEST = tl.constexpr(-3.4028234663852886e38)  # finite: the difference of two -inf is no number


@triton.jit
def _members(order, offsets, cluster):  # type: ignore[no-untyped-def]
    """Return where the cluster's tokens start in `order`, and their number."""
    first = tl.load(offsets + cluster)
    return order + first, (tl.load(offsets + cluster + 1) - first).to(tl.int32)


@triton.jit
def _tile(matrix, stride, rows, held, first, W: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """Load matrix[rows, first : first + BLOCK], 0 where there is none."""
    inner = first + tl.arange(0, BLOCK)
    places = rows.to(tl.int64)[:, None] * stride + inner[None, :]
    return tl.load(matrix + places, mask=held[:, None] & (inner < W)[None, :], other=0.0)


@triton.jit
def _dot(left, right, sums, PRECISION: tl.constexpr):  # type: ignore[no-untyped-def]
    if _INTERPRETED:  # Triton's interpreter multiplies the bits of bfloat16 as if they were whole numbers
        left, right = left.to(tl.float32), right.to(tl.float32)
    return tl.dot(left, right, sums, input_precision=PRECISION)


@triton.jit
def _scores(  # type: ignore[no-untyped-def]
    narrow, narrow_stride, tokens, held, output, output_stride, columns, seen,
    W: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, INNER: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Return narrow[tokens] · output[columns]ᵀ, (ROWS, COLUMNS)."""
    scores = tl.zeros((ROWS, COLUMNS), tl.float32)
    for first in range(0, W, INNER):
        states = _tile(narrow, narrow_stride, tokens, held, first, W, INNER)
        words = _tile(output, output_stride, columns, seen, first, W, INNER)
        scores = _dot(states, tl.trans(words), scores, PRECISION)
    return scores


@triton.jit
def _label(local, tokens, held, k):  # type: ignore[no-untyped-def]
    """Return the tokens' labels, -1 for none: only ever compared, never an index."""
    labels = tl.load(local + tokens, mask=held, other=-1)
    return tl.where((labels >= 0) & (labels < k), labels, -1).to(tl.int32)


@triton.jit
def _slopes(scores, logsumexp, labels, slope, columns, seen):  # type: ignore[no-untyped-def]
    """Return the derivative of slope · nll by the scores: slope · (share - 1 at the label)."""
    shares = tl.exp(scores - logsumexp[:, None]) - tl.where(columns[None, :] == labels[:, None], 1.0, 0.0)
    # Past the last word there is no score, so the exponential there may be infinite.
    return tl.where(seen[None, :], shares * slope[:, None], 0.0)


@triton.jit(do_not_specialize=["cluster"])
def partial_nll(  # type: ignore[no-untyped-def]
    narrow, narrow_stride, output, output_stride, order, offsets, cluster, local, best_, total_, chosen_, n_tokens, k,
    span, W: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, INNER: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Go over one span of words for one block of rows: its maximum, Σ exp(score - maximum), and the label's score."""
    members, n = _members(order, offsets, cluster)
    start = tl.program_id(0) * ROWS
    if start >= n:
        return
    rows = start + tl.arange(0, ROWS)
    held = rows < n
    tokens = tl.load(members + rows, mask=held, other=0)
    labels = _label(local, tokens, held, k)
    best = tl.full((ROWS,), _LOWEST, tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    chosen = tl.zeros((ROWS,), tl.float32)
    split = tl.program_id(1)
    for first in range(split * span, tl.minimum((split + 1) * span, k), COLUMNS):
        columns = first + tl.arange(0, COLUMNS)
        seen = columns < k
        scores = _scores(narrow, narrow_stride, tokens, held, output, output_stride, columns, seen,
                         W, ROWS, COLUMNS, INNER, PRECISION)  # fmt: skip
        chosen += tl.sum(tl.where(columns[None, :] == labels[:, None], scores, 0.0), 1)
        scores = tl.where(seen[None, :], scores, float("-inf"))
        higher = tl.maximum(best, tl.max(scores, 1))
        total = total * tl.exp(best - higher) + tl.sum(tl.exp(scores - higher[:, None]), 1)
        best = higher
    places = split.to(tl.int64) * n_tokens + rows
    tl.store(best_ + places, best, mask=held)
    tl.store(total_ + places, total, mask=held)
    tl.store(chosen_ + places, chosen, mask=held)


@triton.jit(do_not_specialize=["cluster"])
def combine_nll(  # type: ignore[no-untyped-def]
    best_, total_, chosen_, order, offsets, cluster, values, logsumexp, n_tokens, splits, ROWS: tl.constexpr
):
    members, n = _members(order, offsets, cluster)
    start = tl.program_id(0) * ROWS
    if start >= n:
        return
    rows = start + tl.arange(0, ROWS)
    held = rows < n
    best = tl.full((ROWS,), _LOWEST, tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    chosen = tl.zeros((ROWS,), tl.float32)
    for split in range(splits):
        places = tl.cast(split, tl.int64) * n_tokens + rows
        part = tl.load(best_ + places, mask=held, other=0.0)
        higher = tl.maximum(best, part)
        total = total * tl.exp(best - higher) + tl.load(total_ + places, mask=held, other=1.0) * tl.exp(part - higher)
        chosen += tl.load(chosen_ + places, mask=held, other=0.0)
        best = higher
    tokens = tl.load(members + rows, mask=held, other=0)
    # The maximum is subtracted first: a sum with the logarithm would lose its digits where scores are huge.
    tl.store(values + tokens, (best - chosen) + tl.log(total), mask=held)
    tl.store(logsumexp + tokens, best + tl.log(total), mask=held)


@triton.jit(do_not_specialize=["cluster"])
def narrow_gradient(  # type: ignore[no-untyped-def]
    narrow, narrow_stride, output, output_stride, order, offsets, cluster, local, logsumexp, slope, sums, n_tokens, k,
    span, W: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, INNER: tl.constexpr, WIDTH: tl.constexpr,
    SHARED: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Go over one span of words for one block of rows and WIDTH of their inputs."""
    members, n = _members(order, offsets, cluster)
    start = tl.program_id(0) * ROWS
    if start >= n:
        return
    rows = start + tl.arange(0, ROWS)
    held = rows < n
    tokens = tl.load(members + rows, mask=held, other=0)
    labels = _label(local, tokens, held, k)
    norm = tl.load(logsumexp + tokens, mask=held, other=0.0)
    one = tl.full((ROWS,), 1.0, tl.float32)
    gradient = tl.zeros((ROWS, WIDTH), tl.float32)
    split = tl.program_id(1)
    chunk = tl.program_id(2) * WIDTH if WIDTH < W else 0  # a constant 0 lets both products share one loaded tile
    for first in range(split * span, tl.minimum((split + 1) * span, k), COLUMNS):
        columns = first + tl.arange(0, COLUMNS)
        seen = columns < k
        scores = _scores(narrow, narrow_stride, tokens, held, output, output_stride, columns, seen,
                         W, ROWS, COLUMNS, INNER, PRECISION)  # fmt: skip
        shares = _slopes(scores, norm, labels, one, columns, seen)
        words = _tile(output, output_stride, columns, seen, chunk, W, WIDTH)
        gradient = _dot(shares.to(words.dtype), words, gradient, PRECISION)
    gradient *= tl.load(slope + tokens, mask=held, other=0.0)[:, None]
    # Partial sums lie in the order of the cluster's rows, so that those of other tokens are neither made nor read.
    places = split.to(tl.int64) * n_tokens + rows if SHARED else tokens
    inner = chunk + tl.arange(0, WIDTH)
    mask = held[:, None] & (inner < W)[None, :]
    tl.store(sums + places[:, None] * W + inner[None, :], gradient.to(sums.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=["cluster"])
def combine_gradient(  # type: ignore[no-untyped-def]
    sums, order, offsets, cluster, by_narrow, n_tokens, splits, W: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr
):
    members, n = _members(order, offsets, cluster)
    start = tl.program_id(0) * ROWS
    if start >= n:
        return
    rows = start + tl.arange(0, ROWS)
    held = rows < n
    chunk = tl.program_id(1) * WIDTH
    gradient = tl.zeros((ROWS, WIDTH), tl.float32)
    for split in range(splits):
        gradient += _tile(sums, W, tl.cast(split, tl.int64) * n_tokens + rows, held, chunk, W, WIDTH)
    tokens = tl.load(members + rows, mask=held, other=0)
    inner = chunk + tl.arange(0, WIDTH)
    mask = held[:, None] & (inner < W)[None, :]
    tl.store(by_narrow + tokens[:, None] * W + inner[None, :], gradient.to(by_narrow.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=["cluster"])
def output_gradient(  # type: ignore[no-untyped-def]
    narrow, narrow_stride, output, output_stride, order, offsets, cluster, local, logsumexp, slope, steepest, sums, k,
    splits, W: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, INNER: tl.constexpr, WIDTH: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Go over every splits-th block of rows for one block of words and WIDTH of their inputs."""
    members, n = _members(order, offsets, cluster)
    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    seen = columns < k
    chunk = tl.program_id(1) * WIDTH if WIDTH < W else 0
    split = tl.program_id(2)
    gradient = tl.zeros((COLUMNS, WIDTH), tl.float32)
    for start in range(split * ROWS, n, splits * ROWS):
        rows = start + tl.arange(0, ROWS)
        held = rows < n
        tokens = tl.load(members + rows, mask=held, other=0)
        labels = _label(local, tokens, held, k)
        norm = tl.load(logsumexp + tokens, mask=held, other=0.0)
        steep = tl.load(slope + tokens, mask=held, other=0.0)
        scores = _scores(narrow, narrow_stride, tokens, held, output, output_stride, columns, seen,
                         W, ROWS, COLUMNS, INNER, PRECISION)  # fmt: skip
        slopes = _slopes(scores, norm, labels, steep, columns, seen)
        states = _tile(narrow, narrow_stride, tokens, held, chunk, W, WIDTH)
        gradient = _dot(tl.trans(slopes).to(states.dtype), states, gradient, PRECISION)
    gradient *= tl.load(steepest)
    places = split.to(tl.int64) * k + columns
    inner = chunk + tl.arange(0, WIDTH)
    mask = seen[:, None] & (inner < W)[None, :]
    tl.store(sums + places[:, None] * W + inner[None, :], gradient.to(sums.dtype.element_ty), mask=mask)
