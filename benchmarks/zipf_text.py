"""Text, counts, bigrams and vectors of any size for measurements, by the Zipf–Mandelbrot law and a seed.

Ranks are drawn by inverting the law's integral: rank r = 0 … V-1 has the probability of the interval from r + 1/2 to
r + 3/2 under a density proportional to (x + q)^-s, which is within 2 % of the law itself at q = 2.7, in O(1) a token
whatever V is. A hidden chain of eight classes gives neighbours something to tell about each other: a token's rank is
drawn, and then moved inside its block of eight to the class that the chain is in. The word of a rank is the rank
written in letters, so frequent words are short.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

EXPONENT, SHIFT = 1.05, 2.7  # s and q; s = 1 exactly would need a logarithm in the integral
LINE = 20  # tokens
_CLASSES = 8
_BLOCK = LINE << 14  # tokens drawn at a time, whole lines
_BITS = 4  # of a rank in each letter: words of a to p
_LAST = (1 << _BITS) - 1


def probabilities(size: int) -> npt.NDArray[np.float64]:
    """Return the probability of each rank, (V,), descending."""
    return np.diff(_integral(np.arange(size + 1) + 0.5)) / _span(size)


def counts(size: int, n_tokens: int) -> npt.NDArray[np.int64]:
    """Return expected counts of n_tokens tokens over V words, at least 1 each, (V,), descending."""
    return np.maximum(np.rint(probabilities(size) * n_tokens), 1).astype(np.int64)


def tokens(size: int, n_tokens: int, seed: int = 0) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the ranks of a text of n_tokens tokens, block after block."""
    rng = np.random.default_rng(seed)
    state = 0
    for first in range(0, n_tokens, _BLOCK):
        n = min(_BLOCK, n_tokens - first)
        at = _integral(0.5) + rng.random(n) * _span(size)
        ranks = (((1 - EXPONENT) * at) ** (1 / (1 - EXPONENT)) - SHIFT - 0.5).astype(np.int64)
        chain = state + np.cumsum(rng.integers(0, 3, n))
        state = int(chain[-1]) % _CLASSES
        yield np.clip(ranks - ranks % _CLASSES + chain % _CLASSES, 0, size - 1)


def spell(ranks: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Return the words of ranks as bytes (n, width + 1): letters, 0 where a word is shorter, a space at the end."""
    rest = ranks.astype(np.uint32)
    width = max(1, -(-int(rest.max(initial=0)).bit_length() // _BITS))
    spelt = np.zeros((rest.size, width + 1), dtype=np.uint8)
    spelt[:, width] = ord(" ")
    for place in range(width - 1, -1, -1):
        letter = ((rest & _LAST) + ord("a")).astype(np.uint8)
        spelt[:, place] = letter if place == width - 1 else np.where(rest > 0, letter, 0)
        rest >>= _BITS
    return spelt


def words(size: int) -> list[str]:
    """Return the words of ranks 0 … V-1."""
    spelt = spell(np.arange(size))
    return spelt[spelt > 0].tobytes().decode("ascii").split()


def write_text(path: Path, size: int, n_tokens: int, seed: int = 0, first: int = 0) -> int:
    """Write a text of n_tokens tokens over V words, LINE tokens a line; return its bytes.

    `first` is added to every rank, for texts that shall have no word in common.
    """
    with path.open("wb") as file:
        for ranks in tokens(size, n_tokens, seed):
            spelt = spell(ranks + first)
            spelt[LINE - 1 :: LINE, -1] = ord("\n")
            file.write(spelt[spelt > 0].tobytes())
        return file.tell()


def pairs(size: int, n_tokens: int, seed: int = 0) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the distinct adjacent pairs of a text as left · V + right, sorted, and how often each occurs."""
    stream = np.concatenate(list(tokens(size, n_tokens, seed)))
    return np.unique(stream[:-1] * size + stream[1:], return_counts=True)


def vectors(size: int, dim: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """Return word vectors (V, dim) around 64 centres."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((64, dim), dtype=np.float32)
    return centres[np.arange(size) % 64] + rng.standard_normal((size, dim), dtype=np.float32)


def _integral(x: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the integral of (x + q)^-s, up to a constant."""
    return (np.asarray(x) + SHIFT) ** (1 - EXPONENT) / (1 - EXPONENT)


def _span(size: int) -> float:
    return float(_integral(size + 0.5) - _integral(0.5))
