"""How every picture looks, how methods are told apart, and how a picture becomes a file of the same bytes each time."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.transforms import Affine2D, Transform

from wordalloc.errors import InputError
from wordalloc.files import atomic_path

REFERENCE = "full"  # the method that others are compared with
MOST_METHODS = 30  # so many pairs of a colour and a line style there are
INK, FAINT = "#222222", "#666666"

# Okabe & Ito's palette without black, which is the reference's, and yellow, which is lost on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = "s^DvPX<>*p"

STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],  # the first draws; a viewer of SVG that lacks it has others
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a $ in a name is a dollar
    "text.hinting": "no_hinting",  # widths that were measured hold at every resolution
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.solid_capstyle": "round",
    "pdf.fonttype": 42,  # letters stay letters: some publishers refuse matplotlib's default, Type 3
    "svg.fonttype": "none",
    "svg.hashsalt": "wordalloc",
}

# What a file would tell of when and by what it was made: nothing.
METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@contextlib.contextmanager
def house_style() -> Iterator[None]:
    """Set matplotlib's defaults and the house's style, whatever the user's own are, and put those back at the end."""
    with matplotlib.style.context(["default", STYLE]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # drawn as a box: no reason to disturb a terminal
        yield


@dataclass(frozen=True)
class Look:
    """How a method is drawn: told by colour, and without colour by the line's dashes and the marker."""

    colour: str
    dashes: Any
    marker: str
    filled: bool
    width: float

    @property
    def ink(self) -> tuple[float, float, float]:
        """The colour, dark enough for letters."""
        red, green, blue = to_rgb(self.colour)
        return 0.6 * red, 0.6 * green, 0.6 * blue

    def markers(self, size: float) -> dict[str, Any]:
        """Return the arguments of a line for its markers; a white edge parts those that overlap."""
        face, edge = (self.colour, "white") if self.filled else ("white", self.colour)
        width = 0.5 if self.filled else 1.2
        size *= 1.5 if self.marker == "*" else 1.0 if self.filled else 0.85  # as large to the eye
        style = {"markerfacecolor": face, "markeredgecolor": edge, "markeredgewidth": width}
        return {"marker": self.marker, "markersize": size, **style}


def looks(names: Iterable[str]) -> dict[str, Look]:
    """Return the look of each method: by its place in the list, so that pictures of one comparison agree.

    Examples
    --------
    >>> a, b = looks(["full", "table"]).values()
    >>> (a.colour, a.marker), (b.colour, b.marker)
    (('#000000', 'o'), ('#0072B2', 's'))
    """
    result = {}
    index = 0
    for name in names:
        if name == REFERENCE:
            result[name] = Look("#000000", "-", "o", True, 2.6)
            continue
        colour, dashes = COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)]
        filled = index // len(MARKERS) % 2 == 0
        result[name] = Look(colour, dashes, MARKERS[index % len(MARKERS)], filled, 1.4)
        index += 1
    return result


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure whose display units are points; what is placed in points holds at every resolution."""
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    FigureCanvasAgg(figure)
    return figure


def points(figure: Figure) -> Transform:
    """Return the transform from points, counted from the figure's lower left corner."""
    return Affine2D().scale(1 / 72) + figure.dpi_scale_trans


def picture_format(path: str | os.PathLike[str]) -> str:
    """Return the format that a path's suffix names: png, svg or pdf."""
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in METADATA:
        raise InputError(f"a picture's name must end in .png, .svg or .pdf, not {Path(path).name!r}")
    return kind


def write(figure: Figure, path: str | os.PathLike[str], dpi: int = 200) -> None:
    """Write a figure whole or not at all, without the date and the library's version."""
    kind = picture_format(path)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=dpi, metadata=METADATA[kind])
