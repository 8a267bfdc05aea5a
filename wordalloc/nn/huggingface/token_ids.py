"""Between a tokenizer's ids and an allocation's ranks: the permutation, and the ids that no word of it has."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary


def ids_of(vocabulary: Vocabulary) -> npt.NDArray[np.int64]:
    """Return the token id of each rank, (V,): the rank itself where a vocabulary has no ids."""
    return np.arange(vocabulary.size) if vocabulary.ids is None else vocabulary.ids


def check_tokens(vocabulary: Vocabulary, n_ids: int, tokenizer: Any = None) -> None:
    """Refuse a vocabulary whose words are not the tokens of a model with `n_ids` of them, as far as can be told.

    Raises
    ------
    InputError
        If there are no ids and nothing tells that they are the ranks, or if a word is another one to the tokenizer.
    """
    ids = ids_of(vocabulary)
    if vocabulary.ids is None and tokenizer is None and vocabulary.size != n_ids:
        raise InputError(
            f"the allocation has no token ids, and its {vocabulary.size:,} words are not the model's {n_ids:,} tokens; "
            "compute it from a vocabulary with the ids of the model's tokenizer, or pass tokenizer= if its ids are "
            "the ranks"
        )
    if tokenizer is not None:
        tokens = tokenizer.convert_ids_to_tokens(ids.tolist())
        for number, word, token in zip(ids.tolist(), vocabulary.words, tokens, strict=True):
            if word != token:
                raise InputError(
                    f"token {number} is {word!r} in the allocation, but {token!r} to the tokenizer; "
                    "compute the allocation with this tokenizer"
                )


class TokenIds(nn.Module):
    """Which rank each token id has. It has no weights and is not in the state: it follows from the allocation.

    Parameters
    ----------
    vocabulary : Vocabulary
        Of V words, each with an id below `n_ids`.
    n_ids : int
        How many ids the model has; those without a word are the padding of its weights, or tokens that the allocation
        leaves out.

    Attributes
    ----------
    rank_of : Tensor of int64, shape (n_ids,)
        V where no word has the id.

    Raises
    ------
    InputError
        If an id is not below `n_ids`.

    Examples
    --------
    >>> ids = TokenIds(Vocabulary.from_counts("ab", [2, 1], ids=[3, 0]), 4)
    >>> ids.rank_of
    tensor([1, 2, 2, 0])
    >>> ids.by_id(torch.tensor([[-0.5, -1.5]]))
    tensor([[-1.5000,    -inf,    -inf, -0.5000]])
    """

    rank_of: Tensor

    def __init__(self, vocabulary: Vocabulary, n_ids: int) -> None:
        super().__init__()
        self.n_words, self.n_ids = vocabulary.size, n_ids
        ids = ids_of(vocabulary)
        if ids.max() >= n_ids:
            raise InputError(
                f"the allocation has the token id {int(ids.max())}, but the model's end at {n_ids - 1}; "
                "compute it with the model's own tokenizer"
            )
        rank_of = np.full(n_ids, self.n_words, dtype=np.int64)
        rank_of[ids] = np.arange(self.n_words)
        self.register_buffer("rank_of", torch.from_numpy(rank_of), persistent=False)

    def by_id(self, log_prob: Tensor) -> Tensor:
        """Return log-probabilities in the order of ids, (N, V) -> (N, n_ids); -inf for an id without a word."""
        if self.n_words < self.n_ids:
            log_prob = F.pad(log_prob, (0, 1), value=-math.inf)
        return log_prob[:, self.rank_of]

    def ranks(self, labels: Tensor, ignore_index: int) -> Tensor:
        """Return the ranks of labels, (...) -> (...), `ignore_index` where they are that.

        Raises
        ------
        InputError
            If a label is no id of the model, or one without a word. On a GPU, where looking would wait for it, the
            device's own assertion fails instead.
        """
        kept = labels != ignore_index
        known = labels.clamp(0, self.n_ids - 1)
        ranks = self.rank_of[known]
        wrong = kept & ((labels != known) | (ranks == self.n_words))
        if torch.compiler.is_compiling() or not labels.is_cpu:
            torch._assert_async(~wrong.any(), "a label is a token that the allocation does not have")
        elif wrong.any():
            raise InputError(
                f"the label {int(labels[wrong][0])} is a token that the allocation does not have; its vocabulary must "
                f"hold every token to be predicted (with the count 0, if need be), or the label be {ignore_index}"
            )
        return torch.where(kept, ranks, ignore_index)

    def extra_repr(self) -> str:
        return f"n_words={self.n_words}, n_ids={self.n_ids}"
