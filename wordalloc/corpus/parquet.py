"""Parquet files, read by DuckDB."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordalloc.corpus.columns import NUMBERS, STRINGS, Columns
from wordalloc.corpus.compressed import MAGICS
from wordalloc.corpus.engine import connect, load_duckdb
from wordalloc.errors import FormatError

if TYPE_CHECKING:
    from wordalloc.corpus.reading import Input

_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
ROWS = "read_parquet(?, hive_partitioning = false)"  # of one file, whose folders are no columns
_ROWS = 2048  # read at a time: a vector of DuckDB's


def is_parquet(start: bytes) -> bool:
    """Tell whether a file begins as Parquet does, damaged or not: its headers hold NUL, which no text does."""
    return start.startswith(b"PAR1") and (b"\0" in start or start.endswith(b"PAR1"))


def read_columns(file: Input) -> Columns:
    """Return the names and types of a Parquet file's columns."""
    duckdb = load_duckdb()
    try:
        with connect() as connection:
            rows = connection.execute(f"DESCRIBE SELECT * FROM {ROWS}", [literal(file.path)]).fetchall()
    except duckdb.Error as error:
        raise damaged(file, error) from error
    kinds = {"VARCHAR": STRINGS, **dict.fromkeys((*_INTEGERS, *(f"U{kind}" for kind in _INTEGERS)), NUMBERS)}
    return [(name, kinds.get(kind, kind)) for name, kind, *_ in rows]


def read_rows(file: Input, names: Sequence[str], errors: str) -> Iterator[tuple[int, list[tuple[Any, ...]], int]]:
    """Yield rows of some columns, many at a time: the number of the first, the rows, and how far the file is read.

    Parameters
    ----------
    file : Input
        In Parquet.
    names : sequence of str
        Of the columns.
    errors : {"strict", "replace"}
        Not looked at: strings that are not UTF-8 are no strings of Parquet's.
    """
    duckdb = load_duckdb()
    path, columns = [literal(file.path)], ", ".join(map(quoted, names))
    first = 0
    try:
        with connect(threads=1) as connection:
            total = connection.execute(f"SELECT count(*) FROM {ROWS}", path).fetchall()[0][0]
            cursor = connection.execute(f"SELECT {columns} FROM {ROWS}", path)
            while rows := cursor.fetchmany(_ROWS):
                yield first, rows, file.size * (first + len(rows)) // total
                first += len(rows)
    except duckdb.Error as error:
        if "UTF" in str(error).upper():
            raise not_utf8(file) from error
        raise damaged(file, error) from error


def literal(path: Path) -> str:
    """Return a path for `ROWS`, which takes it for a pattern."""
    return glob.escape(str(path.absolute()))


def quoted(column: str) -> str:
    """Return a column's name as SQL writes it."""
    return '"' + column.replace('"', '""') + '"'


def not_utf8(file: Input) -> FormatError:
    """Return the error of strings that are none, which Parquet does not allow whatever --errors says."""
    return FormatError(
        f"{file.name}: damaged Parquet file: the column {file.column!r} holds bytes that are not UTF-8; write it again"
    )


def damaged(file: Input, error: Exception) -> FormatError:
    """Return the error of a file that the engine cannot read."""
    with file.open() as raw:
        if raw.read(4).startswith(MAGICS):
            return FormatError(f"{file.name}: is a Parquet file compressed as a whole; unpack it first")
    return FormatError(f"{file.name}: damaged Parquet file: {str(error).splitlines()[0]}; fetch it again")
