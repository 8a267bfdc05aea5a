"""Looking up the class of a word: what is read by class needs it, whatever the allocation calls a class."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wordalloc.allocations import Allocation, Classes, Table
from wordalloc.errors import InputError
from wordalloc.nn.table_layout import TableLayout, table_arguments


class ClassOf(nn.Module):
    """The class of each word of `Classes`; it has no weights and is not in the state.

    Parameters
    ----------
    allocation : Classes
        K of them.

    Attributes
    ----------
    n_classes : int
        K.
    """

    word_class: Tensor

    def __init__(self, allocation: Classes) -> None:
        super().__init__()
        self.n_classes = allocation.n_classes
        self.register_buffer("word_class", torch.tensor(allocation.word_class, dtype=torch.int64), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the classes of ranks: (...) -> (...)."""
        return self.word_class[ids]


class RowOf(nn.Module):
    """The row of each word of a table, as its class; it has no weights, and follows where its `layout` is told to.

    Parameters
    ----------
    allocation : Table
        Where the words stand to begin with.

    Attributes
    ----------
    layout : TableLayout
    n_classes : int
        Rows.
    """

    def __init__(self, allocation: Table) -> None:
        super().__init__()
        taken = table_arguments(allocation, "a table's rows")
        self.layout = TableLayout(taken["vocab_size"], taken["cell"], taken["shape"])
        self.n_classes = self.layout.shape[0]

    def forward(self, ids: Tensor) -> Tensor:
        """Return the rows of ranks: (...) -> (...)."""
        return self.layout.row[ids]


def class_lookup(allocation: Allocation) -> ClassOf | RowOf:
    """Return the module that looks up each word's class, or in a table its row: what a `ClassRecurrent` is given.

    Parameters
    ----------
    allocation : Classes or Table
        Of the words that are read.

    Raises
    ------
    InputError
        If the allocation is of another kind.

    Examples
    --------
    >>> from wordalloc import Table, Vocabulary
    >>> vocabulary = Vocabulary.from_counts("abcde", [5, 4, 3, 2, 1])
    >>> lookup = class_lookup(Classes(vocabulary, [0, 1, 1, 0, 2]))
    >>> lookup(torch.tensor([[0, 4], [2, 3]])).tolist(), lookup.n_classes
    ([[0, 2], [1, 0]], 3)
    >>> class_lookup(Table(vocabulary, [0, 4, 1, 3, 5], shape=(2, 3)))(torch.arange(5)).tolist()
    [0, 1, 0, 1, 1]
    """
    if isinstance(allocation, Classes):
        return ClassOf(allocation)
    if isinstance(allocation, Table):
        return RowOf(allocation)
    raise InputError(f"a class recurrence needs classes or a table, not {type(allocation).__name__}")
