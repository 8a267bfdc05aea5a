"""Round numbers for a logarithmic axis: few, and enough to read it by."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

FEWEST, MOST = 4, 8  # numbers on an axis
LADDERS = ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))  # of a decade, densest first


def round_numbers(low: float, high: float) -> list[float]:
    """Return some round numbers from `low` to `high`: in equal ratios where the range is wide, else in equal steps.

    Parameters
    ----------
    low, high : float
        Above 0, `low` less than `high`.

    Examples
    --------
    >>> round_numbers(0.5, 20000), round_numbers(88, 620)
    ([1.0, 10.0, 100.0, 1000.0, 10000.0], [100.0, 150.0, 200.0, 300.0, 400.0, 500.0, 600.0])
    >>> round_numbers(88, 120)
    [90.0, 95.0, 100.0, 105.0, 110.0, 115.0, 120.0]
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for ladder in LADDERS:
        ticks = _between((float(f"{step}e{decade}") for decade in decades for step in ladder), low, high)
        if len(ticks) <= MOST:
            break
    return _even(low, high) if len(ticks) < FEWEST else ticks[:: -(-len(ticks) // MOST)]


def _even(low: float, high: float) -> list[float]:
    """Return the multiples of the least step of 1, 2, 2.5 or 5 times a power of ten that are not too many."""
    small = math.floor(math.log10((high - low) / MOST)) - 1
    steps = ((step, decade) for decade in itertools.count(small) for step in (10, 20, 25, 50))
    return next(ticks for step, decade in steps if len(ticks := _multiples(step, decade, low, high)) <= MOST)


def _multiples(step: int, decade: int, low: float, high: float) -> list[float]:
    size = float(f"{step}e{decade}")
    places = range(math.floor(low / size), math.ceil(high / size) + 1)
    return _between((float(f"{place * step}e{decade}") for place in places), low, high)


def _between(values: Iterable[float], low: float, high: float) -> list[float]:
    return [value for value in values if low <= value <= high]
