"""What a file of rows holds, text or ready counts: told by the names and types of its columns, for every engine."""

from __future__ import annotations

from collections.abc import Sequence

from wordalloc.errors import InputError

Columns = Sequence[tuple[str, str]]  # name and type: one of these three, or what the file calls another type
STRINGS, NUMBERS, NULLS = "strings", "whole numbers", "nothing but null"
_COUNTS = ("count", "counts", "n", "freq", "frequency")


def text_column(name: str, columns: Columns, chosen: str | None) -> str | None:
    """Return the column of text of a file; None where it holds ready counts.

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
    >>> text_column("a.parquet", [("word", STRINGS), ("count", NUMBERS)], None)  # ready counts
    >>> text_column("a.parquet", [("id", NUMBERS), ("text", STRINGS), ("title", STRINGS)], None)
    'text'
    """
    strings = [column for column, kind in columns if kind == STRINGS]
    if chosen is not None:
        kind = dict(columns).get(chosen)
        if kind in (STRINGS, NULLS):
            return chosen
        problem = f"the column {chosen!r} is of {kind}" if kind else f"there is no column {chosen!r}"
        raise InputError(f"{name}: {problem}; of strings it has: {', '.join(strings) or 'none'}")
    if count_columns(columns) is not None:
        return None
    found = "text" if "text" in strings else strings[0] if len(strings) == 1 else None
    if found is None:
        listed = ", ".join(f"{column} ({kind})" for column, kind in columns)
        raise InputError(
            f"{name}: no column is clearly the text; name one with --column, or call it text; the file has: {listed}"
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
