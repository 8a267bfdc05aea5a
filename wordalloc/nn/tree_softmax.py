"""Tree softmax: a decision at each node on the way from the root to the word."""

from __future__ import annotations

from typing import Any, Self

import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordalloc.allocations import Tree
from wordalloc.errors import InputError
from wordalloc.nn.path_cross_entropy import path_nll
from wordalloc.nn.path_pairs import Paths
from wordalloc.nn.protocol import OutputLayer
from wordalloc.nn.tree_layout import lay_out
from wordalloc.nn.tree_search import TreeSearch
from wordalloc.nn.unigram import smoothed_shares


class TreeSoftmax(OutputLayer):
    """The hierarchical softmax of Morin & Bengio (2005) and Mnih & Hinton (2009), over any tree.

    log P(word | h) is a sum along the word's path. A node with two children is a logistic regression, the score of
    its one row being the logit of child 1; a node with m > 2 children is a softmax over m rows. A token costs the
    rows on its way: about the entropy of the unigram distribution, in bits, for a binary Huffman tree.

    Parameters
    ----------
    vocab_size : int
        V.
    dim : int
        d.
    offsets, children : array_like of int, shapes (n + 1,) and (n - 1 + V,)
        Where each inner node's children begin in `children`, and the children, an inner node by its number, the word
        of rank r as -1 - r; node 0 is the root. A vocabulary of one word has no node: ``[0], []``.
    flatten_levels : int
        Replace the top levels by one softmax over the nodes and words so many steps below the root. This is another
        model, with a row for each of them instead of one for each node above; on a GPU, where small products are slow
        (Grave et al. 2017, section 3), a few hundred such rows cost no more than a few.
    bias : bool
        Whether each row has a bias. In `from_allocation` they begin at the counts, else at 0.
    sparse : bool
        Whether the gradient of `rows` holds only the rows of nodes that were passed, as with
        ``nn.Embedding(sparse=True)``. Not for ``torch.compile``, where it is dense.
    unk : int, optional
        Rank of the unknown word, which is never sampled.

    Attributes
    ----------
    rows : Parameter, shape (R, d)
        The rows of all nodes, level after level and in the order of the levels above.
    row_bias : Parameter, shape (R,), or None

    Notes
    -----
    Paths are stored packed: 8 bytes for each step on the way to each word, without padding.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> layer = TreeSoftmax(3, 8, offsets=[0, 2, 4], children=[-1, 1, -2, -3])  # codes 0, 10, 11
    >>> hidden, target = torch.randn(2, 5, 8), torch.randint(3, (2, 5))
    >>> layer(hidden, target).shape, layer.loss(hidden, target).shape
    (torch.Size([2, 5]), torch.Size([]))
    >>> layer.log_prob(hidden[0]).exp().sum(1).allclose(torch.ones(5))
    True
    """

    path_offsets: Tensor
    path_nodes: Tensor
    path_slots: Tensor
    path_areas: Tensor
    path_node_offsets: Tensor

    def __init__(
        self,
        vocab_size: int,
        dim: int,
        offsets: npt.ArrayLike,
        children: npt.ArrayLike,
        *,
        flatten_levels: int = 1,
        bias: bool = False,
        sparse: bool = False,
        unk: int | None = None,
    ) -> None:
        super().__init__(vocab_size, dim, unk=unk)
        self.sparse, self.flatten_levels = sparse, flatten_levels
        self.layout = layout = lay_out(vocab_size, offsets, children, flatten_levels)
        for name, values in layout.paths().items():  # not in the state: they follow from the allocation
            self.register_buffer(f"path_{name}", torch.tensor(values), persistent=False)
        self.tree = TreeSearch(layout)
        n_rows = int(layout.row_offsets[-1])
        self.n_nodes = layout.row_offsets.size - 1
        self.rows = nn.Parameter(torch.empty(n_rows, dim))
        self.row_bias = nn.Parameter(torch.empty(n_rows)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights uniformly from ±1/√d, as torch's linear layers do; biases are 0."""
        nn.init.uniform_(self.rows, -(self.dim**-0.5), self.dim**-0.5)
        if self.row_bias is not None:
            nn.init.zeros_(self.row_bias)

    @classmethod
    def from_allocation(cls, allocation: Tree, dim: int, **options: Any) -> Self:
        """Make the layer for an allocation's tree."""
        if not isinstance(allocation, Tree):
            raise InputError(f"a tree softmax needs a tree, not {type(allocation).__name__}")
        vocabulary = allocation.vocabulary
        layer = cls(vocabulary.size, dim, *allocation.children, unk=vocabulary.unk_rank, **options)
        return layer.begin_at(vocabulary.counts)

    def begin_at(self, counts: npt.ArrayLike) -> Self:
        """Set the biases, if there are any, to what the steps of each node are worth by the counts, (V,)."""
        if self.row_bias is not None:
            with torch.no_grad():
                self.row_bias.copy_(torch.from_numpy(self.layout.log_odds(smoothed_shares(counts))))
        return self

    def _nll(self, hidden: Tensor, target: Tensor) -> Tensor:
        paths = Paths(self.path_offsets, self.path_nodes, self.path_slots, self.path_areas, self.path_node_offsets)
        return path_nll(hidden, target, self.rows, self.row_bias, paths, self.sparse)

    def _weighted_nll(self, hidden: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        return (self._nll(hidden, target) * weight).sum()

    def log_prob(self, hidden: Tensor) -> Tensor:
        """Return the log-probabilities of all words: (N, d) -> (N, V)."""
        return self.tree.log_prob(F.linear(hidden, self.rows, self.row_bias))

    def _topk(self, hidden: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Best first: a token opens the k best of its nodes that are not open yet and may hold a word.

        A node's log-probability is a bound on the words below; it may while that is not under the k-th best word so
        far.
        """
        return self.tree.topk(hidden, self.rows, self.row_bias, k)

    @torch.no_grad()
    def sample(self, hidden: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw a word for each hidden state, (..., d) -> ranks (...): exact, and never the unknown word."""
        if self.unk is not None and self.vocab_size == 1:
            raise InputError("the unknown word is the only one, so there is nothing to draw")
        shape, hidden = hidden.shape[:-1], hidden.reshape(-1, self.dim)
        return self.tree.sample(hidden, self.rows, self.row_bias, self.unk, generator).reshape(shape)

    def extra_repr(self) -> str:
        flat = f", flatten_levels={self.flatten_levels}" if self.flatten_levels > 1 else ""
        return f"{super().extra_repr()}, n_nodes={self.n_nodes}{flat}"
