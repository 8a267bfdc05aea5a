"""Where words stand in classes: the class and the slot of each, which output and input look up."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wordalloc.checks import whole_numbers
from wordalloc.errors import InputError


class ClassPlaces(NamedTuple):
    """Classes of V words, and the words of K classes; all int64.

    Attributes
    ----------
    word_class, slot : ndarray, shape (V,)
        The class of each rank, and its place among the class's words, the most frequent first.
    members : ndarray, shape (V,)
        All ranks, class after class, in rank order inside each.
    offsets : ndarray, shape (K + 1,)
        Where each class begins in `members`, and V.
    """

    word_class: npt.NDArray[np.int64]
    slot: npt.NDArray[np.int64]
    members: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Words in each class, (K,)."""
        return np.diff(self.offsets)


def class_places(vocab_size: int, word_class: npt.ArrayLike) -> ClassPlaces:
    """Return where each word stands.

    Parameters
    ----------
    vocab_size : int
        V.
    word_class : array_like of int, shape (V,)
        Class of each rank, 0 … K - 1; no class is empty.

    Raises
    ------
    InputError
        If there is not one class a word, or a class is negative or empty.

    Examples
    --------
    >>> places = class_places(5, [0, 1, 1, 0, 1])
    >>> places.slot.tolist(), places.members.tolist(), places.offsets.tolist()
    ([0, 0, 1, 1, 2], [0, 3, 1, 2, 4], [0, 2, 5])
    """
    classes = whole_numbers(word_class, "word_class")
    if classes.shape != (vocab_size,):
        raise InputError(f"word_class must have shape ({vocab_size},), not {classes.shape}")
    if classes.min() < 0 or classes.max() >= vocab_size:
        raise InputError(f"classes of {vocab_size} words must lie between 0 and {vocab_size - 1}")
    sizes = np.bincount(classes)
    if not sizes.all():
        raise InputError(f"class {int(np.argmin(sizes))} is empty; number the classes 0 … K - 1")
    members, offsets = np.argsort(classes, kind="stable"), np.concatenate(([0], np.cumsum(sizes)))
    slot = np.empty(vocab_size, dtype=np.int64)
    slot[members] = np.arange(vocab_size) - np.repeat(offsets[:-1], sizes)
    return ClassPlaces(classes, slot, members, offsets)
