"""Table: every word in a cell of its own, in a row and a column, as LightRNN uses them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from wordalloc.allocations.base import Allocation
from wordalloc.allocations.storage import Arrays, take
from wordalloc.checks import read_only, sums_of_groups, whole_numbers
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary

MOST_LINES = 2**20  # rows or columns of few words: empty ones take memory, too
EMPTY = -1  # stands where a cell has no word


class Table(Allocation):
    """A table of rows and columns in which every word has a cell: cell = row · n_columns + column.

    Parameters
    ----------
    vocabulary : Vocabulary
        V words in rank order.
    cell : array_like of int, shape (V,)
        Cell of each rank, 0 … rows · columns - 1, no two alike. Cells may be empty.
    shape : array_like of int, shape (2,)
        Rows and columns; their product is at least V.
    parameters : mapping, optional
        What the result depends on.

    Raises
    ------
    InputError
        If the table is too small, or a cell is outside of it or holds two words.

    Notes
    -----
    Li, Qin, Yang, Hu & Liu, "LightRNN: Memory and computation-efficient recurrent neural networks", NIPS 2016.

    Examples
    --------
    >>> table = Table(Vocabulary.from_counts("abcde", [5, 4, 3, 2, 1]), [0, 4, 1, 3, 5], shape=(2, 3))
    >>> table.row.tolist(), table.column.tolist()
    ([0, 1, 0, 1, 1], [0, 1, 1, 0, 2])
    >>> table.words_in_row(1).tolist(), table.word_at.tolist()
    ([1, 3, 4], [0, 2, -1, 3, 1, 4])
    """

    kind = "table"
    names = frozenset({"cell", "shape"})

    def __init__(
        self,
        vocabulary: Vocabulary,
        cell: npt.ArrayLike,
        shape: npt.ArrayLike,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(vocabulary, parameters)
        self.shape: tuple[int, int] = checked_shape(shape, vocabulary.size)
        self.cell = checked_cells(cell, vocabulary, self.shape)

    @property
    def n_rows(self) -> int:
        """Rows."""
        return self.shape[0]

    @property
    def n_columns(self) -> int:
        """Columns."""
        return self.shape[1]

    @cached_property
    def row(self) -> npt.NDArray[np.int64]:
        """Row of each word, shape (V,)."""
        return read_only(self.cell // self.n_columns)

    @cached_property
    def column(self) -> npt.NDArray[np.int64]:
        """Column of each word, shape (V,)."""
        return read_only(self.cell % self.n_columns)

    @cached_property
    def word_at(self) -> npt.NDArray[np.int64]:
        """Rank of the word in each cell, -1 where it is empty: shape (rows · columns,)."""
        words = np.full(self.n_rows * self.n_columns, EMPTY, dtype=np.int64)
        words[self.cell] = np.arange(self.vocabulary.size)
        return read_only(words)

    @cached_property
    def row_masses(self) -> npt.NDArray[np.float64]:
        """Share of all counted tokens in each row, shape (rows,); zeros where nothing was counted."""
        sums = sums_of_groups(self.row, self.vocabulary.counts, self.n_rows)
        return read_only(sums / max(self.vocabulary.total, 1))

    def words_in_row(self, row: int) -> npt.NDArray[np.int64]:
        """Return the ranks of a row's words, most frequent first.

        Parameters
        ----------
        row : int
            0 … rows - 1.

        Raises
        ------
        InputError
            If there is no such row.
        """
        if not 0 <= row < self.n_rows:
            raise InputError(f"the table has the rows 0 to {self.n_rows - 1}, not {row}")
        words = self.word_at.reshape(self.shape)[row]
        return np.sort(words[words != EMPTY])

    def __repr__(self) -> str:
        return f"Table({self.n_rows} × {self.n_columns}, vocabulary of {self.vocabulary.size} words)"

    def arrays(self) -> Arrays:
        """Return ``{"cell": int64 (V,), "shape": int64 (2,)}``."""
        return {"cell": self.cell, "shape": np.array(self.shape, dtype=np.int64)}

    def addresses(self) -> Arrays:
        """Return ``{"row": int64 (V,), "column": int64 (V,)}``."""
        return {"row": self.row, "column": self.column}

    @classmethod
    def from_arrays(cls, vocabulary: Vocabulary, arrays: Arrays, parameters: Mapping[str, Any]) -> Self:
        """Make the table from what a file holds."""
        cell, shape = (take(cls.kind, arrays, name, np.int64) for name in ("cell", "shape"))
        return cls(vocabulary, cell, shape, parameters)


def checked_shape(shape: npt.ArrayLike, size: int) -> tuple[int, int]:
    """Return rows and columns, which hold `size` words.

    Parameters
    ----------
    shape : array_like of int
        Two numbers.
    size : int
        V.

    Raises
    ------
    InputError
        If they are not two numbers of at least 1 and at most V (or `MOST_LINES`), or their product is less than V.
    """
    array = whole_numbers(shape, "shape")
    if array.shape != (2,) or array.min() < 1:
        raise InputError(f"the shape of a table must be two numbers of at least 1, not {array.tolist()}")
    if array.max() > (most := max(size, MOST_LINES)):
        raise InputError(f"a table of {size:,} words has at most {most:,} rows or columns, not {array.tolist()}")
    rows, columns = int(array[0]), int(array[1])
    if rows * columns < size:
        raise InputError(
            f"a table of {rows} × {columns} has {rows * columns:,} cells, too few for {size:,} words; "
            "give it more rows or columns"
        )
    return rows, columns


def checked_cells(cell: npt.ArrayLike, vocabulary: Vocabulary, shape: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Return a read-only copy of the cells of all words, each inside the table and no two alike.

    Parameters
    ----------
    cell : array_like of int, shape (V,)
        Of each rank.
    vocabulary : Vocabulary
        V words.
    shape : tuple of int
        Rows and columns.

    Raises
    ------
    InputError
        If a cell is outside of the table or holds two words; the message names them.
    """
    cells = whole_numbers(cell, "cell")
    if cells.shape != (vocabulary.size,):
        raise InputError(f"cell must have one cell a word: expected shape ({vocabulary.size},), got {cells.shape}")
    n_cells = shape[0] * shape[1]
    if cells.min() < 0 or cells.max() >= n_cells:
        raise InputError(f"cells of a table of {shape[0]} × {shape[1]} must lie between 0 and {n_cells - 1}")
    order = np.argsort(cells, kind="stable")
    twice = np.flatnonzero(cells[order[1:]] == cells[order[:-1]])
    if twice.size:
        first, second = (vocabulary.words[rank] for rank in order[twice[0] : twice[0] + 2].tolist())
        raise InputError(f"cell {int(cells[order[twice[0]]])} holds two words, {first!r} and {second!r}")
    return cells
