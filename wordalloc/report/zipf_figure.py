"""The Zipf plot as a figure: occurrences over rank, the law fitted to them, and the bands of ranks above."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wordalloc.errors import InputError
from wordalloc.report._frame import write_at
from wordalloc.report._labels import spread
from wordalloc.report._paper import SMALL, ends, make_room, panel, paper, percent, short_number, text_sizes
from wordalloc.report._style import COLOURS, FAINT, points
from wordalloc.report._ticks import in_thousands, log_axis
from wordalloc.report.zipf_content import drawn_cutoffs

LEFT, BOTTOM, RIGHT, TOP = 32.0, 22.0, 8.0, 5.0  # margins
PANEL = 130.0  # height of the axes
ROW, LEADER = 8.0, 11.0  # of the bands' figures: a line, and what leads from them to the bands
NEAREST = 2.0  # two cutoffs that are nearer than this are one line

Points = tuple[npt.ArrayLike, npt.ArrayLike]  # ranks from 1, and occurrences


@dataclass(frozen=True)
class Bands:
    """Bands of ranks.

    Attributes
    ----------
    bounds : ndarray of int64, shape (n + 1,)
        First rank of each, from 0, and the number of words.
    masses : ndarray of float64, shape (n,)
        Share of all tokens in each.
    """

    bounds: npt.NDArray[np.int64]
    masses: npt.NDArray[np.float64]


def zipf_figure(
    series: Mapping[str, Points], law: tuple[str, Points] | None, bands: Bands | None, width: float
) -> Figure:
    """Return occurrences over rank, both logarithmic.

    Parameters
    ----------
    series : mapping
        By name: ranks from 1 and occurrences above 0, each a point.
    law : (str, points), optional
        What is said of the fitted law, and its line.
    bands : Bands, optional
        Their edges are drawn as lines, their words and their shares of the tokens are written above.
    width : float
        In points.

    Returns
    -------
    Figure
        A series' name is the label of its points, ``law`` and ``cutoff`` those of the other lines.

    Raises
    ------
    InputError
        If there is not a single point.
    """
    points_of = {name: (np.asarray(ranks), np.asarray(counts)) for name, (ranks, counts) in series.items()}
    if not any(ranks.size for ranks, _ in points_of.values()):
        raise InputError("no word was ever counted: a Zipf plot would be empty")
    top = BOTTOM + PANEL
    figure = paper(width, top + (TOP if bands is None else TOP + 2 * ROW + LEADER))
    axes = panel(figure, LEFT, BOTTOM, width - RIGHT, top)
    axes.set(xlabel="Rank", ylabel="Occurrences")
    last = max(int(ranks[-1]) for ranks, _ in points_of.values() if ranks.size)
    counts = np.concatenate([counts for _, counts in points_of.values()])
    log_axis(axes.xaxis, 1, max(last, 2, 0 if bands is None else int(bands.bounds[-1])), in_thousands, room=0.01)
    log_axis(axes.yaxis, *ends(counts), in_thousands)
    make_room(axes)
    for colour, marker, (name, place) in zip(COLOURS[::2], "os", points_of.items(), strict=False):
        axes.plot(*place, marker, color=colour, markersize=2.4, markeredgewidth=0, label=name)
    handles = list(axes.lines)
    if law is not None:
        handles += axes.plot(*law[1], color=COLOURS[1], linewidth=1, label="law", zorder=3)
    labels = [*points_of, *([] if law is None else [law[0]])]
    if len(labels) > 1:
        box = {"facecolor": "white", "edgecolor": "none", "framealpha": 1, "borderpad": 0.2, "borderaxespad": 0.3}
        axes.legend(handles, labels, loc="best", fontsize=SMALL, handlelength=1.2, **box)
    if bands is not None:
        _draw_bands(figure, axes, bands, width)
    return figure


def _draw_bands(figure: Figure, axes: Axes, bands: Bands, width: float) -> None:
    axes.grid(False, axis="x")
    top, cutoffs = axes.bbox.y1, bands.bounds[1:-1]
    edges = axes.transData.transform(np.column_stack([cutoffs + 0.5, np.ones(cutoffs.size)]))[:, 0]
    shown = drawn_cutoffs(cutoffs)
    drawn: list[float] = []
    for rank, x in zip(cutoffs[shown].tolist(), edges[shown].tolist(), strict=True):
        if not drawn or x - drawn[-1] >= NEAREST:
            axes.axvline(rank + 0.5, color=FAINT, linewidth=0.6, linestyle=(0, (3, 2)), label="cutoff", zorder=1)
            drawn.append(x)
    if len(drawn) < cutoffs.size:
        axes.set_xlabel(f"Rank (lines: {len(drawn)} of {cutoffs.size:,} cutoffs)")
    named = np.concatenate([[0], shown + 1])  # bands that begin there
    sizes, masses = np.diff(bands.bounds)[named].tolist(), bands.masses[named].tolist()
    texts = [(short_number(size), percent(mass)) for size, mass in zip(sizes, masses, strict=True)]
    x0, x1 = axes.bbox.x0, axes.bbox.x1
    limits = np.concatenate([[x0], edges, [x1]])
    step = text_sizes(figure, [text for pair in texts for text in pair], SMALL)[:, 0].max() + 4
    low, high = x0 + step / 2, width - 1 - step / 2
    every = int(np.ceil(len(texts) / (1 + (high - low) // step)))  # with too many bands only some are labelled
    chosen = range(0, len(texts), every)
    centres = ((limits[:-1] + limits[1:]) / 2)[named[::every]]
    for number, x, centre in zip(chosen, spread(centres, step, low, high), centres, strict=True):
        for line, text in enumerate(texts[number]):
            write_at(figure, text, x, top + LEADER + (1 - line) * ROW, size=SMALL, ha="center", va="bottom")
        places = [centre, centre, x], [top + 1, top + 4, top + LEADER - 2]
        figure.add_artist(Line2D(*places, color=FAINT, linewidth=0.5, transform=points(figure)))
    for line, text in enumerate(("words", "tokens")):
        style = {"size": SMALL, "color": FAINT, "ha": "right", "va": "bottom"}
        write_at(figure, text, x0 - 4, top + LEADER + (1 - line) * ROW, **style)
