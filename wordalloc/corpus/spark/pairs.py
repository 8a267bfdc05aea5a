"""Counting adjacent pairs on Spark.

Each task counts the pairs inside its part of a file and reports the part's first and last id; their sums are made in
the JVM. The pairs that lie across two parts are few, and are added from the reports, part after part of each file.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wordalloc.allocations import Bigrams
from wordalloc.corpus.bigrams import NO_PAIRS
from wordalloc.corpus.encoding import text_options_of
from wordalloc.corpus.spark import parts
from wordalloc.corpus.spark.files import HadoopFile, read_errors
from wordalloc.corpus.spark.part_jobs import on_parts, parts_of
from wordalloc.corpus.spark.parts import Part
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_AT_ONCE = 100_000  # pairs that reach the driver at a time
_COUNTS = np.dtype([("pair", np.int64), ("n", np.int64)])


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
    text = text_options_of(vocabulary)
    with (
        read_errors(files, text.errors),
        on_parts(session, files, vocabulary, parts.count_part, vocabulary.size) as (pairs, reports),
    ):
        summed = session.createDataFrame(pairs, "pair LONG, n LONG", verifySchema=False).groupBy("pair").sum("n")
        summed = summed.persist()
        try:
            n_pairs = summed.count()
            across = _across(parts_of(session, files, text, reports), vocabulary.size)
            inside = summed.repartition(1 + n_pairs // _AT_ONCE).toLocalIterator()
            counts = np.fromiter(itertools.chain(inside, across.items()), _COUNTS, n_pairs + len(across))
        finally:
            summed.unpersist()
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


def _bigrams(counts: npt.NDArray[np.void], vocabulary: Vocabulary) -> Bigrams:
    """Add up what is counted of each pair, of which there may be two."""
    if not counts.size:
        raise InputError(NO_PAIRS)
    counts = counts[np.argsort(counts["pair"])]
    pairs = counts["pair"]
    first = np.flatnonzero(np.diff(pairs, prepend=-1))
    left, right = np.divmod(pairs[first], vocabulary.size)
    return Bigrams(vocabulary, left, right, np.add.reduceat(counts["n"], first))
