"""What both pictures share: margins, title, notes, empty axes, and texts at places given in points."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from wordalloc.errors import InputError
from wordalloc.report._plain import plain
from wordalloc.report._style import FAINT, MOST_METHODS, new_figure, points

WIDTH, LEAST_HEIGHT = 576.0, 360.0  # points: 8 by 5 inches
LEFT, BOTTOM, RIGHT, TOP = 52.0, 48.0, 12.0, 48.0  # margins
LONGEST_NAME = 32  # characters; what is longer loses its middle


def check_number(methods: Collection[str]) -> None:
    """Refuse more methods than there are ways to draw one."""
    if len(methods) > MOST_METHODS:
        raise InputError(f"a picture tells at most {MOST_METHODS} methods apart, not {len(methods)}: draw fewer")


def framed(title: str, explained: Sequence[str], lost: Sequence[str], n_methods: int) -> tuple[Figure, Axes]:
    """Return a figure with its title, notes and empty axes; many methods make it higher, so that names have room."""
    height = max(LEAST_HEIGHT, BOTTOM + TOP + 13 * n_methods)
    figure = new_figure(WIDTH, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(ylabel="Perplexity")
    set_right(figure, axes, WIDTH - RIGHT)
    write_at(figure, plain(title, 78), LEFT, height - 8, size=12, weight="bold", va="top")
    write_at(figure, "; ".join(explained), LEFT, height - 27, size=8, color=FAINT, va="top")
    if lost:
        note = plain(f"left out, perplexity not finite: {', '.join(lost)}", 110)
        write_at(figure, note, LEFT, 3, size=7, color=FAINT, va="bottom")
    return figure, axes


def set_right(figure: Figure, axes: Axes, right: float) -> None:
    """Let the axes reach from the left margin to `right`."""
    height = figure.get_figheight() * 72
    axes.set_position((LEFT / WIDTH, BOTTOM / height, (right - LEFT) / WIDTH, 1 - (BOTTOM + TOP) / height))


def write_at(figure: Figure, text: str, x: float, y: float, **style: Any) -> Text:
    """Write a text at a place in points."""
    return figure.text(x, y, text, transform=points(figure), **style)


def write_names(figure: Figure, names: Iterable[str]) -> list[Text]:
    """Write the names, for the present at the figure's corner; each text carries its method's name as label."""
    return [write_at(figure, plain(name, LONGEST_NAME), 0, 0, va="center", label=name) for name in names]
