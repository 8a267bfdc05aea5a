"""The picture of what cutoffs can reach as a figure: time of a training step over parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from wordalloc.errors import InputError
from wordalloc.report._frame import write_at
from wordalloc.report._labels import along, place
from wordalloc.report._paper import SMALL, make_room, panel, paper, text_sizes
from wordalloc.report._style import COLOURS
from wordalloc.report._ticks import in_full, in_thousands

LEFT, BOTTOM, RIGHT, TOP = 32.0, 22.0, 10.0, 6.0  # margins
PANEL = 125.0  # height of the axes
RADIUS = 3.5  # of the marker of a named point, with a little air
MARKERS = "oDs^"


def frontier_figure(
    parameters: npt.ArrayLike, seconds: npt.ArrayLike, named: Mapping[str, tuple[float, float]], width: float
) -> Figure:
    """Return time over parameters: a line through the frontier, and points with names.

    Parameters
    ----------
    parameters, seconds : array_like of float, shape (n,)
        The frontier, by increasing parameters; n at least 1.
    named : mapping of str to (float, float)
        Parameters and seconds of up to four points.
    width : float
        In points.

    Returns
    -------
    Figure
        The frontier is the first line of the axes; a point's name is the label of its marker.

    Raises
    ------
    InputError
        If a number is negative, or so large that no layer has it.
    """
    figures = np.concatenate([np.ravel(parameters), np.ravel(seconds), *map(np.ravel, named.values())]).astype(float)
    if not ((figures >= 0) & (figures < 2**63)).all():
        raise InputError("parameters and seconds of a frontier must be numbers from 0: the file's are damaged")
    figure = paper(width, BOTTOM + PANEL + TOP)
    axes = panel(figure, LEFT, BOTTOM, width - RIGHT, BOTTOM + PANEL)
    axes.set(xlabel="Parameters of the layer", ylabel="Time of a step (ms)")
    axes.margins(0.08)
    x, y = np.asarray(parameters, dtype=np.float64), 1000 * np.asarray(seconds, dtype=np.float64)
    axes.plot(x, y, "o-", color=COLOURS[0], linewidth=1, markersize=3, markeredgewidth=0)
    for (name, (its_x, seconds_of_it)), colour, marker in zip(named.items(), COLOURS[1:], MARKERS, strict=False):
        style: dict[str, Any] = {
            "color": colour,
            "markersize": 5,
            "markeredgecolor": "white",
            "markeredgewidth": 0.5,
            "zorder": 3,
        }
        axes.plot(its_x, 1000 * seconds_of_it, marker, label=name, linestyle="none", **style)
    for axis, written in ((axes.xaxis, in_thousands), (axes.yaxis, in_full)):
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda value, _, written=written: written(round(value, 9))))
    axes.autoscale_view()  # else the places are those of empty axes
    make_room(axes)
    anchors = axes.transData.transform([(its_x, 1000 * its_y) for its_x, its_y in named.values()])
    line = along(axes.transData.transform(np.column_stack([x, y])))
    markers = np.hstack([anchors - RADIUS, anchors + RADIUS])
    boxes = place(text_sizes(figure, list(named), SMALL) + 1, anchors, markers, line, np.array(axes.bbox.extents))
    for name, box, colour in zip(named, boxes, COLOURS[1:], strict=False):
        ink = [0.6 * part for part in to_rgb(colour)]  # dark enough for letters
        write_at(figure, name, *(box[:2] + box[2:]) / 2, size=SMALL, color=ink, ha="center", va="center")
    return figure
