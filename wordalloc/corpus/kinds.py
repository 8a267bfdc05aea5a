"""What a source holds, told by its content: text, ready counts, a tokenizer's vocabulary, a file of wordalloc's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from wordalloc.allocations.storage import begins_as_safetensors, is_allocation_file
from wordalloc.corpus.columns import text_column
from wordalloc.corpus.reading import Input, first_bytes
from wordalloc.corpus.ready_counts import looks_like_json_object, looks_like_tsv, read_json
from wordalloc.corpus.tables import FORMS, table_form
from wordalloc.errors import InputError

File = TypeVar("File", bound=Input)


def tell_kind(file: File, column: str | None = None) -> tuple[File, str]:
    """Return what a file is: allocation, json, tsv, text or, where it holds ready counts, one of `FORMS`.

    A file of JSON that is no object is a text.

    Parameters
    ----------
    file : Input
        Open already.
    column : str, optional
        The column of text, for a file of rows. Such a file is a text, and comes back with its form and column.

    Raises
    ------
    InputError
        If a column is named, but the file is not one of rows, or has no such column.
    """
    if is_allocation_file(file.path):
        kind = "allocation"
    else:
        start = first_bytes(file)
        if begins_as_safetensors(start):  # but the file itself does not
            raise InputError(
                f"{file.name}: is a .safetensors file, cut short or compressed as a whole; fetch it again, or unpack it"
            )
        form = table_form(file, start, column)
        if form is not None:
            table = replace(file, form=form)
            text = text_column(file.name, table.columns(), column)
            return (table, form) if text is None else (replace(table, column=text), "text")
        if looks_like_json_object(start) and read_json(file, "replace") is not None:
            kind = "json"
        else:
            kind = "tsv" if looks_like_tsv(start) else "text"
    if column is not None:
        raise InputError(
            f"{file.name}: is {kind}, but --column names a column of a Parquet, JSONL or Arrow file; leave it out"
        )
    return file, kind


def texts(files: list[File], column: str | None) -> list[File]:
    """Return files that are read as text whatever they look like; see `as_text`."""
    return [as_text(file, own) for file, own in zip(files, columns_of(files, column), strict=True)]


def columns_of(files: Sequence[Input], column: str | None) -> list[str | None]:
    """Return the column of each file: one of rows has it, and plain text beside such a file has none.

    Where no file is one of rows, `tell_kind` says that there is no column.

    Parameters
    ----------
    files : sequence of Input
        Open already.
    column : str, optional
        That the user named.
    """
    if column is None or len(files) < 2:
        return [column] * len(files)
    of_rows = [table_form(file, first_bytes(file), column) is not None for file in files]
    return [column if is_one or not any(of_rows) else None for is_one in of_rows]


def as_text(file: File, column: str | None) -> File:
    """Return a file that is read as text whatever it looks like, one of rows with its column.

    Raises
    ------
    InputError
        If it is a file of rows and holds ready counts, or as `tell_kind` does.
    """
    if column is None and table_form(file, first_bytes(file), None) is None:
        return file
    told, kind = tell_kind(file, column)
    if kind in FORMS:
        raise holds_counts(file)
    return told


def holds_counts(file: Input) -> InputError:
    """Return the error of a file of ready counts where text is wanted."""
    return InputError(f"{file.name}: holds ready counts, not text; --column names a column of text to read")
