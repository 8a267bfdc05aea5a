"""Adaptive input: embeddings of falling width, projected to one (Baevski & Auli 2019)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordalloc.allocations import Cutoffs
from wordalloc.errors import InputError
from wordalloc.nn.adaptive import AdaptiveSoftmax


class AdaptiveEmbedding(nn.Module):
    """Input embeddings over the bands of an adaptive softmax.

    The words of the head have embeddings of width d; those of tail cluster i of width
    dᵢ = max(1, ⌊d / div_valueⁱ⌋), projected to d.

    Parameters
    ----------
    vocab_size : int
        V.
    dim : int
        d.
    cutoffs : sequence of int
        Increasing, between 1 and V - 1.
    div_value : float
        At least 1.
    tied : AdaptiveSoftmax, optional
        Share the word vectors and the projections of this layer, which must have the same bands.

    Examples
    --------
    >>> embedding = AdaptiveEmbedding(vocab_size=10, dim=8, cutoffs=[3, 6], div_value=2)
    >>> embedding(torch.tensor([[0, 9], [4, 3]])).shape
    torch.Size([2, 2, 8])
    """

    def __init__(
        self,
        vocab_size: int,
        dim: int,
        cutoffs: Sequence[int],
        *,
        div_value: float = 4.0,
        tied: AdaptiveSoftmax | None = None,
    ) -> None:
        super().__init__()
        layer = AdaptiveSoftmax(vocab_size, dim, cutoffs, div_value=div_value) if tied is None else tied
        bands = (layer.vocab_size, layer.dim, layer.cutoffs, layer.div_value)
        wanted = (vocab_size, dim, [int(cutoff) for cutoff in cutoffs], float(div_value))
        if bands != wanted:
            raise InputError(f"a tied softmax must have the same bands: expected {wanted}, got {bands}")
        self.vocab_size, self.dim, self.bounds = vocab_size, dim, layer.bounds
        # A tied head keeps its rows for the clusters, which no word of the input ever asks for.
        self.head = layer.head if tied is not None else nn.Parameter(torch.empty(self.bounds[1], dim))
        self.projections, self.outputs = layer.projections, layer.outputs
        if tied is None:
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw word vectors from N(0, 1/width), and projections so that every band has the head's scale."""
        for vectors in (self.head, *self.outputs):
            nn.init.normal_(vectors, std=vectors.shape[1] ** -0.5)
        for projection in self.projections:
            nn.init.normal_(projection, std=projection.shape[1] ** -0.5)

    @classmethod
    def from_allocation(cls, allocation: Cutoffs, dim: int, **options: Any) -> Self:
        """Make the embedding for an allocation's cutoffs; `div_value` is the one they were computed for."""
        if not isinstance(allocation, Cutoffs):
            raise InputError(f"an adaptive embedding needs cutoffs, not {type(allocation).__name__}")
        options.setdefault("div_value", allocation.parameters.get("div_value", 4.0))
        return cls(allocation.vocabulary.size, dim, allocation.cutoffs.tolist(), **options)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the embeddings of ranks: (...) -> (..., d).

        Every band looks up every token, outside its range its first word, and the right band's answer is taken:
        the tail's projections are narrow, and so nothing depends on how the tokens fall.
        """
        embedded = F.embedding(ids.clamp(max=self.bounds[1] - 1), self.head)
        for (first, end), vectors, projection in zip(
            itertools.pairwise(self.bounds[1:]), self.outputs, self.projections, strict=True
        ):
            local = (ids - first).clamp(0, end - first - 1)
            band = F.embedding(local, vectors) @ projection
            inside = ((ids >= first) & (ids < end)).unsqueeze(-1)
            embedded = torch.where(inside, band, embedded)
        return embedded

    def extra_repr(self) -> str:
        return f"vocab_size={self.vocab_size}, dim={self.dim}, cutoffs={self.bounds[1:-1]}"
