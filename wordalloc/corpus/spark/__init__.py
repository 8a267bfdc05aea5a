"""Counting, pairs and encoding on Apache Spark, with the same results as on this machine (extra ``spark``; Java 17).

The workers need Spark, and Python of the driver's minor version; neither wordalloc nor numpy. Sources must be files
that all of them can read under the same URL.
"""

from wordalloc.corpus.spark.sources import (
    count_bigrams_on_spark,
    count_on_spark,
    encode_on_spark,
    read_bigrams_on_spark,
    read_vocabulary_on_spark,
)

__all__ = [
    "count_bigrams_on_spark",
    "count_on_spark",
    "encode_on_spark",
    "read_bigrams_on_spark",
    "read_vocabulary_on_spark",
]
