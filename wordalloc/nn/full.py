"""Full softmax: one score for every word. The baseline, with the same blocked loss as the others."""

from __future__ import annotations

from typing import Any, Self

from torch import Tensor, nn

from wordalloc.allocations import Allocation
from wordalloc.errors import InputError
from wordalloc.nn.adaptive import AdaptiveSoftmax
from wordalloc.nn.protocol import OutputLayer
from wordalloc.vocabulary import Vocabulary


class FullSoftmax(AdaptiveSoftmax):
    """A linear layer and a softmax over all words: an adaptive softmax that is all head.

    Parameters
    ----------
    vocab_size : int
        V.
    dim : int
        d.
    bias : bool
        Whether each word has a bias. In `from_allocation` it begins at the log of its share of the counts, else at 0.
    unk : int, optional
        Rank of the unknown word, which is never sampled.

    Examples
    --------
    >>> import torch
    >>> layer = FullSoftmax(vocab_size=100, dim=16)
    >>> layer.n_parameters, layer.log_prob(torch.randn(3, 16)).shape
    (1600, torch.Size([3, 100]))
    """

    def __init__(
        self,
        vocab_size: int,
        dim: int,
        *,
        bias: bool = False,
        unk: int | None = None,
    ) -> None:
        super().__init__(vocab_size, dim, [], head_bias=bias, unk=unk)

    def extra_repr(self) -> str:
        return OutputLayer.extra_repr(self)

    def tie(self, embedding: Tensor) -> None:
        """Use an input embedding's weights, (V, d), as the output's too (Press & Wolf 2017)."""
        if not isinstance(embedding, nn.Parameter):
            raise InputError(f"tying needs a trained parameter, not a {type(embedding).__name__}")
        if tuple(embedding.shape) != (self.vocab_size, self.dim):
            raise InputError(f"a tied embedding must be ({self.vocab_size}, {self.dim}), not {tuple(embedding.shape)}")
        self.head = embedding

    @classmethod
    def from_allocation(cls, allocation: Allocation | Vocabulary, dim: int, **options: Any) -> Self:
        """Make the full softmax over a vocabulary, or over the one of any allocation."""
        vocabulary = allocation if isinstance(allocation, Vocabulary) else allocation.vocabulary
        return cls(vocabulary.size, dim, unk=vocabulary.unk_rank, **options).begin_at(vocabulary.counts)
