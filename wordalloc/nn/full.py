"""Full softmax: one score for every word. The baseline, with the same blocked loss as the others."""

from __future__ import annotations

from typing import Any, Self

from torch import nn

from wordalloc.allocations import Allocation
from wordalloc.errors import InputError
from wordalloc.nn.adaptive import AdaptiveSoftmax
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
        Whether each word has a bias.
    tied : Parameter, shape (V, d), optional
        An input embedding whose weights are the output's too (Press & Wolf 2017).
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
        tied: nn.Parameter | None = None,
        unk: int | None = None,
    ) -> None:
        super().__init__(vocab_size, dim, [], head_bias=bias, unk=unk)
        if tied is not None:
            if tuple(tied.shape) != (vocab_size, dim):
                raise InputError(f"a tied embedding must be ({vocab_size}, {dim}), not {tuple(tied.shape)}")
            self.head = tied

    @classmethod
    def from_allocation(cls, allocation: Allocation | Vocabulary, dim: int, **options: Any) -> Self:
        """Make the full softmax over a vocabulary, or over the one of any allocation."""
        vocabulary = allocation if isinstance(allocation, Vocabulary) else allocation.vocabulary
        return cls(vocabulary.size, dim, unk=vocabulary.unk_rank, **options)
