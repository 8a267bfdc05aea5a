"""From text to counts and token ids."""

from wordalloc.corpus.bigrams import count_bigrams
from wordalloc.corpus.cluster_files import ClusterFile, read_clusters
from wordalloc.corpus.counting import count
from wordalloc.corpus.demo import write_demo_corpus
from wordalloc.corpus.encoding import EncodedText, encode
from wordalloc.corpus.sources import read_bigrams, read_vocabulary

__all__ = [
    "ClusterFile",
    "EncodedText",
    "count",
    "count_bigrams",
    "encode",
    "read_bigrams",
    "read_clusters",
    "read_vocabulary",
    "write_demo_corpus",
]
