"""Logarithmic axes that read like plain ones: a few round numbers, written out."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.axis import XAxis, YAxis
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from wordalloc.report._round_numbers import round_numbers


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
