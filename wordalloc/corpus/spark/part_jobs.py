"""Running the work of `parts` on Spark, and reading the reports: what it shares between pairs and encoding."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from wordalloc.corpus import ranks as ranks_module
from wordalloc.corpus.encoding import stranger_error, text_options_of
from wordalloc.corpus.spark import parts
from wordalloc.corpus.spark.files import HadoopFile, places_of, refuse_damaged
from wordalloc.corpus.spark.parts import Part, Reading
from wordalloc.corpus.spark.rows import one_part_a_task, read_rows
from wordalloc.vocabulary import EOS, TextOptions, Vocabulary

if TYPE_CHECKING:
    from pyspark import RDD, Accumulator
    from pyspark.sql import SparkSession

Reports = dict[int, tuple[Any, ...]]  # of a task: its Part as a tuple, which no worker needs a class to send


@contextlib.contextmanager
def on_parts(
    session: SparkSession,
    files: Sequence[HadoopFile],
    vocabulary: Vocabulary,
    work: Callable[..., Iterator[Any]],
    *more: int,
) -> Iterator[tuple[RDD[Any], Accumulator[Reports]]]:
    """Give what `work`, such as `parts.encode_part`, yields of all parts of all files, and where they report.

    The work must be done within the block; at its end the workers drop the vocabulary.
    """
    from pyspark import cloudpickle
    from pyspark.accumulators import AccumulatorParam

    class Merged(AccumulatorParam[Reports]):
        """Reports by task; the same one twice is one."""

        def zero(self, value: Reports) -> Reports:
            return {}

        def addInPlace(self, value1: Reports, value2: Reports) -> Reports:
            value1.update(value2)
            return value1

    for module in (parts, ranks_module):
        cloudpickle.register_pickle_by_value(module)
    text = text_options_of(vocabulary)
    one_part_a_task(session)
    context = session.sparkContext
    ranks = context.broadcast(vocabulary.ranks)
    reading = Reading(
        ranks,
        text.lowercase,
        text.errors == "replace",
        vocabulary.ranks.get(EOS) if text.eos else None,
        vocabulary.ranks.get(text.unk),
    )
    reports: Accumulator[Reports] = context.accumulator({}, Merged())
    rows = read_rows(session, files).selectExpr("CAST(text AS BINARY)", "path", "start", "parquet").rdd
    try:
        yield rows.mapPartitionsWithIndex(lambda index, part: work(index, part, reading, reports, *more)), reports
    finally:
        ranks.destroy()


def parts_of(
    session: SparkSession, files: Sequence[HadoopFile], text: TextOptions, reports: Accumulator[Reports]
) -> list[list[tuple[int, Part]]]:
    """Return each file's parts in the order of the text, with their tasks' numbers.

    Parameters
    ----------
    session, files, text
        As the work had them.
    reports : Accumulator
        Once the work is done.

    Raises
    ------
    InputError
        If a part is damaged, or has an unknown word that the vocabulary has no word for: of the first such part.
    """
    found = [(task, Part(*report)) for task, report in reports.value.items()]
    places = places_of((part.path for _, part in found), files)
    by_file: list[list[tuple[int, Part]]] = [[] for _ in files]
    for (task, part), place in zip(found, places, strict=True):
        by_file[place].append((task, part))
    for file, listed in zip(files, by_file, strict=True):
        listed.sort(key=lambda pair: pair[1].start)
        for _, part in listed:
            if part.damaged:
                refuse_damaged(session, file, text.errors)
            if part.stranger is not None:
                raise stranger_error(part.stranger)
    return by_file
