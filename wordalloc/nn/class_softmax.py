"""Class softmax: the class of the word, then the word inside its class."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordalloc.allocations import Classes
from wordalloc.checks import whole_numbers
from wordalloc.errors import InputError
from wordalloc.nn import cross_entropy
from wordalloc.nn.arrays import precise_dtype
from wordalloc.nn.class_places import ClassPlaces, class_places
from wordalloc.nn.cross_entropy import Weights
from wordalloc.nn.equal_groups import equal_groups, spans
from wordalloc.nn.path_cross_entropy import path_nll
from wordalloc.nn.path_pairs import Paths
from wordalloc.nn.protocol import OutputLayer
from wordalloc.nn.two_level import Inside, draw_by_group, topk_by_group
from wordalloc.nn.unigram import smoothed_shares

WITHIN = ("softmax", "unigram")


class ClassSoftmax(OutputLayer):
    """The two-level softmax of Goodman (2001): P(word | h) = P(class | h) · P(word | class, h).

    With K classes of V / K words a token costs K + V / K scores instead of V. The weights of the second level lie
    class after class, so a class is a slice of them, and a batch reads and changes only the classes of its targets.

    Parameters
    ----------
    vocab_size : int
        V.
    dim : int
        d.
    word_class : array_like of int, shape (V,)
        Class of each rank, 0 … K - 1; no class is empty.
    within : {"softmax", "unigram"}
        The second level: a softmax over the class's words, or Goodman's fixed P(word | class) = (count + 1) / (count
        of the class + words in it), which needs `counts` and has no weights.
    counts : array_like of int, shape (V,), optional
        How often each word occurs, for "unigram".
    bias : bool
        Whether classes and words have biases. In `from_allocation` they begin at the counts, else at 0.
    sparse : bool
        Whether the gradient of `words` holds only the rows of the classes that were opened, as with
        ``nn.Embedding(sparse=True)``. Not for ``torch.compile``, where it is dense.
    unk : int, optional
        Rank of the unknown word, which is never sampled.

    Attributes
    ----------
    classes, class_bias : Parameter, shapes (K, d) and (K,); without bias None
    words, word_bias : Parameter, shapes (V, d) and (V,), in the order of `members`; None where there are none
    members : Tensor of int64, shape (V,)
        All ranks, class after class, in rank order inside each.

    Notes
    -----
    Mikolov et al. (2011, "Extensions of recurrent neural network language model") train the same model with both
    levels a softmax.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> layer = ClassSoftmax(vocab_size=5, dim=8, word_class=[0, 1, 1, 0, 1])
    >>> layer.members.tolist(), layer.n_parameters
    ([0, 3, 1, 2, 4], 56)
    >>> hidden, target = torch.randn(2, 3, 8), torch.randint(5, (2, 3))
    >>> layer(hidden, target).shape, layer.loss(hidden, target).shape
    (torch.Size([2, 3]), torch.Size([]))
    >>> layer.log_prob(hidden[0]).exp().sum(1).allclose(torch.ones(3))
    True
    """

    word_class: Tensor
    slot: Tensor
    members: Tensor
    offsets: Tensor
    path_offsets: Tensor
    path_nodes: Tensor
    path_slots: Tensor
    areas: Tensor
    class_order: Tensor
    member_order: Tensor
    word_place: Tensor
    smoothed: Tensor
    class_smoothed: Tensor

    def __init__(
        self,
        vocab_size: int,
        dim: int,
        word_class: npt.ArrayLike,
        *,
        within: str = "softmax",
        counts: npt.ArrayLike | None = None,
        bias: bool = False,
        sparse: bool = False,
        unk: int | None = None,
    ) -> None:
        super().__init__(vocab_size, dim, unk=unk)
        if within not in WITHIN:
            raise InputError(f"within must be 'softmax' or 'unigram', not {within!r}")
        self.within, self.sparse = within, sparse
        places = class_places(vocab_size, word_class)
        self._keep_places(places)
        self.n_classes = places.sizes.size
        self.classes = nn.Parameter(torch.empty(self.n_classes, dim))
        self.class_bias = nn.Parameter(torch.empty(self.n_classes)) if bias else None
        self.words = nn.Parameter(torch.empty(vocab_size, dim)) if within == "softmax" else None
        self.word_bias = nn.Parameter(torch.empty(vocab_size)) if bias and within == "softmax" else None
        if within == "unigram":
            if counts is None:
                raise InputError("within='unigram' needs the counts of the words")
            self._keep_counts(whole_numbers(counts, "counts"))
        self.reset_parameters()

    def _keep_places(self, places: ClassPlaces) -> None:
        """Keep each word's place, and its path: its class, unless it is alone there and nothing is left to choose."""
        word_class, slot, sizes = places.word_class, places.slot, places.sizes
        alone = sizes[word_class] == 1
        self.by_size = equal_groups(places.offsets)
        member_order = spans(places.offsets, self.by_size.groups)
        buffers = {
            **places._asdict(),
            "path_offsets": np.concatenate(([0], np.cumsum(~alone))),
            "path_nodes": word_class[~alone].astype(np.int32),
            "path_slots": slot[~alone].astype(np.int32),
            "areas": np.where(alone, 0, sizes[word_class]),
            "class_order": self.by_size.groups,  # those of one size side by side
            "member_order": member_order,  # their words
            "word_place": np.argsort(places.members[member_order]),  # where each word is then
        }
        for name, values in buffers.items():  # not in the state: they follow from the allocation, as cutoffs do
            self.register_buffer(name, torch.tensor(values), persistent=False)

    def _keep_counts(self, counts: npt.NDArray[np.int64]) -> None:
        """Keep the smoothed counts of words and classes, as whole numbers: no cast of the layer rounds them."""
        if counts.shape != (self.vocab_size,) or counts.min() < 0:
            raise InputError(f"counts must be {self.vocab_size} numbers of at least 0")
        self.register_buffer("smoothed", torch.tensor(counts + 1), persistent=False)
        totals = torch.zeros(self.n_classes, dtype=torch.int64).index_add_(0, self.word_class, self.smoothed)
        self.register_buffer("class_smoothed", totals, persistent=False)

    def _log_unigram(self, ranks: Tensor, dtype: torch.dtype) -> Tensor:
        """Return log P(word | class) by the smoothed counts."""
        return (self.smoothed[ranks].to(dtype) / self.class_smoothed[self.word_class[ranks]].to(dtype)).log()

    def reset_parameters(self) -> None:
        """Draw the weights uniformly from ±1/√d, as torch's linear layers do; biases are 0."""
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.uniform_(parameter, -(self.dim**-0.5), self.dim**-0.5)
            else:
                nn.init.zeros_(parameter)

    @classmethod
    def from_allocation(cls, allocation: Classes, dim: int, **options: Any) -> Self:
        """Make the layer for an allocation's classes, with its counts if the second level needs them."""
        if not isinstance(allocation, Classes):
            raise InputError(f"a class softmax needs classes, not {type(allocation).__name__}")
        vocabulary = allocation.vocabulary
        if options.get("within") == "unigram":
            options.setdefault("counts", vocabulary.counts)
        layer = cls(vocabulary.size, dim, allocation.word_class, unk=vocabulary.unk_rank, **options)
        return layer.begin_at(vocabulary.counts)

    def begin_at(self, counts: npt.ArrayLike) -> Self:
        """Set the biases, if there are any, to the log shares of classes and words in the counts, (V,)."""
        shares = smoothed_shares(counts)
        with torch.no_grad():
            if self.class_bias is not None:
                by_class = np.bincount(self.word_class.cpu(), shares)
                self.class_bias.copy_(torch.from_numpy(np.log(by_class)))
            if self.word_bias is not None:
                self.word_bias.copy_(torch.from_numpy(np.log(shares[self.members.cpu()])))
        return self

    def _second_level(self, hidden: Tensor, target: Tensor) -> Tensor:
        """Return -log P(word | class, h) of each token: (N,)."""
        if self.words is None:
            return -self._log_unigram(target, precise_dtype(hidden))
        paths = Paths(self.path_offsets, self.path_nodes, self.path_slots, self.areas, self.offsets)
        return path_nll(hidden, target, self.words, self.word_bias, paths, self.sparse)

    def _first_level(self) -> Weights:
        return Weights(self.classes, self.class_bias, [], [], [])

    def _nll(self, hidden: Tensor, target: Tensor) -> Tensor:
        first = cross_entropy.nll(hidden, self.word_class[target], self._first_level())
        return first + self._second_level(hidden, target)

    def _weighted_nll(self, hidden: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        first = cross_entropy.weighted_nll(hidden, self.word_class[target], self._first_level(), weight)
        return first + (self._second_level(hidden, target) * weight).sum()

    def _class_log_prob(self, hidden: Tensor) -> Tensor:
        return F.log_softmax(F.linear(hidden, self.classes, self.class_bias), 1, dtype=precise_dtype(hidden))

    def _word_log_prob(self, hidden: Tensor, number: int) -> Tensor:
        """Return log P(word | class) of the members of a class: (N, size)."""
        own = slice(int(self.offsets[number]), int(self.offsets[number + 1]))
        if self.words is None:
            return self._log_unigram(self.members[own], precise_dtype(hidden)).expand(hidden.shape[0], -1)
        bias = None if self.word_bias is None else self.word_bias[own]
        return F.log_softmax(F.linear(hidden, self.words[own], bias), 1, dtype=precise_dtype(hidden))

    def log_prob(self, hidden: Tensor) -> Tensor:
        """Return the log-probabilities of all words: (N, d) -> (N, V)."""
        first = self._class_log_prob(hidden)
        if self.words is None:
            every = torch.arange(self.vocab_size, device=hidden.device)
            return first[:, self.word_class] + self._log_unigram(every, first.dtype)
        scores = F.linear(hidden, self.words, self.word_bias)[:, self.member_order].split(self.by_size.widths, 1)
        above = first[:, self.class_order].split([number for number, _ in self.by_size.shapes], 1)
        columns = [
            (own.unsqueeze(2) + F.log_softmax(words.unflatten(1, shape), 2, dtype=first.dtype)).flatten(1)
            for own, words, shape in zip(above, scores, self.by_size.shapes, strict=True)
        ]
        return torch.cat(columns, 1)[:, self.word_place]

    def _inside(self, hidden: Tensor) -> Inside:
        return lambda tokens, number: self._word_log_prob(hidden[tokens], number)

    def _members(self, number: int) -> Tensor:
        return self.members[int(self.offsets[number]) : int(self.offsets[number + 1])]

    def _topk(self, hidden: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Open classes best first (`wordalloc.nn.two_level`)."""
        return topk_by_group(self._class_log_prob(hidden), self._inside(hidden), self._members, k, self.vocab_size)

    @torch.no_grad()
    def sample(self, hidden: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw a word for each hidden state, (..., d) -> ranks (...): exact, and never the unknown word."""
        if self.unk is not None and self.vocab_size == 1:
            raise InputError("the unknown word is the only one, so there is nothing to draw")
        shape, hidden = hidden.shape[:-1], hidden.reshape(-1, self.dim)
        barred = None if self.unk is None else (int(self.word_class[self.unk]), int(self.slot[self.unk]))
        first = self._class_log_prob(hidden)
        return draw_by_group(first, self._inside(hidden), self._members, barred, generator).reshape(shape)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, n_classes={self.n_classes}, within={self.within!r}"
