"""Consecutive groups of columns, put side by side with those of their size: what one softmax over them all needs.

Sizes are known before any batch, so a compiler sees one softmax for each size that occurs, and no size that depends on
values.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


class EqualGroups(NamedTuple):
    """G groups by size, the smallest first and those of one size in order.

    Attributes
    ----------
    shapes : list of tuple of int
        For each size that occurs, how many groups have it, and the size.
    groups : ndarray of int64, shape (G,)
        Their numbers.
    """

    shapes: list[tuple[int, int]]
    groups: Ints

    @property
    def widths(self) -> list[int]:
        """How many columns the groups of each size have together."""
        return [number * size for number, size in self.shapes]


def equal_groups(offsets: Ints) -> EqualGroups:
    """Return the groups by size.

    Parameters
    ----------
    offsets : ndarray of int64, shape (G + 1,)
        Where each group begins, and the end.

    Examples
    --------
    >>> by_size = equal_groups(np.array([0, 3, 4, 7, 8]))
    >>> by_size.shapes, by_size.groups.tolist(), by_size.widths
    ([(2, 1), (2, 3)], [1, 3, 0, 2], [2, 6])
    >>> spans(np.array([0, 3, 4, 7, 8]), by_size.groups).tolist()
    [3, 7, 0, 1, 2, 4, 5, 6]
    """
    sizes = np.diff(offsets)
    found, numbers = np.unique(sizes, return_counts=True)
    return EqualGroups(list(zip(numbers.tolist(), found.tolist(), strict=True)), np.argsort(sizes, kind="stable"))


def spans(offsets: Ints, groups: Ints) -> Ints:
    """Return the columns of these groups, end to end.

    Parameters
    ----------
    offsets : ndarray of int64, shape (G + 1,)
        Where each group begins, and the end.
    groups : ndarray of int64, shape (g,)
        Numbers of groups.
    """
    sizes = offsets[groups + 1] - offsets[groups]
    return np.arange(int(sizes.sum())) + np.repeat(offsets[groups] - np.cumsum(sizes) + sizes, sizes)
