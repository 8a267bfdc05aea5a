"""Adaptive softmax: a head at full width, and tail clusters of falling width that few tokens open."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordalloc.allocations import Cutoffs
from wordalloc.errors import InputError
from wordalloc.nn import cross_entropy
from wordalloc.nn.arrays import precise_dtype
from wordalloc.nn.cluster_bound import ClusterBound
from wordalloc.nn.cross_entropy import Weights
from wordalloc.nn.foreign_weights import check_shapes, copied
from wordalloc.nn.protocol import OutputLayer
from wordalloc.nn.selection import best_first, draw, topk_by_rank
from wordalloc.nn.unigram import smoothed_shares

WORTH_BOUNDING = 64  # tokens; to find the bounds of a cluster costs about as much as scoring it for so many


class AdaptiveSoftmax(OutputLayer):
    """The adaptive softmax of Grave et al. (2017).

    The head scores the c₁ most frequent words and one entry for each tail cluster, at width d; tail cluster i
    scores its words at width dᵢ = max(1, ⌊d / div_valueⁱ⌋), for the tokens that fall into it alone.
    Parameters, outputs and gradients are those of ``torch.nn.AdaptiveLogSoftmaxWithLoss``.

    Parameters
    ----------
    vocab_size : int
        V.
    dim : int
        d.
    cutoffs : sequence of int
        Increasing, between 1 and V - 1. Empty: a full softmax.
    div_value : float
        At least 1.
    head_bias : bool
        Whether the head has a bias. In `from_allocation` it begins at the counts, else at 0.
    unk : int, optional
        Rank of the unknown word, which is never sampled.

    Attributes
    ----------
    head : Parameter, shape (c₁ + J, d)
        Words of the head, then the clusters.
    head_bias : Parameter, shape (c₁ + J,), or None
    projections : list of Parameter, shapes (dᵢ, d)
    outputs : list of Parameter, shapes (size of cluster i, dᵢ)

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> layer = AdaptiveSoftmax(vocab_size=10, dim=8, cutoffs=[3, 6], div_value=2)
    >>> hidden, target = torch.randn(2, 5, 8), torch.randint(10, (2, 5))
    >>> layer(hidden, target).shape, layer.loss(hidden, target).shape
    (torch.Size([2, 5]), torch.Size([]))
    >>> layer.log_prob(hidden[0]).exp().sum(1).round(decimals=4)
    tensor([1., 1., 1., 1., 1.], grad_fn=<RoundBackward1>)
    """

    def __init__(
        self,
        vocab_size: int,
        dim: int,
        cutoffs: Sequence[int],
        *,
        div_value: float = 4.0,
        head_bias: bool = False,
        unk: int | None = None,
    ) -> None:
        super().__init__(vocab_size, dim, unk=unk)
        self.cutoffs = [int(cutoff) for cutoff in cutoffs]
        self.bounds = [0, *self.cutoffs, vocab_size]
        if any(low >= high for low, high in itertools.pairwise(self.bounds)):
            raise InputError(f"cutoffs must increase strictly from 1 to {vocab_size - 1}, not {self.cutoffs}")
        if not (isinstance(div_value, int | float | np.number) and math.isfinite(div_value) and div_value >= 1):
            raise InputError(f"div_value must be a number of at least 1, not {div_value!r}")
        self.div_value = float(div_value)
        sizes = [high - low for low, high in itertools.pairwise(self.bounds)]
        widths = [max(1, int(dim // div_value**i)) for i in range(1, len(sizes))]
        columns = sizes[0] + len(widths)
        self.head = nn.Parameter(torch.empty(columns, dim))
        self.head_bias = nn.Parameter(torch.empty(columns)) if head_bias else None
        self.projections = nn.ParameterList(torch.empty(width, dim) for width in widths)
        self.outputs = nn.ParameterList(torch.empty(size, width) for size, width in zip(sizes[1:], widths, strict=True))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights uniformly from ±1/√(inputs), as torch's linear layers do."""
        for matrix in (self.head, *self.projections, *self.outputs):
            nn.init.uniform_(matrix, -(matrix.shape[1] ** -0.5), matrix.shape[1] ** -0.5)
        if self.head_bias is not None:
            nn.init.zeros_(self.head_bias)

    @classmethod
    def from_allocation(cls, allocation: Cutoffs, dim: int, **options: Any) -> Self:
        """Make the layer for an allocation's cutoffs; `div_value` is the one they were computed for."""
        if not isinstance(allocation, Cutoffs):
            raise InputError(f"an adaptive softmax needs cutoffs, not {type(allocation).__name__}")
        options.setdefault("div_value", allocation.parameters.get("div_value", 4.0))
        vocabulary = allocation.vocabulary
        layer = cls(vocabulary.size, dim, allocation.cutoffs.tolist(), unk=vocabulary.unk_rank, **options)
        return layer.begin_at(vocabulary.counts)

    def begin_at(self, counts: npt.ArrayLike) -> Self:
        """Set the head's bias, if there is one, to the log shares of words and clusters in the counts, (V,)."""
        if self.head_bias is not None:
            shares = smoothed_shares(counts)
            clusters = [shares[first:end].sum() for first, end in itertools.pairwise(self.bounds[1:])]
            with torch.no_grad():
                self.head_bias.copy_(torch.from_numpy(np.log([*shares[: self.bounds[1]], *clusters])))
        return self

    @classmethod
    def from_torch(cls, module: nn.AdaptiveLogSoftmaxWithLoss, *, unk: int | None = None) -> Self:
        """Make the layer from torch's, with copies of its weights: bit for bit, and of their dtype and device.

        Torch's classes are the ranks, in the order of the word list that the module was trained with. Their counts
        make a `Vocabulary` where they descend, ties in the order of the words; where they don't, or are not known,
        V … 1 stand for them.

        Parameters
        ----------
        module : torch.nn.AdaptiveLogSoftmaxWithLoss
            Also one that is frozen, or in evaluation mode: so is the layer then.
        unk : int, optional
            Rank of the unknown word, of which torch knows nothing.

        Raises
        ------
        InputError
            If ``div_value`` is below 1, or makes a tail of width 0, whose words torch's module cannot tell apart.

        Examples
        --------
        >>> from wordalloc import Vocabulary
        >>> module = nn.AdaptiveLogSoftmaxWithLoss(8, 5, cutoffs=[2, 3], div_value=1.5)
        >>> words = ["the", "of", "to", "in", "a"]
        >>> layer = AdaptiveSoftmax.from_torch(module)
        >>> allocation = Cutoffs(Vocabulary(words, range(5, 0, -1)), layer.cutoffs, {"div_value": layer.div_value})
        >>> again = AdaptiveSoftmax.from_allocation(allocation, dim=8)  # what load("words.cutoffs.safetensors") gives
        >>> again.load_torch_state_dict(module.state_dict())
        >>> again.to_torch().cutoffs == module.cutoffs, torch.equal(again.head, module.head.weight)
        (True, True)
        """
        if not isinstance(module, nn.AdaptiveLogSoftmaxWithLoss):
            raise InputError(f"expected a torch.nn.AdaptiveLogSoftmaxWithLoss, not {type(module).__name__}")
        sizes = int(module.n_classes), int(module.in_features), list(module.cutoffs[:-1])
        has_bias = module.head.bias is not None
        with torch.device("meta"):  # nothing is drawn: the weights are torch's
            layer = cls(*sizes, div_value=module.div_value, head_bias=has_bias, unk=unk)
        theirs = dict(module.named_parameters(remove_duplicate=False))  # tails may share weights
        check_shapes(layer._torch_parameters(), theirs)
        layer.head, layer.head_bias = copied(module.head.weight), copied(module.head.bias) if has_bias else None
        for i in range(len(layer.cutoffs)):
            layer.projections[i] = copied(theirs[f"tail.{i}.0.weight"])
            layer.outputs[i] = copied(theirs[f"tail.{i}.1.weight"])
        return layer.train(module.training)

    def to_torch(self) -> nn.AdaptiveLogSoftmaxWithLoss:
        """Return torch's layer with copies of these weights, bit for bit, and of their dtype and device.

        Raises
        ------
        InputError
            If there is no cutoff, or torch's layer would have a tail of width 0 where this one's has width 1.
        """
        if not self.cutoffs:
            raise InputError("torch.nn.AdaptiveLogSoftmaxWithLoss needs at least one cutoff, and this layer has none")
        if any(int(self.dim // self.div_value**i) < 1 for i in range(1, len(self.bounds) - 1)):
            raise InputError("torch's layer would have a tail of width 0 here; use a smaller div_value")
        with torch.device("meta"):
            module = nn.AdaptiveLogSoftmaxWithLoss(
                self.dim, self.vocab_size, self.cutoffs, self.div_value, self.head_bias is not None
            )
        own = self._torch_parameters()
        module.load_state_dict({name: copied(weight) for name, weight in own.items()}, assign=True)
        for name, weight in module.named_parameters():
            weight.requires_grad_(own[name].requires_grad)
        return module.train(self.training)

    def _torch_parameters(self) -> dict[str, nn.Parameter]:
        """Return the parameters by their names in ``torch.nn.AdaptiveLogSoftmaxWithLoss``, and in its order."""
        found = {"head.weight": self.head}
        if self.head_bias is not None:
            found["head.bias"] = self.head_bias
        for i, (projection, output) in enumerate(zip(self.projections, self.outputs, strict=True)):
            found |= {f"tail.{i}.0.weight": projection, f"tail.{i}.1.weight": output}
        return found

    def torch_state_dict(self) -> dict[str, Tensor]:
        """Return the weights under the names of ``torch.nn.AdaptiveLogSoftmaxWithLoss``."""
        return {name: weight.detach() for name, weight in self._torch_parameters().items()}

    def load_torch_state_dict(self, state: dict[str, Tensor]) -> None:
        """Copy the weights of a ``torch.nn.AdaptiveLogSoftmaxWithLoss``; shapes and names must be the same.

        As with torch's ``load_state_dict``, this layer keeps its dtype and device.
        """
        check_shapes(self._torch_parameters(), state)
        with torch.no_grad():
            for name, weight in self._torch_parameters().items():
                weight.copy_(state[name])

    def _weights(self) -> Weights:
        return Weights(self.head, self.head_bias, list(self.projections), list(self.outputs), self.cutoffs)

    def _nll(self, hidden: Tensor, target: Tensor) -> Tensor:
        return cross_entropy.nll(hidden, target, self._weights())

    def _weighted_nll(self, hidden: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        return cross_entropy.weighted_nll(hidden, target, self._weights(), weight)

    def _head_log_prob(self, hidden: Tensor) -> Tensor:
        return F.log_softmax(F.linear(hidden, self.head, self.head_bias), 1, dtype=precise_dtype(hidden))

    def _tail_log_prob(self, hidden: Tensor, cluster: int) -> Tensor:
        """Return log P(word | cluster), for cluster 0 … J - 1: (N, size)."""
        narrow = F.linear(hidden, self.projections[cluster])
        return F.log_softmax(F.linear(narrow, self.outputs[cluster]), 1, dtype=precise_dtype(hidden))

    def log_prob(self, hidden: Tensor) -> Tensor:
        """Return the log-probabilities of all words: (N, d) -> (N, V)."""
        head = self._head_log_prob(hidden)
        words = self.bounds[1]
        tails = [head[:, words + i, None] + self._tail_log_prob(hidden, i) for i in range(len(self.cutoffs))]
        return torch.cat([head[:, :words], *tails], dim=1)

    def _topk(self, hidden: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Score a tail cluster for those tokens alone for which a bound on its words reaches the k-th best so far.

        That is the cluster's own log-probability and, where many tokens are left, what its best word can add to it
        (`wordalloc.nn.cluster_bound`).
        """
        head = self._head_log_prob(hidden)
        words = self.bounds[1]
        values, ranks = topk_by_rank(head[:, :words], min(k, words))
        missing = k - values.shape[1]
        values, ranks = F.pad(values, (0, missing), value=-math.inf), F.pad(ranks, (0, missing))
        for cluster, (first, end) in enumerate(itertools.pairwise(self.bounds[1:])):
            bound = head[:, words + cluster]
            opened = self._opened(hidden, bound, values[:, -1], cluster)
            if not opened.numel():
                continue
            scores = bound[opened, None] + self._tail_log_prob(hidden[opened], cluster)
            tail_values, tail_ranks = topk_by_rank(scores, min(k, end - first))
            # Words of this cluster have higher ranks than all before, so a stable sort settles ties.
            merged = torch.cat([values[opened], tail_values], 1), torch.cat([ranks[opened], tail_ranks + first], 1)
            best_values, best_ranks = best_first(*merged)
            values[opened], ranks[opened] = best_values[:, :k], best_ranks[:, :k]
        return values, ranks

    def _opened(self, hidden: Tensor, bound: Tensor, least: Tensor, cluster: int) -> Tensor:
        """Return the tokens for which a word of a cluster of log-probability `bound` can reach `least`."""
        opened = (bound >= least).nonzero().squeeze(1)
        if opened.numel() >= WORTH_BOUNDING:
            narrow = F.linear(hidden[opened], self.projections[cluster])
            needed = least[opened] - bound[opened]
            opened = opened[ClusterBound(self.outputs[cluster]).reaches(narrow, needed)]
        return opened

    @torch.no_grad()
    def sample(self, hidden: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw a word for each hidden state, (..., d) -> ranks (...): exact, and never the unknown word."""
        if self.unk is not None and self.vocab_size == 1:
            raise InputError("the unknown word is the only one, so there is nothing to draw")
        shape, hidden = hidden.shape[:-1], hidden.reshape(-1, self.dim)
        head = self._head_log_prob(hidden)
        words = self.bounds[1]
        if self.unk is not None and self.unk < words:
            head[:, self.unk] = -math.inf
        elif self.unk is not None:
            cluster = sum(self.unk >= cutoff for cutoff in self.cutoffs) - 1
            # Its cluster is drawn as often as the cluster's other words are.
            unknown = self._tail_log_prob(hidden, cluster)[:, self.unk - self.cutoffs[cluster]]
            head[:, words + cluster] += torch.log1p(-unknown.exp())
        ranks = draw(head, generator)
        for cluster, first in enumerate(self.cutoffs):
            chosen = (ranks == words + cluster).nonzero().squeeze(1)
            if chosen.numel():
                scores = self._tail_log_prob(hidden[chosen], cluster)
                if self.unk is not None and first <= self.unk < self.bounds[cluster + 2]:
                    scores[:, self.unk - first] = -math.inf
                # Ranks of clusters already drawn exceed `words` too, so each is settled under a negative sign.
                ranks[chosen] = -1 - (first + draw(scores, generator))
        return torch.where(ranks < 0, -1 - ranks, ranks).reshape(shape)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, cutoffs={self.cutoffs}, div_value={self.div_value:g}"
