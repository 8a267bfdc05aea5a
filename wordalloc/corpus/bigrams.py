"""Counting adjacent pairs of words on DuckDB, from the ids of an encoded text.

Pairs run over the token stream, ``<eos>`` included where lines end in it, and never from one file's end to the next
file. Chunks of ids are aggregated one after the other, and their partial counts at the end, which DuckDB does on disk
where memory does not suffice. Time O(tokens), memory bounded by the limit plus the pairs found.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.allocations import Bigrams
from wordalloc.corpus.encoding import EncodedText, encode_inputs
from wordalloc.corpus.engine import Progress, on_spark, open_database
from wordalloc.corpus.kinds import texts
from wordalloc.corpus.reading import Input, Paths, open_inputs
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary

NO_PAIRS = "the text has no two words in a row, so there are no pairs to count"
_CHUNK = 1 << 23  # tokens aggregated at a time


def count_bigrams(
    paths: Paths,
    vocabulary: Vocabulary,
    *,
    memory_limit: str | None = None,
    threads: int | None = None,
    column: str | None = None,
    engine: str = "duckdb",
    master: str | None = None,
    progress: Progress | None = None,
) -> Bigrams:
    """Count the adjacent pairs of words of text files.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        As in `wordalloc.count`; read as the vocabulary's own text was.
    vocabulary : Vocabulary
        Words outside it are counted as its unknown word.
    memory_limit : str, optional
        Memory for counting, such as ``"512MB"``; what exceeds it is spilled to disk. Default: DuckDB's.
    threads : int, optional
        Default: the number of processors. The result does not depend on it.
    column, engine, master : str, optional
        As in `wordalloc.count`.
    progress : callable, optional
        Called as ``progress(bytes done, bytes in all)`` while the text is encoded.

    Returns
    -------
    Bigrams

    Raises
    ------
    InputError
        If a source cannot be read, or holds unknown words and the vocabulary no word for them.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from wordalloc.corpus import count
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "corpus.txt"
    ...     _ = path.write_text("a b a b a")
    ...     vocabulary = count(path, eos=False)
    ...     bigrams = count_bigrams(path, vocabulary)
    >>> [(vocabulary.words[i], vocabulary.words[j], n) for i, j, n in zip(bigrams.left, bigrams.right, bigrams.count)]
    [('a', 'b', np.int64(2)), ('b', 'a', np.int64(2))]
    """
    if on_spark(engine, master, memory_limit, threads):
        from wordalloc.corpus.spark import count_bigrams_on_spark

        return count_bigrams_on_spark(paths, vocabulary, column=column, master=master, progress=progress)
    resources: dict[str, Any] = {"memory_limit": memory_limit, "threads": threads}
    with open_inputs(paths) as files:
        return count_bigrams_of_inputs(texts(files, column), vocabulary, progress=progress, **resources)


def count_bigrams_of_inputs(
    files: list[Input],
    vocabulary: Vocabulary,
    *,
    memory_limit: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Bigrams:
    """Count the pairs of files that are open already; see `count_bigrams`."""
    text = encode_inputs(files, vocabulary, progress=progress)
    with open_database(memory_limit, threads) as connection:
        connection.execute("CREATE TABLE partial (pair BIGINT, n BIGINT)")
        for pairs in _pairs(text, vocabulary.size):
            connection.register("pairs", {"pair": pairs})
            connection.execute("INSERT INTO partial SELECT pair, count(*) FROM pairs GROUP BY pair")
            connection.unregister("pairs")
        counted = connection.execute(
            "SELECT pair, sum(n)::BIGINT AS n FROM partial GROUP BY pair ORDER BY pair"
        ).fetchnumpy()
    if not counted["pair"].size:
        raise InputError(NO_PAIRS)
    left, right = np.divmod(counted["pair"].astype(np.int64), vocabulary.size)
    return Bigrams(vocabulary, left, right, counted["n"].astype(np.int64))


def _pairs(text: EncodedText, size: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the adjacent pairs of each file, chunk by chunk, as left · V + right."""
    start = 0
    for end in text.file_ends.tolist():
        for first in range(start, end - 1, _CHUNK):
            chunk = np.asarray(text.ids[first : min(first + _CHUNK + 1, end)]).astype(np.int64)
            yield chunk[:-1] * size + chunk[1:]
        start = end
