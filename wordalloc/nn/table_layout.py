"""Where words stand in a table, as tensors: what all layers over a table look up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from wordalloc.allocations import Table
from wordalloc.allocations.table import checked_shape
from wordalloc.checks import whole_numbers
from wordalloc.errors import InputError


class TableLayout(nn.Module):
    """Rows and columns of all words, and which cells hold one. It has no weights and is not in the state.

    Parameters
    ----------
    vocab_size : int
        V.
    cell : array_like of int, shape (V,)
        row · n_columns + column of each rank, no two alike.
    shape : tuple of int
        Rows and columns.
    counts : array_like of int, shape (V,), optional
        How often each word occurs.

    Attributes
    ----------
    row, column : Tensor of int64, shape (V,)
    closed_rows : Tensor, shape (rows,)
        0 where a row holds a word, -inf where it holds none: what renormalises the first softmax.
    closed_cells : Tensor, shape (rows, columns)
        The same of the cells, for the second; all 0 in a row without words.
    row_log_share : Tensor, shape (rows,)
        log P(row) by the counts, where a row's bias begins; 0 without counts.
    word_log_share : Tensor, shape (rows, columns)
        log P(column | row) by the counts, which is added to the scores of columns; 0 without counts. It is not trained:
        a bias of a word that is hardly ever seen would fall by the optimiser's full step in every step.
    """

    row: Tensor
    column: Tensor
    members: Tensor
    offsets: Tensor
    closed_rows: Tensor
    closed_cells: Tensor
    row_log_share: Tensor
    word_log_share: Tensor

    def __init__(
        self, vocab_size: int, cell: npt.ArrayLike, shape: tuple[int, int], counts: npt.ArrayLike | None = None
    ) -> None:
        super().__init__()
        self.counts = None if counts is None else whole_numbers(counts, "counts")
        if self.counts is not None and (self.counts.shape != (vocab_size,) or self.counts.min() < 0):
            raise InputError(f"counts must be {vocab_size} numbers of at least 0")
        self.shape = checked_shape(shape, vocab_size)
        self.vocab_size, self.full = vocab_size, vocab_size == self.shape[0] * self.shape[1]
        places = {
            "row": torch.int64,
            "column": torch.int64,
            "members": torch.int64,
            "offsets": torch.int64,
            "closed_rows": torch.float32,
            "closed_cells": torch.float32,
            "row_log_share": torch.float32,
            "word_log_share": torch.float32,
        }
        for name, dtype in places.items():  # not in the state: they follow from the allocation
            self.register_buffer(name, torch.empty(0, dtype=dtype), persistent=False)
        self.place(cell)

    def place(self, cell: npt.ArrayLike) -> None:
        """Put the words where `cell` says."""
        cells, (n_rows, n_columns) = whole_numbers(cell, "cell"), self.shape
        if cells.shape != (self.vocab_size,) or cells.min() < 0 or cells.max() >= n_rows * n_columns:
            raise InputError(f"cell must have {self.vocab_size} cells from 0 to {n_rows * n_columns - 1}")
        members = np.argsort(cells, kind="stable")
        if (np.diff(cells[members]) == 0).any():
            raise InputError("two words are in one cell; give every word a cell of its own")
        row, column = np.divmod(cells, n_columns)
        sizes = np.bincount(row, minlength=n_rows)
        closed = np.full((n_rows, n_columns), -math.inf, np.float32)
        closed.ravel()[cells] = 0.0
        closed[sizes == 0] = 0.0
        found = {
            "row": row,
            "column": column,
            "members": members,
            "offsets": np.concatenate(([0], np.cumsum(sizes))),
            "closed_rows": np.where(sizes > 0, 0.0, -math.inf).astype(np.float32),
            "closed_cells": closed,
        }
        device, dtype = self.row.device, self.word_log_share.dtype
        for name, values in found.items():
            setattr(self, name, torch.from_numpy(values).to(device))
        by_row, by_cell = self._unigrams()
        self.row_log_share, self.word_log_share = by_row.to(device, dtype), by_cell.to(device, dtype)

    def words_in_row(self, row: int) -> Tensor:
        """Return the ranks of a row's words, by their columns."""
        return self.members[int(self.offsets[row]) : int(self.offsets[row + 1])]

    def place_of(self, word: int | None) -> tuple[int, int] | None:
        """Return a word's row, and its place among the row's words; None of None."""
        if word is None:
            return None
        row = int(self.row[word])
        return row, int((self.words_in_row(row) == word).nonzero())

    def _unigrams(self) -> tuple[Tensor, Tensor]:
        """Return log P(row), (rows,), and log P(column | row), (rows, columns), by the counts; else 0.

        Every count is one more, and that of an empty cell one, so that nothing is impossible.
        """
        n_rows, n_columns = self.shape
        if self.counts is None:
            return torch.zeros(n_rows), torch.zeros(n_rows, n_columns)
        cells = np.ones((n_rows, n_columns))
        cells[self.row.cpu().numpy(), self.column.cpu().numpy()] += self.counts
        rows = cells.sum(axis=1)
        by_row, by_cell = np.log(rows / rows.sum()), np.log(cells / rows[:, None])
        return torch.from_numpy(by_row.astype(np.float32)), torch.from_numpy(by_cell.astype(np.float32))

    def extra_repr(self) -> str:
        return f"vocab_size={self.vocab_size}, rows={self.shape[0]}, columns={self.shape[1]}"


def table_arguments(allocation: Table, layer: str) -> dict[str, Any]:
    """Return what a layer over a table takes from an allocation; its counts where it has some."""
    if not isinstance(allocation, Table):
        raise InputError(f"{layer} needs a table, not {type(allocation).__name__}; see wordalloc lightrnn-init")
    vocabulary = allocation.vocabulary
    return {
        "vocab_size": vocabulary.size,
        "cell": allocation.cell,
        "shape": allocation.shape,
        "counts": vocabulary.counts if vocabulary.total else None,
        "unk": vocabulary.unk_rank,
    }
