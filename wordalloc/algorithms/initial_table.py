"""First tables: words put in rows by class, by frequency, or by chance, before any model has been trained.

The first table decides more than any reallocation after it: words of one row share a vector, so a row should hold
words of a kind. With classes, each word's row is its class where the classes fit into the rows as they are, its column
by frequency; otherwise the words are lined up class by class (for a tree in the order of its leaves, so that
neighbouring classes are alike), the most frequent first in each, and cut into rows. So a row's columns, too, go by
kind; that, and several classes to a row, was worth 3 % of perplexity (benchmarks/RESULTS.md). Words that were never
seen are strewn over all rows and columns: a row of its own, that training never sees, it would learn to rule out.
Time O(V log V), memory O(V).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._arguments import shown, whole_number
from wordalloc.allocations import Allocation, Classes, Cutoffs, Table, Tree
from wordalloc.allocations.table import checked_shape
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary

NO_CLASSES = "rows by class need classes, cutoffs or a tree; make some with: wordalloc classes TEXT"
Ints = npt.NDArray[np.int64]


def initial_table(
    source: Vocabulary | Allocation,
    n_rows: int | None = None,
    *,
    by: str = "classes",
    seed: int = 0,
) -> Table:
    """Put every word into a table of `n_rows` rows and as many columns as it takes.

    Parameters
    ----------
    source : Vocabulary or Allocation
        V words; for "classes" an allocation that names them: classes, cutoffs, or a tree.
    n_rows : int, optional
        1 … V. Default: ⌈√V⌉, a square.
    by : {"classes", "frequency", "random"}
        What the words of a row have in common: a class, or neighbouring classes; their frequency; nothing.
    seed : int
        Of "random".

    Returns
    -------
    Table
        Of ⌈V / n_rows⌉ columns, or ⌈√V⌉ by default.

    Raises
    ------
    InputError
        If `by` is unknown, `n_rows` is not from 1 to V, or classes are asked for and there are none.

    References
    ----------
    X. Li, T. Qin, J. Yang, X. Hu and T. Liu, LightRNN, NIPS 2016, section 3.3 (a random first table).

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts(["the", "cat", "a", "dog"], [4, 3, 2, 1])
    >>> initial_table(Classes(vocabulary, [0, 1, 0, 1])).cell.tolist()
    [0, 2, 1, 3]
    >>> initial_table(vocabulary, by="frequency").cell.tolist()
    [0, 1, 2, 3]
    """
    vocabulary = source if isinstance(source, Vocabulary) else source.vocabulary
    size = vocabulary.size
    if n_rows is None:
        n_rows = n_columns = math.isqrt(size - 1) + 1
    else:
        n_rows = whole_number("the number of rows", n_rows, 1, size)
        n_columns = -(-size // n_rows)
    shape = checked_shape((n_rows, n_columns), size)
    parameters: dict[str, object] = {"algorithm": "initial_table", "by": by}
    if by == "classes":
        if isinstance(source, Vocabulary):
            raise InputError(NO_CLASSES)
        cell = _by_class(source, shape)
        parameters["source"] = _without_traces(source)
    elif by == "frequency":
        cell = np.arange(size)
    elif by == "random":
        seed = whole_number("seed", seed, 0)
        cell = np.random.default_rng(seed).permutation(n_rows * n_columns)[:size]
        parameters["seed"] = seed
    else:
        raise InputError(f"a first table is made by 'classes', 'frequency' or 'random', not {shown(by)}")
    return Table(vocabulary, cell, shape, parameters)


def _by_class(source: Allocation, shape: tuple[int, int]) -> Ints:
    number = _class_numbers(source)
    size, (n_rows, n_columns) = number.size, shape
    members = np.argsort(number, kind="stable")  # class after class, most frequent first in each
    sizes = np.bincount(number)
    cell = np.empty(size, dtype=np.int64)
    if sizes.size <= n_rows and sizes.max() <= n_columns:
        starts = np.cumsum(sizes) - sizes
        cell[members] = number[members] * n_columns + np.arange(size) - starts[number[members]]
        return cell
    cell[_strewn(members, source.vocabulary.counts[members] == 0)] = np.arange(size)
    return cell


def _strewn(members: Ints, unseen: npt.NDArray[np.bool_]) -> Ints:
    """Return the words in their order, those without a count strewn evenly among the others."""
    n_unseen = int(unseen.sum())
    is_unseen = np.zeros(members.size, dtype=bool)
    is_unseen[(2 * np.arange(n_unseen) + 1) * members.size // (2 * max(n_unseen, 1))] = True
    lined_up = np.empty_like(members)
    lined_up[is_unseen], lined_up[~is_unseen] = members[unseen], members[~unseen]
    return lined_up


def _class_numbers(source: Allocation) -> Ints:
    """Return each word's class, numbered in the order in which classes are to stand in the table."""
    if isinstance(source, Classes):
        return source.word_class.astype(np.int64)
    if isinstance(source, Cutoffs):
        return source.addresses()["cluster"]
    if isinstance(source, Tree):
        codes = source.codes
        depths = source.code_lengths if source.class_depth is None else source.class_depth
        separated = source.arity > 10  # digits of several characters, with dots between them
        prefixes = [
            ".".join(code.split(".")[:depth]) if separated else code[:depth]
            for code, depth in zip(codes, depths.tolist(), strict=True)
        ]
        return np.unique(np.array(prefixes, dtype=object), return_inverse=True)[1].astype(np.int64)
    raise InputError(NO_CLASSES)


def _without_traces(source: Allocation) -> dict[str, object]:
    """Return how an allocation was made, without the course of the search."""
    return {name: value for name, value in source.parameters.items() if name not in ("sweeps", "losses", "solved")}
