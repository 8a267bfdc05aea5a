"""Buckets by hand, against an exact search for the nearest rank, and never empty."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracles
from tests.algorithms.vocabularies import from_counts, zipf
from wordalloc import zipf_buckets
from wordalloc.errors import InputError

counts = st.lists(st.integers(0, 50), min_size=1, max_size=40).filter(any).map(lambda c: sorted(c, reverse=True))


@given(counts, st.data())
@settings(deadline=None)
def test_boundaries_are_the_nearest_ranks_wherever_these_leave_no_band_empty(values, data):
    n = data.draw(st.integers(1, len(values)))
    nearest = [oracles.nearest_rank(values, Fraction(i, n)) for i in range(1, n)]
    found = zipf_buckets(from_counts(values), n)
    assert found.n_clusters == n - 1
    bounds = [0, *nearest, len(values)]
    if all(low < high for low, high in itertools.pairwise(bounds)):
        assert found.cutoffs.tolist() == nearest


@given(counts, st.sampled_from(["mass", "log-rank", "zipf"]), st.data())
@settings(deadline=None)
def test_every_way_gives_n_bands(values, by, data):
    n = data.draw(st.integers(1, len(values)))
    vocabulary = from_counts(values)
    if by == "zipf" and np.count_nonzero(values) < 3:
        with pytest.raises(InputError, match="at least three counted words"):
            zipf_buckets(vocabulary, n, by)
        return
    found = zipf_buckets(vocabulary, n, by=by)
    assert found.sizes.size == n
    assert (found.sizes > 0).all()


def test_bands_that_would_be_empty_push_the_next_ones_up():
    # Of 100 tokens 97 are the first word: the boundaries 1/4, 2/4 and 3/4 of the mass fall beside it, at 0, 1 and 1.
    assert zipf_buckets(from_counts([97, 1, 1, 1]), 4).cutoffs.tolist() == [1, 2, 3]
    assert zipf_buckets(from_counts([97, 1, 1, 1, 0, 0]), 3).cutoffs.tolist() == [1, 2]


def test_of_two_equally_near_boundaries_the_lower_one_is_taken():
    assert zipf_buckets(from_counts([1] * 6), 4).cutoffs.tolist() == [1, 3, 4]  # 1.5, 3 and 4.5 words


def test_log_rank_bands_are_equally_wide_in_the_logarithm():
    found = zipf_buckets(from_counts([1] * 9_999), 4, by="log-rank")
    assert found.cutoffs.tolist() == [9, 99, 999]


def test_bands_by_the_law_have_equal_mass_under_it():
    found = zipf_buckets(zipf(20_000), 5, by="zipf")
    fit = found.parameters["zipf"]
    weights = (np.arange(1, 20_001) + fit["q"]) ** -fit["s"]
    masses = np.add.reduceat(weights, found.bounds[:-1]) / weights.sum()
    assert np.abs(masses - 0.2).max() < weights[0] / weights.sum() / 2
    assert fit["s"] == pytest.approx(1.05, abs=1e-3)


def test_the_same_bytes_twice_and_the_parameters_that_made_them(tmp_path):
    for by in ("mass", "log-rank", "zipf"):
        for attempt in "ab":
            zipf_buckets(zipf(700), np.int64(6), by=by).save(tmp_path / attempt)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    parameters = zipf_buckets(zipf(700), 6).parameters
    assert parameters == {"algorithm": "zipf_buckets", "by": "mass", "n": 6}


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([2, 1], {"n": 3}, "number of buckets must be a whole number from 1 to 2, not 3"),
        ([2, 1], {"n": 0}, "from 1 to 2, not 0"),
        ([2, 1], {"n": 1.5}, "from 1 to 2, not 1.5"),
        ([2, 1], {"n": 1, "by": "size"}, "'mass', 'log-rank' or 'zipf', not 'size'"),
        ([0, 0], {"n": 1}, "all counts are zero"),
        ([0, 0], {"n": 1, "by": "zipf"}, "three counted words"),
    ],
)
def test_what_cannot_be_divided_is_said(values, options, message):
    with pytest.raises(InputError, match=message):
        zipf_buckets(from_counts(values), **options)


def test_log_ranks_need_no_counts():
    assert zipf_buckets(from_counts([0] * 3), 2, by="log-rank").cutoffs.tolist() == [1]
