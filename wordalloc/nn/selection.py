"""Choosing words from scores: the best k with ties by rank, and draws."""

from __future__ import annotations

import torch
from torch import Tensor

from wordalloc.errors import InputError


def check_k(k: int, vocab_size: int) -> None:
    """Refuse to look for no word, or for more than there are."""
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= vocab_size:
        raise InputError(f"k must be a whole number from 1 to {vocab_size}, not {k!r}")


def topk_by_rank(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k greatest of each row, (N, V) -> values and columns (N, k); ties go to the lower column.

    torch.topk leaves open which of equal values it takes, so ties at the border are settled here.
    """
    values, columns = torch.topk(scores, k, dim=1)
    border = values[:, -1:]
    # A compiler may not look whether there are any.
    if torch.compiler.is_compiling() or bool(((scores == border).sum(1) > (values == border).sum(1)).any()):
        above, equal = scores > border, scores == border
        room = k - above.sum(1, keepdim=True)
        chosen = above | (equal & (equal.cumsum(1) <= room))
        left = torch.arange(scores.shape[1], 0, -1, device=scores.device)
        columns = torch.where(chosen, left, 0).topk(k, dim=1).indices
    columns = columns.sort(dim=1).values
    return best_first(scores.gather(1, columns), columns)


def best_first(values: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Sort the entries of each row by value, the greatest first; equal ones stay in order."""
    values, order = values.sort(dim=1, descending=True, stable=True)
    return values, columns.gather(1, order)


def draw(log_weights: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw a column of each row in proportion to its exponentiated weight, (N, V) -> (N,)."""
    weights = torch.softmax(log_weights.float(), 1)
    return torch.multinomial(weights, 1, generator=generator).squeeze(1)
