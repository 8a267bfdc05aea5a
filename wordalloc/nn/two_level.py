"""Choosing words where a token first chooses a group of them, as a class or a row, and then a word in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from wordalloc.nn.selection import best_first, draw

Inside = Callable[[Tensor, int], Tensor]  # tokens (n,) and a group -> log P(word | group) of its members, (n, size)
Members = Callable[[int], Tensor]  # a group -> the ranks of its words, (size,)


def topk_by_group(first: Tensor, inside: Inside, members: Members, k: int, vocab_size: int) -> tuple[Tensor, Tensor]:
    """Return the k most probable words, best first: (N, groups) -> log-probabilities and ranks (N, k), exact.

    A token opens its groups in the order of their log-probability, a bound on their words', and stops where that is
    below the k-th best word so far; in rounds of 1, 2, 4, … groups, so that many tokens open a group at once. Ties go
    to the lower rank.
    """
    bounds, order = first.sort(dim=1, descending=True)
    values = bounds.new_full((len(first), k), -math.inf)
    ranks = torch.full((len(first), k), vocab_size, device=first.device)
    begin, n_groups = 0, first.shape[1]
    while begin < n_groups:
        end = min(2 * begin + 1, n_groups)
        # A group as good as the k-th word may hold a tie of lower rank.
        tokens, column = (bounds[:, begin:end] >= values[:, -1:]).nonzero(as_tuple=True)
        if not tokens.numel():
            break
        for number, chosen in grouped(order[tokens, begin + column]):
            opened = tokens[chosen]
            scores = bounds[opened, begin + column[chosen], None] + inside(opened, number)
            merged_ranks, by_rank = torch.cat([ranks[opened], members(number).expand_as(scores)], 1).sort(dim=1)
            merged = torch.cat([values[opened], scores], 1).gather(1, by_rank)
            best_values, best_ranks = best_first(merged, merged_ranks)
            values[opened], ranks[opened] = best_values[:, :k], best_ranks[:, :k]
        begin = end
    return values, ranks


def draw_by_group(
    first: Tensor, inside: Inside, members: Members, barred: tuple[int, int] | None, generator: torch.Generator | None
) -> Tensor:
    """Draw a word for each token: (N, groups) -> ranks (N,), exact; never the one at `barred`, a group and a place."""
    group, place = barred if barred is not None else (-1, 0)
    everyone = torch.arange(len(first), device=first.device)
    if barred is not None:
        # Its group is drawn as often as the group's other words are.
        first = first.clone()
        first[:, group] += _without(inside(everyone, group), place).logsumexp(1)
    drawn = draw(first, generator)
    ranks = torch.empty_like(drawn)
    for number, chosen in grouped(drawn):
        scores = inside(chosen, number)
        if number == group:
            scores = _without(scores, place)
        ranks[chosen] = members(number)[draw(scores, generator)]
    return ranks


def grouped(numbers: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield each number that occurs and the places where it does."""
    ordered, order = numbers.sort(stable=True)
    found, counts = torch.unique_consecutive(ordered, return_counts=True)
    yield from zip(found.tolist(), order.split(counts.tolist()), strict=True)


def _without(scores: Tensor, place: int) -> Tensor:
    scores = scores.clone()
    scores[:, place] = -math.inf
    return scores
