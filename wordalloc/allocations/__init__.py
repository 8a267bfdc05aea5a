"""Allocations: an address for every word, frozen and self-checking, and the files they live in."""

from __future__ import annotations

import os
import reprlib
from typing import Any

from wordalloc.allocations import storage
from wordalloc.allocations.base import Allocation, Stored
from wordalloc.allocations.bigrams import Bigrams
from wordalloc.allocations.classes import Classes
from wordalloc.allocations.costs import Costs
from wordalloc.allocations.cutoffs import Cutoffs
from wordalloc.allocations.table import Table
from wordalloc.allocations.tree import Tree
from wordalloc.errors import FormatError, InputError
from wordalloc.vocabulary import Vocabulary

__all__ = ["Allocation", "Bigrams", "Classes", "Costs", "Cutoffs", "Stored", "Table", "Tree", "load", "save"]

KINDS: dict[str, type[Stored]] = {kind.kind: kind for kind in (Bigrams, Cutoffs, Classes, Tree, Table, Costs)}
VOCABULARY_KIND = "vocabulary"


def load(path: str | os.PathLike[str]) -> Any:
    """Load an allocation, or a `Vocabulary`, from a file written by `save`.

    Parameters
    ----------
    path : path-like
        A ``.safetensors`` file of any kind.

    Returns
    -------
    Allocation, Bigrams, Costs or Vocabulary
        Of the class that the file's kind names.

    Raises
    ------
    FormatError
        If the file is missing, damaged, foreign, or of an unknown kind; the message says which.

    Examples
    --------
    >>> import tempfile
    >>> vocabulary = Vocabulary.from_counts("abc", [3, 2, 1])
    >>> with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
    ...     Cutoffs(vocabulary, [1]).save(file.name)
    ...     load(file.name)
    Cutoffs([1], vocabulary of 3 words)
    """
    record = storage.read(path)
    if record.kind == VOCABULARY_KIND:
        _refuse_unknown(path, record, frozenset())
        return record.vocabulary
    if record.kind not in KINDS:
        known = ", ".join([VOCABULARY_KIND, *KINDS])
        kind = reprlib.repr(record.kind)
        raise FormatError(f"{path}: holds the unknown kind {kind}; this wordalloc knows {known}; upgrade it")
    try:
        content = KINDS[record.kind].from_arrays(record.vocabulary, record.arrays, record.parameters)
    except InputError as error:
        raise FormatError(f"{path}: damaged {record.kind} file: {error}; make it again") from error
    _refuse_unknown(path, record, content.names)
    return content


def _refuse_unknown(path: str | os.PathLike[str], record: storage.Record, known: frozenset[str]) -> None:
    if unknown := record.arrays.keys() - known:
        listed = reprlib.repr(sorted(unknown))
        raise FormatError(f"{path}: damaged {record.kind} file: it holds the unknown arrays {listed}; make it again")


def save(what: Stored | Vocabulary, path: str | os.PathLike[str]) -> None:
    """Write an allocation, bigrams, costs or a vocabulary to `path`, whole or not at all.

    Parameters
    ----------
    what : Allocation, Bigrams, Costs or Vocabulary
        What to write. The same content gives the same bytes.
    path : path-like
        The file to make or to replace.

    Raises
    ------
    OutputError
        If the target cannot be written; it is then left as it was.
    """
    if isinstance(what, Vocabulary):
        storage.write(path, VOCABULARY_KIND, what, {}, {})
    else:
        what.save(path)
