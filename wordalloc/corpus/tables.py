"""Text in files of rows: every row of one column of strings is a piece of text that ends its last line.

A row that does not end in a line feed gets one, so an empty row is an empty line; a row that is null is none. The same
text is the same whether it comes so, in any of these formats, or plain.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

from wordalloc.corpus import arrow, jsonl, parquet
from wordalloc.corpus.columns import Columns
from wordalloc.errors import InputError

if TYPE_CHECKING:
    from wordalloc.corpus.reading import Input

FORMS: dict[str, ModuleType] = {"parquet": parquet, "jsonl": jsonl, "arrow": arrow}


def table_form(file: Input, start: bytes, column: str | None) -> str | None:
    """Tell which of `FORMS` a file has; None where it is no file of rows.

    Parameters
    ----------
    file : Input
        Open already.
    start : bytes
        What it begins with, decompressed.
    column : str, optional
        That the user named, by which a single JSON object is known for a row.

    Raises
    ------
    InputError
        If its rows are one JSON array.
    """
    if parquet.is_parquet(start):
        return "parquet"
    if arrow.is_arrow(start):
        return "arrow"
    if jsonl.is_array_of_objects(start):
        raise InputError(f"{file.name}: is one JSON array of objects; write one object a line (jq -c '.[]')")
    return "jsonl" if jsonl.is_jsonl(file, start, column) else None


def read_columns(file: Input) -> Columns:
    """Return the names and types of a file's columns."""
    return FORMS[file.form or ""].read_columns(file)


def read_rows(
    file: Input, names: list[str], errors: str = "strict"
) -> Iterator[tuple[int, list[tuple[Any, ...]], int]]:
    """Yield rows of some columns, many at a time: the number of the first, the rows, and how far the file is read."""
    return FORMS[file.form or ""].read_rows(file, names, errors)


def read_text(file: Input, errors: str, block_bytes: int) -> Iterator[tuple[str, int]]:
    """Yield blocks of whole lines, and about how many bytes of the file were read for them.

    Parameters
    ----------
    file : Input
        With its `form` and `column`.
    errors : {"strict", "replace"}
        A NUL is an error that names the row, or read as U+FFFD.
    block_bytes : int
        About how long a block is; it is longer only where a row is.
    """
    lines: list[str] = []
    waiting = position = 0
    for first, rows, position in read_rows(file, [file.column or ""], errors):
        for number, (row,) in enumerate(rows, first):
            if row is None:
                continue
            if not isinstance(row, str):
                raise InputError(
                    f"{place(file, number)} of the column {file.column!r} must be a string, not {row!r:.40}"
                )
            if "\0" in row and errors == "strict":
                raise nul_in_row(file, number)
            lines.append(row.replace("\0", "\ufffd") + "\n" * (not row.endswith("\n")))
            waiting += len(lines[-1])
            if waiting >= block_bytes:
                yield "".join(lines), position
                lines, waiting = [], 0
    if lines:
        yield "".join(lines), position


def place(file: Input, number: int) -> str:
    """Return how a message names a row: as a line where it is one."""
    return f"{file.name}: {'line' if file.form == 'jsonl' else 'row'} {number}"


def nul_in_row(file: Input, number: int) -> InputError:
    """Return the error of a NUL, which no text holds."""
    return InputError(
        f"{place(file, number)} of the column {file.column!r} holds NUL, so this is binary data, not text; "
        "--errors replace reads U+FFFD there"
    )
