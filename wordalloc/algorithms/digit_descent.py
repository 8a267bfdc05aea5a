"""Digit-wise coordinate descent: a table improved by moving words along columns, then along rows, in turns.

An address has two digits, row and column. With the columns held, the words of each column are assigned to its rows
anew, each column by itself and exactly (SciPy's shortest augmenting paths); then the same with the rows held. Each half
of a turn solves its problem to the optimum, so the sum never rises; where neither half finds anything it ends. A local
optimum: a heuristic, to compare with the exact `wordalloc.reallocate`. From an exact row-only solution it cannot
improve the rows' cost, so begin it with another table.

O((rows + columns) · n³) a turn, n the longer side of the table; memory O(n²).
"""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._arguments import whole_number
from wordalloc.algorithms.reallocation import Reallocation, columns_in_rows
from wordalloc.allocations.costs import total_cost
from wordalloc.allocations.table import checked_shape
from wordalloc.checks import read_only, whole_numbers
from wordalloc.errors import InputError


def digit_descent(
    row_nll: npt.ArrayLike, col_nll: npt.ArrayLike, cell: npt.ArrayLike, *, turns: int = 100
) -> Reallocation:
    """Improve a table by exact assignments along its columns and its rows, in turns, to a local optimum.

    Parameters
    ----------
    row_nll, col_nll : array_like of float, shapes (V, rows) and (V, columns)
        Finite costs.
    cell : array_like of int, shape (V,)
        Where the words stand now, no two alike.
    turns : int
        Most turns; descent usually ends after a few.

    Returns
    -------
    Reallocation
        The lower bound is that of all words in their best row and column, which is far from tight.

    Raises
    ------
    InputError
        If shapes do not match, or two words are in a cell.

    Examples
    --------
    >>> result = digit_descent([[0, 5], [0, 2]], [[0, 4], [0, 3]], cell=[3, 0])
    >>> result.cell.tolist(), result.objective
    ([0, 1], 3.0)
    """
    began = time.monotonic()
    rows, columns = np.asarray(row_nll), np.asarray(col_nll)
    if rows.ndim != 2 or columns.ndim != 2 or len(rows) != len(columns):
        raise InputError(f"row_nll and col_nll must be of the same words, not of {rows.shape} and {columns.shape}")
    n_rows, n_columns = checked_shape((rows.shape[1], columns.shape[1]), len(rows))
    turns = whole_number("turns", turns, 1)
    cells = whole_numbers(cell, "cell")
    if cells.shape != (len(rows),) or cells.min() < 0 or cells.max() >= n_rows * n_columns:
        raise InputError(f"cell must have {len(rows):,} cells from 0 to {n_rows * n_columns - 1}")
    if np.unique(cells).size != cells.size:
        raise InputError("two words are in one cell; give every word a cell of its own")
    best = total_cost(rows, columns, None, cells)
    for _ in range(turns):
        row = columns_in_rows(rows, cells % n_columns, n_columns)  # along the columns: each holds one word of a row
        column = columns_in_rows(columns, row, n_rows)
        moved = row * n_columns + column
        found = total_cost(rows, columns, None, moved)
        if not found < best:
            break
        best, cells = found, moved
    lower_bound = min(best, float((rows.min(axis=1).astype(np.float64) + columns.min(axis=1)).sum()))
    relative = (best - lower_bound) / max(abs(best), 1e-30)
    return Reallocation(read_only(cells), best, lower_bound, relative, time.monotonic() - began)
