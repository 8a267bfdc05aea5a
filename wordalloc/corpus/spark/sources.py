"""What `wordalloc.corpus.sources` reads, on Spark: text, and ready counts in Parquet."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wordalloc.allocations import Bigrams
from wordalloc.corpus.engine import Progress
from wordalloc.corpus.reading import Paths
from wordalloc.corpus.spark.counting import count_files
from wordalloc.corpus.spark.encoding import encode_files
from wordalloc.corpus.spark.files import HadoopFile, find_files
from wordalloc.corpus.spark.pairs import count_pairs
from wordalloc.corpus.spark.ready_counts import read_counts
from wordalloc.corpus.spark.session import open_session
from wordalloc.errors import InputError
from wordalloc.vocabulary import TextOptions, Vocabulary

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def read_vocabulary_on_spark(
    sources: Paths,
    text: TextOptions,
    *,
    column: str | None = None,
    max_size: int | None = None,
    min_count: int = 1,
    master: str | None = None,
    progress: Progress | None = None,
) -> Vocabulary:
    """Return the vocabulary of texts, or of one Parquet file of ready counts; see `read_vocabulary`."""
    with open_session(master) as session:
        files, kinds = find_files(session, sources, column)
        if kinds == ["parquet"]:
            return read_counts(session, files[0], text.unk, max_size=max_size, min_count=min_count, progress=progress)
        _check_texts(files, kinds)
        return count_files(session, files, text, max_size=max_size, min_count=min_count, progress=progress)


def read_bigrams_on_spark(
    sources: Paths,
    text: TextOptions,
    *,
    column: str | None = None,
    max_size: int | None = None,
    min_count: int = 1,
    master: str | None = None,
    progress: Progress | None = None,
) -> Bigrams:
    """Return the bigrams of texts, with the vocabulary counted from them; see `read_bigrams`."""
    with open_session(master) as session:
        files = find_texts(session, sources, column)
        vocabulary = count_files(session, files, text, max_size=max_size, min_count=min_count, progress=progress)
        return count_pairs(session, files, vocabulary, progress=progress)


def count_on_spark(
    paths: Paths,
    text: TextOptions,
    *,
    column: str | None = None,
    max_size: int | None = None,
    min_count: int = 1,
    master: str | None = None,
    progress: Progress | None = None,
) -> Vocabulary:
    """Count the words of texts; see `wordalloc.count`."""
    with open_session(master) as session:
        files = find_texts(session, paths, column)
        return count_files(session, files, text, max_size=max_size, min_count=min_count, progress=progress)


def count_bigrams_on_spark(
    paths: Paths,
    vocabulary: Vocabulary,
    *,
    column: str | None = None,
    master: str | None = None,
    progress: Progress | None = None,
) -> Bigrams:
    """Count the pairs of texts; see `wordalloc.count_bigrams`."""
    with open_session(master) as session:
        return count_pairs(session, find_texts(session, paths, column), vocabulary, progress=progress)


def encode_on_spark(
    paths: Paths,
    vocabulary: Vocabulary,
    folder: str | os.PathLike[str],
    *,
    column: str | None = None,
    master: str | None = None,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Encode texts to a folder of ids; see `encode_to_folder`."""
    with open_session(master) as session:
        return encode_files(session, find_texts(session, paths, column), vocabulary, folder, progress)


def find_texts(session: SparkSession, sources: Paths, column: str | None) -> list[HadoopFile]:
    """Find files, and refuse those that hold anything but text."""
    files, kinds = find_files(session, sources, column)
    _check_texts(files, kinds)
    return files


def _check_texts(files: list[HadoopFile], kinds: list[str]) -> None:
    for file, kind in zip(files, kinds, strict=True):
        if kind == "parquet":
            raise InputError(f"{file.name}: holds ready counts, not text; --column names a column of text to read")
        if kind != "text":
            raise InputError(f"{file.name}: is {kind}, which needs no Spark: leave out --engine spark")
