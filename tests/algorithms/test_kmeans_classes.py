"""Planted classes are found, equal sizes are equal and nearly optimal, and no class is ever empty."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score

from tests.algorithms.vocabularies import from_counts, zipf
from wordalloc.algorithms._balanced_assignment import GAP, balanced_assignment
from wordalloc.algorithms.kmeans_classes import kmeans_classes
from wordalloc.errors import InputError


def planted(size: int, n_classes: int, seed: int = 0, noise: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of any length near one of `n_classes` directions, and which."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(size) % n_classes)
    directions = np.eye(n_classes + 2)[labels] + noise * rng.standard_normal((size, n_classes + 2))
    return directions * rng.uniform(0.1, 50, (size, 1)), labels


@pytest.mark.parametrize("equal_sizes", [False, True])
def test_planted_classes_are_found(equal_sizes):
    vectors, labels = planted(300, 6)
    found = kmeans_classes(zipf(300), vectors, 6, equal_sizes=equal_sizes, seed=1)
    assert adjusted_rand_score(labels, found.word_class) == 1
    assert np.unique(found.word_class, return_index=True)[1].tolist() == sorted(
        np.unique(found.word_class, return_index=True)[1]
    )


@pytest.mark.parametrize("equal_sizes", [False, True])
def test_the_objective_is_the_mean_squared_distance_of_a_token(equal_sizes):
    vocabulary, vectors = zipf(200), planted(200, 5, noise=0.5)[0]
    found = kmeans_classes(vocabulary, vectors, 7, equal_sizes=equal_sizes)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    total = 0.0
    for c in range(7):
        members = found.word_class == c
        weights = vocabulary.counts[members]
        mean = np.average(unit[members], axis=0, weights=weights)
        total += weights @ ((unit[members] - mean) ** 2).sum(axis=1)
    assert found.parameters["objective"] == pytest.approx(total / vocabulary.total, rel=1e-5)


def test_frequent_words_decide():
    # With one vote a word the two frequent ones would share a class, as they are nearest to each other.
    vocabulary = from_counts([1000, 1000, 1, 1, 1])
    vectors = [[1, 0], [0.6, 0.8], [-1, 0], [-0.8, 0.6], [-0.6, -0.8]]
    found = kmeans_classes(vocabulary, vectors, 3).word_class
    assert found.tolist() == [0, 1, 2, 2, 2]


@given(st.integers(1, 40), st.data())
@settings(deadline=None, max_examples=40)
def test_sizes_differ_by_one_at_most_whatever_the_vectors(size, data):
    n_classes = data.draw(st.integers(1, size))
    rows = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=2, max_size=2)
    vectors = np.array(data.draw(st.lists(rows, min_size=size, max_size=size)))
    counts = data.draw(st.lists(st.integers(0, 10**6), min_size=size, max_size=size))
    found = kmeans_classes(from_counts(counts), vectors, n_classes, equal_sizes=True)
    assert found.n_classes == n_classes
    assert set(found.sizes.tolist()) <= {size // n_classes, -(-size // n_classes)}
    assert kmeans_classes(from_counts(counts), vectors, n_classes).n_classes == n_classes


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=25)
def test_balanced_assignment_is_within_what_the_auction_proves(seed):
    rng = np.random.default_rng(seed)
    n, n_centres = int(rng.integers(2, 60)), int(rng.integers(2, 8))
    n_centres = min(n, n_centres)
    points = rng.standard_normal((n, 3)).astype(np.float32)
    centres = rng.standard_normal((n_centres, 3)).astype(np.float32)
    weights = rng.integers(1, 50, n).astype(float)
    capacity = np.bincount(np.concatenate((np.arange(n_centres), rng.integers(0, n_centres, n - n_centres))))
    found = balanced_assignment(points, weights, centres, capacity)
    assert np.bincount(found, minlength=n_centres).tolist() == capacity.tolist()
    costs = weights[:, None] * ((points[:, None].astype(float) - centres[None]) ** 2).sum(axis=2)
    seats = np.repeat(np.arange(n_centres), capacity)
    rows, columns = linear_sum_assignment(costs[:, seats])
    best = costs[:, seats][rows, columns].sum()
    assert costs[np.arange(n), found].sum() <= best / (1 - GAP) + 1e-4 * weights.sum()


def test_equal_sizes_in_blocks_are_those_without(monkeypatch):
    vectors, vocabulary = planted(500, 9, noise=0.4)[0], zipf(500)
    whole = kmeans_classes(vocabulary, vectors, 20, equal_sizes=True)
    monkeypatch.setattr("wordalloc.algorithms._balanced_assignment.BLOCK", 600)
    blocks = kmeans_classes(vocabulary, vectors, 20, equal_sizes=True)
    assert blocks.parameters["objective"] == pytest.approx(whole.parameters["objective"], rel=1e-3)
    assert set(blocks.sizes.tolist()) == {25}


def test_vectors_that_coincide_still_fill_all_classes():
    for vectors in (np.ones((9, 3)), np.zeros((9, 3))):
        for equal_sizes in (False, True):
            assert (kmeans_classes(zipf(9), vectors, 4, equal_sizes=equal_sizes).sizes > 0).all()
    assert kmeans_classes(zipf(9), np.ones((9, 3)), 9).sizes.tolist() == [1] * 9
    assert kmeans_classes(from_counts([0, 0]), np.ones((2, 3)), 1).sizes.tolist() == [2]


SCRIPT = """
import sys
from tests.algorithms.test_kmeans_classes import planted, zipf
from wordalloc.algorithms.kmeans_classes import kmeans_classes
vectors = planted(3000, 3, noise=1)[0]
for equal_sizes in (False, True):
    kmeans_classes(zipf(3000), vectors, 100, equal_sizes=equal_sizes).save(f"{sys.argv[1]}-{equal_sizes}")
"""


def test_neither_the_number_of_threads_nor_what_ran_before_matters(tmp_path):
    for threads in "12":
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / threads)]
        subprocess.run(command, env=environment, capture_output=True, timeout=100, check=True)
    vectors = planted(3000, 3, noise=1)[0]
    for equal_sizes in (False, True):
        here = kmeans_classes(zipf(3000), vectors, 100, equal_sizes=equal_sizes)
        here.save(tmp_path / "here")
        expected = (tmp_path / "here").read_bytes()
        assert (tmp_path / f"1-{equal_sizes}").read_bytes() == expected
        assert (tmp_path / f"2-{equal_sizes}").read_bytes() == expected


@pytest.mark.parametrize(
    ("vectors", "options", "message"),
    [
        (np.ones((3, 2)), {"n_classes": 4}, "number of classes must be a whole number from 1 to 3, not 4"),
        (np.ones((3, 2)), {"n_classes": 0}, "from 1 to 3, not 0"),
        (np.ones((4, 2)), {}, "4 vectors but 3 words: these are vectors of another vocabulary"),
        (np.ones(3), {}, r"of shape \(V, dim\), not float64 of shape \(3,\)"),
        (np.ones((3, 0)), {}, r"of shape \(3, 0\)"),
        ([["a"], ["b"], ["c"]], {}, "vectors must be real numbers"),
        ([[1.0], [2.0, 3.0], [1.0]], {}, "real numbers"),
        ([[1.0], [float("nan")], [1.0]], {}, r"the vector of 'w0000001' \(row 1\) holds a value that is not finite"),
        ([[1.0], [1.0], [-float("inf")]], {}, r"row 2"),
        (np.ones((3, 2)), {"seed": -1}, "seed must be"),
        (np.ones((3, 2)), {"iterations": 0}, "iterations must be"),
    ],
)
def test_what_is_refused(vectors, options, message):
    with pytest.raises(InputError, match=message):
        kmeans_classes(from_counts([3, 2, 1]), vectors, **{"n_classes": 2, **options})
