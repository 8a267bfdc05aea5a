"""Narrow and little-used nodes: products over the (token, row) entries that the paths name, and over no other.

Nothing is padded and no row is gathered. The scores of all entries are one sampled dense-dense product, their
gradients are sparse-dense products: by the hidden states ``embedding_bag``, by the rows ``addmm`` of a CSR matrix.
Measured for a Huffman tree at V = 44,371, N = 1,024, d = 256 on 2 cores: gathering the rows of the entries first takes
ten times as long as the sampled product (0.12 ms), and ``index_add_`` a hundred times as long as the others. Torch has
these products on CUDA and, on the CPU, where it was built with MKL; elsewhere the rows are gathered after all.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from wordalloc.nn.path_pairs import Pairs, before, ranges

GATHERED = 1 << 14  # entries at a time, where rows are gathered

with warnings.catch_warnings():  # torch says once that its CSR tensors are young
    warnings.simplefilter("ignore")
    torch.zeros(1, 1).to_sparse_csr()


class Entries(NamedTuple):
    """The nodes that are scored entry by entry."""

    pairs: Pairs  # token after token
    row: Tensor  # of each entry, pair after pair
    delta: Tensor  # gradient of the nll by each entry's score


def score_entries(
    hidden: Tensor, pairs: Pairs, matrix: Tensor, bias: Tensor | None, values: Tensor, by_hidden: Tensor | None
) -> Entries:
    """Add the nll at these nodes to `values` and, where there is one, its gradient to `by_hidden`."""
    owner, within = ranges(pairs.size)
    row = pairs.first[owner] + within
    if not row.numel():
        return Entries(pairs, row, hidden.new_empty(0))
    passed = torch.bincount(pairs.token[owner], minlength=hidden.shape[0])
    ends = F.pad(passed.cumsum(0), (1, 0))
    scores = _sampled_product(hidden, matrix, ends, pairs.token[owner], row)
    if bias is not None:
        scores += bias[row]
    nll, delta = _softmax(scores, pairs, owner)
    values.index_add_(0, pairs.token, nll)
    if by_hidden is not None:
        by_hidden += F.embedding_bag(row, matrix, ends[:-1], mode="sum", per_sample_weights=delta)
    return Entries(pairs, row, delta)


def _sampled_product(hidden: Tensor, matrix: Tensor, ends: Tensor, token: Tensor, row: Tensor) -> Tensor:
    """Return the product of a hidden state and a row of the matrix for each entry."""
    if not has_sparse_products(hidden):
        parts = zip(token.split(GATHERED), row.split(GATHERED), strict=True)
        return torch.cat([(hidden[tokens] * matrix[rows]).sum(1) for tokens, rows in parts])
    shape = (hidden.shape[0], matrix.shape[0])
    pattern = torch.sparse_csr_tensor(ends, row, hidden.new_zeros(row.shape), size=shape, check_invariants=False)
    return torch.sparse.sampled_addmm(pattern, hidden, matrix.t(), beta=0.0).values()


def has_sparse_products(on: Tensor) -> bool:
    """Tell whether torch has the products of sparse and dense matrices where this tensor is."""
    return on.is_cuda or (on.device.type == "cpu" and torch.backends.mkl.is_available())


def _softmax(scores: Tensor, pairs: Pairs, owner: Tensor) -> tuple[Tensor, Tensor]:
    """Return each pair's nll and its gradient by the scores; a lone score is the logit of child 1 against child 0."""
    begins, lone = before(pairs.size), pairs.size == 1
    if lone.all():
        return -F.logsigmoid((2 * pairs.slot - 1) * scores), scores.sigmoid() - pairs.slot
    peak = torch.segment_reduce(scores, "max", lengths=pairs.size)
    peak = torch.where(lone, peak.clamp(min=0), peak)
    shares = (scores - peak[owner]).exp_()
    total = torch.segment_reduce(shares, "sum", lengths=pairs.size) + torch.where(lone, (-peak).exp(), 0)
    shares /= total[owner]
    # Child 0 of a lone score has the score 0 and no entry.
    chosen, has_entry = begins + torch.where(lone, 0, pairs.slot), ~lone | (pairs.slot == 1)
    nll = peak + total.log() - torch.where(has_entry, scores[chosen], 0)
    shares[chosen] -= has_entry.to(shares.dtype)
    return nll, shares


def add_entries(
    entries: Entries, hidden: Tensor, slope: Tensor, values: Tensor, places: Tensor, by_bias: Tensor | None, add: bool
) -> None:
    """Write the gradient into all of `values`, or add it; `places` says where each pair's node begins there."""
    pairs, scaled = entries.pairs, hidden * slope[:, None]
    order = torch.argsort(pairs.node, stable=True)
    places, size = places[order], pairs.size[order]
    _, counts = torch.unique_consecutive(pairs.node[order], return_counts=True)
    _, turn = ranges(counts)
    # Each row of a node has an entry for each token that passes the node.
    pair, j = ranges(size)
    row = places[pair] + j
    ends = F.pad(torch.bincount(row, minlength=values.shape[0]).cumsum(0), (1, 0))
    destination = ends[row] + turn[pair]
    source = before(pairs.size)[order][pair] + j
    weight, column = torch.empty_like(entries.delta), torch.empty_like(row)
    weight[destination], column[destination] = entries.delta[source], pairs.token[order][pair]
    if has_sparse_products(hidden):
        shape = (values.shape[0], hidden.shape[0])
        csr = torch.sparse_csr_tensor(ends, column, weight, size=shape, check_invariants=False)
        torch.addmm(values, csr, scaled, beta=float(add), out=values)
    else:
        if not add:
            values.zero_()
        rows = torch.repeat_interleave(ends.diff())
        for part in zip(rows.split(GATHERED), column.split(GATHERED), weight.split(GATHERED), strict=True):
            values.index_add_(0, part[0], scaled[part[1]] * part[2][:, None])
    if by_bias is not None:
        weight = entries.delta * slope[torch.repeat_interleave(pairs.token, pairs.size)]
        by_bias += torch.bincount(entries.row, weight, by_bias.shape[0]).to(by_bias.dtype)
