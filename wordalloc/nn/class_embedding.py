"""Class input: an embedding of the word's class and one of its slot, read in one step."""

from __future__ import annotations

from typing import Any, Self

import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordalloc.allocations import Classes
from wordalloc.errors import InputError
from wordalloc.nn.class_places import class_places
from wordalloc.nn.own_vectors import own_vectors


class ClassEmbedding(nn.Module):
    """Input embeddings over classes: the class's vector and the slot's, end to end.

    The slot of a word is its place among its class's words, the most frequent first; the words of one slot share its
    vector across all classes. So there are (K + words of the largest class) · d / 2 weights where a full embedding has
    V d, and every word still has a vector of its own.

    Parameters
    ----------
    vocab_size : int
        V.
    dim : int
        d, at least 2: the class's vector has ⌈d / 2⌉ entries, the slot's the rest.
    word_class : array_like of int, shape (V,)
        Class of each rank, 0 … K - 1; no class is empty.
    own_words : int
        How many of the most frequent words have a vector of their own, too (`wordalloc.nn.own_vectors`).

    Attributes
    ----------
    classes : Parameter, shape (K, ⌈d / 2⌉)
    slots : Parameter, shape (words of the largest class, ⌊d / 2⌋)

    Notes
    -----
    Where classes are of very different sizes, few of them reach the late slots, whose vectors then learn from as few
    tokens as the rare words there have; the classes' vectors, which hold what such words are like, learn from many.

    Examples
    --------
    >>> embedding = ClassEmbedding(vocab_size=5, dim=8, word_class=[0, 1, 1, 0, 1])  # slots 0, 0, 1, 1, 2
    >>> vectors = embedding(torch.tensor([[0, 3], [1, 4]]))
    >>> vectors.shape, bool((vectors[0, 0, :4] == vectors[0, 1, :4]).all())  # words 0 and 3 share class 0
    (torch.Size([2, 2, 8]), True)
    >>> bool((vectors[0, 0, 4:] == vectors[1, 0, 4:]).all())  # words 0 and 1 share slot 0
    True
    """

    word_class: Tensor
    slot: Tensor

    def __init__(self, vocab_size: int, dim: int, word_class: npt.ArrayLike, *, own_words: int = 0) -> None:
        super().__init__()
        if dim < 2:
            raise InputError(f"a class embedding needs a width of at least 2, not {dim}")
        self.dim = dim
        places = class_places(vocab_size, word_class)
        for name in ("word_class", "slot"):  # not in the state: they follow from the allocation
            self.register_buffer(name, torch.tensor(getattr(places, name)), persistent=False)
        self.classes = nn.Parameter(torch.empty(places.sizes.size, dim - dim // 2))
        self.slots = nn.Parameter(torch.empty(int(places.sizes.max()), dim // 2))
        self.own = own_vectors(own_words, vocab_size, dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw vectors from N(0, 1/d), so that a word's has a length of about 1."""
        for vectors in (self.classes, self.slots):
            nn.init.normal_(vectors, std=self.dim**-0.5)

    @classmethod
    def from_allocation(cls, allocation: Classes, dim: int, **options: Any) -> Self:
        """Make the embedding for an allocation's classes."""
        if not isinstance(allocation, Classes):
            raise InputError(f"a class embedding needs classes, not {type(allocation).__name__}")
        return cls(allocation.vocabulary.size, dim, allocation.word_class, **options)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the embeddings of ranks: (...) -> (..., d)."""
        classes = F.embedding(self.word_class[ids], self.classes)
        shared = torch.cat([classes, F.embedding(self.slot[ids], self.slots)], -1)
        return shared if self.own is None else shared + self.own(ids)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, n_classes={len(self.classes)}, n_slots={len(self.slots)}"
