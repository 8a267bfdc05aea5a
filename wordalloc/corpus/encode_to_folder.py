"""Encoding text to a folder of ids, on DuckDB or on Spark. Memory bounded by a part and the longest line."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wordalloc.corpus.counting import describe
from wordalloc.corpus.encoded_folder import META, is_meta, meta_json
from wordalloc.corpus.encoding import Lookup, no_word_error, text_options_of, whole_lines
from wordalloc.corpus.engine import Progress, connect, load_duckdb, on_spark
from wordalloc.corpus.kinds import texts
from wordalloc.corpus.reading import Input, Paths, open_inputs
from wordalloc.errors import OutputError
from wordalloc.files import sync, temporary_folder, unwritable
from wordalloc.interrupts import deferred_interrupts
from wordalloc.vocabulary import TextOptions, Vocabulary

_PART_TOKENS = 1 << 22

Part = tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]  # ids, and where in them lines end


def encode_to_folder(
    paths: Paths,
    vocabulary: Vocabulary,
    folder: str | os.PathLike[str],
    *,
    column: str | None = None,
    engine: str = "duckdb",
    master: str | None = None,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Encode texts by a vocabulary, read as its own text was, and write the ids to a folder.

    The folder gets its name when it is whole. `wordalloc.training` reads it in place of the text.

    Parameters
    ----------
    paths, column, engine, master, progress
        As in `wordalloc.count`.
    vocabulary : Vocabulary
        Gives the ids. Words outside it are read as its unknown word.
    folder : path-like
        Where to write: a new name, or that of an earlier result, which is replaced. With Spark any URL it writes to.

    Raises
    ------
    InputError
        If a source cannot be read, holds no token, or holds unknown words and the vocabulary no word for them.
    OutputError
        If the folder cannot be written, or its name is taken by anything else.

    Examples
    --------
    >>> import tempfile
    >>> vocabulary = Vocabulary.from_counts(["to", "be", "<unk>", "<eos>"], [9, 8, 7, 6])
    >>> with tempfile.TemporaryDirectory() as name:
    ...     text = Path(name) / "text.txt"
    ...     _ = text.write_text("to be\\nor to\\n")
    ...     encode_to_folder(text, vocabulary, Path(name) / "text.ids")
    {'lines': 2, 'tokens': 6, 'unknown': 1}
    """
    if on_spark(engine, master):
        from wordalloc.corpus.spark import encode_on_spark

        return encode_on_spark(paths, vocabulary, folder, column=column, master=master, progress=progress)
    with open_inputs(paths) as found, new_folder(Path(folder)) as new:
        files = texts(found, column)
        names, numbers = _write(files, vocabulary, new, progress)
        if not numbers["tokens"]:
            raise no_word_error(", ".join(file.name for file in files))
        meta = meta_json(names, numbers, describe(files, numbers["tokens"]), vocabulary)
        (new / META).write_text(meta, encoding="utf-8")
    return numbers


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder that gets its name when it is whole; an earlier result of that name is replaced."""
    if "\0" in str(target):
        raise OutputError("cannot write to a name that holds NUL; choose another name with -o")
    refuse_taken(str(target), exists=os.path.lexists(target), ours=_is_ours(target))
    try:
        with temporary_folder(f".{target.name[:32]}.", target.parent) as work:
            new = work / "new"
            new.mkdir()
            yield new
            for path in (*new.iterdir(), new):
                sync(path)
            with deferred_interrupts():
                _give_name(new, target, work / "old")
            sync(target.parent)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"cannot write {target}: {unwritable(error)}") from error


def refuse_taken(name: str, *, exists: bool, ours: bool) -> None:
    """Refuse a name that anything but an earlier result has."""
    if exists and not ours:
        raise OutputError(f"cannot write {name}: it is there, and no folder of ids; choose another name with -o")


def _is_ours(folder: Path) -> bool:
    try:
        return is_meta((folder / META).read_bytes())
    except OSError:
        return False


def _give_name(new: Path, target: Path, old: Path) -> None:
    """Rename a folder to `target`; what has that name becomes `old`, or stays where the renaming fails."""
    replaced = os.path.lexists(target)
    if replaced:
        target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if replaced:
            old.rename(target)
        raise


def _write(
    files: list[Input], vocabulary: Vocabulary, folder: Path, progress: Progress | None
) -> tuple[list[list[str]], dict[str, int]]:
    """Write the parts of all files; return their names, and how many lines, tokens and unknown ones they have."""
    text = text_options_of(vocabulary)
    lookup = Lookup(vocabulary, text)
    names: list[list[str]] = []
    numbers = {"lines": 0, "tokens": 0, "unknown": 0}
    total, finished = sum(file.size for file in files), 0
    for file in files:
        names.append([])
        for (ids, ends), unknown, position in _parts(file, lookup, text):
            if ends.size:
                names[-1].append(f"part-{sum(map(len, names)):06d}.parquet")
                _write_part(folder / names[-1][-1], ids, ends)
            for key, number in zip(numbers, (ends.size, ids.size, unknown), strict=True):
                numbers[key] += number
            if progress is not None:
                progress(finished + position, total)
        finished += file.size
    return names, numbers


def _parts(file: Input, lookup: Lookup, text: TextOptions) -> Iterator[tuple[Part, int, int]]:
    """Yield parts of whole lines, how many of their tokens are unknown, and the bytes of the file read so far."""
    ids: list[npt.NDArray[np.int32]] = []
    ends: list[npt.NDArray[np.int64]] = []
    size = unknown = position = 0
    for block, position in whole_lines(file, text):
        more, more_ends, n_unknown = lookup.encode(block)
        ids.append(more)
        ends.append(more_ends + size)
        size, unknown = size + more.size, unknown + n_unknown
        if size >= _PART_TOKENS and any(part.size for part in ends):
            whole, flat = np.concatenate(ends), np.concatenate(ids)
            yield (flat[: whole[-1]], whole), unknown, position
            ids, ends, unknown = [flat[whole[-1] :]], [], 0
            size = ids[0].size
    if ends:
        yield (np.concatenate(ids), np.concatenate(ends)), unknown, position


def _write_part(path: Path, ids: npt.NDArray[np.int32], ends: npt.NDArray[np.int64]) -> None:
    duckdb = load_duckdb()
    lines = np.empty(ends.size, dtype=object)
    lines[:] = [line.tolist() for line in np.split(ids, ends[:-1])]
    # Of a sample of the lines DuckDB would take the type of all, and that of blank ones is none.
    with connect(threads=1, pandas_analyze_sample=ends.size) as connection:
        connection.register("lines", {"ids": lines})
        try:
            connection.execute("COPY (SELECT ids::INTEGER[] AS ids FROM lines) TO ? (FORMAT parquet)", [str(path)])
        except duckdb.IOException as error:
            raise OutputError(
                f"cannot write {path.parent}: {str(error).splitlines()[0]}; make room, or choose another place"
            ) from error
