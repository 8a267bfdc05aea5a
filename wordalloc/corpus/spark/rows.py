"""What Spark reads: rows of text, each with its file and where in it the part begins that one task reads.

Hadoop's reader ends a line at ``\\n`` alone (``lineSep``), skips a byte order mark where a file begins, and gives each
line to one part of a file. The bytes of a row come as they are; nothing is decoded yet.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wordalloc.corpus.spark.files import HadoopFile, escaped

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def read_rows(session: SparkSession, files: Sequence[HadoopFile]) -> DataFrame:
    """Return a frame of ``text`` (string, perhaps invalid), ``path``, ``start`` and ``parquet`` (bool).

    Parameters
    ----------
    session : SparkSession
        Where the frame lives.
    files : sequence of HadoopFile
        Plain or compressed text, and Parquet with a column.
    """
    from pyspark.sql import functions as F
    from pyspark.sql.types import StringType, StructType

    frames = []
    for column in sorted({file.column for file in files}, key=lambda column: column or ""):
        urls = [escaped(file.url) for file in files if file.column == column]
        if column is None:
            rows = session.read.text(urls, lineSep="\n").withColumnRenamed("value", "text")
        else:
            rows = session.read.schema(StructType().add(column, StringType())).parquet(*urls)
            rows = rows.withColumnRenamed(column, "text").filter("text IS NOT NULL")
        frames.append(
            rows.select(
                "text",
                F.col("_metadata.file_path").alias("path"),
                F.col("_metadata.file_block_start").alias("start"),
                F.lit(column is not None).alias("parquet"),
            )
        )
    return functools.reduce(lambda one, other: one.unionAll(other), frames)


def one_part_a_task(session: SparkSession) -> None:
    """Let every task read one part of one file, so that a task's rows stand in the order of the text."""
    session.conf.unset("spark.sql.files.maxPartitionNum")
    session.conf.set("spark.sql.files.openCostInBytes", str(session.conf.get("spark.sql.files.maxPartitionBytes")))
