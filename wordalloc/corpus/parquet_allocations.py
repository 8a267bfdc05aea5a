"""Allocations in Parquet, for other tools to read, and back: a row a word, and what the rows do not say beside them.

The columns are ``word``, ``count``, perhaps ``id``, and the addresses of the kind; ``nodes`` of a tree is a list, and
so are ``row_nll`` and ``col_nll`` of costs. Of bigrams the lists are ``next``, the ranks of the words that were seen
behind a word, and ``next_count``. The rest is a JSON object under the key ``wordalloc`` of the file's own metadata.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.allocations import Bigrams, Stored
from wordalloc.allocations.columns import from_columns, to_columns
from wordalloc.allocations.storage import METADATA_KEY
from wordalloc.corpus.engine import connect, load_duckdb
from wordalloc.corpus.parquet import ROWS, damaged, literal, quoted
from wordalloc.corpus.reading import Input
from wordalloc.errors import FormatError, InputError, OutputError
from wordalloc.files import atomic_path
from wordalloc.vocabulary import Vocabulary

_BLOCK = 1 << 15  # rows that are Python objects at a time
_TYPES = {
    "word": "VARCHAR",
    "count": "BIGINT",
    "id": "BIGINT",
    "cluster": "INTEGER",
    "class": "INTEGER",
    "slot": "INTEGER",
    "row": "INTEGER",
    "column": "INTEGER",
    "code": "VARCHAR",
    "class_depth": "INTEGER",
    "nodes": "INTEGER[]",
    "next": "INTEGER[]",
    "next_count": "BIGINT[]",
    "row_nll": "FLOAT[]",
    "col_nll": "FLOAT[]",
    "cell": "BIGINT",
}
_SINGULAR = {"words": "word", "counts": "count", "ids": "id"}
_PLURAL = {one: many for many, one in _SINGULAR.items()}


def write_parquet(what: Stored | Vocabulary, path: str | os.PathLike[str]) -> None:
    """Write an allocation, bigrams, costs or a vocabulary as Parquet, whole or not at all.

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

    Examples
    --------
    >>> import tempfile
    >>> from wordalloc.allocations import Cutoffs
    >>> from wordalloc.corpus.reading import open_inputs
    >>> cutoffs = Cutoffs(Vocabulary.from_counts("abc", [3, 2, 1]), [1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_parquet(cutoffs, f"{folder}/a.parquet")
    ...     with open_inputs(f"{folder}/a.parquet") as files:
    ...         read_parquet(files[0])
    Cutoffs([1], vocabulary of 3 words)
    """
    about, columns = to_columns(what)
    if isinstance(what, Bigrams):
        columns = {**columns, **_by_word(what)}
        del columns["left"], columns["right"]
    table = {_SINGULAR.get(name, name): values for name, values in columns.items()}
    if isinstance(what, Bigrams):
        table["count"] = columns["counts"]
    size = len(table["word"])
    declared = ", ".join(f"{quoted(name)} {_TYPES[name]}" for name in table)
    said = json.dumps(about, sort_keys=True, ensure_ascii=False).replace("'", "''")
    duckdb = load_duckdb()
    # Of a sample of the rows DuckDB would take the type of all.
    with atomic_path(path) as temporary, connect(threads=1, pandas_analyze_sample=_BLOCK) as connection:
        connection.execute(f"CREATE TABLE rows ({declared})")
        for first in range(0, size, _BLOCK):
            block = {name: _objects(values[first : first + _BLOCK]) for name, values in table.items()}
            connection.register("block", block)
            connection.execute(f"INSERT INTO rows SELECT {', '.join(map(quoted, table))} FROM block")
            connection.unregister("block")
        try:
            target = str(temporary).replace("'", "''")
            options = f"FORMAT parquet, KV_METADATA {{{METADATA_KEY}: '{said}'}}"
            connection.execute(f"COPY rows TO '{target}' ({options})")
        except duckdb.IOException as error:
            raise OutputError(
                f"cannot write {path}: {str(error).splitlines()[0]}; it is left as it was, write another file with -o"
            ) from error


def read_parquet(file: Input) -> Any:
    """Return what `write_parquet` was given, or what a table of words, counts and addresses by these names holds.

    Raises
    ------
    FormatError
        If the file is damaged, or its columns are not those of a kind.
    """
    duckdb = load_duckdb()
    path = [literal(file.path)]
    try:
        with connect(threads=1) as connection:
            about = _about(file, connection.execute("SELECT key, value FROM parquet_kv_metadata(?)", path).fetchall())
            types = {
                name: kind for name, kind, *_ in connection.execute(f"DESCRIBE SELECT * FROM {ROWS}", path).fetchall()
            }
            _check_types(file, types)
            chosen = ", ".join(f"{quoted(name)}::{_TYPES[name]} AS {quoted(name)}" for name in types)
            found = connection.execute(f"SELECT {chosen} FROM {ROWS}", path).fetchnumpy()
    except duckdb.Error as error:
        raise damaged(file, error) from error
    try:
        columns = {_PLURAL.get(name, name): _whole(name, values) for name, values in found.items()}
        return from_columns(about, _as_pairs(columns) if "next" in columns else columns)
    except InputError as error:
        raise FormatError(f"{file.name}: {error}") from error


def _about(file: Input, metadata: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    said = next((value for key, value in metadata if key == METADATA_KEY.encode()), b"{}")
    try:
        about = json.loads(said)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{file.name}: damaged metadata: {' '.join(str(error).split())[:120]}") from error
    if not isinstance(about, dict):
        raise FormatError(f"{file.name}: damaged metadata: it must be an object")
    return about


def _check_types(file: Input, types: Mapping[str, str]) -> None:
    for name, kind in types.items():
        wanted = _TYPES.get(name)
        if wanted is None:
            raise InputError(f"{file.name}: the column {name!r} is none that an allocation has: {', '.join(_TYPES)}")
        if (wanted == "VARCHAR") != (kind == "VARCHAR") or wanted.endswith("[]") != kind.endswith("[]"):
            raise InputError(f"{file.name}: the column {name!r} is of {kind}, expected {wanted}")


def _whole(name: str, values: npt.NDArray[Any]) -> Any:
    """Return a column without nulls."""
    if isinstance(values, np.ma.MaskedArray):
        if values.mask.any():
            raise InputError(f"the column {name!r} is null in row {int(np.argmax(values.mask))}")
        values = values.data
    if values.dtype != object:
        return values
    listed = values.tolist()
    return [np.ma.getdata(entry) for entry in listed] if _TYPES[name].endswith("[]") else listed


def _objects(values: Any) -> npt.NDArray[Any]:
    """Return one entry a row: numbers as they are, strings and lists as objects."""
    if isinstance(values, np.ndarray) and values.ndim == 1:
        return values
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    objects = np.empty(len(listed), dtype=object)
    objects[:] = [*listed]
    return objects


def _by_word(bigrams: Bigrams) -> dict[str, list[list[int]]]:
    """Return the pairs as lists: of each word those that came next, and how often."""
    ends = np.searchsorted(bigrams.left, np.arange(bigrams.vocabulary.size + 1))
    return {
        "next": list(_pieces(bigrams.right, ends)),
        "next_count": list(_pieces(bigrams.count, ends)),
    }


def _as_pairs(columns: dict[str, Any]) -> dict[str, Any]:
    """Undo `_by_word`."""
    after, counts = columns.pop("next"), columns.pop("next_count", [])
    lengths = list(map(len, after))
    if lengths != list(map(len, counts)):
        raise InputError("'next' and 'next_count' must be lists of the same lengths")
    flat = {"right": after, "count": counts}
    joined = {name: np.concatenate(lists) if lists else np.zeros(0, np.int64) for name, lists in flat.items()}
    return {**columns, "left": np.repeat(np.arange(len(after)), lengths), **joined}


def _pieces(flat: npt.NDArray[Any], ends: npt.NDArray[np.int64]) -> Iterator[list[int]]:
    listed = flat.tolist()
    return (listed[start:end] for start, end in itertools.pairwise(ends.tolist()))
