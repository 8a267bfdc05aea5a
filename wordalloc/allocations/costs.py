"""Costs: what each word would cost in every row and every column of a table, as a model has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from wordalloc.allocations.base import Stored
from wordalloc.allocations.storage import Arrays, take
from wordalloc.allocations.table import Table, checked_cells
from wordalloc.checks import read_only
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary


class Costs(Stored):
    """Summed negative log-likelihoods of every word in all rows and columns, and the table they were taken with.

    Parameters
    ----------
    vocabulary : Vocabulary
        V words.
    row_nll : array_like of float32, shape (V, rows)
        Nats that word w would cost in all of its occurrences if it stood in row i; at least 0.
    col_nll : array_like of float32, shape (V, columns)
        The same for column j, its row being the one it stands in.
    cell : array_like of int, shape (V,)
        The table's cells.
    parameters : mapping, optional
        What the result depends on.

    Raises
    ------
    InputError
        If shapes do not match, or a cost is negative, infinite or not a number.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts("abc", [3, 2, 1])
    >>> costs = Costs(vocabulary, [[1, 5], [2, 1], [3, 3]], [[2, 2], [1, 4], [0, 1]], cell=[0, 2, 1])
    >>> costs.shape, costs.objective(costs.cell)
    ((2, 2), 9.0)
    """

    kind = "costs"
    names = frozenset({"row_nll", "col_nll", "cell"})

    def __init__(
        self,
        vocabulary: Vocabulary,
        row_nll: npt.ArrayLike,
        col_nll: npt.ArrayLike,
        cell: npt.ArrayLike,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(vocabulary, parameters)
        self.row_nll = _nll(row_nll, "row_nll", vocabulary.size)
        self.col_nll = _nll(col_nll, "col_nll", vocabulary.size)
        self.shape: tuple[int, int] = (self.row_nll.shape[1], self.col_nll.shape[1])
        if self.shape[0] * self.shape[1] < vocabulary.size:
            raise InputError(
                f"costs of {self.shape[0]} rows and {self.shape[1]} columns are of a table with too few cells "
                f"for {vocabulary.size:,} words"
            )
        self.cell = checked_cells(cell, vocabulary, self.shape)

    def objective(self, cell: npt.NDArray[np.int64]) -> float:
        """Return Σ row_nll + col_nll of all words in the cells given, in nats.

        Parameters
        ----------
        cell : ndarray of int64, shape (V,)
            A cell for each word.
        """
        return total_cost(self.row_nll, self.col_nll, None, cell)

    def check_table(self, table: Table) -> None:
        """Refuse a table that the costs were not taken with.

        Parameters
        ----------
        table : Table
            The one that is to be reallocated.

        Raises
        ------
        InputError
            If its words, its shape or a cell differ.
        """
        if not table.vocabulary.has_words_of(self.vocabulary):
            raise InputError("the costs are of another vocabulary than the table; take costs with this table")
        if table.shape != self.shape:
            raise InputError(
                f"the costs are of a table of {self.shape[0]} × {self.shape[1]}, "
                f"but this one has {table.n_rows} × {table.n_columns}; take costs with this table"
            )
        moved = int((table.cell != self.cell).sum())
        if moved:
            raise InputError(
                f"the costs are of another table: {moved:,} words stand elsewhere in it; take costs with this table"
            )

    def __repr__(self) -> str:
        return f"Costs({self.shape[0]} × {self.shape[1]}, vocabulary of {self.vocabulary.size} words)"

    def arrays(self) -> Arrays:
        """Return ``{"row_nll": float32 (V, rows), "col_nll": float32 (V, columns), "cell": int64 (V,)}``."""
        return {"row_nll": self.row_nll, "col_nll": self.col_nll, "cell": self.cell}

    @classmethod
    def from_arrays(cls, vocabulary: Vocabulary, arrays: Arrays, parameters: Mapping[str, Any]) -> Self:
        """Make the costs from what a file holds."""
        row_nll, col_nll = (take(cls.kind, arrays, name, np.float32, ndim=2) for name in ("row_nll", "col_nll"))
        return cls(vocabulary, row_nll, col_nll, take(cls.kind, arrays, "cell", np.int64), parameters)


def total_cost(
    row_nll: npt.NDArray[Any],
    col_nll: npt.NDArray[Any],
    cell_cost: npt.NDArray[np.float64] | None,
    cell: npt.NDArray[np.int64],
) -> float:
    """Return the summed cost of all words in the cells given.

    Parameters
    ----------
    row_nll, col_nll : ndarray of float, shapes (V, rows) and (V, columns)
        Of each word in every row and column.
    cell_cost : ndarray of float64, shape (rows, columns), optional
        Of the cell itself.
    cell : ndarray of int64, shape (V,)
        A cell for each word.
    """
    row, column = np.divmod(cell, col_nll.shape[1])
    every = np.arange(len(cell))
    total = row_nll[every, row].sum(dtype=np.float64) + col_nll[every, column].sum(dtype=np.float64)
    return float(total if cell_cost is None else total + cell_cost[row, column].sum())


def _nll(values: npt.ArrayLike, name: str, size: int) -> npt.NDArray[np.float32]:
    """Return the values as they are if they are float32, for they may fill half of the memory; frozen."""
    try:
        array: npt.NDArray[np.float32] = np.asarray(values, dtype=np.float32).view()
    except (ValueError, TypeError) as error:
        raise InputError(f"{name} must be a matrix of numbers, all rows of one length") from error
    if array.ndim != 2 or array.shape[0] != size or not array.shape[1]:
        raise InputError(f"{name} must have one row of costs a word: expected ({size}, …), got {array.shape}")
    # Least and greatest say it all: they are not a number where anything is none.
    least, greatest = float(array.min()), float(array.max())
    if not (np.isfinite(least) and np.isfinite(greatest)):
        word = int(np.argmin(np.isfinite(array).all(axis=1)))
        raise InputError(
            f"{name} must be finite, but that of word {word} is not: the model has diverged; lower its learning rate"
        )
    if least < 0:
        word = int(np.argmax((array < 0).any(axis=1)))
        raise InputError(f"{name} is a negative log-likelihood, at least 0, but word {word} has {least:g}")
    return read_only(array)
