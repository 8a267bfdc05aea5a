"""JSON Lines: one JSON object a line, whose keys are the columns. A key that a line lacks is null there."""

from __future__ import annotations

import codecs
import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from wordalloc.corpus.columns import NULLS, NUMBERS, STRINGS, Columns
from wordalloc.corpus.compressed import chunks
from wordalloc.errors import InputError

if TYPE_CHECKING:
    from wordalloc.corpus.reading import Input

_LONGEST = 1 << 24  # bytes of a line
_CHUNK = 1 << 20
_BEGINNING = 1 << 16  # bytes that say what columns there are
_SURROGATE = re.compile("[\ud800-\udfff]")
_ARRAY = re.compile(rb'\s*\[\s*\{\s*"(?:[^"\\]|\\.)*"\s*:')
_KINDS = {str: STRINGS, int: NUMBERS, bool: "true and false", float: "fractions", list: "lists", dict: "objects"}

Lines = tuple[int, list[bytes], int]  # the number of the first, the lines, and how far the file is read


def is_array_of_objects(start: bytes) -> bool:
    """Tell whether a file begins as rows of JSON do that are one array, not one a line.

    Parameters
    ----------
    start : bytes
        What it begins with, decompressed.

    Examples
    --------
    >>> [is_array_of_objects(start) for start in (b'[{"text": 1}]', b'[\\n  {"text": "a', b"[{1}] is a word")]
    [True, True, False]
    """
    return _ARRAY.match(start.removeprefix(codecs.BOM_UTF8)) is not None


def is_jsonl(file: Input, start: bytes, column: str | None) -> bool:
    """Tell whether the first line of a file is a JSON object and the next begins as one, or it is one of strings alone.

    Parameters
    ----------
    file : Input
        Open already; more of it is read only where its first line is long.
    start : bytes
        What it begins with, decompressed.
    column : str, optional
        That the user named: by it a single object is known for a row.
    """
    if not start.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{"):
        return False
    first, *others = _beginning(file) or [b""]
    row = _object(first)
    if not row or others:
        return bool(row) and others[0].lstrip().startswith(b"{")
    if column is not None:
        return column in row
    # One object alone may hold ready counts, perhaps as digits in quotes, or be a tokenizer.json.
    return "model" not in row and any(isinstance(value, str) and not value.isdigit() for value in row.values())


def read_columns(file: Input) -> Columns:
    """Return the keys of the first objects, and what their values are: strings where some are, for text is sought."""
    kinds: dict[str, set[str]] = {}
    for line in _beginning(file):
        for name, value in (_object(line) or {}).items():
            kinds.setdefault(name, set())
            if value is not None:
                kinds[name].add(_KINDS[type(value)])
    listed = {name: STRINGS if STRINGS in found else " and ".join(sorted(found)) for name, found in kinds.items()}
    return [(name, kind or NULLS) for name, kind in listed.items()]


def read_rows(file: Input, names: Sequence[str], errors: str) -> Iterator[tuple[int, list[tuple[Any, ...]], int]]:
    """Yield the values of some keys, many lines at a time: the number of the first, the rows, how far the file is read.

    Parameters
    ----------
    file : Input
        Plain or compressed.
    names : sequence of str
        The keys.
    errors : {"strict", "replace"}
        Bytes that are not UTF-8 and lone surrogates: an error that names the line, or U+FFFD.

    Raises
    ------
    InputError
        If a line is no JSON object, or gives a key twice.
    """
    for first, lines, position in _lines(file):
        yield first, [_row(file, number, line, names, errors) for number, line in enumerate(lines, first)], position


def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object, refusing a key that appears twice in it."""
    content = dict(pairs)
    if len(content) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise InputError(f"the key {twice!r} appears twice in one JSON object; add the two into one")
    return content


def _row(file: Input, number: int, line: bytes, names: Sequence[str], errors: str) -> tuple[Any, ...]:
    where = f"{file.name}: line {number}"
    if not line.strip():
        return (None,) * len(names)
    try:
        text = line.decode("utf-8", errors)
        content = json.loads(text, object_pairs_hook=no_duplicates)
    except UnicodeDecodeError as error:
        raise InputError(f"{where} is not UTF-8: {error.reason}; --errors replace reads U+FFFD there") from error
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is no JSON object: {error!s:.80}") from error
    if not isinstance(content, dict):
        raise InputError(f"{where} is no JSON object: {text!r:.60}")
    values = tuple(map(content.get, names))
    return tuple(_without_surrogates(value, where, errors) for value in values) if "\\u" in text else values


def _without_surrogates(value: Any, where: str, errors: str) -> Any:
    """Return a string that UTF-8 can write: an escape such as \\ud800 alone is no character."""
    if not isinstance(value, str) or _SURROGATE.search(value) is None:
        return value
    if errors == "strict":
        raise InputError(f"{where} holds half of a surrogate pair, no character; --errors replace reads U+FFFD there")
    return _SURROGATE.sub("\ufffd", value)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


class _LongLine(InputError):
    """A line is too long to be a row: a large JSON object may stand on one."""


def _beginning(file: Input) -> list[bytes]:
    """Return the first lines that are not blank: two where there are, and those within the first `_BEGINNING` bytes."""
    found: list[bytes] = []
    read = 0
    with contextlib.suppress(_LongLine):
        for _, lines, _ in _lines(file, _BEGINNING):
            found += [line for line in lines if line.strip()]
            read += sum(map(len, lines))
            if len(found) > 1 and read >= _BEGINNING:
                break
    return found


def _lines(file: Input, size: int = _CHUNK) -> Iterator[Lines]:
    """Yield lines without their ends, those of a chunk at a time."""
    pending: list[bytes] = []
    waiting = position = 0
    number = 1
    for chunk, position in chunks(file, size):
        piece = chunk if pending or number > 1 else chunk.removeprefix(codecs.BOM_UTF8)
        first, feed, rest = piece.partition(b"\n")
        pending.append(first)
        waiting += len(first)
        if waiting > _LONGEST:
            raise _LongLine(f"{file.name}: line {number} has more than {_LONGEST:,} bytes; no row may be so long")
        if feed:
            *lines, last = rest.split(b"\n")
            yield number, [b"".join(pending), *lines], position
            number += 1 + len(lines)
            pending, waiting = [last], len(last)
    if waiting:
        yield number, [b"".join(pending)], position
