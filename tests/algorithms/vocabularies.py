"""Vocabularies of made-up words, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hypothesis import strategies as st

from wordalloc import Vocabulary


def from_counts(counts: Iterable[int]) -> Vocabulary:
    """Words of equal length, so that those with equal counts keep their order."""
    ordered = sorted((int(count) for count in counts), reverse=True)
    return Vocabulary([f"w{rank:07}" for rank in range(len(ordered))], ordered)


def zipf(size: int, q: float = 2.7, s: float = 1.05, tokens: float = 1e9) -> Vocabulary:
    """Counts that follow a Zipf–Mandelbrot law."""
    weights = (np.arange(1, size + 1) + q) ** -s
    return from_counts(np.ceil(tokens * weights / weights.sum()))


@st.composite
def dyadic_counts(draw: st.DrawFn, max_size: int) -> list[int]:
    """Descending counts whose sum is 1024: masses, and their products with small whole numbers, are exact floats."""
    counts = draw(st.lists(st.integers(0, 1024 // max_size), max_size=max_size - 1))
    return sorted([1024 - sum(counts), *counts], reverse=True)
