"""The layer of the dynamic programme, against a full scan, on costs with and without rounding."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wordalloc.algorithms.monge import band_cost, best_next

INFINITE = float("inf")
small = st.integers(0, 6)
coefficients = st.tuples(small, small, small, small, small, small).map(lambda c: np.array(c, dtype=np.float64))
weights = st.lists(st.integers(0, 5), min_size=2, max_size=24).map(lambda w: sorted(w, reverse=True))


def run_layer(prefix, numbers, following, earliest, first):
    n = prefix.size - 1
    values, choices = np.full(n + 1, INFINITE), np.full(n + 1, n)
    best_next(prefix, numbers, following, earliest, first, n - 1, values, choices)
    return values, choices


@given(weights, coefficients)
@settings(max_examples=50, deadline=None)
def test_the_cost_of_a_band_obeys_the_quadrangle_inequality(weight, numbers):
    prefix = np.concatenate(([0], np.cumsum(weight)))

    def cost(start, end):
        return band_cost(numbers, prefix[end] - prefix[start], end - start)

    for a, b, c, d in itertools.combinations_with_replacement(range(prefix.size), 4):
        assert cost(a, c) + cost(b, d) <= cost(a, d) + cost(b, c)


def test_the_larger_of_mass_and_size_would_break_it():
    # Two words, of mass 4 and 0: each alone costs max(4, 1) and max(0, 1), both cost max(4, 2), none costs nothing.
    def cost(mass, size):
        return max(mass, size)

    assert cost(4, 1) + cost(0, 1) > cost(4, 2) + cost(0, 0)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_layer_is_the_full_scan_exactly_with_the_smallest_of_equal_choices(data):
    weight, numbers = data.draw(weights), data.draw(coefficients)
    n = len(weight)
    prefix = np.concatenate(([0.0], np.cumsum(weight)))
    following = np.array([*data.draw(st.lists(st.integers(0, 9), min_size=n, max_size=n)), INFINITE])
    reach = data.draw(st.lists(st.integers(1, 4), min_size=n + 1, max_size=n + 1))
    earliest = np.maximum.accumulate(np.arange(n + 1) + reach)
    first = data.draw(st.integers(1, n))
    values, choices = run_layer(prefix, numbers, following, earliest, first)
    for a in range(first, n - 1):
        options = [(band_cost(numbers, prefix[b] - prefix[a], b - a) + following[b], b) for b in range(earliest[a], n)]
        best = min(options, default=(INFINITE, n))
        assert values[a] == best[0]
        if best[0] < INFINITE:
            assert choices[a] == best[1]
    assert np.isinf(values[:first]).all()


def test_a_hundred_thousand_words_agree_with_scans_at_random_states():
    n = 100_000
    weight = 1 / (np.arange(n) + 3.0)
    prefix = np.concatenate(([0.0], np.cumsum(weight))) / weight.sum()
    numbers = np.array([1e-4, 3e-6, 4e-5, 5e-6, 2e-2, 6e-8])
    starts = np.arange(n + 1)
    following = band_cost(numbers / 2, prefix[-1] - prefix, n - starts)
    following[n] = INFINITE
    earliest = np.maximum(np.searchsorted(prefix, prefix + 0.3 * (1 - prefix)), starts + 1)
    values, choices = run_layer(prefix, numbers, following, earliest, 100)
    finite = [100, 101, *np.random.default_rng(0).integers(100, n - 20, 200).tolist()]
    assert len(set(choices[finite].tolist())) > 100  # the case is not a trivial one
    for a in finite:
        ends = np.arange(earliest[a], n)
        costs = band_cost(numbers, prefix[ends] - prefix[a], ends - a) + following[ends]
        assert abs(values[a] - costs.min()) <= 1e-14 * costs.min()
        assert abs(costs[choices[a] - earliest[a]] - costs.min()) <= 1e-14 * costs.min()
