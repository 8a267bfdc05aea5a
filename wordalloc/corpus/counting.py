"""Counting words on DuckDB: in parallel, under a memory limit, spilling to disk.

Threads take turns at reading a block of text; each hands its block to DuckDB, which splits it and counts its
words (without the interpreter's lock) into a table of partial counts. One aggregation of that table at the end,
which DuckDB does on disk where memory does not suffice, gives the counts. Time O(bytes); memory bounded by the
limit plus the words kept, as bytes. The result depends neither on the number of threads nor on the block size.
"""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wordalloc.checks import exact_sum
from wordalloc.corpus.engine import Progress, on_spark, open_database
from wordalloc.corpus.kinds import texts
from wordalloc.corpus.reading import Input, Paths, open_inputs, read_blocks
from wordalloc.errors import InputError
from wordalloc.interrupts import deferred_interrupts
from wordalloc.vocabulary import EOS, MAX_COUNT, TextOptions, Vocabulary

if TYPE_CHECKING:
    import duckdb

# Splitting by lines first gives DuckDB rows of a size that its vectors were made for: twice as fast as one
# long row. Only \n ends a line; the other separators become spaces before.
_COUNT_BLOCK = """
    INSERT INTO partial
    SELECT word, count(*) FROM (
        SELECT unnest(string_split(line, ' ')) AS word FROM (SELECT unnest(string_split(?, chr(10))) AS line)
    ) WHERE word <> '' GROUP BY word
"""
_FETCH_ROWS = 100_000


def count(
    paths: Paths,
    *,
    lowercase: bool = False,
    unk: str = TextOptions.unk,
    eos: bool = True,
    errors: str = "strict",
    max_size: int | None = None,
    min_count: int = 1,
    memory_limit: str | None = None,
    threads: int | None = None,
    column: str | None = None,
    engine: str = "duckdb",
    master: str | None = None,
    progress: Progress | None = None,
) -> Vocabulary:
    """Count the words of text files.

    Words are separated by space, \\t, \\n, \\v, \\f and \\r alone; a line ends at \\n. The vocabulary holds
    `unk`, whose count is the mass of the words dropped, and (with `eos`) ``<eos>``, counted once a line; words
    spelt so in the text are merged with them.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        Files, glob patterns, or ``"-"`` for standard input; gzip, bzip2 and Zstandard are read as they are,
        and so are Parquet, JSONL and Arrow, where every row of a column is a piece of text that ends its last line.
    lowercase : bool
        Count ``str.lower()`` of every word.
    unk : str
        Stands for the words dropped.
    eos : bool
        Whether every line ends in ``<eos>``.
    errors : {"strict", "replace"}
        What to do where the text is not UTF-8.
    max_size : int, optional
        Keep at most so many entries, `unk` and ``<eos>`` included.
    min_count : int
        Drop words seen fewer times.
    memory_limit : str, optional
        Memory for counting, such as ``"512MB"``; what exceeds it is spilled to disk. Default: DuckDB's.
    threads : int, optional
        Default: the number of processors.
    column : str, optional
        The column of text, in Parquet, JSONL or Arrow; by default the one called ``text`` or the only one of strings.
    engine : {"duckdb", "spark"}
        What counts; the result is the same. With Spark, paths may be any URLs that it reads; memory and threads are
        what its own configuration says.
    master : str, optional
        Spark's master, such as ``"spark://host:7077"``. Default: what its configuration says, else this machine.
    progress : callable, optional
        Called as ``progress(bytes done, bytes in all)``.

    Returns
    -------
    Vocabulary
        Sorted by count, then by the words' bytes.

    Raises
    ------
    InputError
        If a source cannot be read, is not text, or no word remains.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "corpus.txt"
    ...     _ = path.write_text("to be or\\nnot to be\\n")
    ...     vocabulary = count(path)
    >>> dict(zip(vocabulary.words, vocabulary.counts.tolist()))
    {'<eos>': 2, 'be': 2, 'to': 2, 'not': 1, 'or': 1, '<unk>': 0}
    """
    text = TextOptions(lowercase=lowercase, unk=unk, eos=eos, errors=errors)
    limits: dict[str, Any] = {"max_size": max_size, "min_count": min_count, "progress": progress}
    if on_spark(engine, master, memory_limit, threads):
        from wordalloc.corpus.spark import count_on_spark

        return count_on_spark(paths, text, column=column, master=master, **limits)
    with open_inputs(paths) as files:
        return count_inputs(texts(files, column), text, memory_limit=memory_limit, threads=threads, **limits)


def count_inputs(
    files: list[Input],
    text: TextOptions,
    *,
    max_size: int | None = None,
    min_count: int = 1,
    memory_limit: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Vocabulary:
    """Count files that are open already; see `count`."""
    room = room_for(max_size, 2 if text.eos else 1)  # before the text is read
    with open_database(memory_limit, threads) as connection:
        connection.execute("CREATE TABLE partial (word VARCHAR, n BIGINT)")
        lines = _count_files(connection, files, text, progress)
        specials = {text.unk: 0, EOS: lines} if text.eos else {text.unk: 0}
        tokens = _scalar(connection, "SELECT coalesce(sum(n), 0) FROM partial") + (lines if text.eos else 0)
        _keep(connection, text, specials, room, min_count)
        words, lengths, counts = _ranked(connection)
    if counts.size == len(specials):
        raise nothing_counted(files, min_count)
    return Vocabulary.from_bytes(
        bytes(words),
        np.cumsum(lengths, dtype=np.int64),
        counts,
        text=text,
        source=describe(files, tokens),
        parameters={"max_size": max_size, "min_count": min_count},
    )


def nothing_counted(files: Sequence[Input], min_count: int) -> InputError:
    """Return the error that says why no word was kept."""
    names = ", ".join(file.name for file in files)
    if not any(file.size for file in files):
        return InputError(f"{names}: empty; there is nothing to count: name a file that holds words")
    few = "lower --min-count" if min_count > 1 else "it holds nothing but separators"
    return InputError(f"{names}: no word is seen at least {min_count} times; {few}")


def limited(vocabulary: Vocabulary, unk: str, max_size: int | None, min_count: int) -> Vocabulary:
    """Apply the limits to ready counts: what is dropped becomes the count of `unk`, which then is added.

    The words kept are those of the first ranks; `unk` and ``<eos>`` always stay.
    """
    counts = vocabulary.counts
    ranks = {word: vocabulary.rank_of(word) for word in (unk, EOS)}
    specials = {word: int(counts[rank]) for word, rank in ranks.items() if rank is not None}
    regular = np.ones(vocabulary.size, dtype=bool)
    regular[[rank for rank in ranks.values() if rank is not None]] = False
    kept = np.flatnonzero(regular & (counts >= min_count) if min_count > 1 else regular)
    n_regular = vocabulary.size - len(specials)
    if max_size is not None and (kept.size < n_regular or vocabulary.size > max_size):
        kept = kept[: room_for(max_size, len({unk, *specials}))]  # of what is dropped, `unk` is the count
    if kept.size == n_regular:
        return vocabulary
    if not kept.size:
        raise InputError(f"no word is counted at least {min_count} times; lower --min-count")
    if vocabulary.ids is not None:
        raise InputError("a tokenizer's vocabulary cannot be cut: its ids are fixed; leave out --max-size, --min-count")
    dropped = vocabulary.total - sum(specials.values()) - exact_sum(counts[kept])
    specials[unk] = checked_unknown(specials.get(unk, 0) + dropped, unk)
    return Vocabulary.from_counts(
        [*vocabulary.words_at(kept.tolist()), *specials],
        [*counts[kept].tolist(), *specials.values()],
        text=vocabulary.text,
        source=vocabulary.source,
        parameters={"max_size": max_size, "min_count": min_count},
    )


def checked_unknown(count: int, unk: str) -> int:
    """Return the count of `unk`, which the words dropped have gone to; refuse one that is too large for a count."""
    if count > MAX_COUNT:
        raise InputError(f"the words dropped make {count} of {unk}, beyond 2**62; drop fewer, or scale counts")
    return count


def describe(files: Sequence[Input], tokens: int) -> dict[str, Any]:
    """Return what an allocation file remembers of its sources: names and sizes, and the number of tokens."""
    listed = sorted((file.base_name, file.size) for file in files)
    return {"names": [name for name, _ in listed], "sizes": [size for _, size in listed], "tokens": tokens}


def _count_files(
    connection: duckdb.DuckDBPyConnection, files: list[Input], text: TextOptions, progress: Progress | None
) -> int:
    """Fill the table of partial counts; return the number of lines."""
    blocks = _Blocks(files, text.errors)
    total = sum(file.size for file in files)
    workers = _scalar(connection, "SELECT current_setting('threads')")
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        try:
            with deferred_interrupts():  # the pool would forget, and not wait for, a thread that is just being started
                pending = {pool.submit(_work, connection.cursor(), blocks) for _ in range(workers)}
            while pending:
                done, pending = concurrent.futures.wait(pending, 0.1, concurrent.futures.FIRST_COMPLETED)
                for worker in done:
                    worker.result()
                if progress is not None:
                    progress(blocks.done, total)
        except BaseException:
            blocks.stop()
            raise
    return blocks.lines


def _work(cursor: duckdb.DuckDBPyConnection, blocks: _Blocks) -> None:
    while (block := blocks.take()) is not None:
        cursor.execute(_COUNT_BLOCK, [block])


class _Blocks:
    """The blocks of all files, one after the other, handed to whichever thread asks."""

    def __init__(self, files: list[Input], errors: str) -> None:
        self._lock = threading.Lock()
        self._blocks = self._read(files, errors)
        self._stopped = False
        self.done = 0
        self.lines = 0

    def take(self) -> str | None:
        """Return the next block, or None at the end."""
        with self._lock:
            return None if self._stopped else next(self._blocks, None)

    def stop(self) -> None:
        """Let every thread find the end."""
        self._stopped = True

    def _read(self, files: list[Input], errors: str) -> Iterator[str]:
        finished = 0
        for file in files:
            block = "\n"
            for block, position in read_blocks(file, errors):
                self.lines += block.count("\n")
                self.done = finished + position
                yield block
            self.lines += not block.endswith("\n")  # a last line without \n is a line
            finished += file.size


def _keep(
    connection: duckdb.DuckDBPyConnection,
    text: TextOptions,
    specials: dict[str, int],
    room: int | None,
    min_count: int,
) -> None:
    """Fill the table of words kept, the special ones among them with what they gain."""
    counted = "SELECT word, sum(n)::BIGINT AS n FROM partial GROUP BY word"
    if text.lowercase:
        # DuckDB's lower() agrees with Python's on ASCII alone, and Python's is for distinct words only.
        connection.create_function("python_lower", str.lower, ["VARCHAR"], "VARCHAR")
        lower = "CASE WHEN strlen(word) = length(word) THEN lower(word) ELSE python_lower(word) END"
        counted = f"SELECT {lower} AS word, sum(n)::BIGINT AS n FROM ({counted}) GROUP BY 1"
    connection.execute(f"CREATE TABLE counted AS {counted}")
    connection.execute("DROP TABLE partial")
    for special in specials:
        specials[special] += _scalar(connection, "SELECT coalesce(sum(n), 0) FROM counted WHERE word = ?", special)
    connection.execute("DELETE FROM counted WHERE word IN (SELECT unnest(?::VARCHAR[]))", [list(specials)])
    first = "" if room is None else f"ORDER BY n DESC, word LIMIT {room}"
    connection.execute(f"CREATE TABLE kept AS SELECT word, n FROM counted WHERE n >= {min_count} {first}")
    for table, sign in (("counted", 1), ("kept", -1)):
        specials[text.unk] += sign * _scalar(connection, f"SELECT coalesce(sum(n), 0) FROM {table}")
    connection.execute("DROP TABLE counted")
    connection.executemany("INSERT INTO kept VALUES (?, ?)", list(specials.items()))


def _ranked(
    connection: duckdb.DuckDBPyConnection,
) -> tuple[bytearray, npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the words kept, as bytes end to end in rank order, their lengths behind a 0, and their counts.

    No more than that, for the database still takes up the memory it may.
    """
    size = _scalar(connection, "SELECT count(*) FROM kept")
    words, lengths, counts = bytearray(), np.zeros(size + 1, np.int32), np.zeros(size, np.int64)
    cursor = connection.execute("SELECT word, n FROM kept ORDER BY n DESC, word")
    first = 0
    while rows := cursor.fetchmany(_FETCH_ROWS):
        pieces, end = [word.encode() for word, _ in rows], first + len(rows)
        words += b"".join(pieces)
        lengths[first + 1 : end + 1] = [len(piece) for piece in pieces]
        counts[first:end] = [n for _, n in rows]
        first = end
    return words, lengths, counts


def room_for(max_size: int | None, n_specials: int) -> int | None:
    """How many words fit beside the special ones."""
    if max_size is not None and max_size <= n_specials:
        raise InputError(f"--max-size {max_size} leaves no room beside <unk> and <eos>; give at least {n_specials + 1}")
    return None if max_size is None else max_size - n_specials


def _scalar(connection: duckdb.DuckDBPyConnection, query: str, *parameters: object) -> int:
    return int(connection.execute(query, list(parameters)).fetchall()[0][0])
