"""Reallocation: the cells, or the rows, of least summed cost for all words of a LightRNN table.

Li, Qin, Yang, Hu & Liu (NIPS 2016), section 3.3: after a round of training, a word w would cost row_nll[w, i] in row i
and col_nll[w, j] in column j; the table of least total cost is a minimum-cost flow. Here it is solved by an auction
with a certificate (`wordalloc.algorithms.auction`), row-only by a transportation auction (`row_transport`), and by
other solvers to compare with. Time and memory are said there; the costs themselves take 4 V (rows + columns) bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._arguments import real_number, shown, whole_number
from wordalloc.allocations.costs import total_cost
from wordalloc.allocations.table import checked_shape
from wordalloc.checks import read_only, whole_numbers
from wordalloc.errors import InputError

SOLVERS = ("auto", "auction", "ortools", "scipy", "greedy")
ROW_SOLVERS = ("auto", "auction", "ortools")
Progress = Callable[[float], None]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Reallocation:
    """Cells for all words.

    Attributes
    ----------
    cell : ndarray of int64, shape (V,)
        row · n_columns + column of each word, no two alike.
    objective : float
        Σ row_nll + col_nll + cell_cost over the words' cells.
    lower_bound : float
        No table costs less.
    gap : float
        (objective - lower_bound) / max(|objective|, 1e-30); 0 is the optimum.
    seconds : float
        Time taken.
    """

    cell: Ints
    objective: float
    lower_bound: float
    gap: float
    seconds: float


@dataclass(frozen=True)
class RowReallocation:
    """Rows for all words; attributes as those of `Reallocation`, with `row`, ndarray of int64, shape (V,)."""

    row: Ints
    objective: float
    lower_bound: float
    gap: float
    seconds: float


def reallocate(
    row_nll: npt.ArrayLike,
    col_nll: npt.ArrayLike,
    cell_cost: npt.ArrayLike | None = None,
    *,
    gap: float = 1e-6,
    time_limit: float | None = None,
    solver: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Reallocation:
    """Give every word a cell of its own so that the summed cost is least.

    Minimises Σ_w row_nll[w, r(w)] + col_nll[w, c(w)] + cell_cost[r(w), c(w)], the cells (r, c) all different.

    Parameters
    ----------
    row_nll, col_nll : array_like of float, shapes (V, rows) and (V, columns)
        Any finite costs; rows · columns is at least V. float32 stays as it is, all else is taken as float64.
    cell_cost : array_like of float, shape (rows, columns), optional
        A cost of the cell itself, the same for every word; an empty cell costs nothing. With it the problem is that of
        residual codes, where |x - aᵢ - bⱼ|² = R + C + H.
    gap : float
        Stop when the objective is proven to be within this share of the optimum.
    time_limit : float, optional
        Seconds. What stands then is returned, words without a cell having shared the free ones; `gap` says how far it
        is from the bound. Only with a limit can two runs differ.
    solver : {"auto", "auction", "ortools", "scipy", "greedy"}
        auto is the auction. OR-tools (up to 110 million costs V · rows · columns) and SciPy (up to 250 million) are
        exact, to compare with; the greedy of the vendor implementation has no bound but the words' least costs. `gap`
        and `time_limit` are the auction's.
    threads : int, optional
        Of the auction; default: as many as the process may use. The result does not depend on it.
    progress : callable, optional
        Called as ``progress(gap)`` after every phase of the auction.

    Returns
    -------
    Reallocation
        Deterministic without `time_limit`.

    Raises
    ------
    InputError
        If a cost is not finite, shapes do not match, there are fewer cells than words, or a solver cannot take so many.

    References
    ----------
    D. P. Bertsekas, The auction algorithm, Annals of Operations Research 14, 1988.

    Examples
    --------
    Both words want row 0 and column 0; the second loses less by giving way:

    >>> result = reallocate([[0, 5], [0, 2]], [[0, 4], [0, 3]])
    >>> result.cell.tolist(), result.objective, result.gap < 1e-6
    ([0, 2], 2.0, True)
    """
    began = time.monotonic()
    rows, columns = _costs(row_nll, "row_nll"), _costs(col_nll, "col_nll")
    if len(rows) != len(columns):
        raise InputError(f"row_nll is of {len(rows):,} words, col_nll of {len(columns):,}; they must be the same")
    shape = checked_shape((rows.shape[1], columns.shape[1]), len(rows))
    extra = None if cell_cost is None else _cell_cost(cell_cost, shape)
    gap = real_number("gap", gap, 0.0)
    if time_limit is not None:
        time_limit = real_number("time_limit", time_limit, 0.0)
    if solver not in SOLVERS:
        raise InputError(f"the solver must be one of {', '.join(SOLVERS)}, not {shown(solver)}")
    if solver in ("auto", "auction"):
        from wordalloc.algorithms.auction import Auction

        auction = Auction(rows, columns, extra, None if threads is None else whole_number("threads", threads, 1))
        auction.run(gap, time_limit, progress)
        cell, lower_bound = auction.cell, auction.lower_bound
    else:
        cell, lower_bound = _by_other(solver, rows, columns, extra)
    objective = total_cost(rows, columns, extra, cell)
    lower_bound = min(lower_bound, objective)
    return Reallocation(
        read_only(cell), objective, lower_bound, _relative(objective, lower_bound), time.monotonic() - began
    )


def reallocate_rows(
    row_nll: npt.ArrayLike,
    n_columns: int,
    *,
    gap: float = 1e-6,
    time_limit: float | None = None,
    solver: str = "auto",
    progress: Progress | None = None,
) -> RowReallocation:
    """Give every word a row, at most `n_columns` words to each, so that the summed cost is least.

    Minimises Σ_w row_nll[w, r(w)]: a transportation problem. For columns, hand over col_nll and the number of rows.

    Parameters
    ----------
    row_nll : array_like of float, shape (V, rows)
        Any finite costs.
    n_columns : int
        Words that fit into a row; rows · n_columns is at least V.
    gap, time_limit, progress
        As of `reallocate`.
    solver : {"auto", "auction", "ortools"}
        auto is the auction; OR-tools' minimum-cost flow takes up to 110 million costs.

    Returns
    -------
    RowReallocation
        Deterministic without `time_limit`.

    Raises
    ------
    InputError
        If a cost is not finite, or there are fewer cells than words.

    Examples
    --------
    >>> result = reallocate_rows([[0, 5], [0, 2], [0, 1]], n_columns=2)
    >>> result.row.tolist(), result.objective
    ([0, 0, 1], 1.0)
    """
    began = time.monotonic()
    costs = _costs(row_nll, "row_nll")
    n_columns = whole_number("n_columns", n_columns, 1)
    checked_shape((costs.shape[1], n_columns), len(costs))
    gap = real_number("gap", gap, 0.0)
    if time_limit is not None:
        time_limit = real_number("time_limit", time_limit, 0.0)
    if solver not in ROW_SOLVERS:
        raise InputError(f"rows alone are solved by one of {', '.join(ROW_SOLVERS)}, not {shown(solver)}")
    if solver == "ortools":
        from wordalloc.algorithms.assignment_solvers import ORTOOLS_COSTS, by_ortools_flow, check_size

        check_size(solver, costs.size, ORTOOLS_COSTS)
        row, lower_bound = by_ortools_flow(costs.astype(np.float64), n_columns)
    else:
        from wordalloc.algorithms.row_transport import RowTransport

        transport = RowTransport(costs, n_columns)
        transport.run(gap, time_limit, progress)
        row, lower_bound = transport.row, transport.lower_bound
    objective = float(costs[np.arange(len(costs)), row].sum(dtype=np.float64))
    lower_bound = min(lower_bound, objective)
    return RowReallocation(
        read_only(row), objective, lower_bound, _relative(objective, lower_bound), time.monotonic() - began
    )


def columns_in_rows(col_nll: npt.ArrayLike, row: npt.ArrayLike, n_rows: int, keep: npt.ArrayLike | None = None) -> Ints:
    """Give the words of each row its columns so that the summed cost is least: exact, row by row.

    Parameters
    ----------
    col_nll : array_like of float, shape (V, columns)
        Finite costs.
    row : array_like of int, shape (V,)
        At most `columns` words in a row.
    n_rows : int
        Rows.
    keep : array_like of int, shape (V,), optional
        The column that a word stays in, -1 where it is free: only those are placed, in the columns left.

    Returns
    -------
    ndarray of int64, shape (V,)
        A column for each word.

    Examples
    --------
    >>> columns_in_rows([[0, 2], [0, 1], [5, 0]], [0, 0, 1], 2).tolist()
    [0, 1, 1]
    """
    from scipy.optimize import linear_sum_assignment

    costs = _costs(col_nll, "col_nll")
    rows = whole_numbers(row, "row")
    kept = np.full(len(costs), -1) if keep is None else whole_numbers(keep, "keep")
    column = kept.copy()
    members, ends = np.argsort(rows, kind="stable"), np.cumsum(np.bincount(rows, minlength=n_rows))
    for words in np.split(members, ends[:-1]):
        free = np.setdiff1d(np.arange(costs.shape[1]), kept[words])
        waiting = words[kept[words] < 0]
        if waiting.size > free.size:
            raise InputError(f"a row holds {words.size} words, but the table has {costs.shape[1]} columns")
        chosen, place = linear_sum_assignment(costs[waiting][:, free])
        column[waiting[chosen]] = free[place]
    return column


def _by_other(
    solver: str, rows: npt.NDArray[Any], columns: npt.NDArray[Any], extra: npt.NDArray[np.float64] | None
) -> tuple[Ints, float]:
    """Solve by what others have; return cells and a lower bound."""
    from wordalloc.algorithms import assignment_solvers as solvers
    from wordalloc.algorithms.greedy_cells import greedy_cells

    if solver == "greedy":
        least = rows.min(axis=1).sum(dtype=np.float64) + columns.min(axis=1).sum(dtype=np.float64)
        return greedy_cells(rows, columns, extra), float(least + (0.0 if extra is None else len(rows) * extra.min()))
    limit = solvers.SCIPY_COSTS if solver == "scipy" else solvers.ORTOOLS_COSTS
    n_cells = rows.shape[1] * columns.shape[1]
    solvers.check_size(solver, len(rows) * n_cells, limit)
    cost = solvers.dense_costs(rows, columns, extra)
    if solver == "scipy":
        return solvers.by_scipy(cost)
    # The assignment is the faster and smaller of both, but wants as many words as cells.
    return solvers.by_ortools_assignment(cost) if len(rows) == n_cells else solvers.by_ortools_flow(cost)


def _relative(objective: float, lower_bound: float) -> float:
    return (objective - lower_bound) / max(abs(objective), 1e-30)


def _costs(values: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    """Return a matrix of finite float32 or float64, not copied where it is one."""
    try:
        array = np.asarray(values)
        array = array if array.dtype == np.float32 else np.asarray(array, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(f"{name} must be a matrix of numbers, all rows of one length") from error
    if array.ndim != 2 or not array.size:
        raise InputError(f"{name} must be a matrix with a row of costs for each word, not of shape {array.shape}")
    if not np.isfinite([array.min(), array.max()]).all():
        word = int(np.argmin(np.isfinite(array).all(axis=1)))
        raise InputError(f"{name} must be finite, but that of word {word} is not")
    return np.ascontiguousarray(array)


def _cell_cost(values: npt.ArrayLike, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    array: npt.NDArray[np.float64] = _costs(values, "cell_cost").astype(np.float64)
    if array.shape != shape:
        raise InputError(f"cell_cost must have one cost a cell: expected shape {shape}, got {array.shape}")
    return array
