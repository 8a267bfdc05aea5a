"""LightRNN: a recurrent language model that reads and writes words as a row and a column."""

from __future__ import annotations

from typing import Any, Self

import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordalloc.allocations import Table
from wordalloc.errors import InputError
from wordalloc.nn.own_vectors import own_vectors
from wordalloc.nn.selection import check_k
from wordalloc.nn.table_layout import TableLayout, table_arguments
from wordalloc.nn.two_level import draw_by_group, topk_by_group

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
State = Any  # a tensor (layers, N, d), or for the LSTM a pair of them
BLOCK_STATES = 1 << 15  # recurrent states that are computed together


class LightRNN(nn.Module):
    """A stock LSTM, GRU or RNN over rows and columns in turns: two steps a word.

    The state after the column of a word predicts the row of the next; fed that row, the column.

    Parameters
    ----------
    vocab_size : int
        V.
    dim : int
        d, of embeddings and states.
    cell : array_like of int, shape (V,)
        row · n_columns + column of each rank, no two alike.
    shape : tuple of int
        Rows and columns.
    recurrent : {"lstm", "gru", "rnn"}
    layers : int
    dropout : float
        Before, between and after the recurrent layers.
    counts : array_like of int, shape (V,), optional
        How often each word occurs: log P(column | row) by the counts is added to the scores of columns, and the rows'
        biases begin at log P(row). Default: nothing is added, and they begin at 0.
    own_words : int
        How many of the most frequent words have a vector of their own, added to their column's embedding
        (`wordalloc.nn.own_vectors`).
    unk : int, optional
        Rank of the unknown word, which is never sampled.

    Attributes
    ----------
    row_embedding, row_output : Parameter, shapes (rows, d)
    column_embedding, column_output : Parameter, shapes (columns, d)
    row_bias : Parameter, shape (rows,)

    Notes
    -----
    Li, Qin, Yang, Hu & Liu, "LightRNN: Memory and computation-efficient recurrent neural networks", NIPS 2016, section
    3.1. The words' log shares of their rows are not in it; they lower perplexity by a tenth (benchmarks/RESULTS.md).
    While training, both softmaxes run over all rows and columns; `log_prob`, `topk`, `sample`, and after
    `module.eval()` the nll, are renormalised over rows and cells that hold words, so that probabilities sum to 1.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> model = LightRNN(vocab_size=5, dim=8, cell=[0, 4, 1, 3, 5], shape=(2, 3)).eval()
    >>> words = torch.randint(5, (2, 4))  # (B, T)
    >>> nll, state = model(words[:, :-1], words[:, 1:])
    >>> nll.shape
    torch.Size([2, 3])
    >>> _, state = model.read(words[:, -1], state)
    >>> model.log_prob(state).exp().sum(1).allclose(torch.ones(2))
    True
    """

    def __init__(
        self,
        vocab_size: int,
        dim: int,
        cell: npt.ArrayLike,
        shape: tuple[int, int],
        *,
        recurrent: str = "lstm",
        layers: int = 1,
        dropout: float = 0.0,
        counts: npt.ArrayLike | None = None,
        own_words: int = 0,
        unk: int | None = None,
    ) -> None:
        super().__init__()
        if recurrent not in CELLS:
            raise InputError(f"recurrent must be one of {', '.join(CELLS)}, not {recurrent!r}")
        self.vocab_size, self.dim, self.unk = vocab_size, dim, unk
        self.layout = TableLayout(vocab_size, cell, shape, counts)
        n_rows, n_columns = self.layout.shape
        self.row_embedding, self.row_output = (nn.Parameter(torch.empty(n_rows, dim)) for _ in range(2))
        self.column_embedding, self.column_output = (nn.Parameter(torch.empty(n_columns, dim)) for _ in range(2))
        self.row_bias = nn.Parameter(torch.zeros(n_rows))
        self.own = own_vectors(own_words, vocab_size, dim)
        between = dropout if layers > 1 else 0.0
        self.recurrent = CELLS[recurrent](dim, dim, layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw embeddings from N(0, 1/d) and outputs uniformly from ±1/√d; biases begin at the counts."""
        for vectors in (self.row_embedding, self.column_embedding):
            nn.init.normal_(vectors, std=self.dim**-0.5)
        for vectors in (self.row_output, self.column_output):
            nn.init.uniform_(vectors, -(self.dim**-0.5), self.dim**-0.5)
        with torch.no_grad():
            self.row_bias.copy_(self.layout.row_log_share)

    @classmethod
    def from_allocation(cls, allocation: Table, dim: int, **options: Any) -> Self:
        """Make the model for an allocation's table, its biases beginning at its counts where it has some."""
        return cls(dim=dim, **{**table_arguments(allocation, "a LightRNN"), **options})

    @property
    def n_table_parameters(self) -> int:
        """Weights of input and output together: what a full model has 2 V d of."""
        inner = sum(parameter.numel() for parameter in self.recurrent.parameters())
        return sum(parameter.numel() for parameter in self.parameters()) - inner

    @property
    def n_parameters(self) -> int:
        """Weights of the output: the vectors that states are compared with, and the biases."""
        inputs = self.row_embedding.numel() + self.column_embedding.numel()
        return self.n_table_parameters - inputs - (0 if self.own is None else self.own.vectors.numel())

    def states(self, inputs: Tensor, targets: Tensor, state: State = None) -> tuple[Tensor, Tensor, State]:
        """Return the states that predict rows and columns, each (B, T, d), and the recurrent state after them.

        Parameters
        ----------
        inputs, targets : Tensor of int, shapes (B, T)
            Ranks; each target follows its input.
        state : optional
            The recurrent state after the inputs' first rows; default: zeros.
        """
        rows = F.embedding(self.layout.row[targets], self.row_embedding)
        fed = torch.stack([self._columns(inputs), rows], 2).flatten(1, 2)  # (B, 2 T, d): column, row, column, row …
        states, state = self.recurrent(self.dropout(fed), state)
        before_row, before_column = self.dropout(states).unflatten(1, (-1, 2)).unbind(2)
        return before_row, before_column, state

    def _columns(self, words: Tensor) -> Tensor:
        """Return what is fed of words whose rows have been: (...) -> (..., d)."""
        shared = F.embedding(self.layout.column[words], self.column_embedding)
        return shared if self.own is None else shared + self.own(words)

    def row_scores(self, states: Tensor) -> Tensor:
        """Return the scores of all rows: (..., d) -> (..., rows)."""
        return F.linear(states, self.row_output, self.row_bias)

    def forward(self, inputs: Tensor, targets: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Return each target's nll in nats, (B, T), and the recurrent state; arguments as those of `states`."""
        before_row, before_column, state = self.states(inputs, targets, state)
        row, column = self.layout.row[targets], self.layout.column[targets]
        first = self.row_scores(before_row)
        second = F.linear(before_column, self.column_output) + F.embedding(row, self.layout.word_log_share)
        if not self.training and not self.layout.full:
            first = first + self.layout.closed_rows
            second = second + self.layout.closed_cells[row]
        dtype = torch.promote_types(first.dtype, torch.float32)
        nll = F.cross_entropy(first.flatten(0, 1).to(dtype), row.flatten(), reduction="none")
        nll = nll + F.cross_entropy(second.flatten(0, 1).to(dtype), column.flatten(), reduction="none")
        return nll.reshape(targets.shape), state

    def read(self, words: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Feed one word's column, (B,), and return the output (B, d) and the state that predicts the next word.

        A word that was a target has been fed its row already, by `forward` or by `feed_row`.
        """
        output, state = self.recurrent(self._columns(words)[:, None], state)
        return output[:, 0], state

    def feed_row(self, rows: Tensor, state: State) -> tuple[Tensor, State]:
        """Feed a row, (B,), to the state after a column; return the output (B, d) that predicts the column."""
        output, state = self.recurrent(F.embedding(rows, self.row_embedding)[:, None], state)
        return output[:, 0], state

    def log_prob(self, state: State) -> Tensor:
        """Return the log-probabilities of all words after a recurrent state: N sequences -> (N, V).

        Runs the row step for every row: N · rows steps.
        """
        n_rows, size = self.layout.shape[0], _n_sequences(state)
        block = max(1, BLOCK_STATES // n_rows)
        parts = [
            self._log_prob(rows_of(state, torch.arange(size)[part : part + block])) for part in range(0, size, block)
        ]
        return torch.cat(parts)

    def _log_prob(self, state: State) -> Tensor:
        n_rows, size, layout = self.layout.shape[0], _n_sequences(state), self.layout
        first = self._row_log_prob(state)
        device = first.device
        every_row = torch.arange(n_rows, device=device).repeat(size)
        repeated = rows_of(state, torch.arange(size, device=device).repeat_interleave(n_rows))
        output, _ = self.feed_row(every_row, repeated)
        scores = F.linear(output, self.column_output).reshape(size, n_rows, -1) + (
            self.layout.word_log_share + layout.closed_cells
        )
        second = F.log_softmax(scores, 2, dtype=first.dtype)
        return first[:, layout.row] + second[:, layout.row, layout.column]

    @torch.no_grad()
    def topk(self, state: State, k: int) -> tuple[Tensor, Tensor]:
        """Return the k most probable words after a recurrent state: log-probabilities and ranks, (N, k), exact.

        Rows are opened best first (`wordalloc.nn.two_level`), and only those opened cost a recurrent step. Ties go to
        the lower rank.
        """
        check_k(k, self.vocab_size)
        first = self._row_log_prob(state)
        return topk_by_group(first, self._inside(state), self.layout.words_in_row, k, self.vocab_size)

    @torch.no_grad()
    def sample(self, state: State, generator: torch.Generator | None = None) -> Tensor:
        """Draw the next word of each sequence, (N,): exact, and never the unknown word."""
        if self.unk is not None and self.vocab_size == 1:
            raise InputError("the unknown word is the only one, so there is nothing to draw")
        first, barred = self._row_log_prob(state), self.layout.place_of(self.unk)
        return draw_by_group(first, self._inside(state), self.layout.words_in_row, barred, generator)

    def _row_log_prob(self, state: State) -> Tensor:
        output = (state[0] if isinstance(state, tuple) else state)[-1]
        scores = self.row_scores(output) + self.layout.closed_rows
        return F.log_softmax(scores, 1, dtype=torch.promote_types(scores.dtype, torch.float32))

    def _inside(self, state: State) -> Any:
        """Return what gives log P(word | row) of the words of a row, for some of the sequences."""

        def inside(tokens: Tensor, row: int) -> Tensor:
            column = self.layout.column[self.layout.words_in_row(row)]
            output, _ = self.feed_row(torch.full_like(tokens, row), rows_of(state, tokens))
            scores = F.linear(output, self.column_output[column], self.layout.word_log_share[row, column])
            return F.log_softmax(scores, 1, dtype=torch.promote_types(scores.dtype, torch.float32))

        return inside

    def extra_repr(self) -> str:
        return f"vocab_size={self.vocab_size}, dim={self.dim}"


def _n_sequences(state: State) -> int:
    return (state[0] if isinstance(state, tuple) else state).shape[1]


def rows_of(state: State, chosen: Tensor | slice) -> State:
    """Return the recurrent state of some sequences, (layers, N, d) along N; none of none."""
    if state is None:
        return None
    if isinstance(state, tuple):
        return tuple(part[:, chosen].contiguous() for part in state)
    return state[:, chosen].contiguous()
