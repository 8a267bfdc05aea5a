"""Ready counts in Parquet on Spark: of more words than the driver holds, only those that are kept reach it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from wordalloc.corpus.columns import count_columns
from wordalloc.corpus.counting import checked_unknown, describe, room_for
from wordalloc.corpus.spark.files import HadoopFile, escaped, read_errors
from wordalloc.errors import InputError
from wordalloc.vocabulary import EOS, MAX_COUNT, Vocabulary, check_total

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_AT_ONCE = 20_000  # ranked words in a partition, about: what the driver holds beyond those it keeps
_MOST_PARTITIONS = 2_000


def read_counts(
    session: SparkSession, file: HadoopFile, unk: str, *, max_size: int | None, min_count: int
) -> Vocabulary:
    """Return the vocabulary of a Parquet file of words and counts, limited as `limited` does.

    Parameters
    ----------
    session : SparkSession
        Where the work is done.
    file : HadoopFile
        With a column of words and one of counts.
    unk : str
        Stands for the words dropped.
    max_size, min_count
        As in `wordalloc.count`.

    Raises
    ------
    InputError
        If a word is none or appears twice, a count is impossible, or no word remains.
    """
    least = min_count if min_count > 1 else 0  # where nothing is asked for, words that are counted 0 times stay
    with read_errors([file], "strict"):
        counts = _read(session, file)
        sums = _sums(counts, unk, least)
        _check(counts, file, sums)
        return _limited(counts, file, sums, unk, max_size, min_count, least)


def in_rank_order(counts: DataFrame, n_rows: int) -> DataFrame:
    """Order a frame of ``word`` and ``n`` by count, then by bytes, in partitions that a driver can hold."""
    from pyspark.sql import functions as F

    order = (F.desc("n"), F.asc("word"))
    return counts.repartitionByRange(min(1 + n_rows // _AT_ONCE, _MOST_PARTITIONS), *order).sortWithinPartitions(*order)


def _read(session: SparkSession, file: HadoopFile) -> DataFrame:
    from pyspark.sql import functions as F

    word, count = count_columns(file.columns()) or ("", "")
    quoted = [F.col("`" + name.replace("`", "``") + "`") for name in (word, count)]
    return session.read.parquet(escaped(file.url)).select(
        quoted[0].alias("word"), quoted[1].cast("decimal(20, 0)").alias("n")
    )


def _sums(counts: DataFrame, unk: str, least: int) -> dict[str, Any]:
    from pyspark.sql import functions as F

    regular = ~F.col("word").isin(unk, EOS)
    n = F.col("n").cast("decimal(38, 0)")
    row = counts.agg(
        F.count("*").alias("rows"),
        F.count_if(F.col("word").isNull() | (F.col("word") == "") | ~F.is_valid_utf8("word")).alias("no words"),
        F.min(F.when(F.col("n").isNull() | ~F.col("n").between(0, MAX_COUNT), F.struct("word", "n"))).alias("wrong"),
        F.coalesce(F.sum(n), F.lit(0)).alias("total"),
        F.count_if(regular).alias("regular"),
        F.count_if(regular & (F.col("n") >= least)).alias("kept"),
        F.sum(F.when(regular, n)).alias("mass"),
        F.collect_list(F.when(~regular, F.struct("word", "n"))).alias("specials"),
    ).collect()[0]
    return row.asDict()


def _check(counts: DataFrame, file: HadoopFile, sums: dict[str, Any]) -> None:
    if not sums["rows"]:
        raise InputError(f"{file.name}: holds no counts; expected a word and its count in each row")
    if sums["no words"]:
        raise InputError(f"{file.name}: {sums['no words']} rows hold no word; leave them out")
    if sums["wrong"] is not None:
        word, n = sums["wrong"]
        raise InputError(f"{file.name}: {word!r}: the count must be a whole number from 0 to 2**62, not {n}")
    for word, n in counts.groupBy("word").count().filter("count > 1").orderBy("word").limit(1).collect():
        raise InputError(f"{file.name}: {word!r} appears {n} times; add them into one")
    check_total(int(sums["total"]), f"{file.name}: ")


def _limited(
    counts: DataFrame,
    file: HadoopFile,
    sums: dict[str, Any],
    unk: str,
    max_size: int | None,
    min_count: int,
    least: int,
) -> Vocabulary:
    from pyspark.sql import functions as F

    specials = {word: int(n) for word, n in sums["specials"]}
    n_kept = sums["kept"]
    if max_size is not None and (n_kept < sums["regular"] or n_kept + len(specials) > max_size):
        n_kept = min(n_kept, room_for(max_size, len({unk, *specials})) or 0)
    regular = counts.filter(~F.col("word").isin(unk, EOS) & (F.col("n") >= least))
    rows = itertools.islice(in_rank_order(regular, sums["kept"]).toLocalIterator(), n_kept)
    kept = {word: int(n) for word, n in rows}
    parameters: dict[str, Any] = {}
    if n_kept < sums["regular"]:
        if not kept:
            raise InputError(f"no word is counted at least {min_count} times; lower --min-count")
        specials[unk] = checked_unknown(specials.get(unk, 0) + int(sums["mass"]) - sum(kept.values()), unk)
        parameters = {"max_size": max_size, "min_count": min_count}
    found = {**kept, **specials}
    source = describe([file], int(sums["total"]))
    return Vocabulary.from_counts(list(found), list(found.values()), source=source, parameters=parameters)
