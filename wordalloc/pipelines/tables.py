"""First tables and reallocated ones, by whatever the user names."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wordalloc.algorithms.initial_table import initial_table
from wordalloc.algorithms.reallocation import columns_in_rows, reallocate, reallocate_rows
from wordalloc.allocations import Allocation, Costs, Table
from wordalloc.errors import InputError
from wordalloc.memory import check_memory
from wordalloc.pipelines.allocate import Text

PLACEMENTS = {"classes": "bigrams", "embedding": "vectors", "frequency": "counts", "random": "counts"}
CLASSES_A_ROW = 4  # by default: finer classes make rows of words that are more alike
DIGITS = ("both", "rows", "columns", "turns")


def make_table(
    text: Text,
    by: str = "classes",
    n_rows: int | None = None,
    *,
    allocation: Allocation | None = None,
    seed: int = 0,
    effort: str = "normal",
    progress: Callable[[int, int], None] | None = None,
) -> Table:
    """Return a first table.

    Parameters
    ----------
    text : Text
        What may be looked at.
    by : str
        One of `PLACEMENTS`: "classes" (exchange clusters of the text, in the order of the Brown tree over them, or
        those of `allocation`), "embedding" (balanced k-means of word vectors), "frequency", "random".
    n_rows : int, optional
        Default: ⌈√V⌉.
    allocation : Allocation, optional
        Classes, cutoffs or a tree to take the rows from.
    seed, effort, progress
        Where chance enters; of `wordalloc.exchange_classes`.

    Raises
    ------
    InputError
        If an allocation is given and something else than classes is asked for.
    """
    from wordalloc.algorithms._arguments import whole_number
    from wordalloc.algorithms.frequency_classes import default_number

    if n_rows is not None and allocation is None:
        words = text.counted if PLACEMENTS[by] == "counts" else text.bigrams.vocabulary
        whole_number("the number of rows", n_rows, 1, words.size)
    if allocation is not None:
        if by != "classes":
            raise InputError(f"--classes goes with the placement classes, not with {by}; leave it out")
        return initial_table(allocation, n_rows)
    if PLACEMENTS[by] == "counts":
        return initial_table(text.counted, n_rows, by=by, seed=seed)
    if by == "embedding":
        from wordalloc.algorithms.kmeans_classes import kmeans_classes

        vocabulary, vectors = text.vectors
        rows = n_rows or default_number(vocabulary.size)
        return initial_table(kmeans_classes(vocabulary, vectors, rows, equal_sizes=True, seed=seed), rows)
    from wordalloc.algorithms.brown import brown_tree

    bigrams = text.bigrams
    size = bigrams.vocabulary.size
    n_classes = min(size, CLASSES_A_ROW * (n_rows or default_number(size)))
    return initial_table(brown_tree(bigrams, n_classes, seed, effort=effort, progress=progress), n_rows)


@dataclass(frozen=True)
class Reallocated:
    """A table made anew from costs, and what came of it.

    Attributes
    ----------
    table : Table
        Its parameters hold what it depends on, the objective and the lower bound.
    objective_before, objective : float
        Σ row_nll + col_nll of all words, in nats: as they stood, and now.
    lower_bound : float
        No table costs less; of rows or columns alone, no table with the other digit as it is here.
    gap : float
        (objective - lower bound) / |objective| of the part that was optimised.
    moved : int
        Words in another cell.
    seconds : float
    """

    table: Table
    objective_before: float
    objective: float
    lower_bound: float
    gap: float
    moved: int
    seconds: float

    def told(self) -> dict[str, Any]:
        """Return the figures that are the same in every run."""
        return {
            "objective_before": self.objective_before,
            "objective": self.objective,
            "lower_bound": self.lower_bound,
            "gap": self.gap,
        }


def reallocate_table(
    table: Table,
    costs: Costs,
    *,
    digits: str = "both",
    others: str = "best",
    stay: float = 0.0,
    column_weight: float = 1.0,
    gap: float = 1e-6,
    time_limit: float | None = None,
    solver: str = "auto",
    progress: Callable[[float], None] | None = None,
) -> Reallocated:
    """Return the table of least cost, or the one of least row or column cost.

    Parameters
    ----------
    table : Table
        The one the costs were taken with.
    costs : Costs
        Of its words.
    digits : {"both", "rows", "columns", "turns"}
        What is optimised: cells; rows, the columns following; columns, the rows following; both in turns to a local
        optimum (`wordalloc.digit_descent`).
    others : {"best", "keep"}
        With rows alone, the columns inside each row are assigned anew; or words that stay in their row keep theirs, and
        newcomers fill the free ones. With columns alone, the same of rows.
    stay : float
        Nats by which each digit that a word keeps is favoured. Words with few observations or none then stay.
    column_weight : float
        With both, what a nat of a column counts for while cells are chosen, at most 1; then the columns inside each row
        are assigned at their full cost. Column costs hold only after the row that a word stands in now.
    gap, time_limit, solver, progress
        Of `wordalloc.reallocate`.

    Raises
    ------
    InputError
        If the costs are of another table, or the machine's memory does not do.
    """
    began = time.monotonic()
    costs.check_table(table)
    row_nll, col_nll = (
        _favoured(nll, digit, stay) for nll, digit in ((costs.row_nll, table.row), (costs.col_nll, table.column))
    )
    n_rows, n_columns = table.shape
    check_memory(
        "the reallocation",
        _bytes_needed(table, digits),
        "give the table fewer rows and columns, or reallocate --row-only",
    )
    options: dict[str, Any] = {"gap": gap, "time_limit": time_limit, "solver": solver, "progress": progress}
    if digits == "both":
        weight = np.float32(column_weight)
        solved = reallocate(row_nll, col_nll if weight == 1 else weight * col_nll, **options)
        cell, bound, found = solved.cell, solved.lower_bound, solved.gap
        if weight != 1:
            row = cell // n_columns
            cell = row * n_columns + columns_in_rows(col_nll, row, n_rows)
            bound += (1 - column_weight) * float(col_nll.min(axis=1).sum(dtype=np.float64))
    elif digits == "turns":
        from wordalloc.algorithms.digit_descent import digit_descent

        if solver != "auto" or time_limit is not None:
            raise InputError("--digits turns has a solver of its own and no time limit; leave them out")
        solved = digit_descent(row_nll, col_nll, table.cell)
        cell, bound, found = solved.cell, solved.lower_bound, solved.gap
    else:
        by_rows = digits == "rows"
        first_nll, second_nll = (row_nll, col_nll) if by_rows else (col_nll, row_nll)
        before, other = (table.row, table.column) if by_rows else (table.column, table.row)
        n_first, n_second = (n_rows, n_columns) if by_rows else (n_columns, n_rows)
        partly = reallocate_rows(first_nll, n_second, **options)
        keep = np.where(partly.row == before, other, -1) if others == "keep" else None
        second = columns_in_rows(second_nll, partly.row, n_first, keep)
        cell = partly.row * n_columns + second if by_rows else second * n_columns + partly.row
        rest = float(second_nll[np.arange(len(second)), second].sum(dtype=np.float64))
        bound, found = partly.lower_bound + rest, partly.gap
    objective, favour = costs.objective(cell), stay * float((table.row == cell // n_columns).sum())
    favour += stay * float((table.column == cell % n_columns).sum())
    # The solver's bound is one of the favoured costs; what words were favoured by is no cost.
    lower_bound = min(objective, bound + favour)
    parameters: dict[str, Any] = {
        "algorithm": "reallocate",
        "digits": digits,
        "stay": stay,
        "objective": objective,
        "lower_bound": lower_bound,
    }
    if digits in ("rows", "columns"):
        parameters["others"] = others
    if column_weight != 1:
        parameters["column_weight"] = column_weight
    return Reallocated(
        Table(table.vocabulary, cell, table.shape, parameters),
        costs.objective(table.cell),
        objective,
        lower_bound,
        found,
        int((cell != table.cell).sum()),
        time.monotonic() - began,
    )


def _favoured(nll: np.ndarray, digit: np.ndarray, stay: float) -> np.ndarray:
    if not stay:
        return nll
    favoured = nll.copy()
    favoured[np.arange(len(nll)), digit] -= np.float32(stay)
    return favoured


def _bytes_needed(table: Table, digits: str) -> int:
    """Costs twice, as read and as favoured, and what the solver keeps of words and cells."""
    size, (n_rows, n_columns) = table.vocabulary.size, table.shape
    costs = 8 * size * (n_rows + n_columns)
    return costs + (size * 32 * 12 + 40 * n_rows * n_columns if digits == "both" else 40 * n_rows * n_columns)
