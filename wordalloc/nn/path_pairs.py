"""The nodes on the way to each target, packed: what the products over paths run over."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

WIDE = 32  # rows from which a node may be a matrix product of its own


class Paths(NamedTuple):
    """The way to each word, packed: V words, P steps, G nodes.

    Attributes
    ----------
    offsets : Tensor of int64, shape (V + 1,)
        Where each word's steps begin, and P.
    nodes, slots : Tensor of int32, shape (P,)
        The node of a step, and the child taken: a row of the node's slice, or 0 and 1 at a node of one row.
    areas : Tensor of int64, shape (V,)
        How many rows stand on the way to each word.
    node_offsets : Tensor of int64, shape (G + 1,)
        Where each node's rows begin, and R.
    """

    offsets: Tensor
    nodes: Tensor
    slots: Tensor
    areas: Tensor
    node_offsets: Tensor


class Pairs(NamedTuple):
    """Tokens and nodes on their way, all of shape (P,): `first` and `size` are the node's rows."""

    token: Tensor
    node: Tensor
    slot: Tensor
    first: Tensor
    size: Tensor

    def at(self, places: Tensor) -> Pairs:
        """Return some of the pairs."""
        return Pairs(*(column[places] for column in self))

    def by_node(self) -> Pairs:
        """Return the pairs node after node, the tokens of each in order."""
        return self.at(torch.argsort(self.node, stable=True))


def pairs_of(target: Tensor, paths: Paths) -> Pairs:
    """Return the nodes on the way to each target, token after token."""
    begin = paths.offsets[target]
    token, within = ranges(paths.offsets[target + 1] - begin)
    step = begin[token] + within
    node = paths.nodes[step].long()
    first = paths.node_offsets[node]
    return Pairs(token, node, paths.slots[step].long(), first, paths.node_offsets[node + 1] - first)


def ranges(sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Return, for items of these sizes laid end to end, each place's item and its place inside it.

    Examples
    --------
    >>> ranges(torch.tensor([2, 0, 3]))
    (tensor([0, 0, 2, 2, 2]), tensor([0, 1, 0, 1, 2]))
    """
    owner = torch.repeat_interleave(sizes)
    return owner, torch.arange(owner.shape[0], device=sizes.device) - before(sizes)[owner]


def before(sizes: Tensor) -> Tensor:
    """Return where each of these items begins, laid end to end.

    Examples
    --------
    >>> before(torch.tensor([2, 0, 3]))
    tensor([0, 2, 2])
    """
    return sizes.cumsum(0) - sizes
