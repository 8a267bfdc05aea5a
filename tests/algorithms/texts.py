"""Bigrams of made-up texts, for the tests of this folder."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from tests.algorithms.vocabularies import from_counts
from wordalloc import Bigrams

Pairs = list[tuple[int, int, int]]


def bigrams_of(pairs: Pairs, size: int) -> Bigrams:
    """Bigrams over `size` words, whose ranks are as given."""
    ordered = sorted(pairs)
    left, right, count = zip(*ordered, strict=True) if ordered else ((), (), ())
    vocabulary = from_counts(range(2 * size, size, -1))  # any descending counts: clustering reads the pairs alone
    return Bigrams(vocabulary, np.array(left, int), np.array(right, int), np.array(count, int))


def pairs_of(tokens: Sequence[int]) -> Pairs:
    """Left, right and count of the adjacent tokens."""
    counted = Counter(itertools.pairwise(tokens))
    return [(left, right, count) for (left, right), count in counted.items()]


@st.composite
def drawn_pairs(draw: st.DrawFn, most_words: int = 9, most_count: int = 30) -> tuple[Pairs, int]:
    """Any bigrams, words without neighbours included, and the number of words."""
    size = draw(st.integers(2, most_words))
    places = st.tuples(st.integers(0, size - 1), st.integers(0, size - 1))
    found = draw(st.dictionaries(places, st.integers(1, most_count), min_size=1, max_size=3 * size))
    return [(left, right, count) for (left, right), count in found.items()], size


def planted_text(n_classes: int, words_a_class: int, n_tokens: int, seed: int) -> list[int]:
    """Tokens whose class is followed by one of two others; word w is of class w mod n_classes."""
    rng = np.random.default_rng(seed)
    after = np.stack([rng.permutation(n_classes) for _ in range(2)], axis=1)
    tokens, of_class = [], 0
    for choice, word in zip(rng.integers(0, 2, n_tokens), rng.integers(0, words_a_class, n_tokens), strict=True):
        of_class = int(after[of_class, choice])
        tokens.append(int(word) * n_classes + of_class)
    return tokens


def zipf_text(size: int, n_tokens: int, seed: int) -> list[int]:
    """Tokens of a first-order chain over Zipf-distributed words."""
    rng = np.random.default_rng(seed)
    weights = 1 / (np.arange(size) + 2.0)
    return rng.choice(size, n_tokens, p=weights / weights.sum()).tolist()
