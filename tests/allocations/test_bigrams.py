"""Bigrams: sums, order, refusals."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordalloc import Bigrams, Vocabulary
from wordalloc.errors import InputError

ABC = Vocabulary.from_counts("abc", [5, 3, 2])
pairs = st.dictionaries(st.tuples(st.integers(0, 2), st.integers(0, 2)), st.integers(1, 2**58), max_size=9)


def bigrams_of(counted: dict[tuple[int, int], int]) -> Bigrams:
    listed = sorted(counted)
    return Bigrams(ABC, [i for i, _ in listed], [j for _, j in listed], [counted[pair] for pair in listed])


def test_three_pairs_by_hand() -> None:
    bigrams = Bigrams(ABC, [0, 0, 2], [0, 1, 0], [4, 1, 2])
    assert bigrams.total == 7
    assert bigrams.left_counts.tolist() == [5, 0, 2]
    assert bigrams.right_counts.tolist() == [6, 1, 0]
    assert (bigrams.left.dtype, bigrams.right.dtype, bigrams.count.dtype) == (np.int32, np.int32, np.int64)
    assert repr(bigrams) == "Bigrams(3 pairs, 7 counted, vocabulary of 3 words)"


def test_no_pairs() -> None:
    bigrams = Bigrams(ABC, [], [], [])
    assert (bigrams.total, bigrams.left_counts.tolist(), bigrams.right_counts.tolist()) == (0, [0] * 3, [0] * 3)


@given(pairs)
def test_sums_against_a_counter(counted: dict[tuple[int, int], int]) -> None:
    bigrams = bigrams_of(counted)
    left: Counter[int] = Counter()
    right: Counter[int] = Counter()
    for (i, j), n in counted.items():
        left[i] += n
        right[j] += n
    assert bigrams.total == sum(counted.values())
    assert bigrams.left_counts.tolist() == [left[rank] for rank in range(3)]
    assert bigrams.right_counts.tolist() == [right[rank] for rank in range(3)]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=4))
def test_the_constructor_accepts_exactly_sorted_pairs(listed: list[tuple[int, int]]) -> None:
    def made() -> Bigrams:
        return Bigrams(ABC, [i for i, _ in listed], [j for _, j in listed], [1] * len(listed))

    if listed == sorted(set(listed)):
        assert list(zip(made().left.tolist(), made().right.tolist(), strict=True)) == listed
    else:
        with pytest.raises(InputError, match=r"pairs must be sorted by \(left, right\), each one once, but pair [123]"):
            made()


@pytest.mark.parametrize(
    ("left", "right", "count", "message"),
    [
        ([0, 1], [0], [1, 1], "of one length, not 2, 1 and"),
        ([0], [0], [[1]], r"flat and of one length, not 1, 1 and \(1, 1\)"),
        ([0], [0], 1, "flat and of one length"),
        ([[0]], [0], [1], "left must be a flat list of ranks from 0 to 2"),
        ([0], [3], [1], "right must be a flat list of ranks from 0 to 2"),
        ([-1], [0], [1], "left must be a flat list of ranks from 0 to 2"),
        ([2**32], [0], [1], "left must be a flat list of ranks from 0 to 2"),  # not wrapped to rank 0
        ([0.0], [0], [1], "left must be whole numbers"),
        ([0], [True], [1], "right must be whole numbers"),
        ([0], [0], [1.5], "count must be whole numbers"),
        ([0], [0], [0], "counts of pairs must be at least 1, and at most 2"),
        ([0], [0], [-1], "counts of pairs must be at least 1"),
        ([0], [0], [2**62 + 1], "at most 2"),
        ([0, 1], [0, 0], [2**62, 1], "at most 2"),
        ([0, 1, 2], [0] * 3, [2**63 - 1] * 3, "at most 2"),  # their sum in 64 bits wraps around
    ],
)
def test_bigrams_that_are_refused(left, right, count, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Bigrams(ABC, left, right, count)


def test_the_largest_counts() -> None:
    assert Bigrams(ABC, [0, 1], [0, 0], [2**62 - 1, 1]).right_counts.tolist() == [2**62, 0, 0]


def test_bigrams_are_read_only_copies() -> None:
    left = np.array([0, 1])
    bigrams = Bigrams(ABC, left, [0, 1], [1, 1])
    left[:] = 2
    assert bigrams.left.tolist() == [0, 1]
    for name in ("left", "right", "count", "left_counts", "right_counts"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(bigrams, name)[0] = 1
    with pytest.raises(AttributeError, match="'count' of a Bigrams is read-only"):
        bigrams.count = left
