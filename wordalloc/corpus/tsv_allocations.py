"""Tables in TSV whose first line names the columns, as ``wordalloc export --to tsv`` writes them."""

from __future__ import annotations

from typing import Any

from wordalloc.allocations import Bigrams
from wordalloc.allocations.columns import from_columns
from wordalloc.allocations.interchange import PAIRS
from wordalloc.corpus.reading import Input, first_bytes, read_lines
from wordalloc.corpus.ready_counts import checked_count
from wordalloc.errors import FormatError, InputError
from wordalloc.vocabulary import Vocabulary

_ADDRESSES = (("cluster",), ("class", "slot"), ("row", "column"), ("code",), ("code", "class_depth"))
_HEADERS = {"\t".join(names): names for names in (PAIRS, *(("word", "count", *names) for names in _ADDRESSES))}


def has_header(file: Input) -> bool:
    """Tell whether the first line of a file names the columns of one of our tables."""
    return _first_line(first_bytes(file)) in _HEADERS


def read_tsv_allocation(file: Input, counted: Vocabulary | None, errors: str) -> Any:
    """Return what a table holds: an allocation, or bigrams over the words counted.

    Parameters
    ----------
    file : Input
        Whose first line names the columns.
    counted : Vocabulary, optional
        The words of bigrams, whose counts the table does not have.
    errors : {"strict", "replace"}
        What to do where the text is not UTF-8.

    Raises
    ------
    InputError
        If a line has other fields, a number is none, or the columns do not make an allocation.
    """
    lines = (line.removesuffix("\r") for block, _ in read_lines(file, errors, keep_separators=True) for line in block)
    names = _HEADERS[next(lines)]
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for number, line in enumerate(lines, 2):
        fields = line.split("\t")
        where = f"{file.name}: line {number}"
        if len(fields) != len(names):
            raise InputError(f"{where}: expected {', '.join(names)}, separated by tabs, not {line!r:.80}")
        for name, field in zip(names, fields, strict=True):
            is_text = name in ("word", "left", "right", "code")
            columns[name].append(field if is_text else checked_count(field, f"{where}: {name}"))
    if names == PAIRS:
        return _bigrams(file, columns, counted)
    if counted is not None:
        raise InputError(f"{file.name}: holds counts already; leave out --counts")
    named = {"words": columns.pop("word"), "counts": columns.pop("count"), **columns}
    try:
        return from_columns({}, named)
    except InputError as error:
        raise FormatError(f"{file.name}: {error}") from error


def _bigrams(file: Input, columns: dict[str, list[Any]], counted: Vocabulary | None) -> Bigrams:
    if counted is None:
        raise InputError(f"{file.name}: holds pairs of words, without the words' own counts; give those with --counts")
    left, right = counted.index(columns["left"]), counted.index(columns["right"])
    for name, ranks in (("left", left), ("right", right)):
        if ranks.size and ranks.min() < 0:
            place = int(ranks.argmin())
            raise InputError(
                f"{file.name}: line {place + 2}: {columns[name][place]!r:.40} must be one of the words counted"
            )
    try:
        return Bigrams(counted, left, right, columns["count"])
    except InputError as error:
        raise FormatError(f"{file.name}: {error}") from error


def _first_line(start: bytes) -> str:
    return start.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].removesuffix(b"\r").decode("utf-8", "replace")
