"""What `wordalloc.corpus.sources` reads, on Spark: text, and ready counts in Parquet."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from wordalloc.allocations import Bigrams
from wordalloc.corpus.engine import Progress
from wordalloc.corpus.kinds import as_text, holds_counts, tell_kind
from wordalloc.corpus.reading import Paths
from wordalloc.corpus.spark.counting import count_files
from wordalloc.corpus.spark.encoding import encode_files
from wordalloc.corpus.spark.files import HadoopFile, find_files
from wordalloc.corpus.spark.pairs import count_pairs
from wordalloc.corpus.spark.ready_counts import read_counts
from wordalloc.corpus.spark.session import run
from wordalloc.errors import InputError
from wordalloc.vocabulary import TextOptions, Vocabulary

Told = Callable[[int], None]

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

    def work(session: SparkSession, told_size: Told) -> Vocabulary:
        told = find_files(session, sources, lambda file: tell_kind(file, column))
        told_size(sum(file.size for file, _ in told))
        if [kind for _, kind in told] == ["parquet"]:
            return read_counts(session, told[0][0], text.unk, max_size=max_size, min_count=min_count)
        files = _only_texts(told)
        return count_files(session, files, text, max_size=max_size, min_count=min_count)

    return run(master, work, progress)


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

    def work(session: SparkSession, told_size: Told) -> Bigrams:
        files = _only_texts(find_files(session, sources, lambda file: tell_kind(file, column)))
        told_size(sum(file.size for file in files))
        return count_pairs(session, files, count_files(session, files, text, max_size=max_size, min_count=min_count))

    return run(master, work, progress)


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

    def work(session: SparkSession, told_size: Told) -> Vocabulary:
        files = _texts(session, paths, column, told_size)
        return count_files(session, files, text, max_size=max_size, min_count=min_count)

    return run(master, work, progress)


def count_bigrams_on_spark(
    paths: Paths,
    vocabulary: Vocabulary,
    *,
    column: str | None = None,
    master: str | None = None,
    progress: Progress | None = None,
) -> Bigrams:
    """Count the pairs of texts; see `wordalloc.count_bigrams`."""

    def work(session: SparkSession, told_size: Told) -> Bigrams:
        return count_pairs(session, _texts(session, paths, column, told_size), vocabulary)

    return run(master, work, progress)


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

    def work(session: SparkSession, told_size: Told) -> dict[str, int]:
        return encode_files(session, _texts(session, paths, column, told_size), vocabulary, folder)

    return run(master, work, progress)


def _texts(session: SparkSession, sources: Paths, column: str | None, told_size: Told) -> list[HadoopFile]:
    """Find files that are read as text whatever they look like."""
    files = find_files(session, sources, lambda file: as_text(file, column))
    told_size(sum(file.size for file in files))
    return files


def _only_texts(told: list[tuple[HadoopFile, str]]) -> list[HadoopFile]:
    """Return files, and refuse those that hold anything but text."""
    for file, kind in told:
        if kind == "parquet":
            raise holds_counts(file)
        if kind != "text":
            raise InputError(f"{file.name}: is {kind}, which needs no Spark: leave out --engine spark")
    return [file for file, _ in told]
