"""Wide nodes: a matrix product of the tokens that pass a node with the node's slice of the weights.

No weight is gathered or copied, and the gradient is written once, straight into its place. The scores of all nodes
lie packed in one array.

Measured for 211 classes of 210 words, N = 1,024 spread evenly, d = 256, one thread: this loop over slices 6.2 ms,
``torch.nn.functional.grouped_mm`` 5.9 ms, ``torch.bmm`` with tokens padded to 8 a class 7.2 ms. The last two want
classes of one width and read those that no token opens.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from wordalloc.nn.path_pairs import Pairs, before


class Groups(NamedTuple):
    """The wide nodes that a block of tokens passes."""

    pairs: Pairs  # node after node
    nodes: Tensor  # each node once
    parts: list[tuple[int, int, int]]  # of each node: its first row, its rows, its tokens
    delta: Tensor  # gradient of the nll by each score: a node's tokens × its rows, node after node


def score_groups(
    hidden: Tensor, pairs: Pairs, matrix: Tensor, bias: Tensor | None, values: Tensor, by_hidden: Tensor | None
) -> Groups:
    """Add the nll at wide nodes to `values` and, where there is one, its gradient to `by_hidden`."""
    pairs = pairs.by_node()
    nodes, counts = torch.unique_consecutive(pairs.node, return_counts=True)
    ends = counts.cumsum(0) - 1
    parts = list(zip(pairs.first[ends].tolist(), pairs.size[ends].tolist(), counts.tolist(), strict=True))
    means = hidden.new_empty(pairs.token.shape[0], hidden.shape[1]) if by_hidden is not None else None
    logs = _log_shares(hidden[pairs.token], matrix, bias, parts, means)
    chosen = before(pairs.size) + pairs.slot
    values.index_add_(0, pairs.token, -logs[chosen])
    if by_hidden is not None and means is not None:
        logs.exp_()[chosen] -= 1
        means -= matrix[pairs.first + pairs.slot]
        passed = torch.bincount(pairs.token, minlength=hidden.shape[0])
        # A sum over each token's nodes: index_add_ on rows takes a hundred times as long.
        by_hidden += F.embedding_bag(torch.argsort(pairs.token, stable=True), means, before(passed), mode="sum")
    return Groups(pairs, nodes, parts, logs)


def _log_shares(
    states: Tensor, matrix: Tensor, bias: Tensor | None, parts: list[tuple[int, int, int]], means: Tensor | None
) -> Tensor:
    """Return the packed log-shares; fill `means` with the mean row under the shares, while the rows are cached."""
    counts, areas = [count for _, _, count in parts], [size * count for _, size, count in parts]
    logs = states.new_empty(sum(areas))
    own_means = means.split(counts) if means is not None else (None,) * len(parts)
    for (first, size, count), own, flat, mean in zip(
        parts, states.split(counts), logs.split(areas), own_means, strict=True
    ):
        rows, out = matrix[first : first + size], flat.view(count, size)
        torch.mm(own, rows.t(), out=out)
        if bias is not None:
            out += bias[first : first + size]
        torch.log_softmax(out, 1, out=out)
        if mean is not None:
            torch.mm(out.exp(), rows, out=mean)
    return logs


def add_groups(
    groups: Groups, hidden: Tensor, slope: Tensor, values: Tensor, places: list[int], by_bias: Tensor | None, add: bool
) -> None:
    """Write each node's gradient into `values` at its place, or add it to what is there."""
    scale = slope[groups.pairs.token]
    scaled = hidden[groups.pairs.token] * scale[:, None]
    counts, areas = [count for _, _, count in groups.parts], [size * count for _, size, count in groups.parts]
    for (first, size, count), place, flat, own, weight in zip(
        groups.parts, places, groups.delta.split(areas), scaled.split(counts), scale.split(counts), strict=True
    ):
        delta, target = flat.view(count, size).t(), values[place : place + size]
        if add:
            target.addmm_(delta, own)
        else:
            torch.mm(delta, own, out=target)
        if by_bias is not None:
            by_bias[first : first + size] += delta @ weight
