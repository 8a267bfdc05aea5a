"""The picture of classes as a figure: the share of the tokens in each over the number of its words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from wordalloc.errors import InputError
from wordalloc.report._frame import write_at
from wordalloc.report._labels import place_some
from wordalloc.report._paper import SMALL, ends, make_room, panel, paper, short_words, text_sizes
from wordalloc.report._style import COLOURS, FAINT
from wordalloc.report._ticks import in_full, in_thousands, log_axis

LEFT, BOTTOM, RIGHT, TOP = 36.0, 22.0, 8.0, 5.0  # margins
NOTE = 12.0  # above the axes where something was left out
PANEL = 165.0  # height of the axes
RADIUS = 1.7  # of a marker
MOST_LABELS = 400  # classes whose names are tried, the heaviest first
MOST_MARKERS = 3000  # more are drawn as pixels, also in SVG and PDF


def classes_figure(sizes: npt.ArrayLike, masses: npt.ArrayLike, words: Sequence[list[str]], width: float) -> Figure:
    """Return a point a class, both axes logarithmic, with its first words beside it where there is room.

    Parameters
    ----------
    sizes : array_like of int, shape (K,)
        Words in each class.
    masses : array_like of float, shape (K,)
        Share of all tokens in each. Classes without any are left out, and a note says so.
    words : sequence of K lists of str
        What is written beside each.
    width : float
        In points.

    Returns
    -------
    Figure
        The points are the first line of the axes.

    Raises
    ------
    InputError
        If no class has any tokens.
    """
    masses = np.asarray(masses, dtype=np.float64)
    order = np.argsort(-masses, kind="stable")[: int(np.count_nonzero(masses))]
    if not order.size:
        raise InputError("no word was ever counted: the classes have no mass to draw")
    x, y = np.asarray(sizes)[order], masses[order]
    left_out = masses.size - order.size
    figure = paper(width, BOTTOM + PANEL + (NOTE if left_out else TOP))
    axes = panel(figure, LEFT, BOTTOM, width - RIGHT, BOTTOM + PANEL)
    axes.set(xlabel="Words in the class", ylabel="Tokens in the class")
    axes.grid(False)  # it would run through the words
    log_axis(axes.xaxis, *ends(x), in_thousands, room=0.08)
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in axes.get_xticks() if tick == int(tick)]))
    log_axis(axes.yaxis, *ends(y), lambda share: f"{in_full(100 * share)} %", room=0.08)
    make_room(axes)
    style: dict[str, Any] = {
        "color": COLOURS[0],
        "markersize": 2 * RADIUS,
        "markeredgecolor": "white",
        "markeredgewidth": 0.3,
    }
    axes.plot(x, y, "o", **style, rasterized=order.size > MOST_MARKERS)
    _name(figure, axes, np.column_stack([x, y]), [words[place] for place in order[:MOST_LABELS].tolist()])
    if left_out:
        text = f"left out: {left_out:,} classes without occurrences"
        write_at(figure, text, width - RIGHT, figure.bbox.y1 - 2, size=SMALL, color=FAINT, ha="right", va="top")
    return figure


def _name(figure: Figure, axes: Axes, places: npt.NDArray[np.float64], words: list[list[str]]) -> None:
    """Write the words of as many classes as have room: all that are given of a class, or fewer."""
    most = max(map(len, words))
    texts = [[short_words(own[:number]) for number in range(most, 0, -1)] for own in words]
    sizes = text_sizes(figure, [text for forms in texts for text in forms], SMALL).reshape(len(texts), most, 2)
    sizes[..., 0] += 3  # between two words that stand side by side
    frame = np.array([axes.bbox.x0, axes.bbox.y0, figure.bbox.x1, axes.bbox.y1])
    for index, (form, box) in place_some(sizes, axes.transData.transform(places), RADIUS, frame).items():
        write_at(figure, texts[index][form], *(box[:2] + box[2:]) / 2, size=SMALL, ha="center", va="center")
