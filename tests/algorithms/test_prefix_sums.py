"""Prefix sums against Python's whole numbers."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tests.algorithms.vocabularies import from_counts
from wordalloc.algorithms.prefix_sums import prefix_sums

counts = st.lists(st.integers(0, 2**57) | st.integers(0, 9), min_size=1, max_size=60).filter(any)


@given(counts)
def test_every_sum_is_the_whole_number(values):
    vocabulary = from_counts(values)
    assert prefix_sums(vocabulary).tolist() == [*itertools.accumulate(vocabulary.counts.tolist(), initial=0)]
