"""Counting adjacent pairs on Spark.

Each task counts the pairs inside its part of a file and reports the part's first and last id; their sums are made in
the JVM. The pairs that lie across two parts are few, and are added from the reports, part after part of each file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from wordalloc.allocations import Bigrams
from wordalloc.corpus.bigrams import NO_PAIRS
from wordalloc.corpus.spark import parts
from wordalloc.corpus.spark.files import HadoopFile, read_errors
from wordalloc.corpus.spark.part_jobs import on_parts, parts_of
from wordalloc.corpus.spark.parts import Part
from wordalloc.errors import InputError
from wordalloc.vocabulary import TextOptions, Vocabulary

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_AT_ONCE = 100_000  # pairs that reach the driver at a time


def count_pairs(session: SparkSession, files: Sequence[HadoopFile], vocabulary: Vocabulary) -> Bigrams:
    """Count the adjacent pairs of words of files; see `wordalloc.count_bigrams`.

    Parameters
    ----------
    session : SparkSession
        Where the work is done.
    files : sequence of HadoopFile
        Texts.
    vocabulary : Vocabulary
        Gives the ids.
    """
    text = vocabulary.text or TextOptions()
    with read_errors(files, text.errors):
        pairs, reports = on_parts(session, files, vocabulary, parts.count_part, vocabulary.size)
        summed = session.createDataFrame(pairs, "pair LONG, n LONG", verifySchema=False).groupBy("pair").sum("n")
        summed = summed.persist()
        try:
            partitions = 1 + summed.count() // _AT_ONCE
            across = _across(parts_of(session, files, text, reports), vocabulary.size)
            counts: Counter[int] = Counter(dict(summed.repartition(partitions).toLocalIterator()))
        finally:
            summed.unpersist()
    counts.update(across)
    return _bigrams(counts, vocabulary)


def _across(by_file: Iterable[list[tuple[int, Part]]], size: int) -> Counter[int]:
    """Count the pairs of the last word of a part and the first of the next one that has any, in each file."""
    counts: Counter[int] = Counter()
    for listed in by_file:
        last = -1
        for _, part in listed:
            if part.tokens:
                if last >= 0:
                    counts[last * size + part.first] += 1
                last = part.last
    return counts


def _bigrams(counts: Counter[int], vocabulary: Vocabulary) -> Bigrams:
    if not counts:
        raise InputError(NO_PAIRS)
    pairs = np.fromiter(counts, np.int64, len(counts))
    numbers = np.fromiter(counts.values(), np.int64, len(counts))
    order = np.argsort(pairs)
    left, right = np.divmod(pairs[order], vocabulary.size)
    return Bigrams(vocabulary, left, right, numbers[order])
