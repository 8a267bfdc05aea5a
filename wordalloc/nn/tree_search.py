"""Ways down a tree: the log-probabilities of all words, the best k, and draws."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordalloc.nn.equal_groups import equal_groups, spans
from wordalloc.nn.path_pairs import WIDE, ranges
from wordalloc.nn.tree_layout import TreeLayout

Open = tuple[Tensor, Tensor, Tensor]  # steps below opened nodes: which of the opened, the step, its log-probability


class TreeSearch(nn.Module):
    """The steps of a tree, and what runs along them; weights come from the layer."""

    step_offsets: Tensor
    step_child: Tensor
    step_node: Tensor
    node_step: Tensor
    word_step: Tensor
    row_offsets: Tensor
    row_order: Tensor
    step_place: Tensor

    def __init__(self, layout: TreeLayout) -> None:
        super().__init__()
        self.levels, self.step_bounds = layout.levels, layout.step_offsets[layout.levels].tolist()
        self.by_size = equal_groups(layout.row_offsets)
        row_order = spans(layout.row_offsets, self.by_size.groups)  # of nodes of one size side by side
        steps = spans(layout.step_offsets, self.by_size.groups)
        two = 2 * int((np.diff(layout.row_offsets) == 1).sum())  # of nodes with one row: all children 0, all children 1
        steps[:two] = steps[:two].reshape(-1, 2).T.ravel()
        step_place = np.argsort(steps)  # where each step is then
        for name in ("step_offsets", "step_child", "step_node", "node_step", "word_step", "row_offsets"):
            self.register_buffer(name, torch.tensor(getattr(layout, name), dtype=torch.int64), persistent=False)
        self.register_buffer("row_order", torch.from_numpy(row_order), persistent=False)
        self.register_buffer("step_place", torch.from_numpy(step_place), persistent=False)

    def log_prob(self, scores: Tensor) -> Tensor:
        """Return the log-probabilities of all words from the scores of all rows: (N, R) -> (N, V)."""
        scores = scores.to(torch.float64 if scores.dtype == torch.float64 else torch.float32)
        if not self.levels[-1]:
            return scores.new_zeros(scores.shape[0], 1)
        steps = self._log_steps(scores)
        levels = [*self.levels, self.levels[-1]]
        reached, columns = scores.new_zeros(scores.shape[0], 1), []
        for level, (begin, end) in enumerate(itertools.pairwise(self.step_bounds)):
            above = self.step_node[begin:end] - levels[level]
            columns.append(reached[:, above] + steps[:, begin:end])
            reached = columns[-1][:, self.node_step[levels[level + 1] : levels[level + 2]] - begin]
        return torch.cat(columns, 1)[:, self.word_step]

    def _log_steps(self, scores: Tensor) -> Tensor:
        """Return log P(child | node) for all steps: (N, R) -> (N, steps)."""
        logs: list[Tensor] = []
        parts = scores[:, self.row_order].split(self.by_size.widths, 1)
        for part, shape in zip(parts, self.by_size.shapes, strict=True):
            logs += _log_odds(part) if shape[1] == 1 else [F.log_softmax(part.unflatten(1, shape), 2).flatten(1)]
        return torch.cat(logs, 1)[:, self.step_place]

    def _open(self, hidden: Tensor, token: Tensor, node: Tensor, rows: Tensor, bias: Tensor | None) -> Open:
        """Score pairs of token and node, and return the steps below them, pair after pair."""
        first, sizes = self.row_offsets[node], self.row_offsets[node + 1] - self.row_offsets[node]
        pairs, steps, logs = [], [], []
        for size in sizes.unique().tolist():
            chosen = (sizes == size).nonzero().squeeze(1)
            scores = self._scores(hidden, token[chosen], first[chosen], size, rows, bias)
            scores = torch.cat(_log_odds(scores), 1) if size == 1 else F.log_softmax(scores, 1)
            arity = scores.shape[1]
            pairs.append(chosen.repeat_interleave(arity))
            begins = self.step_offsets[node[chosen], None]
            steps.append((begins + torch.arange(arity, device=node.device)).view(-1))
            logs.append(scores.view(-1))
        pair, order = torch.cat(pairs).sort(stable=True)
        return pair, torch.cat(steps)[order], torch.cat(logs)[order]

    def _scores(
        self, hidden: Tensor, token: Tensor, first: Tensor, size: int, rows: Tensor, bias: Tensor | None
    ) -> Tensor:
        """Return the scores of nodes of one size: (P, size)."""
        states = hidden[token]
        if size < WIDE:
            scores = torch.stack([torch.linalg.vecdot(states, rows[first + j]) for j in range(size)], 1)
        else:
            scores = states.new_empty(token.shape[0], size)
            for begin in first.unique().tolist():
                own = first == begin
                scores[own] = states[own] @ rows[begin : begin + size].t()
        if bias is not None:
            scores = scores + bias[first[:, None] + torch.arange(size, device=first.device)]
        return scores.to(torch.float64 if scores.dtype == torch.float64 else torch.float32)

    def topk(self, hidden: Tensor, rows: Tensor, bias: Tensor | None, k: int) -> tuple[Tensor, Tensor]:
        """Return the k best words of each token, (N, d) -> log-probabilities and ranks (N, k)."""
        n, device = hidden.shape[0], hidden.device
        dtype = torch.float64 if hidden.dtype == torch.float64 else torch.float32
        if not self.levels[-1]:
            return torch.zeros(n, 1, dtype=dtype, device=device), torch.zeros(n, 1, dtype=torch.int64, device=device)
        values = torch.full((n, k), -math.inf, dtype=dtype, device=device)
        ranks = torch.full((n, k), self.word_step.shape[0], device=device)
        token = torch.arange(n, device=device)
        node, bound = torch.zeros_like(token), torch.zeros(n, dtype=dtype, device=device)
        while token.numel():
            chosen = _first_of_each(token, bound, k)
            pair, step, logs = self._open(hidden, token[chosen], node[chosen], rows, bias)
            logs, owner, child = logs + bound[chosen][pair], token[chosen][pair], self.step_child[step]
            word = child < 0
            token, node, bound = (
                torch.cat([old[~chosen], new[~word]]) for old, new in ((token, owner), (node, child), (bound, logs))
            )
            values, ranks = _merged(values, ranks, owner[word], logs[word], -1 - child[word])
            # A node as good as the k-th word may hold a tie of lower rank.
            alive = bound >= values[token, -1]
            token, node, bound = token[alive], node[alive], bound[alive]
        return values, ranks

    def sample(
        self, hidden: Tensor, rows: Tensor, bias: Tensor | None, unk: int | None, generator: torch.Generator | None
    ) -> Tensor:
        """Draw a word for each token, (N, d) -> (N,).

        At each node goes to the child whose log-weight plus Gumbel noise is the greatest.
        """
        ranks = torch.zeros(hidden.shape[0], dtype=torch.int64, device=hidden.device)
        if not self.levels[-1] or not ranks.numel():
            return ranks
        others = self._log_others(hidden, rows, bias, unk)
        token = torch.arange(hidden.shape[0], device=hidden.device)
        node = torch.zeros_like(token)
        while token.numel():
            pair, step, logs = self._open(hidden, token, node, rows, bias)
            for barred, log_other in others.items():
                logs = torch.where(step == barred, logs + log_other[token[pair]], logs)
            logs = logs - torch.empty_like(logs).exponential_(generator=generator).log_()
            best = torch.full(token.shape, -math.inf, dtype=logs.dtype, device=logs.device)
            best = best.scatter_reduce(0, pair, logs, "amax")
            taken = logs == best[pair]
            node = torch.zeros_like(token).scatter_(0, pair[taken], self.step_child[step[taken]])
            ranks[token[node < 0]] = -1 - node[node < 0]
            token, node = token[node >= 0], node[node >= 0]
        return ranks

    def _log_others(self, hidden: Tensor, rows: Tensor, bias: Tensor | None, unk: int | None) -> dict[int, Tensor]:
        """Return, for each step on the way to the unknown word, log P(another word | the step was taken): (N,)."""
        found: dict[int, Tensor] = {}
        step = -1 if unk is None else int(self.word_step[unk])
        log_other = hidden.new_full((hidden.shape[0],), -math.inf)
        token = torch.arange(hidden.shape[0], device=hidden.device)
        while step >= 0:
            found[step] = log_other
            node = self.step_node[step].expand(token.shape)
            pair, steps, logs = self._open(hidden, token, node, rows, bias)
            logs = torch.where(steps == step, logs + log_other[pair], logs)
            log_other = logs.view(token.shape[0], -1).logsumexp(1)
            step = int(self.node_step[self.step_node[step]])
        return found


def _log_odds(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return the log-probabilities of child 0 and of child 1 from the scores of nodes with one row, each (N, n)."""
    # Not logsigmoid, which ONNX knows as the logarithm of a sigmoid: minus infinity from -88 on. Beyond its threshold
    # softplus returns its argument; torch's own, 20, is too low for float64.
    return -F.softplus(scores, threshold=40), -F.softplus(-scores, threshold=40)


def _first_of_each(token: Tensor, bound: Tensor, k: int) -> Tensor:
    """Mark the k greatest entries of each token."""
    order = torch.argsort(bound, descending=True, stable=True)
    order = order[torch.argsort(token[order], stable=True)]
    _, turn = ranges(torch.bincount(token))
    chosen = torch.empty_like(token, dtype=torch.bool)
    chosen[order] = turn < k
    return chosen


def _merged(values: Tensor, ranks: Tensor, token: Tensor, value: Tensor, rank: Tensor) -> tuple[Tensor, Tensor]:
    """Return the k best of each token's words and new ones: by value, then by rank."""
    n, k = values.shape
    owner = torch.cat([torch.arange(n, device=token.device).repeat_interleave(k), token])
    value, rank = torch.cat([values.view(-1), value]), torch.cat([ranks.view(-1), rank])
    order = torch.argsort(rank, stable=True)
    order = order[torch.argsort(value[order], descending=True, stable=True)]
    order = order[torch.argsort(owner[order], stable=True)]
    _, turn = ranges(torch.bincount(owner, minlength=n))
    kept = order[turn < k]
    return value[kept].view(n, k), rank[kept].view(n, k)
