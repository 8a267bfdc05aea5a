"""What a Zipf plot shows of counts and cutoffs: as much as a logarithmic axis can, and no more."""

from __future__ import annotations

import numpy as np

from wordalloc.allocations import Bigrams
from wordalloc.report.content import Ints
from wordalloc.vocabulary import Vocabulary

MOST_POINTS = 400
MOST_BOUNDS = 400  # of bands


def zipf_points(vocabulary: Vocabulary, most: int = MOST_POINTS) -> tuple[Ints, Ints]:
    """Return ranks from 1 and their counts, thinned to what a logarithmic axis can show: evenly spaced in log rank.

    Words that were never counted have no place on a logarithmic axis and are left out.

    Parameters
    ----------
    vocabulary : Vocabulary
        V words.
    most : int
        Most points, at least 2; the first and the last counted word are among them.

    Returns
    -------
    ranks, counts : ndarray of int64, shape (n,)
        Ranks increase from 1; empty where nothing was counted.

    Examples
    --------
    >>> ranks, counts = zipf_points(Vocabulary.from_counts("abcdefgh", [90, 40, 30, 20, 15, 12, 10, 0]), most=3)
    >>> ranks.tolist(), counts.tolist()
    ([1, 3, 7], [90, 30, 10])
    """
    return _thinned(vocabulary.counts, most)


def pair_points(bigrams: Bigrams, most: int = MOST_POINTS) -> tuple[Ints, Ints]:
    """Return ranks from 1 and counts of pairs of words, the most frequent pair first, thinned as `zipf_points` are.

    Examples
    --------
    >>> pairs = Bigrams(Vocabulary.from_counts("ab", [5, 4]), left=[0, 0, 1], right=[0, 1, 0], count=[2, 3, 3])
    >>> ranks, counts = pair_points(pairs)
    >>> ranks.tolist(), counts.tolist()
    ([1, 2, 3], [3, 3, 2])
    """
    return _thinned(np.sort(bigrams.count)[::-1], most)


def drawn_cutoffs(cutoffs: Ints, most: int = MOST_BOUNDS) -> Ints:
    """Return the places of the cutoffs that are drawn: all, or some of many, evenly spaced in log rank.

    Parameters
    ----------
    cutoffs : ndarray of int64, shape (K,)
        Ranks above 0; they increase.
    most : int
        Most places, at least 2; the first and the last cutoff are among them.

    Returns
    -------
    ndarray of int64, shape (n,)
        They increase.

    Examples
    --------
    >>> cutoffs = np.arange(1, 82)
    >>> cutoffs[drawn_cutoffs(cutoffs, 5)].tolist()
    [1, 3, 9, 27, 81]
    """
    if cutoffs.size <= most:
        return np.arange(cutoffs.size)
    wanted = np.round(np.geomspace(cutoffs[0], cutoffs[-1], most)).astype(np.int64)
    return np.unique(np.searchsorted(cutoffs, wanted))


def _thinned(counts: Ints, most: int) -> tuple[Ints, Ints]:
    """Return some of the ranks of falling counts, evenly spaced in log rank, and their counts."""
    counted = int(np.count_nonzero(counts))
    if not counted:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    ranks = np.unique(np.round(np.geomspace(1, counted, most)).astype(np.int64))
    return ranks, counts[ranks - 1]
