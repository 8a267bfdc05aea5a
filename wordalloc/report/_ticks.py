"""Logarithmic axes that read like plain ones: a few round numbers, written out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from matplotlib.axis import XAxis, YAxis
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

FEWEST, MOST = 4, 8  # numbers on an axis
LADDERS = ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))  # of a decade, densest first


def round_numbers(low: float, high: float) -> list[float]:
    """Return some round numbers from `low` to `high`, in equal ratios where the range is wide.

    Examples
    --------
    >>> round_numbers(88, 620)
    [100.0, 150.0, 200.0, 300.0, 400.0, 500.0, 600.0]
    >>> round_numbers(88, 120)
    [90.0, 95.0, 100.0, 105.0, 110.0, 115.0, 120.0]
    """
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for ladder in LADDERS:
        ticks = _between(np.outer(decades, ladder).ravel(), low, high)
        if len(ticks) <= MOST:
            break
    if len(ticks) < FEWEST:
        ticks = _between(MaxNLocator(MOST - 1, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high), low, high)
    return ticks[:: -(-len(ticks) // MOST)]


def log_axis(
    axis: XAxis | YAxis, low: float, high: float, written: Callable[[float], str], *, room: float = 0.04
) -> None:
    """Make an axis logarithmic from `low` to `high` and a share of `room` more at both ends, with round numbers."""
    room = max((high / low) ** room, 1.01)
    low, high = low / room, high * room
    axis.axes.set(**{f"{axis.axis_name}scale": "log", f"{axis.axis_name}lim": (low, high)})
    axis.set_major_locator(FixedLocator(round_numbers(low, high)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: written(value)))


def in_full(value: float) -> str:
    """Return a number in full.

    Examples
    --------
    >>> in_full(97.5), in_full(20000.0)
    ('97.5', '20,000')
    """
    return f"{value:,.12g}"


def in_thousands(value: float) -> str:
    """Return a number in thousands (k), millions (M) or billions (G).

    Examples
    --------
    >>> [in_thousands(value) for value in (500, 100_000, 2_500_000, 3e9)]
    ['500', '100 k', '2.5 M', '3 G']
    """
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:,.12g} {letter}"
    return in_full(value)


def _between(values: npt.ArrayLike, low: float, high: float) -> list[float]:
    return [float(value) for value in np.asarray(values) if low <= value <= high]
