"""The picture of perplexity over training time, as a figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wordalloc.report._frame import BOTTOM, RIGHT, TOP, WIDTH, check_number, framed, set_right, write_names
from wordalloc.report._labels import spread
from wordalloc.report._style import REFERENCE, Look, house_style, looks, points
from wordalloc.report._summary import Curve, Seeds, finite_curves
from wordalloc.report._ticks import in_full, log_axis

TO_NAME = 24.0  # from the end of the axes to the names beside them, in points


def time_figure(curves: Mapping[str, Seeds], title: str) -> Figure:
    """Return the figure that `perplexity_over_time` writes.

    Parameters
    ----------
    curves : mapping
        As there.
    title : str
        As there.

    Returns
    -------
    Figure
        A method's name is the label of its line in the axes and of its text in the figure.
    """
    check_number(curves)
    kept, lost = finite_curves(curves)
    look = looks(curves)
    explained = ["line: median over seeds; band: least to greatest"] if any(map(_has_band, kept.values())) else []
    with house_style():
        figure, axes = framed(title, explained, lost, len(kept))
        axes.set(xlabel="Training time (s)")
        seconds = np.concatenate([curve.seconds for curve in kept.values()])
        log_axis(axes.xaxis, seconds.min(), seconds.max(), in_full)
        low, high = min(curve.low.min() for curve in kept.values()), max(curve.high.max() for curve in kept.values())
        log_axis(axes.yaxis, low, high, in_full)
        for index, (name, curve) in enumerate(kept.items()):
            _draw(axes, name, curve, look[name], index / len(kept))
        _name_ends(figure, axes, kept, look)
    return figure


def _has_band(curve: Curve) -> bool:
    return bool(np.any(curve.low < curve.high))


def _draw(axes: Axes, name: str, curve: Curve, look: Look, phase: float) -> None:
    """Draw a method's band and line; `phase`, from 0 to 1, keeps the markers of several methods apart."""
    alone = curve.seconds.size == 1
    if alone:
        axes.vlines(curve.seconds, curve.low, curve.high, color=look.colour, linewidth=1.2)
    elif _has_band(curve):
        axes.fill_between(curve.seconds, curve.low, curve.high, color=look.colour, alpha=0.15, linewidth=0, zorder=1.5)
    line = {"color": look.colour, "linestyle": look.dashes, "linewidth": look.width, "label": name}
    every = None if alone else (0.02 + 0.2 * phase, 0.2)
    zorder = 2.5 if name == REFERENCE else 2
    axes.plot(curve.seconds, curve.middle, zorder=zorder, markevery=every, **line, **look.markers(6))
    axes.plot(curve.seconds[-1], curve.middle[-1], zorder=2.6, **look.markers(6))


def _name_ends(figure: Figure, axes: Axes, curves: Mapping[str, Curve], look: Mapping[str, Look]) -> None:
    """Write the names in a column beside the axes, each joined to the end of its line and with its marker."""
    texts = write_names(figure, curves)
    boxes = [text.get_window_extent() for text in texts]
    right = WIDTH - RIGHT - TO_NAME - max(box.width for box in boxes)
    set_right(figure, axes, right)
    ends = axes.transData.transform([(curve.seconds[-1], curve.middle[-1]) for curve in curves.values()])
    step = max(box.height for box in boxes) + 0.5
    heights = spread(ends[:, 1], step, BOTTOM, figure.bbox.height - TOP)
    for text, (x, y), height, name in zip(texts, ends, heights, curves, strict=True):
        text.set(position=(right + TO_NAME, height), color=look[name].ink)
        line: dict[str, Any] = {"color": look[name].colour, "transform": points(figure), "linewidth": 0.8}
        figure.add_artist(Line2D([x, right], [y, y], linestyle=":", **line))
        line |= {"markevery": [-1], **look[name].markers(6)}
        figure.add_artist(Line2D([right, right + 12, right + 18], [y, height, height], **line))
