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

    Attributes
    ----------
    row, column : Tensor of int64, shape (V,)
    closed_rows : Tensor, shape (rows,)
        0 where a row holds a word, -inf where it holds none: what renormalises the first softmax.
    closed_cells : Tensor, shape (rows, columns)
        The same of the cells, for the second; all 0 in a row without words.
    """

    row: Tensor
    column: Tensor
    members: Tensor
    offsets: Tensor
    closed_rows: Tensor
    closed_cells: Tensor

    def __init__(self, vocab_size: int, cell: npt.ArrayLike, shape: tuple[int, int]) -> None:
        super().__init__()
        self.shape = checked_shape(shape, vocab_size)
        self.vocab_size, self.full = vocab_size, vocab_size == self.shape[0] * self.shape[1]
        places = {
            "row": torch.int64,
            "column": torch.int64,
            "members": torch.int64,
            "offsets": torch.int64,
            "closed_rows": torch.float32,
            "closed_cells": torch.float32,
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
        for name, values in found.items():
            setattr(self, name, torch.from_numpy(values).to(self.row.device))

    def words_in_row(self, row: int) -> Tensor:
        """Return the ranks of a row's words, by their columns."""
        return self.members[int(self.offsets[row]) : int(self.offsets[row + 1])]

    def place_of(self, word: int | None) -> tuple[int, int] | None:
        """Return a word's row, and its place among the row's words; None of None."""
        if word is None:
            return None
        row = int(self.row[word])
        return row, int((self.words_in_row(row) == word).nonzero())

    def unigrams(self, counts: npt.ArrayLike) -> tuple[Tensor, Tensor]:
        """Return log P(row), (rows,), and log P(column | row), (rows, columns), by the counts; an empty cell has 0.

        Every count is one more, so that nothing is impossible.
        """
        n_rows, n_columns = self.shape
        smoothed = torch.from_numpy(whole_numbers(counts, "counts").astype(np.float64) + 1).to(self.row.device)
        cells = torch.ones(n_rows * n_columns, dtype=torch.float64, device=self.row.device)
        cells[self.row * n_columns + self.column] = smoothed
        cells = cells.reshape(n_rows, n_columns)
        rows = cells.sum(1)
        return (rows / rows.sum()).log().float(), (cells / rows[:, None]).log().float()

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


@torch.no_grad()
def start_biases(row_bias: Tensor, word_bias: Tensor, unigrams: tuple[Tensor, Tensor] | None) -> None:
    """Set the biases of rows and words to what the counts say, `TableLayout.unigrams`, or to 0."""
    for bias, values in zip((row_bias, word_bias), unigrams or (0.0, 0.0), strict=True):
        bias.copy_(torch.as_tensor(values))
