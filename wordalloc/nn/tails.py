"""One tail cluster of an adaptive softmax, for the tokens that fall into it, with or without the host's knowing them.

Tokens are sorted by cluster once. On the CPU the host reads where each cluster's begin and makes matrix products of
just these. On CUDA that would stop the stream; there the offsets stay on the device: the projection, which costs a
hundredth of the head, is made for all tokens, and kernels for the worst case return where a cluster's tokens end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from wordalloc.nn.arrays import fresh
from wordalloc.nn.kernels import has_kernels
from wordalloc.nn.linear_nll import linear_nll


@dataclass
class Tokens:
    """A batch and what is known of each token; a tail cluster fills in the entries of its own.

    Attributes
    ----------
    hidden : Tensor, shape (N, d)
    target : Tensor of int, shape (N,)
        Ranks.
    cutoffs : list of int
    slope : Tensor, shape (N,), or None
        The weight of each token's nll in the sum that is differentiated.
    """

    hidden: Tensor
    target: Tensor
    cutoffs: list[int]
    slope: Tensor | None

    @cached_property
    def cluster(self) -> Tensor:
        """0 for the head's words, then the tail clusters, (N,)."""
        # Not bucketize, whose bounds would have to be sent to the device.
        return sum((self.target >= cutoff for cutoff in self.cutoffs), torch.zeros_like(self.target, dtype=torch.int64))

    @cached_property
    def head_target(self) -> Tensor:
        """The columns of the head, (N,): a word, or the entry of a cluster."""
        if not self.cutoffs:
            return self.target
        return torch.where(self.cluster == 0, self.target, self.cutoffs[0] - 1 + self.cluster)

    @cached_property
    def order(self) -> Tensor:
        """The tokens by cluster, (N,)."""
        return torch.argsort(self.cluster, stable=True)

    @cached_property
    def offsets(self) -> Tensor:
        """Where each cluster's tokens begin in `order`, and N: (J + 2,)."""
        clusters = torch.arange(len(self.cutoffs) + 2, device=self.cluster.device)
        return torch.searchsorted(self.cluster[self.order], clusters)

    @cached_property
    def _parts(self) -> list[Tensor]:
        sizes = self.offsets.diff().tolist()
        return list(self.order.split(sizes))

    def of_tail(self, number: int) -> Tensor:
        """Return the tokens of a tail cluster, counted from 0; the host reads how many there are."""
        return self._parts[number + 1]


@dataclass
class Totals:
    """What the clusters fill in.

    Attributes
    ----------
    values : Tensor, shape (N,)
        Each token's nll: the head's, to which its tail cluster's is added.
    sums : Tensor, shape (N,)
        The logsumexp in the token's own tail cluster.
    known : bool
        Whether `sums` is that of an earlier pass, which is used and, like `values`, left alone.
    by_hidden : Tensor, shape (N, d), or None
        The gradient of Σ slope · nll, to which the clusters' is added.
    """

    values: Tensor
    sums: Tensor
    known: bool
    by_hidden: Tensor | None


def add_tail(tokens: Tokens, number: int, projection: Tensor, output: Tensor, totals: Totals) -> list[Tensor]:
    """Add a tail cluster, counted from 0, to the totals of the tokens that fall into it.

    Parameters
    ----------
    tokens : Tokens
        The batch.
    number : int
        Counted from 0.
    projection, output : Tensor, shapes (w, d) and (k, w)
        The cluster's weights.
    totals : Totals
        Changed in place.

    Returns
    -------
    list of Tensor
        The gradients by projection and output; empty where none are wanted.
    """
    run = _on_device if has_kernels(tokens.hidden) else _on_host
    return run(tokens, number, projection, output, totals)


def _on_host(tokens: Tokens, number: int, projection: Tensor, output: Tensor, totals: Totals) -> list[Tensor]:
    own = tokens.of_tail(number)
    if not own.numel():
        return [] if totals.by_hidden is None else [torch.zeros_like(projection), _zeros_like(output)]
    states, local = tokens.hidden[own], tokens.target[own] - tokens.cutoffs[number]
    slope = None if tokens.slope is None else tokens.slope[own]
    known = totals.sums[own] if totals.known else None
    values, sums, gradients = linear_nll(states @ projection.t(), output, None, local, known, slope)
    if not totals.known:
        totals.values.index_add_(0, own, values)
        totals.sums[own] = sums
    if gradients is None or totals.by_hidden is None:
        return []
    totals.by_hidden.index_add_(0, own, gradients.by_hidden @ projection)
    return [gradients.by_hidden.t() @ states, gradients.by_matrix]


def _on_device(tokens: Tokens, number: int, projection: Tensor, output: Tensor, totals: Totals) -> list[Tensor]:
    from wordalloc.nn import ragged_kernels

    narrow = tokens.hidden @ projection.t()
    own = output, tokens.order, tokens.offsets, number + 1, tokens.target.long() - tokens.cutoffs[number]
    if not totals.known:
        values, sums = ragged_kernels.tail_nll(narrow, *own)
        totals.values += values
        totals.sums += sums
    if tokens.slope is None or totals.by_hidden is None:
        return []
    by_narrow, by_output = ragged_kernels.tail_gradients(narrow, *own, totals.sums, tokens.slope)
    totals.by_hidden.addmm_(by_narrow, projection)
    return [by_narrow.t() @ tokens.hidden, by_output]


def _zeros_like(matrix: Tensor) -> Tensor:
    return fresh(tuple(matrix.shape), matrix.dtype, matrix.device, zero=True)
