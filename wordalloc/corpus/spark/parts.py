"""What Spark's workers do with their part of a file: turn its lines into ids, and report on it.

Plain Python alone, sent to the workers by value: they need neither wordalloc nor numpy. A report is a value that
depends on the part alone, kept under the task's number, so that a part that is read again, because a worker was lost,
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from wordalloc.corpus.ranks import Ranks

if TYPE_CHECKING:
    from pyspark import Accumulator, Broadcast

Row = tuple[bytes, str, int, bool]  # text, file, where the part begins, whether it is Parquet
_TO_SPACE = bytes.maketrans(b"\t\v\f\r", b"    ")
_LONG = 1 << 20  # bytes of a line that are split at a time
_MOST_PAIRS = 1 << 19  # counted on a worker before they are handed on


@dataclass(frozen=True)
class Reading:
    """How lines become ids: the vocabulary's ranks, and the text options.

    Attributes
    ----------
    ranks : Broadcast of dict of str to int
        The vocabulary.
    lowercase, replace : bool
        Whether words are looked up in lower case; whether bytes that are not text are read as U+FFFD.
    eos, unk : int or None
        The ranks of ``<eos>``, where lines end in it, and of the unknown word, where there is one.
    """

    ranks: Broadcast[dict[str, int]]
    lowercase: bool
    replace: bool
    eos: int | None
    unk: int | None


@dataclass
class Part:
    """A report on one part of one file.

    Attributes
    ----------
    path : str
        The file.
    start : int
        Where in it the part begins.
    lines, tokens, unknown : int
        How many.
    first, last : int
        The ids at both ends, where there are tokens.
    damaged : bool
        Whether there are bytes that are not text.
    stranger : str, optional
        The first word out of a vocabulary that has no word for unknown ones.
    """

    path: str = ""
    start: int = 0
    lines: int = 0
    tokens: int = 0
    unknown: int = 0
    first: int = -1
    last: int = -1
    damaged: bool = False
    stranger: str | None = None


def encode_part(
    index: int, rows: Iterable[Row], reading: Reading, reports: Accumulator[dict[int, tuple[Any, ...]]]
) -> Iterator[list[int]]:
    """Yield the ids of every line of a part; at the end, report."""
    ranks = Ranks(reading.ranks.value, reading.lowercase)
    part = Part()
    for text, path, start, parquet in rows:
        if (path, start) != (part.path, part.start):
            if part.path:
                raise RuntimeError("a task of Spark's reads two parts of files")
            part.path, part.start = path, start
        for line in bytes(text).removesuffix(b"\n").split(b"\n"):
            ids = _encode_line(line, ranks, reading, part, parquet)
            part.lines += 1
            part.tokens += len(ids)
            if ids:
                part.first = ids[0] if part.first < 0 else part.first
                part.last = ids[-1]
            yield ids
    if part.path:
        reports.add({index: astuple(part)})


def count_part(
    index: int, rows: Iterable[Row], reading: Reading, reports: Accumulator[dict[int, tuple[Any, ...]]], size: int
) -> Iterator[tuple[int, int]]:
    """Yield the pairs of a part as left · size + right, and how often each is seen, not all of it at once."""
    counts: dict[int, int] = {}
    last = -1
    for ids in encode_part(index, rows, reading, reports):
        for rank in ids:
            if last >= 0:
                pair = last * size + rank
                counts[pair] = counts.get(pair, 0) + 1
            last = rank
        if len(counts) > _MOST_PAIRS:
            yield from counts.items()
            counts.clear()
    yield from counts.items()


def _encode_line(line: bytes, ranks: Ranks, reading: Reading, part: Part, parquet: bool) -> list[int]:
    ids: list[int] = []
    for piece in _pieces(line.translate(_TO_SPACE)):
        try:
            words = _decode(piece, reading.replace, parquet).split(" ")
        except ValueError:
            part.damaged = True
            return ids
        ids.extend(ranks[word] for word in words if word)
    unknown = ids.count(Ranks.UNKNOWN)
    if unknown:
        part.unknown += unknown
        if reading.unk is None and part.stranger is None:
            words = _decode(line.translate(_TO_SPACE), reading.replace, parquet).split(" ")
            part.stranger = next(word for word in words if word and ranks[word] == Ranks.UNKNOWN)
        ids = [reading.unk or 0 if rank == Ranks.UNKNOWN else rank for rank in ids]
    if reading.eos is not None:
        ids.append(reading.eos)
    return ids


def _decode(piece: bytes, replace: bool, parquet: bool) -> str:
    """Return text, or raise ValueError. Strings in Parquet must be valid in any case."""
    if b"\0" in piece:
        if not replace:
            raise ValueError
        piece = piece.replace(b"\0", "\ufffd".encode())
    return piece.decode("utf-8", "replace" if replace and not parquet else "strict")


def _pieces(line: bytes) -> Iterator[bytes]:
    """Cut a long line between words."""
    start = 0
    while len(line) - start > _LONG and (cut := line.find(b" ", start + _LONG)) >= 0:
        yield line[start:cut]
        start = cut + 1
    yield line[start:]
