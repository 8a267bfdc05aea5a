"""Table softmax: the row of the word, then its column; and an embedding of rows and columns for the input."""

from __future__ import annotations

from typing import Any, Self

import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordalloc.allocations import Table
from wordalloc.errors import InputError
from wordalloc.nn.own_vectors import own_vectors
from wordalloc.nn.protocol import OutputLayer
from wordalloc.nn.table_layout import TableLayout, table_arguments
from wordalloc.nn.two_level import draw_by_group, topk_by_group

BLOCK_CELLS = 1 << 24  # log-probabilities that are computed together


class TableSoftmax(OutputLayer):
    """P(word | h) = P(row | h) · P(column | h, row): two softmaxes of about √V, whose vectors the words share.

    The second sees tanh(A h + the row's vector). All words of a row share its vectors, those of a column the column's;
    what is a word's own is its share of the row's counts, which is not trained. So there are about 3 √V d + d² weights
    where a full softmax has V d.

    Parameters
    ----------
    vocab_size : int
        V.
    dim : int
        d.
    cell : array_like of int, shape (V,)
        row · n_columns + column of each rank, no two alike.
    shape : tuple of int
        Rows and columns.
    counts : array_like of int, shape (V,), optional
        How often each word occurs: log P(column | row) by the counts is added to the scores of columns, and the rows'
        biases begin at log P(row). Default: nothing is added, and they begin at 0.
    unk : int, optional
        Rank of the unknown word, which is never sampled.

    Attributes
    ----------
    rows, row_vectors : Parameter, shapes (rows, d)
        What the hidden state is compared with, and what the second softmax knows of the row.
    mix : Parameter, shape (d, d)
        A.
    columns : Parameter, shape (columns, d)
    row_bias : Parameter, shape (rows,)

    Notes
    -----
    While training (`module.train()`) both softmaxes run over all rows and columns, also those without words, which
    costs nothing and keeps a price for cells that words may be moved to. `log_prob`, `topk`, `sample`, and after
    `module.eval()` the loss, are renormalised over rows and cells that hold words, so that probabilities sum to 1.

    The factorisation is that of LightRNN (Li et al., NIPS 2016) for one step a word instead of two.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> layer = TableSoftmax(vocab_size=5, dim=8, cell=[0, 4, 1, 3, 5], shape=(2, 3)).eval()
    >>> hidden, target = torch.randn(2, 4, 8), torch.randint(5, (2, 4))
    >>> layer(hidden, target).shape, layer.n_parameters
    (torch.Size([2, 4]), 122)
    >>> layer.log_prob(hidden[0]).exp().sum(1).allclose(torch.ones(4))
    True
    """

    def __init__(
        self,
        vocab_size: int,
        dim: int,
        cell: npt.ArrayLike,
        shape: tuple[int, int],
        *,
        counts: npt.ArrayLike | None = None,
        unk: int | None = None,
    ) -> None:
        super().__init__(vocab_size, dim, unk=unk)
        self.layout = TableLayout(vocab_size, cell, shape, counts)
        n_rows, n_columns = self.layout.shape
        self.rows = nn.Parameter(torch.empty(n_rows, dim))
        self.row_vectors = nn.Parameter(torch.empty(n_rows, dim))
        self.mix = nn.Parameter(torch.empty(dim, dim))
        self.columns = nn.Parameter(torch.empty(n_columns, dim))
        self.row_bias = nn.Parameter(torch.zeros(n_rows))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights uniformly from ±1/√d, as torch's linear layers do; biases begin at the counts.

        The row's vectors are drawn from N(0, 1), so that columns depend on the row from the start.
        """
        for matrix in (self.rows, self.mix, self.columns):
            nn.init.uniform_(matrix, -(self.dim**-0.5), self.dim**-0.5)
        nn.init.normal_(self.row_vectors)
        with torch.no_grad():
            self.row_bias.copy_(self.layout.row_log_share)

    @classmethod
    def from_allocation(cls, allocation: Table, dim: int, **options: Any) -> Self:
        """Make the layer for an allocation's table, its biases beginning at its counts where it has some."""
        return cls(dim=dim, **{**table_arguments(allocation, "a table softmax"), **options})

    def row_scores(self, hidden: Tensor) -> Tensor:
        """Return the scores of all rows, (N, d) -> (N, rows): their softmax is P(row | h) over all rows."""
        return F.linear(hidden, self.rows, self.row_bias)

    def column_state(self, hidden: Tensor, row: Tensor) -> Tensor:
        """Return what the second softmax sees: (N, d), (N,) -> (N, d)."""
        return torch.tanh(F.linear(hidden, self.mix) + F.embedding(row, self.row_vectors))

    def _nll(self, hidden: Tensor, target: Tensor) -> Tensor:
        row, column = self.layout.row[target], self.layout.column[target]
        first = self.row_scores(hidden)
        second = F.linear(self.column_state(hidden, row), self.columns) + F.embedding(row, self.layout.word_log_share)
        if not self.training and not self.layout.full:
            first = first + self.layout.closed_rows
            second = second + self.layout.closed_cells[row]
        dtype = torch.promote_types(first.dtype, torch.float32)
        by_row = F.cross_entropy(first.to(dtype), row, reduction="none")
        return by_row + F.cross_entropy(second.to(dtype), column, reduction="none")

    def _weighted_nll(self, hidden: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        return (self._nll(hidden, target) * weight).sum()

    def _row_log_prob(self, hidden: Tensor) -> Tensor:
        scores = self.row_scores(hidden) + self.layout.closed_rows
        return F.log_softmax(scores, 1, dtype=torch.promote_types(scores.dtype, torch.float32))

    def _word_log_prob(self, hidden: Tensor, row: int) -> Tensor:
        """Return log P(word | row) of the words of a row: (N, size)."""
        column = self.layout.column[self.layout.words_in_row(row)]
        state = self.column_state(hidden, torch.full((len(hidden),), row, device=hidden.device))
        scores = F.linear(state, self.columns[column], self.layout.word_log_share[row, column])
        return F.log_softmax(scores, 1, dtype=torch.promote_types(scores.dtype, torch.float32))

    def log_prob(self, hidden: Tensor) -> Tensor:
        """Return the log-probabilities of all words: (N, d) -> (N, V)."""
        if torch.compiler.is_compiling():  # how many blocks there are would depend on N
            return self._log_prob(hidden)
        block = max(1, BLOCK_CELLS // (self.layout.shape[0] * max(self.dim, self.layout.shape[1])))
        return torch.cat([self._log_prob(part) for part in hidden.split(block)])

    def _log_prob(self, hidden: Tensor) -> Tensor:
        first = self._row_log_prob(hidden)
        states = torch.tanh(F.linear(hidden, self.mix)[:, None] + self.row_vectors)  # (N, rows, d)
        scores = F.linear(states, self.columns) + (self.layout.word_log_share + self.layout.closed_cells)
        second = F.log_softmax(scores, 2, dtype=first.dtype)
        return first[:, self.layout.row] + second[:, self.layout.row, self.layout.column]

    def _topk(self, hidden: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Open rows best first (`wordalloc.nn.two_level`)."""
        return topk_by_group(
            self._row_log_prob(hidden),
            lambda tokens, row: self._word_log_prob(hidden[tokens], row),
            self.layout.words_in_row,
            k,
            self.vocab_size,
        )

    @torch.no_grad()
    def sample(self, hidden: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw a word for each hidden state, (..., d) -> ranks (...): exact, and never the unknown word."""
        if self.unk is not None and self.vocab_size == 1:
            raise InputError("the unknown word is the only one, so there is nothing to draw")
        shape, hidden = hidden.shape[:-1], hidden.reshape(-1, self.dim)
        return draw_by_group(
            self._row_log_prob(hidden),
            lambda tokens, row: self._word_log_prob(hidden[tokens], row),
            self.layout.words_in_row,
            self.layout.place_of(self.unk),
            generator,
        ).reshape(shape)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, rows={self.layout.shape[0]}, columns={self.layout.shape[1]}"


class TableEmbedding(nn.Module):
    """Input embeddings over a table: the row's vector and the column's, end to end.

    Parameters
    ----------
    vocab_size : int
        V.
    dim : int
        d, at least 2: the row's vector has ⌈d / 2⌉ entries, the column's the rest.
    cell, shape
        Those of the table.
    own_words : int
        How many of the most frequent words have a vector of their own, too (`wordalloc.nn.own_vectors`).

    Examples
    --------
    >>> embedding = TableEmbedding(vocab_size=5, dim=8, cell=[0, 4, 1, 3, 5], shape=(2, 3))
    >>> vectors = embedding(torch.tensor([[0, 2], [1, 4]]))
    >>> vectors.shape, bool((vectors[0, 0, :4] == vectors[0, 1, :4]).all())  # words 0 and 2 share row 0
    (torch.Size([2, 2, 8]), True)
    """

    def __init__(
        self, vocab_size: int, dim: int, cell: npt.ArrayLike, shape: tuple[int, int], *, own_words: int = 0
    ) -> None:
        super().__init__()
        if dim < 2:
            raise InputError(f"a table embedding needs a width of at least 2, not {dim}")
        self.layout, self.dim = TableLayout(vocab_size, cell, shape), dim
        self.rows = nn.Parameter(torch.empty(self.layout.shape[0], dim - dim // 2))
        self.columns = nn.Parameter(torch.empty(self.layout.shape[1], dim // 2))
        self.own = own_vectors(own_words, vocab_size, dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw vectors from N(0, 1/d), so that a word's has a length of about 1."""
        for vectors in (self.rows, self.columns):
            nn.init.normal_(vectors, std=self.dim**-0.5)

    @classmethod
    def from_allocation(cls, allocation: Table, dim: int, **options: Any) -> Self:
        """Make the embedding for an allocation's table."""
        taken = table_arguments(allocation, "a table embedding")
        return cls(taken["vocab_size"], dim, taken["cell"], taken["shape"], **options)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the embeddings of ranks: (...) -> (..., d)."""
        rows = F.embedding(self.layout.row[ids], self.rows)
        shared = torch.cat([rows, F.embedding(self.layout.column[ids], self.columns)], -1)
        return shared if self.own is None else shared + self.own(ids)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
