"""Reading text: files, globs and stdin, plain or compressed, as blocks of valid UTF-8 cut between words.

Separators are exactly space, tab, line feed, vertical tab, form feed and carriage return. All of them are single
bytes that occur in no longer UTF-8 sequence, so words can be cut on the bytes before anything is decoded.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from wordalloc.corpus.columns import Columns
from wordalloc.corpus.compressed import MAGICS, chunks
from wordalloc.corpus.tables import read_columns, read_text
from wordalloc.errors import InputError
from wordalloc.files import temporary_folder, unreadable

SEPARATORS = b" \t\n\v\f\r"
BLOCK_BYTES = 1 << 20  # large enough to amortise a call, small enough to stay in the processor's cache
LONGEST = 1 << 24  # bytes of a word, and characters of a line where lines are read whole: a bound on memory
BOM = b"\xef\xbb\xbf"
STDIN = "-"

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


@dataclass(frozen=True)
class Input:
    """A file that can be read again and again.

    Attributes
    ----------
    path : Path
        Where the bytes are; for standard input and pipes, a temporary copy.
    name : str
        What the user called it.
    size : int
        Bytes on disk.
    form : {"parquet", "jsonl", "arrow"}, optional
        Of a file of rows.
    column : str, optional
        Of the one whose rows are the text.
    """

    path: Path
    name: str
    size: int
    form: str | None = None
    column: str | None = None

    @property
    def base_name(self) -> str:
        """What an allocation file remembers: no folders."""
        if self.name == STDIN:
            return "stdin"
        return os.fsencode(Path(self.name).name).decode("utf-8", "replace")  # a name may be any bytes; a text may not

    def open(self) -> IO[bytes]:
        """Open the file's bytes."""
        return self.path.open("rb")

    def columns(self) -> Columns:
        """Return the names and types of the columns of a file of rows."""
        return read_columns(self)


@contextlib.contextmanager
def open_inputs(paths: Paths) -> Iterator[list[Input]]:
    """Expand globs, check that everything can be read, and copy stdin and pipes to temporary files.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        Names, glob patterns, or ``"-"`` for standard input.

    Raises
    ------
    InputError
        If a file is missing, is a folder or cannot be read, or a pattern matches nothing.
    """
    names = names_of(paths)
    with temporary_folder("wordalloc-stdin-") as folder:
        expanded = [name for pattern in names for name in _expand(pattern)]
        yield [_open(name, folder / str(number)) for number, name in enumerate(expanded)]


def names_of(paths: Paths) -> list[str]:
    """Return the sources' names, of which there must be one."""
    names = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not names:
        raise InputError("no source is given; name a text file, or - for standard input")
    return [os.fspath(name) for name in names]


def read_blocks(
    file: Input, errors: str, *, block_bytes: int = BLOCK_BYTES, keep_separators: bool = False
) -> Iterator[tuple[str, int]]:
    """Yield ``(text, position)``: valid text that ends between two words, and the bytes of the file read so far.

    A byte order mark at the start of the file is skipped. Memory O(block_bytes + longest word).

    Parameters
    ----------
    file : Input
        Plain text, or gzip, bzip2 or Zstandard, told by its first bytes; or rows, where it has a `column`.
    errors : {"strict", "replace"}
        Invalid UTF-8 and NUL bytes are an error that names the offset, or read as U+FFFD.
    block_bytes : int
        About how long a block is; it is longer only where a single word is.
    keep_separators : bool
        By default only space and line feed are left as separators, and the others are read as spaces.

    Raises
    ------
    InputError
        If the text is not UTF-8, holds a NUL byte or a word beyond `LONGEST`, or its compression is damaged or cut
        short.
    """

    def decode(block: bytes, start: int) -> str:
        if start == 0 and block.startswith(BOM):
            block, start = block[len(BOM) :], len(BOM)
        return _decode(block if keep_separators else block.translate(_TO_SPACE), file, start, errors)

    if file.column is not None:
        for rows, position in read_text(file, errors, block_bytes):
            yield rows if keep_separators else rows.translate(_CHARACTERS_TO_SPACE), position
        return
    offset = 0  # of the first byte of `pending` in the decompressed stream
    pending: list[bytes] = []
    position = waiting = 0  # bytes of the word that `pending` is the beginning of
    for chunk, position in chunks(file, block_bytes):
        cut = 1 + max(chunk.rfind(separator) for separator in _SEPARATOR_BYTES)
        if cut == 0:
            pending.append(chunk)
            waiting += len(chunk)
            if waiting > LONGEST:
                raise InputError(
                    f"{file.name}: a word of more than {LONGEST:,} bytes begins at {_unit(file)} {offset}, so this is "
                    "no text; name another file"
                )
            continue
        block = b"".join((*pending, chunk[:cut]))
        pending, waiting = [chunk[cut:]], len(chunk) - cut
        yield decode(block, offset), position
        offset += len(block)
    if (rest := b"".join(pending)) and (offset or rest != BOM):  # nothing but a byte order mark is an empty text
        yield decode(rest, offset), position


def read_lines(file: Input, errors: str, *, keep_separators: bool = False) -> Iterator[tuple[list[str], int]]:
    """Yield ``(lines, position)``: lines without their line feeds, many at a time; else as `read_blocks`.

    Raises
    ------
    InputError
        As `read_blocks` does, and for a line of more than `LONGEST` characters.
    """
    pending: list[str] = []  # the beginning of a line
    waiting = position = 0
    for block, position in read_blocks(file, errors, keep_separators=keep_separators):
        first, feed, rest = block.partition("\n")
        pending.append(first)
        waiting += len(first)
        if waiting > LONGEST:
            raise InputError(
                f"{file.name}: a line has more than {LONGEST:,} characters; this is no file of lines: name another"
            )
        if feed:
            *lines, last = rest.split("\n")
            yield ["".join(pending), *lines], position
            pending, waiting = [last], len(last)
    if waiting:
        yield ["".join(pending)], position


def read_whole(file: Input, errors: str, most_bytes: int) -> str | None:
    """Return the text of a file, decompressed; None, before it is all read, where it has more than `most_bytes`."""
    content = bytearray()
    for chunk, _ in chunks(file, BLOCK_BYTES):
        content += chunk
        if len(content) > most_bytes:
            return None
    start = len(BOM) if content.startswith(BOM) else 0
    return _decode(bytes(content[start:]), file, start, errors)


def first_bytes(file: Input, size: int = 1 << 16) -> bytes:
    """Return the start of a file, decompressed: what its kind is told by."""
    return next((chunk for chunk, _ in chunks(file, size)), b"")


_SEPARATOR_BYTES = [bytes([value]) for value in SEPARATORS]
_TO_SPACE = bytes.maketrans(b"\t\v\f\r", b"    ")
_CHARACTERS_TO_SPACE = str.maketrans("\t\v\f\r", "    ")


def _expand(name: str) -> list[str]:
    if name == STDIN or not glob.has_magic(name) or os.path.lexists(name):
        return [name]
    matches = sorted(match for match in glob.glob(name, recursive=True) if not Path(match).is_dir())  # noqa: PTH207
    if not matches:
        raise InputError(f"{name}: no file matches this pattern; check its folder, or name a file")
    return matches


def _open(name: str, copy: Path) -> Input:
    if name == STDIN:
        if sys.stdin is None or sys.stdin.closed:
            raise InputError("standard input is closed; name a file instead of -")
        return _copied(sys.stdin.buffer, name, copy)
    path = Path(name)
    try:
        if path.is_dir():
            raise InputError(f"{name}: is a folder; name the files in it, for example '{path / '*.txt'}'")
        with path.open("rb") as file:
            if not path.is_file():  # a pipe can be read only once
                return _copied(file, name, copy)
            return Input(path, name, os.fstat(file.fileno()).st_size)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = unreadable(name, error) if isinstance(error, OSError) else f"{error}; name another"
        raise InputError(f"{name}: cannot be read: {reason}") from error


def _copied(stream: IO[bytes], name: str, copy: Path) -> Input:
    with copy.open("wb") as written:
        shutil.copyfileobj(stream, written, 1 << 20)
    return Input(copy, name, copy.stat().st_size)


def _decode(block: bytes, file: Input, offset: int, errors: str) -> str:
    nul = block.find(b"\0")
    if nul >= 0 and errors == "strict":
        where = f"{file.name}: {_unit(file)} {offset + nul}"
        raise InputError(f"{where} is NUL, so this is binary data, not text; {_REMEDY}")
    if nul >= 0:
        block = block.replace(b"\0", "\ufffd".encode())
    try:
        return block.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        wrong = block[error.start : error.start + 1].hex()
        raise InputError(
            f"{file.name}: {_unit(file)} {offset + error.start} (0x{wrong}) is not UTF-8: {error.reason}; {_REMEDY}"
        ) from error


def _unit(file: Input) -> str:
    """Return what offsets count, for the message of an error."""
    with file.open() as raw:
        return "decompressed byte" if raw.read(4).startswith(MAGICS) else "byte"


_REMEDY = "--errors replace reads U+FFFD there"
