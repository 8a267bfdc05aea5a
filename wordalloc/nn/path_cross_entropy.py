"""Cross-entropy along paths: each token is scored by the nodes on its target's way, and by no other.

A node is a softmax over a slice of the rows of one matrix or, where it has a single row, a logistic regression. The
second level of a class softmax is a path of one node, the class; a binary tree's paths are logistic regressions.

Nodes of many rows that many tokens pass are matrix products (`path_groups`); all others together are sparse products
(`path_entries`). With √V classes most classes of a batch have a token or two: a loop of products over them is no
faster, and since each of these hundreds of small products waits for all threads, it took 10 times as long on a machine
that was busy.

The forward pass leaves the gradients by hidden states and scores, the backward pass turns the latter into that by
the weights, which is written once: in a batch of many classes it is by far the largest array. Batches beyond
`BLOCK_ENTRIES` are done in blocks of tokens, which the backward pass scores again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from wordalloc.nn import path_pairs
from wordalloc.nn.arrays import fresh, precise_dtype, row_sparse
from wordalloc.nn.path_entries import Entries, add_entries, score_entries
from wordalloc.nn.path_groups import Groups, add_groups, score_groups
from wordalloc.nn.path_pairs import Paths, before, pairs_of, ranges

MANY = 8  # tokens from which a wide node is a matrix product of its own
BLOCK_ENTRIES = 1 << 22  # scores (token, row) at once

Gradients = tuple[Tensor, Tensor, Tensor | None]  # by hidden, matrix and bias


class _Kept(NamedTuple):
    """What the forward pass leaves for the gradient by the weights."""

    entries: Entries
    groups: Groups | None

    def nodes(self) -> Tensor:
        """Return the nodes that were passed, in order."""
        narrow = self.entries.pairs.node.unique()
        return narrow if self.groups is None else torch.cat([narrow, self.groups.nodes]).sort().values


def path_nll(hidden: Tensor, target: Tensor, matrix: Tensor, bias: Tensor | None, paths: Paths, sparse: bool) -> Tensor:
    """Return -log of the product of the probabilities along each target's path: (N,), at least float32.

    Parameters
    ----------
    hidden : Tensor, shape (N, d)
        Hidden states.
    target : Tensor of int, shape (N,)
        Ranks.
    matrix, bias : Tensor, shapes (R, d) and (R,), or None
        Rows of all nodes, node after node. Those of nodes that no target passes are not read.
    paths : Paths
        The way to each rank.
    sparse : bool
        Whether the gradient by `matrix` holds only the rows of nodes that were passed.
    """
    if torch.compiler.is_compiling():
        return nll(hidden, target, matrix, bias, list(paths))
    if not torch.is_grad_enabled():
        return _values(hidden, target, matrix, bias, paths)
    return _PathNLL.apply(hidden, target, matrix, bias, paths, sparse)


class _PathNLL(torch.autograd.Function):
    """The eager road: here the forward pass may keep arrays whose size depends on the targets."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, target: Tensor, matrix: Tensor, bias: Tensor | None, paths: Paths, sparse: bool
    ) -> Tensor:
        ctx.paths, ctx.sparse, ctx.kept, ctx.by_hidden = paths, sparse, None, None
        ctx.save_for_backward(hidden, target, matrix, bias)
        if len(_cut(target, paths)) > 1 or not any(ctx.needs_input_grad):
            return _values(hidden, target, matrix, bias, paths)
        ctx.by_hidden = torch.zeros_like(hidden, dtype=precise_dtype(matrix))
        values, ctx.kept = _run(hidden, target, matrix, bias, paths, ctx.by_hidden)
        return values

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Any, ...]:
        hidden, target, matrix, bias = ctx.saved_tensors
        if ctx.kept is None:
            by_hidden, *others = _gradients(hidden, target, matrix, bias, ctx.paths, slope, ctx.sparse)
        else:
            by_hidden = (ctx.by_hidden * slope[:, None]).to(hidden.dtype)
            gradient = _RowGradient(matrix, bias, ctx.kept.nodes(), ctx.paths, ctx.sparse, adds=False)
            gradient.add(ctx.kept, hidden, slope)
            others = list(gradient.result())
        return by_hidden, None, *others, None, None


def _values(hidden: Tensor, target: Tensor, matrix: Tensor, bias: Tensor | None, paths: Paths) -> Tensor:
    cuts = _cut(target, paths)
    return torch.cat([_run(hidden[cut], target[cut], matrix, bias, paths, None)[0] for cut in cuts])


def _gradients(
    hidden: Tensor, target: Tensor, matrix: Tensor, bias: Tensor | None, paths: Paths, slope: Tensor, sparse: bool
) -> Gradients:
    """Return the gradients of Σ slope · nll, scored again block by block."""
    cuts = _cut(target, paths)
    nodes = torch.cat([pairs_of(target[cut], paths).node.unique() for cut in cuts]).unique()
    gradient = _RowGradient(matrix, bias, nodes, paths, sparse, adds=True)
    by_hidden = torch.zeros_like(hidden, dtype=precise_dtype(matrix))
    for cut in cuts:
        _, kept = _run(hidden[cut], target[cut], matrix, bias, paths, by_hidden[cut])
        gradient.add(kept, hidden[cut], slope[cut])
    return (by_hidden * slope[:, None]).to(hidden.dtype), *gradient.result()


def _cut(target: Tensor, paths: Paths) -> list[slice]:
    """Cut the tokens into blocks of about `BLOCK_ENTRIES`."""
    ends = paths.areas[target].cumsum(0)
    if not ends.numel() or int(ends[-1]) <= BLOCK_ENTRIES:
        return [slice(0, target.shape[0])]
    cuts, begin, done = [], 0, 0
    while begin < target.shape[0]:
        end = max(begin + 1, int(torch.searchsorted(ends, done + BLOCK_ENTRIES, right=True)))
        cuts.append(slice(begin, end))
        begin, done = end, int(ends[end - 1])
    return cuts


def _run(
    hidden: Tensor, target: Tensor, matrix: Tensor, bias: Tensor | None, paths: Paths, by_hidden: Tensor | None
) -> tuple[Tensor, _Kept]:
    """Return the nll of a block; if `by_hidden` is given, its gradient is added there and the rest is kept."""
    dtype = precise_dtype(matrix)
    hidden, matrix, bias = hidden.to(dtype), matrix.to(dtype), None if bias is None else bias.to(dtype)
    values = hidden.new_zeros(hidden.shape[0])
    pairs = pairs_of(target, paths)
    groups, wide = None, pairs.size >= path_pairs.WIDE
    with torch.autocast(hidden.device.type, enabled=False):
        if wide.any():
            wide &= torch.bincount(pairs.node)[pairs.node] >= MANY
        if wide.any():
            groups = score_groups(hidden, pairs.at(wide), matrix, bias, values, by_hidden)
            pairs = pairs.at(~wide)
        return values, _Kept(score_entries(hidden, pairs, matrix, bias, values, by_hidden), groups)


class _RowGradient:
    """The gradient by matrix and bias; sparse: only the rows of the nodes that are passed."""

    def __init__(
        self, matrix: Tensor, bias: Tensor | None, nodes: Tensor, paths: Paths, sparse: bool, *, adds: bool
    ) -> None:
        self._matrix, self._nodes, self._sparse, self._adds = matrix, nodes, sparse, adds
        self._first = paths.node_offsets[nodes]
        self._size = paths.node_offsets[nodes + 1] - self._first
        self._place = before(self._size) if sparse else self._first
        n_rows = int(self._size.sum()) if sparse else matrix.shape[0]
        self._rows = fresh((n_rows, matrix.shape[1]), precise_dtype(matrix), matrix.device, zero=adds or not sparse)
        self._by_bias = None if bias is None else torch.zeros_like(bias, dtype=precise_dtype(matrix))

    def add(self, kept: _Kept, hidden: Tensor, slope: Tensor) -> None:
        """Add a block's share of the gradient of Σ slope · nll."""
        hidden = hidden.to(self._rows.dtype)
        with torch.autocast(hidden.device.type, enabled=False):
            if kept.entries.row.numel():  # first: it writes all rows
                places = self._places(kept.entries.pairs.node)
                add_entries(kept.entries, hidden, slope, self._rows, places, self._by_bias, self._adds)
            if kept.groups is not None:
                starts = self._places(kept.groups.nodes).tolist()
                add_groups(kept.groups, hidden, slope, self._rows, starts, self._by_bias, self._adds)

    def _places(self, nodes: Tensor) -> Tensor:
        return self._place[torch.searchsorted(self._nodes, nodes)]

    def result(self) -> tuple[Tensor, Tensor | None]:
        """Return the gradients by matrix and bias."""
        rows = self._rows.to(self._matrix.dtype)
        if self._sparse:
            node, within = ranges(self._size)
            rows = row_sparse(self._first[node] + within, rows, self._matrix)
        return rows, None if self._by_bias is None else self._by_bias.to(self._matrix.dtype)


@torch.library.custom_op("wordalloc::path_nll", mutates_args=())
def nll(hidden: Tensor, target: Tensor, matrix: Tensor, bias: Tensor | None, paths: list[Tensor]) -> Tensor:
    """Return what `path_nll` does: the compiler's road, on which the backward pass scores again."""
    return _values(hidden, target, matrix, bias, Paths(*paths))


@torch.library.custom_op("wordalloc::path_nll_gradients", mutates_args=())
def nll_gradients(
    hidden: Tensor, target: Tensor, matrix: Tensor, bias: Tensor | None, paths: list[Tensor], slope: Tensor
) -> list[Tensor]:
    """Return the gradients of Σ slope · nll by hidden, matrix and bias (empty without one)."""
    by_hidden, by_matrix, by_bias = _gradients(hidden, target, matrix, bias, Paths(*paths), slope, False)
    return [by_hidden, by_matrix, matrix.new_empty(0) if by_bias is None else by_bias]


@nll.register_fake
def _(hidden, target, matrix, bias, paths):  # type: ignore[no-untyped-def]
    return hidden.new_empty(hidden.shape[0], dtype=precise_dtype(matrix))


@nll_gradients.register_fake
def _(hidden, target, matrix, bias, paths, slope):  # type: ignore[no-untyped-def]
    by_bias = matrix.new_empty(0) if bias is None else torch.empty_like(bias)
    return [torch.empty_like(hidden), torch.empty_like(matrix), by_bias]


def _keep_inputs(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    hidden, target, matrix, bias, paths = inputs
    ctx.has_bias = bias is not None
    ctx.save_for_backward(hidden, target, matrix, *paths, *([bias] if ctx.has_bias else []))


def _backward(ctx, slope):  # type: ignore[no-untyped-def]
    hidden, target, matrix, *paths = ctx.saved_tensors
    bias = paths.pop() if ctx.has_bias else None
    by_hidden, by_matrix, by_bias = nll_gradients(hidden, target, matrix, bias, paths, slope.contiguous())
    return by_hidden, None, by_matrix, by_bias if ctx.has_bias else None, [None] * len(paths)


nll.register_autograd(_backward, setup_context=_keep_inputs)
