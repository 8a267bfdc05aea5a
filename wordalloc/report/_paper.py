"""What the pictures for papers share: letters of 7 points at the width of a column, panels placed in points."""

from __future__ import annotations

import contextlib
import math
import os
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from wordalloc.errors import InputError
from wordalloc.report._plain import plain
from wordalloc.report._style import house_style, new_figure, picture_format, write

COLUMN = 3.3  # inches: a column of most two-column papers
NARROWEST, WIDEST = 3.0, 20.0
SMALL = 6.0  # points: notes and labels of many things
DPI = 300  # of a PNG
LONGEST_WORD = 14  # characters; what is longer loses its middle
ISOLATES = matplotlib.__version_info__ >= (3, 11)
LETTERS: dict[Any, Any] = {
    "font.size": 7,
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.5,
    "axes.labelpad": 2.5,
    **{f"{axis}tick.major.{name}": value for axis in "xy" for name, value in (("size", 2), ("width", 0.6), ("pad", 2))},
}


@contextlib.contextmanager
def paper_style() -> Iterator[None]:
    """Set the house's style with smaller letters and thinner lines, and put matplotlib's settings back at the end."""
    with house_style(), matplotlib.rc_context(LETTERS):
        yield


def check_picture(path: str | os.PathLike[str], width: float = COLUMN) -> None:
    """Refuse what no picture can be written to, before anything is computed.

    Parameters
    ----------
    path : path-like
        Where it is to be written.
    width : float
        Inches.

    Raises
    ------
    InputError
        If the suffix is none of a picture, or the width is not 3 to 20 inches.
    """
    picture_format(path)
    if not NARROWEST <= width <= WIDEST:
        raise InputError(f"the width of a picture must be {NARROWEST:g} to {WIDEST:g} inches, not {width:g}")


def write_picture(build: Callable[[float], Figure], path: str | os.PathLike[str], width: float) -> None:
    """Build a figure of a width in inches, which is given in points, and write it, whole or not at all."""
    check_picture(path, width)
    with paper_style():
        write(build(72 * width), path, DPI)


def paper(width: float, height: float) -> Figure:
    """Return an empty figure; its size is in points."""
    return new_figure(width, height)


def panel(figure: Figure, left: float, bottom: float, right: float, top: float) -> Axes:
    """Return axes whose frame has its edges at these places, in points from the figure's lower left corner."""
    width, height = figure.get_size_inches() * 72
    return figure.add_axes((left / width, bottom / height, (right - left) / width, (top - bottom) / height))


def make_room(axes: Axes, margin: float = 2.0) -> None:
    """Move the left edge of axes until their numbers and their name are inside the picture."""
    figure = axes.figure
    assert isinstance(figure, Figure)
    box = axes.yaxis.get_tightbbox()
    if box is not None and (beyond := margin - box.x0) > 0:
        place = axes.get_position()
        place.x0 += beyond / figure.bbox.width
        axes.set_position(place)


def ends(values: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the least and the greatest value, farther apart where they are less than a factor of 2: for a log axis.

    Examples
    --------
    >>> ends(np.array([3, 300])), ends(np.array([10]))
    ((3.0, 300.0), (7.0, 14.0))
    """
    low, high = float(values.min()), float(values.max())
    return (low, high) if high >= 2 * low else (0.7 * low, 1.4 * high)


def whole_ticks(n: int, most: int) -> list[int]:
    """Return at most about so many round whole numbers from 0 to n - 1.

    Examples
    --------
    >>> whole_ticks(100, 5), whole_ticks(1, 5)
    ([0, 20, 40, 60, 80], [0])
    """
    ticks = MaxNLocator(most, integer=True, steps=[1, 2, 5, 10]).tick_values(0, n - 1)
    return [int(tick) for tick in ticks if 0 <= tick < n and tick == int(tick)]


def short_words(words: list[str], most: int = LONGEST_WORD) -> str:
    """Return words side by side, each cut in its middle where it is long, and nothing in them that cannot be drawn.

    A word that is written from right to left comes in isolates, so that it turns nothing beside it; matplotlib before
    3.11, which writes no letters from right to left, would draw them as boxes and gets none.

    Examples
    --------
    >>> short_words(["the", "of", "antidisestablishmentarianism"])
    'the of antidis…ianism'
    """
    shown = [plain(word, most) for word in words]
    return " ".join(f"\u2068{word}\u2069" if ISOLATES and _from_right_to_left(word) else word for word in shown)


def _from_right_to_left(word: str) -> bool:
    return any(unicodedata.bidirectional(letter) in ("R", "AL", "AN") for letter in word)


def short_number(number: float) -> str:
    """Return a count in at most six characters: three digits where it is large.

    Examples
    --------
    >>> [short_number(value) for value in (795, 9_896, 28_312, 1_234_567)]
    ['795', '9,896', '28.3 k', '1.23 M']
    """
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= max(unit, 10_000):
            return f"{number / unit:.3g} {letter}"
    return f"{number:,.0f}"


def percent(share: float) -> str:
    """Return a share in percent, to two digits.

    Examples
    --------
    >>> [percent(value) for value in (1, 0.85, 0.03, 0.00012, 0)]
    ['100 %', '85 %', '3.0 %', '0.012 %', '0 %']
    """
    digits = 0 if share >= 0.0995 or not share else 1 - math.floor(math.log10(100 * share))
    return f"{100 * share:.{digits}f} %"


def text_sizes(figure: Figure, texts: list[str], size: float) -> npt.NDArray[np.float64]:
    """Return how wide and high each text is at a size of letters, in points: shape (n, 2)."""
    found = np.empty((len(texts), 2))
    for place, text in enumerate(texts):
        artist = figure.text(0, 0, text, size=size)
        found[place] = artist.get_window_extent().size
        artist.remove()
    return found
