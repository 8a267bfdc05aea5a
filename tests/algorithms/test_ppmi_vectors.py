"""The matrix against its formula word by word, the vectors against a dense decomposition."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.algorithms.vocabularies import from_counts
from wordalloc.algorithms.ppmi_vectors import ppmi_matrix, ppmi_vectors
from wordalloc.allocations import Bigrams
from wordalloc.errors import InputError


def random_bigrams(size: int, seed: int = 0, tokens: int = 20_000) -> Bigrams:
    """Pairs of a text in which half of the words follow words of their own parity."""
    rng = np.random.default_rng(seed)
    text = np.minimum(rng.zipf(1.3, tokens) - 1, size - 3)
    text[1:] -= (text[1:] + text[:-1]) % 2 * (rng.random(tokens - 1) < 0.5) * (text[1:] > 0)
    pairs, count = np.unique(text[:-1] * size + text[1:], return_counts=True)
    return Bigrams(from_counts(np.arange(size, 0, -1)), pairs // size, pairs % size, count)


def formula(bigrams: Bigrams) -> np.ndarray:
    """PPMI by its definition."""
    size = bigrams.vocabulary.size
    counts = np.zeros((size, 2 * size))
    for left, right, count in zip(bigrams.left, bigrams.right, bigrams.count, strict=True):
        counts[left, right] += count
        counts[right, size + left] += count
    smoothed = [sum(counts[:, c]) ** 0.75 for c in range(2 * size)]
    result = np.zeros_like(counts)
    for w, c in np.argwhere(counts):
        result[w, c] = max(0, math.log(counts[w, c] / sum(counts[w])) - math.log(smoothed[c] / sum(smoothed)))
    return result


def test_the_matrix_is_the_formula():
    bigrams = random_bigrams(20, tokens=300)
    assert np.allclose(ppmi_matrix(bigrams).toarray(), formula(bigrams), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [60, 400])  # a dense decomposition, and ARPACK's
def test_the_vectors_are_those_of_the_best_approximation(size):
    bigrams = random_bigrams(size)
    dense = ppmi_matrix(bigrams).toarray()
    left, values, _ = np.linalg.svd(dense)
    vectors = ppmi_vectors(bigrams, dim=8)
    assert vectors.dtype == np.float32 and vectors.shape == (size, 8)
    assert np.allclose(np.linalg.norm(vectors, axis=0), values[:8], rtol=1e-5)
    expected = left[:, :8] * values[:8]
    assert np.allclose(vectors @ vectors.T, expected @ expected.T, atol=1e-4 * values[0] ** 2 / size)
    assert (vectors.max(axis=0) >= -vectors.min(axis=0)).all()


@pytest.mark.parametrize("size", [60, 400])
def test_words_without_neighbours_have_zeros(size):
    vectors = ppmi_vectors(random_bigrams(size), dim=5)
    assert not vectors[-2:].any()
    assert vectors[:10].any(axis=1).all()


def test_more_columns_than_the_rank_are_zeros():
    bigrams = random_bigrams(12, tokens=400)
    vectors = ppmi_vectors(bigrams, dim=30)
    assert vectors.shape == (12, 30) and not vectors[:, 12:].any()
    dense = ppmi_matrix(bigrams).toarray()
    assert np.allclose(vectors @ vectors.T, dense @ dense.T, atol=1e-4)


@pytest.mark.parametrize("size", [1, 2, 500])
def test_a_text_that_tells_nothing(size):
    vectors = ppmi_vectors(Bigrams(from_counts([1] * size), [0], [0], [7]), dim=3)
    assert vectors.shape == (size, 3) and not vectors.any()


def test_words_with_the_same_neighbours_have_the_same_direction():
    # 0 and 1 stand between 2 and 3 alike, 4 and 5 between 6 and 7.
    left, right = [0, 1, 2, 2, 4, 5, 6, 6], [3, 3, 0, 1, 7, 7, 4, 5]
    vectors = ppmi_vectors(Bigrams(from_counts([4] * 8), left, right, [9, 9, 9, 9, 5, 5, 5, 5]), dim=4)
    unit = vectors[[0, 1, 4, 5]] / np.linalg.norm(vectors[[0, 1, 4, 5]], axis=1, keepdims=True)
    cosines = unit @ unit.T
    assert cosines[0, 1] == pytest.approx(1) and cosines[2, 3] == pytest.approx(1)
    assert abs(cosines[0, 2]) < 1e-5


SCRIPT = """
import hashlib, numpy as np
from tests.algorithms.test_ppmi_vectors import random_bigrams
from wordalloc.algorithms.ppmi_vectors import ppmi_vectors
print(hashlib.sha256(ppmi_vectors(random_bigrams(12000, tokens=60000), 20).tobytes()).hexdigest())
"""


@pytest.mark.parametrize("threads", ["1", "2"])
def test_neither_the_number_of_threads_nor_what_ran_before_matters(threads):
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=100, check=True
    )
    # Without a limit of one thread, vectors of this many words differ in their last digits.
    here = hashlib.sha256(ppmi_vectors(random_bigrams(12000, tokens=60000), 20).tobytes()).hexdigest()
    assert run.stdout.strip() == here


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "dim must be a whole number of at least 1, not 0"),
        ({"dim": 2.5}, "dim must be a whole number"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        ppmi_vectors(random_bigrams(10, tokens=100), **options)
