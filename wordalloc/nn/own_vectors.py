"""Vectors of their own for the most frequent words, where all others have what they share with their row or class."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordalloc.errors import InputError


class OwnVectors(nn.Module):
    """A vector for each of the n most frequent words, zero for the others and to begin with.

    What is read is the sum of this and what the words share. The few most frequent words are most of a text, and what
    is to be told of them is more than they have in common with others.

    Parameters
    ----------
    n : int
        Words that have one, the ranks below n; at least 1.
    dim : int
        d.

    Examples
    --------
    >>> own = OwnVectors(2, dim=3)
    >>> _ = nn.init.ones_(own.vectors)
    >>> own(torch.tensor([[0, 1], [2, 7]])).sum(-1)
    tensor([[3., 3.],
            [0., 0.]], grad_fn=<SumBackward1>)
    """

    def __init__(self, n: int, dim: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.zeros(n, dim))

    def forward(self, ids: Tensor) -> Tensor:
        """Return the vectors of ranks: (...) -> (..., d)."""
        n = len(self.vectors)
        return F.embedding(ids.clamp(max=n - 1), self.vectors) * (ids < n).unsqueeze(-1)

    def extra_repr(self) -> str:
        return f"n={len(self.vectors)}, dim={self.vectors.shape[1]}"


def own_vectors(n: int, vocab_size: int, dim: int) -> OwnVectors | None:
    """Return vectors of their own for `n` words, None for 0.

    Raises
    ------
    InputError
        If there are not so many words.
    """
    if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n <= vocab_size:
        raise InputError(f"own_words must be a whole number from 0 to {vocab_size}, the number of words, not {n!r}")
    return OwnVectors(n, dim) if n else None
