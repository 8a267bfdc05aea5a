"""The picture of perplexity over parameters, as a figure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wordalloc.report._frame import check_number, framed, write_names
from wordalloc.report._labels import along, far, nearest, place
from wordalloc.report._style import FAINT, Look, house_style, looks, points
from wordalloc.report._summary import Floats, Point, finite_points, pareto_front
from wordalloc.report._ticks import in_full, in_thousands, log_axis

RADIUS, CAP = 5.0, 3.0  # of a marker and of the ends of a bar, with a little air, in points


def parameters_figure(methods: Mapping[str, tuple[float, npt.ArrayLike]], title: str) -> Figure:
    """Return the figure that `perplexity_over_parameters` writes.

    Parameters
    ----------
    methods : mapping
        Its points.
    title : str
        As there.

    Returns
    -------
    Figure
        A method's name is the label of its marker in the axes and of its text in the figure. The front is the first
        line of the axes.
    """
    check_number(methods)
    kept, lost = finite_points(methods)
    look = looks(methods)
    bars = ["bar: least to greatest over seeds"] if any(point.low < point.high for point in kept.values()) else []
    with house_style():
        figure, axes = framed(title, [*bars, "thin line: Pareto front"], lost, len(kept))
        axes.set(xlabel="Parameters of the input and output layers")
        parameters = [point.parameters for point in kept.values()]
        log_axis(axes.xaxis, min(parameters), max(parameters), in_thousands, room=0.15)  # for names on both sides
        low, high = min(point.low for point in kept.values()), max(point.high for point in kept.values())
        log_axis(axes.yaxis, low, high, in_full)
        steps = _draw_front(axes, kept)
        for name, point in kept.items():
            _draw(axes, name, point, look[name])
        _name_points(figure, axes, kept, look, steps)
    return figure


def _draw_front(axes: Axes, methods: Mapping[str, Point]) -> Floats:
    """Draw the least perplexity that a number of parameters reaches; return the line's corners, (k, 2)."""
    all_points = np.array([(point.parameters, point.middle) for point in methods.values()])
    front = all_points[pareto_front(*all_points.T)]
    axes.plot(*front.T, color=FAINT, linewidth=0.8, drawstyle="steps-post", zorder=1.5)
    corners = np.column_stack([front[1:, 0], front[:-1, 1]])
    return np.insert(corners, np.arange(len(front)), front, axis=0) if len(front) > 1 else front


def _draw(axes: Axes, name: str, point: Point, look: Look) -> None:
    both = [point.parameters] * 2
    axes.plot(both, [point.low, point.high], color=look.colour, linewidth=1.2, marker="_", markersize=6)
    axes.plot(point.parameters, point.middle, label=name, zorder=3, linestyle="none", **look.markers(8))


def _name_points(
    figure: Figure, axes: Axes, methods: Mapping[str, Point], look: Mapping[str, Look], steps: Floats
) -> None:
    """Write the names beside the points, with a thin line to those that found no clear place."""
    texts = write_names(figure, methods)
    sizes = np.array([text.get_window_extent().size for text in texts]) + 1
    rows = [(point.parameters, level) for point in methods.values() for level in (point.middle, point.low, point.high)]
    anchors, low, high = axes.transData.transform(rows).reshape(-1, 3, 2).transpose(1, 0, 2)
    markers = np.hstack([anchors - RADIUS, anchors + RADIUS])
    bars = np.hstack([low - CAP, high + CAP])
    line = along(axes.transData.transform(steps))
    boxes = place(sizes, anchors, np.vstack([markers, bars]), line, np.array(axes.bbox.extents))
    for index, (text, name) in enumerate(zip(texts, methods, strict=True)):
        box, anchor = boxes[index], anchors[index]
        text.set(position=(box[:2] + box[2:]) / 2, ha="center", color=look[name].ink)
        if far(box, index, anchors):
            figure.add_artist(_leader(anchor, nearest(box, anchor), look[name].ink, figure))


def _leader(anchor: Floats, end: Floats, ink: tuple[float, float, float], figure: Figure) -> Line2D:
    """Return a thin line from the edge of a marker to its name."""
    start = anchor + (end - anchor) * min(1, RADIUS / np.hypot(*(end - anchor)))
    return Line2D(*zip(start, end, strict=True), color=ink, linewidth=0.6, transform=points(figure))
