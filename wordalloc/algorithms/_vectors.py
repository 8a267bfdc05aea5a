"""What algorithms over word vectors share: checks, directions, and the nearest one in blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary

Vectors = npt.NDArray[np.float32]

BLOCK = 1 << 22  # entries of a block of products: 16 MB


def word_directions(vocabulary: Vocabulary, vectors: npt.ArrayLike) -> Vectors:
    """Return a copy of one vector a word, scaled to length 1; a vector of zeros, which has no direction, stays.

    Raises
    ------
    InputError
        If there is not one vector a word, or a value is not a finite real number.
    """
    try:
        array = np.asarray(vectors)
    except ValueError as error:  # rows of different lengths
        raise InputError("vectors must be an array of shape (V, dim) of real numbers") from error
    if array.ndim != 2 or array.shape[1] == 0 or array.dtype.kind not in "fiu":
        raise InputError(f"vectors must be real numbers of shape (V, dim), not {array.dtype} of shape {array.shape}")
    if array.shape[0] != vocabulary.size:
        raise InputError(
            f"there are {array.shape[0]} vectors but {vocabulary.size} words: these are vectors of "
            "another vocabulary; take those of this one"
        )
    check_finite(vocabulary, array)
    return directions(array)


def check_finite(vocabulary: Vocabulary, array: npt.NDArray[Any]) -> None:
    """Refuse what is nan or infinite, and say whose it is."""
    wrong = ~np.isfinite(array).all(axis=1)
    if wrong.any():
        rank = int(np.argmax(wrong))
        raise InputError(f"the vector of {vocabulary.words[rank]!r} (row {rank}) holds a value that is not finite")


def directions(vectors: npt.NDArray[Any]) -> Vectors:
    """Return rows scaled to length 1, rows of zeros as they are. Finite values of any size are safe."""
    largest = np.abs(vectors).max(axis=1, keepdims=True).astype(np.float64)
    scaled = vectors / np.where(largest > 0, largest, 1)
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.ascontiguousarray(scaled / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def nearest(queries: Vectors, targets: Vectors) -> npt.NDArray[np.int64]:
    """Return, for each of `queries`, the first of `targets` with the greatest dot product.

    O(queries × targets × dim), in blocks; the caller sets the limit of threads.
    """
    rows = max(1, BLOCK // len(targets))
    blocks = [np.argmax(queries[start : start + rows] @ targets.T, axis=1) for start in range(0, len(queries), rows)]
    return np.concatenate([np.zeros(0, np.int64), *blocks])
