"""From clusters that another program made to an allocation."""

from __future__ import annotations

import numpy as np

from wordalloc.algorithms.code_tree import tree_from_codes
from wordalloc.allocations import Classes, Tree
from wordalloc.corpus import ClusterFile
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary


def from_clusters(clusters: ClusterFile, counted: Vocabulary | None = None) -> Tree | Classes:
    """Return the tree of a ``paths`` file, or the classes of a file of words and classes.

    Parameters
    ----------
    clusters : ClusterFile
        What the file holds.
    counted : Vocabulary, optional
        Gives the counts of the file's words, 0 to those it lacks, and says how its text was read. Default: the counts
        of the file, 0 where it has none.

    Raises
    ------
    InputError
        If the codes are not those of a tree, or `counted` has none of the words.
    """
    counts = np.zeros(len(clusters.words), np.int64) if clusters.counts is None else np.array(clusters.counts)
    if counted is not None:
        rank = counted.index(clusters.words)
        if (rank < 0).all():
            raise InputError(
                "no word of the clusters is among the counted ones; give the text that they were made from"
            )
        counts = np.where(rank >= 0, counted.counts[rank], 0)
    vocabulary = Vocabulary.from_counts(
        clusters.words,
        counts,
        text=None if counted is None else counted.text,
        source={} if counted is None else counted.source,
    )
    label = dict(zip(clusters.words, clusters.labels, strict=True))
    labels = [label[word] for word in vocabulary.words]
    if clusters.kind == "brown-paths":
        return tree_from_codes(vocabulary, labels)
    number: dict[str, int] = {}  # classes are numbered by their most frequent words
    return Classes(vocabulary, [number.setdefault(name, len(number)) for name in labels], {"algorithm": "imported"})
