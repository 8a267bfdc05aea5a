"""Text in Parquet: every row of one column of strings is a piece of text that ends its last line.

A row that does not end in a line feed gets one, so an empty row is an empty line; a row that is null is none. What a
Parquet file holds, text or ready counts, is told by the names and types of its columns, the same for every engine.
"""

from __future__ import annotations

import glob
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wordalloc.corpus.engine import connect, load_duckdb
from wordalloc.errors import FormatError, InputError

if TYPE_CHECKING:
    from wordalloc.corpus.reading import Input

Columns = Sequence[tuple[str, str]]  # name and type; STRINGS, NUMBERS, or what the engine calls another type
STRINGS, NUMBERS = "strings", "whole numbers"
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
ROWS = "read_parquet(?, hive_partitioning = false)"  # of one file, whose folders are no columns
_COUNTS = ("count", "counts", "n", "freq", "frequency")
_ROWS = 2048  # read at a time: a vector of DuckDB's


def text_column(name: str, columns: Columns, chosen: str | None) -> str | None:
    """Return the column of text of a Parquet file; None where it holds ready counts.

    Parameters
    ----------
    name : str
        What the user called the file.
    columns : sequence of (str, str)
        Names and types.
    chosen : str, optional
        The column that the user named. By default, where no column has counts, the one called ``text`` or the only
        one of strings.

    Raises
    ------
    InputError
        If there is no such column, or none can be chosen.

    Examples
    --------
    >>> text_column("a.parquet", [("word", STRINGS), ("count", NUMBERS)], None)
    >>> text_column("a.parquet", [("id", NUMBERS), ("text", STRINGS), ("title", STRINGS)], None)
    'text'
    """
    strings = [column for column, kind in columns if kind == STRINGS]
    if chosen is not None:
        if chosen in strings:
            return chosen
        kind = dict(columns).get(chosen)
        problem = f"the column {chosen!r} is of {kind}" if kind else f"there is no column {chosen!r}"
        raise InputError(f"{name}: {problem}; of strings it has: {', '.join(strings) or 'none'}")
    if count_columns(columns) is not None:
        return None
    found = "text" if "text" in strings else strings[0] if len(strings) == 1 else None
    if found is None:
        listed = ", ".join(f"{column} ({kind})" for column, kind in columns)
        raise InputError(
            f"{name}: no column is clearly the text; count it first with: wordalloc count --column NAME; "
            f"the file has: {listed}"
        )
    return found


def count_columns(columns: Columns) -> tuple[str, str] | None:
    """Return the columns of words and of their counts, or None where the file holds no counts.

    Words are in the column ``word`` or the only one of strings; counts in the one called ``count``, ``counts``, ``n``,
    ``freq`` or ``frequency``, or, beside ``word``, the only one of whole numbers. Beside ``text``, only ``count`` is.

    Parameters
    ----------
    columns : sequence of (str, str)
        Names and types.

    Examples
    --------
    >>> count_columns([("token", STRINGS), ("freq", NUMBERS)])
    ('token', 'freq')
    >>> count_columns([("sentence", STRINGS), ("label", NUMBERS)])
    """
    strings = [column for column, kind in columns if kind == STRINGS]
    numbers = [column for column, kind in columns if kind == NUMBERS]
    called = {column.lower(): column for column in numbers}
    word = "word" if "word" in strings else strings[0] if len(strings) == 1 else None
    count = next((called[name] for name in _COUNTS if name in called), None)
    if count is None and word == "word" and len(numbers) == 1:
        count = numbers[0]
    if word is None or count is None or (word == "text" and count != "count"):
        return None
    return word, count


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


def read_rows(file: Input, errors: str, block_bytes: int) -> Iterator[tuple[str, int]]:
    """Yield blocks of whole lines, and about how many bytes of the file were read for them.

    Parameters
    ----------
    file : Input
        With its `column`.
    errors : {"strict", "replace"}
        A NUL is an error that names the row, or read as U+FFFD.
    block_bytes : int
        About how long a block is; it is longer only where a row is.
    """
    duckdb = load_duckdb()
    path, column = [literal(file.path)], quoted(file.column or "")
    lines: list[str] = []
    waiting = 0
    try:
        with connect(threads=1) as connection:
            total = connection.execute(f"SELECT count(*) FROM {ROWS}", path).fetchall()[0][0]
            cursor = connection.execute(f"SELECT {column} FROM {ROWS}", path)
            rows = itertools.chain.from_iterable(iter(lambda: cursor.fetchmany(_ROWS), []))
            for number, (row,) in enumerate(rows):
                if row is None:
                    continue
                if "\0" in row and errors == "strict":
                    raise nul_in_row(file, number)
                lines.append(row.replace("\0", "\ufffd") + "\n" * (not row.endswith("\n")))
                waiting += len(lines[-1])
                if waiting >= block_bytes:
                    yield "".join(lines), file.size * (number + 1) // total
                    lines, waiting = [], 0
            if lines:
                yield "".join(lines), file.size
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


def nul_in_row(file: Input, row: int) -> InputError:
    """Return the error of a NUL, which no text holds; rows are counted from 0."""
    return InputError(
        f"{file.name}: row {row} of the column {file.column!r} holds NUL, so this is binary data, not text; "
        "--errors replace reads U+FFFD there"
    )


def not_utf8(file: Input) -> FormatError:
    """Return the error of strings that are none, which Parquet does not allow whatever --errors says."""
    return FormatError(
        f"{file.name}: damaged Parquet file: the column {file.column!r} holds bytes that are not UTF-8; write it again"
    )


def damaged(file: Input, error: Exception) -> FormatError:
    """Return the error of a file that the engine cannot read."""
    return FormatError(f"{file.name}: damaged Parquet file: {str(error).splitlines()[0]}; fetch it again")
