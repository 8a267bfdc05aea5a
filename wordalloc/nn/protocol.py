"""What every output layer does: the output-layer protocol."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import torch
from torch import Tensor, nn

from wordalloc.errors import InputError
from wordalloc.nn.selection import check_k, topk_by_rank


class OutputLayer(nn.Module, ABC):
    """A probability for every word, given a hidden state.

    Ranks are the ids: target 0 is the most frequent word. Any leading shape is taken and given back.

    Parameters
    ----------
    vocab_size : int
        V.
    dim : int
        d, the width of the hidden state.
    unk : int, optional
        Rank of the unknown word, which is never sampled.
    """

    def __init__(self, vocab_size: int, dim: int, *, unk: int | None = None) -> None:
        super().__init__()
        for name, value in (("vocab_size", vocab_size), ("dim", dim)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} must be a positive whole number, not {value!r}")
        if unk is not None and not 0 <= unk < vocab_size:
            raise InputError(f"unk must be a rank from 0 to {vocab_size - 1}, not {unk}")
        self.vocab_size, self.dim, self.unk = vocab_size, dim, unk

    @classmethod
    @abstractmethod
    def from_allocation(cls, allocation: Any, dim: int, **options: Any) -> Self:
        """Make the layer that an allocation describes, for hidden states of width `dim`."""

    @abstractmethod
    def _nll(self, hidden: Tensor, target: Tensor) -> Tensor:
        """Return the nll of each token: (N, d), (N,) -> (N,)."""

    @abstractmethod
    def _weighted_nll(self, hidden: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Return Σ weight · nll: (N, d), (N,), (N,) -> scalar; gradients may be computed on the way."""

    @abstractmethod
    def log_prob(self, hidden: Tensor) -> Tensor:
        """Return the log-probabilities of all words: (N, d) -> (N, V)."""

    @abstractmethod
    def _topk(self, hidden: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Do what `topk` does, (N, d) -> (N, k), looking at no more words than need be."""

    @abstractmethod
    def sample(self, hidden: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw a word for each hidden state, (..., d) -> ranks (...): exact, and never the unknown word."""

    def forward(self, hidden: Tensor, target: Tensor) -> Tensor:
        """Return the negative log-likelihood of each target, in nats.

        Parameters
        ----------
        hidden : Tensor, shape (..., d)
            Hidden states.
        target : Tensor of int, shape (...)
            Ranks.

        Returns
        -------
        Tensor, shape (...)
            At least float32, also under autocast.
        """
        self._check(hidden, target)
        return self._nll(hidden.reshape(-1, self.dim), target.reshape(-1)).reshape(target.shape)

    def loss(self, hidden: Tensor, target: Tensor, reduction: str = "mean", ignore_index: int | None = None) -> Tensor:
        """Return the mean or summed nll of a batch: what training calls.

        The gradients are computed in the same pass, block by block, so the logits are never stored whole.

        Parameters
        ----------
        hidden : Tensor, shape (..., d)
            Hidden states.
        target : Tensor of int, shape (...)
            Ranks, or `ignore_index`.
        reduction : {"mean", "sum"}
            The mean is over the tokens that are not ignored; where all are, the loss and its gradients are 0.
        ignore_index : int, optional
            Targets of this value count nothing.
        """
        if reduction not in ("mean", "sum"):
            raise InputError(f"reduction must be 'mean' or 'sum', not {reduction!r}; forward() gives each token's nll")
        hidden, target = hidden.reshape(-1, hidden.shape[-1]), target.reshape(-1)
        weight = torch.ones(target.shape, dtype=_loss_dtype(hidden.dtype), device=hidden.device)
        if ignore_index is not None:
            kept = target != ignore_index
            weight = weight * kept
            target = torch.where(kept, target, 0)
        self._check(hidden, target)
        if reduction == "mean":
            weight = weight / weight.sum().clamp(min=1)
        return self._weighted_nll(hidden, target, weight)

    @torch.no_grad()
    def topk(self, hidden: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Return the k most probable words, (..., d) -> log-probabilities and ranks (..., k): exact.

        Ties go to the lower rank. What words are looked at depends on the states; a compiler, which knows no values,
        is given the dense form: the log-probabilities of all words, and the best of them.
        """
        check_k(k, self.vocab_size)
        shape, hidden = hidden.shape[:-1], hidden.reshape(-1, self.dim)
        if torch.compiler.is_compiling():
            values, ranks = topk_by_rank(self.log_prob(hidden), k)
        else:
            values, ranks = self._topk(hidden, k)
        return values.reshape(*shape, k), ranks.reshape(*shape, k)

    @property
    def n_parameters(self) -> int:
        """Number of trained weights."""
        return sum(parameter.numel() for parameter in self.parameters())

    def extra_repr(self) -> str:
        return f"vocab_size={self.vocab_size}, dim={self.dim}"

    def _check(self, hidden: Tensor, target: Tensor) -> None:
        """Refuse wrong shapes, and on the CPU wrong targets (on a GPU looking at them would wait for it)."""
        if hidden.shape[-1:] != (self.dim,) or hidden.shape[:-1] != target.shape:
            raise InputError(
                f"expected hidden (..., {self.dim}) and target (...), "
                f"got {tuple(hidden.shape)} and {tuple(target.shape)}"
            )
        if target.dtype not in (torch.int64, torch.int32):
            raise InputError(f"targets must be int64 or int32 ranks, not {target.dtype}")
        if target.device.type == "cpu" and not torch.compiler.is_compiling() and target.numel():
            low, high = int(target.min()), int(target.max())
            if low < 0 or high >= self.vocab_size:
                wrong = low if low < 0 else high
                raise InputError(f"targets must be ranks from 0 to {self.vocab_size - 1}, but one is {wrong}")


def _loss_dtype(dtype: torch.dtype) -> torch.dtype:
    """Losses are summed in at least float32."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype
