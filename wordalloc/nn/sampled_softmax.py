"""Sampled softmax: a full output matrix, trained on a few drawn words, evaluated with the true softmax."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordalloc.allocations import Allocation
from wordalloc.checks import whole_numbers
from wordalloc.errors import InputError
from wordalloc.nn.arrays import precise_dtype
from wordalloc.nn.blackout import blackout
from wordalloc.nn.candidate_softmax import sampled_softmax_nll
from wordalloc.nn.full import FullSoftmax
from wordalloc.nn.importance import effective_sample_size, importance_nll, log_moments
from wordalloc.nn.nce import nce
from wordalloc.nn.negative import negative_log_z, negative_sampling
from wordalloc.nn.noise import Noise
from wordalloc.vocabulary import Vocabulary

LOSSES = ("importance", "sampled-softmax", "nce", "blackout", "negative")
NOISES = ("unigram", "log-uniform", "uniform")
NEGATIVES = ("shared", "per-token")
NORMALISERS = ("fixed", "learnt")


class SampledSoftmax(FullSoftmax):
    """A full softmax whose training scores only the targets and K words drawn from noise.

    In training mode, with gradients, `loss` is the sampled loss: it costs K scores a token instead of V, and only the
    gradient's zeros depend on V. In evaluation mode or without gradients it is the true nll; calling the layer,
    `log_prob`, `topk` and `sample` are always exact. A ``FullSoftmax(bias=True)`` loads the trained weights (all but a
    learnt normaliser).

    Parameters
    ----------
    vocab_size : int
        V.
    dim : int
        d.
    loss : {"sampled-softmax", "importance", "nce", "blackout", "negative"}
        The equations and what is known of their optima stand in ``candidate_softmax.py``, ``importance.py``,
        ``nce.py``, ``blackout.py`` and ``negative.py``. The first two estimate the nll; the values of the others do not
        compare with one.
    samples : int
        K, from 1 to V.
    noise : {"unigram", "log-uniform", "uniform"}
        What negatives are drawn from (`Noise`), with replacement; "unigram" needs `counts`.
    noise_power : float
        Power of the counts in "unigram", from 0 to 1.
    counts : array_like of int, shape (V,), optional
        How often each word occurs.
    negatives : {"shared", "per-token"}
        Whether the tokens of a batch have the same K negatives, which makes their scores one matrix product, or each
        its own, which takes N · K · d numbers of memory and its time. Either is unbiased.
    normaliser : {"fixed", "learnt"}
        For "nce": whether the assumed log Z is 0, or one trained number.
    effective_samples : float, optional
        For "importance": draw K more until the effective sample size, averaged over the batch, is at least this; where
        V draws are not enough, the batch has the exact loss (Bengio & Senécal 2008). By default K draws are
        enough: the target's own term is exact, so a small effective size costs precision, but not stability.
    unk : int, optional
        Rank of the unknown word, which is never sampled.

    Attributes
    ----------
    head : Parameter, shape (V, d)
    head_bias : Parameter, shape (V,)
        It begins at the log of the share (count + 1) / Σ (count + 1), all counts 0 where there are none: so the layer
        begins near the unigram distribution, with the log Z that its loss assumes.
    noise : Noise
    learnt_log_z : Parameter, scalar; None unless the normaliser is learnt
    generator : torch.Generator, optional
        Of shared negatives, on the layer's device: several processes with generators in one state draw the same. By
        default None, for torch's own.

    Raises
    ------
    InputError
        If an option is unknown, out of range, or not for this loss or noise.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> layer = SampledSoftmax(vocab_size=1000, dim=16, samples=50, noise="log-uniform")
    >>> hidden, target = torch.randn(4, 16), torch.tensor([0, 1, 10, 100])
    >>> layer.loss(hidden, target).backward()
    >>> int(layer.head.grad.any(1).sum()) <= 54  # rows with a gradient: of targets and negatives
    True
    >>> layer.eval().loss(hidden, target).allclose(layer(hidden, target).mean())
    True
    """

    head_bias: nn.Parameter  # always there

    def __init__(
        self,
        vocab_size: int,
        dim: int,
        *,
        loss: str = "sampled-softmax",
        samples: int = 1024,
        noise: str = "unigram",
        noise_power: float = 0.75,
        counts: npt.ArrayLike | None = None,
        negatives: str = "shared",
        normaliser: str = "fixed",
        effective_samples: float | None = None,
        unk: int | None = None,
    ) -> None:
        super().__init__(vocab_size, dim, bias=True, unk=unk)
        known = {"loss": LOSSES, "noise": NOISES, "negatives": NEGATIVES, "normaliser": NORMALISERS}
        given = {"loss": loss, "noise": noise, "negatives": negatives, "normaliser": normaliser}
        for name, value in given.items():
            if value not in known[name]:
                raise InputError(f"{name} must be one of {', '.join(known[name])}, not {value!r}")
        _check_samples(samples, effective_samples, loss, vocab_size)
        if normaliser == "learnt" and loss != "nce":
            raise InputError(f"a learnt normaliser is for the loss nce; {loss!r} assumes none or its own")
        self.loss_name, self.samples, self.shared = loss, samples, negatives == "shared"
        self.effective_samples = effective_samples
        self.generator: torch.Generator | None = None
        self.noise = _make_noise(noise, noise_power, counts, vocab_size)
        self.learnt_log_z = nn.Parameter(torch.zeros(())) if normaliser == "learnt" else None
        self.begin_at(np.zeros(vocab_size) if counts is None else _as_counts(counts, vocab_size))
        if loss == "negative":
            with torch.no_grad():
                self.head_bias.add_(negative_log_z(samples))

    @classmethod
    def from_allocation(cls, allocation: Allocation | Vocabulary, dim: int, **options: Any) -> Self:
        """Make the layer over a vocabulary, or over the one of any allocation, with its counts."""
        vocabulary = allocation if isinstance(allocation, Vocabulary) else allocation.vocabulary
        return cls(vocabulary.size, dim, unk=vocabulary.unk_rank, **{"counts": vocabulary.counts, **options})

    @property
    def log_z(self) -> float | None:
        """The log Σ exp(score) that the loss assumes of every token; None where it assumes none."""
        if self.loss_name == "negative":
            return negative_log_z(self.samples)
        if self.learnt_log_z is not None:
            return self.learnt_log_z.item()
        return 0.0 if self.loss_name == "nce" else None

    @torch.no_grad()
    def log_normaliser(self, hidden: Tensor, target: Tensor) -> Tensor:
        """Return log Σ exp(score) over all words, (..., d), (...) -> (...): exact, and to be compared with `log_z`.

        It is the target's nll and score together, so it costs what calling the layer does.
        """
        nll = self(hidden, target)
        own = (hidden.to(nll.dtype) * self.head[target]).sum(-1) + self.head_bias[target]
        return nll + own

    def _weighted_nll(self, hidden: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        if not (self.training and torch.is_grad_enabled()):
            return super()._weighted_nll(hidden, target, weight)
        target = target.long()
        if self.effective_samples is None:
            negatives: Tensor | None = self._draw(target)
        else:
            negatives = self._draw_enough(hidden, target, weight, self.effective_samples)
        if negatives is None:
            return super()._weighted_nll(hidden, target, weight)
        return (self._sampled(hidden, target, negatives) * weight).sum()

    def _draw(self, target: Tensor) -> Tensor:
        """Return negatives: (K,) for all tokens, or (N, K)."""
        if self.shared:
            return self.noise.draw((self.samples,), self.generator)
        return self.noise.draw((target.numel(), self.samples))

    @torch.no_grad()
    def _draw_enough(self, hidden: Tensor, target: Tensor, weight: Tensor, enough: float) -> Tensor | None:
        """Return negatives of at least the effective size asked for, or None where V draws have not reached it."""
        blocks: list[Tensor] = []
        moments = weight.new_full((2, target.numel()), -math.inf)
        while (len(blocks) + 1) * self.samples <= self.vocab_size:
            blocks.append(self._draw(target))
            moments = torch.logaddexp(moments, log_moments(self._scores(hidden, target, blocks[-1])[1]))
            # Tokens that count nothing are not waited for.
            if (effective_sample_size(moments) * weight).sum() >= enough * weight.sum():
                return torch.cat(blocks, -1)
        return None

    def _scores(self, hidden: Tensor, target: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
        """Return the targets' scores, (N,), and the negatives' log-weights s - log q, (N, K)."""
        n, precise = target.numel(), precise_dtype(hidden)
        # One look-up of both, so that there is one gradient of the size of the matrix.
        ids = torch.cat([target, negatives.reshape(-1)])
        own_rows, rows = self.head.index_select(0, ids).split([n, negatives.numel()])
        own_bias, bias = self.head_bias.index_select(0, ids).split([n, negatives.numel()])
        own = (hidden * own_rows).sum(1, dtype=precise) + own_bias
        if negatives.ndim == 1:
            scores = F.linear(hidden, rows)
        else:
            scores = torch.bmm(rows.view(*negatives.shape, self.dim), hidden[:, :, None]).squeeze(2)
        return own, scores.to(precise).add_(bias.view(negatives.shape) - self.noise.log_prob[negatives])

    def _sampled(self, hidden: Tensor, target: Tensor, negatives: Tensor) -> Tensor:
        """Return the sampled loss of each token: (N, d), (N,), (K,) or (N, K) -> (N,)."""
        own, log_weights = self._scores(hidden, target, negatives)
        if self.loss_name == "importance":
            return importance_nll(own, log_weights, negatives == target[:, None])
        log_noise = self.noise.log_prob[target]
        if self.loss_name == "sampled-softmax":
            return sampled_softmax_nll(own, log_noise, log_weights)
        if self.loss_name == "nce":
            log_z = 0.0 if self.learnt_log_z is None else self.learnt_log_z
            return nce(own - log_noise, log_weights, log_z)
        if self.loss_name == "blackout":
            return blackout(own - log_noise, log_weights)
        return negative_sampling(own - log_noise, log_weights)

    def extra_repr(self) -> str:
        negatives = "shared" if self.shared else "per-token"
        return f"{super().extra_repr()}, loss={self.loss_name!r}, samples={self.samples}, negatives={negatives!r}"


def _check_samples(samples: int, effective_samples: float | None, loss: str, vocab_size: int) -> None:
    if isinstance(samples, bool) or not isinstance(samples, int) or not 1 <= samples <= vocab_size:
        raise InputError(
            f"samples must be from 1 to V ({vocab_size:,}), not {samples!r}: "
            "with more, the full softmax is cheaper and exact"
        )
    if effective_samples is None:
        return
    if loss != "importance":
        raise InputError(f"effective_samples is for the loss importance, not {loss!r}; leave it out")
    if not 1 <= effective_samples <= vocab_size:
        raise InputError(f"effective_samples must be from 1 to V ({vocab_size:,}), not {effective_samples!r}")


def _as_counts(counts: npt.ArrayLike, vocab_size: int) -> npt.NDArray[np.int64]:
    array = whole_numbers(counts, "counts")
    if array.shape != (vocab_size,) or array.min() < 0:
        raise InputError(f"counts must be {vocab_size} numbers of at least 0")
    return array


def _make_noise(noise: str, power: float, counts: npt.ArrayLike | None, vocab_size: int) -> Noise:
    if noise == "unigram":
        if counts is None:
            raise InputError("noise='unigram' needs the counts of the words; give counts, or noise='log-uniform'")
        return Noise.unigram(_as_counts(counts, vocab_size), power)
    return Noise.log_uniform(vocab_size) if noise == "log-uniform" else Noise.uniform(vocab_size)
