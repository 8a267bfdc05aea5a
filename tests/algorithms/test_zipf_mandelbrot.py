"""The fitted law: parameters recovered, gradient zero, no better point on a grid, and its measures of fit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests import oracles
from tests.algorithms.vocabularies import from_counts, zipf
from wordalloc.algorithms.zipf_mandelbrot import BOUNDS, fit_zipf_mandelbrot, negative_log_likelihood
from wordalloc.errors import InputError


@pytest.mark.parametrize(("q", "s"), [(0.0, 1.0), (2.7, 1.05), (-0.5, 1.3), (40.0, 2.0), (0.5, 0.4)])
def test_it_recovers_the_law_that_made_the_counts(q, s):
    fit = fit_zipf_mandelbrot(zipf(5000, q, s, tokens=1e15))
    assert (fit.q, fit.s) == (pytest.approx(q, abs=1e-5), pytest.approx(s, abs=1e-6))
    assert fit.kl_divergence < 1e-9
    assert fit.r_squared > 1 - 1e-9


def test_it_recovers_a_law_from_a_sample():
    rng = np.random.default_rng(5)
    weights = (np.arange(1, 2001) + 3.0) ** -1.2
    fit = fit_zipf_mandelbrot(from_counts(rng.multinomial(2_000_000, weights / weights.sum())))
    assert (fit.q, fit.s) == (pytest.approx(3.0, abs=0.05), pytest.approx(1.2, abs=0.01))


samples = st.lists(st.integers(1, 1000), min_size=3, max_size=60).map(lambda counts: sorted(counts, reverse=True))


@given(samples)
@example([143, 53, 53, 53, 53, 17])  # has two maxima
@settings(max_examples=60, deadline=None)
def test_no_point_of_a_grid_is_more_likely(counts):
    fit = fit_zipf_mandelbrot(from_counts(counts))
    at_fit = oracles.zipf_mandelbrot_log_likelihood(counts, fit.q, fit.s)
    assert fit.log_likelihood == pytest.approx(at_fit, rel=1e-9)
    assert BOUNDS[1][0] <= fit.s <= BOUNDS[1][1]
    for shift in (-3.0, -1.0, 0.0, 1.0, 3.0, 6.0):
        for s in (0.0, 0.3, 0.8, 1.0, 1.5, 3.0, 10.0):
            other = oracles.zipf_mandelbrot_log_likelihood(counts, math.expm1(shift), s)
            assert fit.log_likelihood >= other - 1e-6 * abs(other)


@given(samples, st.floats(-3, 6), st.floats(0.01, 8))
@settings(deadline=None)
def test_the_gradient_is_the_slope_of_the_likelihood(counts, shift, s):
    frequencies, ranks = np.array(counts) / sum(counts), np.arange(1, len(counts) + 1.0)
    value, gradient = negative_log_likelihood(np.array([shift, s]), frequencies, ranks)
    expected = -oracles.zipf_mandelbrot_log_likelihood(counts, math.expm1(shift), s) / sum(counts)
    assert value == pytest.approx(expected, rel=1e-9)
    for axis in range(2):
        step = np.eye(2)[axis] * 1e-5
        after, _ = negative_log_likelihood(np.array([shift, s]) + step, frequencies, ranks)
        before, _ = negative_log_likelihood(np.array([shift, s]) - step, frequencies, ranks)
        assert gradient[axis] == pytest.approx((after - before) / 2e-5, rel=1e-4, abs=1e-7)


def test_the_gradient_vanishes_at_the_optimum():
    vocabulary = zipf(3000, tokens=1e5)
    fit = fit_zipf_mandelbrot(vocabulary)
    frequencies = vocabulary.counts / vocabulary.total
    _, gradient = negative_log_likelihood(np.array([math.log1p(fit.q), fit.s]), frequencies, np.arange(1, 3001.0))
    assert np.abs(gradient).max() < 1e-7


def test_probabilities_are_the_law_itself():
    fit = fit_zipf_mandelbrot(zipf(100))
    weights = [(rank + fit.q) ** -fit.s for rank in range(1, 101)]
    np.testing.assert_allclose(fit.probabilities(100), np.array(weights) / math.fsum(weights), rtol=1e-12)


def test_equal_counts_are_a_law_of_exponent_zero():
    fit = fit_zipf_mandelbrot(from_counts([7] * 50))
    assert fit.s == pytest.approx(0, abs=1e-6)
    assert fit.kl_divergence == pytest.approx(0, abs=1e-9)
    assert fit.r_squared == 1


def test_measures_of_fit_tell_a_good_from_a_bad_one():
    steps = fit_zipf_mandelbrot(from_counts([1000] * 10 + [1] * 10_000))
    assert steps.kl_divergence > 0.1
    assert steps.r_squared < 0.8


@pytest.mark.parametrize("counts", [[2**61] * 3 + [1] * 9, [2**62, 1, 1, 1], [5, 3, 1] + [0] * 100, [2**40, 2**20, 2]])
def test_extreme_counts_give_finite_numbers_inside_the_box(counts):
    fit = fit_zipf_mandelbrot(from_counts(counts))
    assert all(map(math.isfinite, (fit.q, fit.s, fit.log_likelihood, fit.kl_divergence, fit.r_squared)))
    assert fit.q > -1
    assert fit.probabilities(len(counts)).sum() == pytest.approx(1)


def test_two_words_fit_any_law():
    with pytest.raises(InputError, match="at least three counted words"):
        fit_zipf_mandelbrot(from_counts([2, 1, 0, 0]))
