"""Counting words on Spark: one pass over the text, one aggregation, inside the JVM.

A row becomes tokens by Spark's own functions. Beside the words stand two sorts of marks, which no word can be spelt
like: a line feed for each line end, and for each damaged row a NUL and the name of its file. So lines and damage are
counted as words are, exactly, also where a worker is lost and its share is done again (Spark's
accumulators would count it twice). Only Python's lower case of words beyond ASCII needs Python on the workers.

The driver gets the sums, and of the ranked words, partition after partition, those that are kept.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wordalloc.corpus.counting import describe, nothing_counted, room_for
from wordalloc.corpus.spark.files import HadoopFile, places_of, read_errors, refuse_damaged
from wordalloc.corpus.spark.ready_counts import in_rank_order
from wordalloc.corpus.spark.rows import read_rows
from wordalloc.vocabulary import EOS, TextOptions, Vocabulary

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

_LINE_END, _DAMAGE = "\n", "\0"
_LONG = 1 << 20  # bytes
_PIECE = r"(?s).{1,65536}[^ \t\n\x0b\f\r]*+"


def count_files(
    session: SparkSession,
    files: Sequence[HadoopFile],
    text: TextOptions,
    *,
    max_size: int | None = None,
    min_count: int = 1,
) -> Vocabulary:
    """Count the words of files that have been found already; see `wordalloc.count`."""
    from pyspark import StorageLevel

    room = room_for(max_size, 2 if text.eos else 1)
    with read_errors(files, text.errors):
        counted = _counted(read_rows(session, files), text).persist(StorageLevel.MEMORY_AND_DISK)
        try:
            sums = _sums(counted, text, min_count)
            _refuse_damage(session, sums["damaged"], files, text)
            words, counts = _kept(counted, text, sums["kept"], room, min_count)
        finally:
            counted.unpersist()
    specials = {text.unk: sums["unk"], **({EOS: sums["eos"] + sums["lines"]} if text.eos else {})}
    specials[text.unk] += sums["regular"] - sum(counts)
    tokens = sums["unk"] + sums["eos"] + sums["regular"] + (sums["lines"] if text.eos else 0)
    if not words:
        raise nothing_counted(files, min_count)
    return Vocabulary.from_counts(
        [*words, *specials],
        [*counts, *specials.values()],
        text=text,
        source=describe(files, tokens),
        parameters={"max_size": max_size, "min_count": min_count},
    )


def _counted(rows: DataFrame, text: TextOptions) -> DataFrame:
    """Return the frame of ``word`` and its count ``n``, marks included."""
    from pyspark.sql import functions as F

    words = rows.select(F.explode(_pieces(text)).alias("piece")).select(F.explode(_tokens()).alias("word"))
    counted = words.filter("word <> ''").groupBy("word").agg(F.count("*").alias("n"))
    if text.lowercase:
        counted = counted.select(_lower(F.col("word")).alias("word"), "n").groupBy("word").agg(F.sum("n").alias("n"))
    return counted


def _pieces(text: TextOptions) -> Column:
    """Return what a row holds, a line feed at its end, as an array of pieces cut between words; or its mark of damage.

    A row has one piece, but for a long one, whose words would else all be in memory at once.
    """
    from pyspark.sql import functions as F

    value, nul, line_end = F.col("text"), F.lit(_DAMAGE), F.lit(_LINE_END)
    wrong = ~F.is_valid_utf8(value)
    if text.errors == "strict":
        wrong = wrong | F.contains(value, nul)
    else:
        wrong = wrong & F.col("parquet")  # whose strings must be valid
        value = F.replace(F.make_valid_utf8(value), nul, F.lit("\ufffd"))
    ended = F.endswith(value, line_end)
    short = F.when(ended, F.array(value)).otherwise(F.array(F.concat(value, line_end)))
    cut = F.regexp_extract_all(value, F.lit(_PIECE), F.lit(0))
    long = F.when(ended, cut).otherwise(F.array_append(cut, line_end))
    damage = F.array(F.concat(nul, F.hex("path")))
    return F.when(wrong, damage).when(F.octet_length(value) <= _LONG, short).otherwise(long)


def _tokens() -> Column:
    """Return the array of a piece's words and marks, empty strings among them."""
    from pyspark.sql import functions as F

    piece = F.col("piece")
    for separator in "\t\v\f\r":
        piece = F.replace(piece, F.lit(separator), F.lit(" "))
    return F.split(F.replace(piece, F.lit(_LINE_END), F.lit(f" {_LINE_END} ")), " ")


def _lower(word: Column) -> Column:
    """Return Python's lower case, for which Python is asked only where ASCII does not tell."""
    from pyspark.sql import functions as F

    # A function that is found in a module would be looked up there by the workers, which need not have it.
    python_lower = F.udf(lambda word: None if word is None else word.lower(), "string", useArrow=False)
    ascii_only = F.octet_length(word) == F.char_length(word)
    return F.when(ascii_only, F.lower(word)).otherwise(python_lower(F.when(~ascii_only, word)))


def _sums(counted: DataFrame, text: TextOptions, min_count: int) -> dict[str, Any]:
    """Return the sums that no single word tells, and the names of damaged files."""
    from pyspark.sql import functions as F

    def total(condition: Column, of: Column) -> Column:
        return F.coalesce(F.sum(F.when(condition, of)), F.lit(0))

    word, n = F.col("word"), F.col("n")
    regular = _regular(text)
    row = counted.agg(
        total(word == _LINE_END, n).alias("lines"),
        total(word == text.unk, n).alias("unk"),
        total(F.lit(text.eos) & (word == EOS), n).alias("eos"),
        total(regular, n).alias("regular"),
        total(regular & (n >= min_count), F.lit(1)).alias("kept"),
        F.collect_list(F.when(F.startswith(word, F.lit(_DAMAGE)), word)).alias("damaged"),
    ).collect()[0]
    return row.asDict()


def _regular(text: TextOptions) -> Column:
    from pyspark.sql import functions as F

    word = F.col("word")
    specials = [_LINE_END, text.unk, EOS] if text.eos else [_LINE_END, text.unk]
    return ~word.isin(specials) & ~F.startswith(word, F.lit(_DAMAGE))


def _refuse_damage(session: SparkSession, marks: list[str], files: Sequence[HadoopFile], text: TextOptions) -> None:
    """Raise the error of the first damaged file."""
    if marks:
        paths = {bytes.fromhex(mark.removeprefix(_DAMAGE)).decode() for mark in marks}
        refuse_damaged(session, files[min(places_of(paths, files))], text.errors)


def _kept(
    counted: DataFrame, text: TextOptions, n_kept: int, room: int | None, min_count: int
) -> tuple[list[str], list[int]]:
    """Fetch the words of the first ranks: by count, then by bytes."""
    from pyspark.sql import functions as F

    ranked = in_rank_order(counted.filter(_regular(text) & (F.col("n") >= min_count)), n_kept)
    kept = list(itertools.islice(ranked.toLocalIterator(), room))
    return [word for word, _ in kept], [n for _, n in kept]
