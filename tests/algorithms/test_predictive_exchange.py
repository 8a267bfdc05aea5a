"""Predictive exchange against its own objective, computed from the definition."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracles
from tests.algorithms.texts import bigrams_of, drawn_pairs, pairs_of, planted_text
from wordalloc import predictive_classes
from wordalloc.errors import InputError


def h(x: float) -> float:
    return x * math.log2(x) if x else 0.0


def objective(pairs, word_class, direction: str) -> float:
    """Σ h(N_vc) − Σ h(N_c), and for the bidirectional variant the same of the word behind."""
    value = 0.0
    for turned in [False, True] if direction == "bidirectional" else [False]:
        cells, totals = Counter(), Counter()
        for left, right, count in pairs:
            word, given_word = (left, right) if turned else (right, left)
            cells[given_word, word_class[word]] += count
            totals[word_class[word]] += count
        value += sum(map(h, cells.values())) - sum(map(h, totals.values()))
    return value


@settings(max_examples=50, deadline=None)
@given(drawn_pairs(), st.data(), st.sampled_from(["predictive", "bidirectional"]))
def test_no_single_move_is_left_that_gains(drawn, data, direction):
    pairs, size = drawn
    n_classes = data.draw(st.integers(1, size))
    classes = predictive_classes(bigrams_of(pairs, size), n_classes, direction=direction, iterations=100)
    word_class = classes.word_class.tolist()
    assert classes.n_classes == n_classes
    reached = objective(pairs, word_class, direction)
    for word in range(size):
        if word_class.count(word_class[word]) > 1:
            for number in range(n_classes):
                moved = [*word_class[:word], number, *word_class[word + 1 :]]
                assert objective(pairs, moved, direction) <= reached + 1e-6 * max(1, abs(reached))
    ami = oracles.mutual_information(oracles.class_counts(pairs, word_class))
    assert classes.parameters["objective"] == pytest.approx(ami, abs=1e-9)
    assert all(sweep["gain"] >= 0 for sweep in classes.parameters["sweeps"])


@pytest.mark.parametrize("direction", ["predictive", "bidirectional"])
def test_planted_classes_are_nearly_found(direction):
    """From a start by rank, greedy moves of single words may leave two classes mixed, but not more."""
    bigrams = bigrams_of(pairs_of(planted_text(6, 30, 60_000, seed=0)), 180)
    found = predictive_classes(bigrams, 6, direction=direction, iterations=50).word_class
    agreeing = sum(Counter(found[np.arange(180) % 6 == number].tolist()).most_common(1)[0][1] for number in range(6))
    assert agreeing == 180


def test_wrong_arguments_are_refused():
    bigrams = bigrams_of([(0, 1, 2)], 3)
    with pytest.raises(InputError, match="from 1 to 3, not 4"):
        predictive_classes(bigrams, 4)
    with pytest.raises(InputError, match="direction"):
        predictive_classes(bigrams, 2, direction="backwards")
