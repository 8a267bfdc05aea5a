"""The picture of a training as a figure: training loss and validation perplexity over the tokens trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from wordalloc.errors import InputError
from wordalloc.report._paper import SMALL, ends, make_room, panel, paper
from wordalloc.report._style import COLOURS, FAINT
from wordalloc.report._ticks import in_full, in_thousands, log_axis

LEFT, BOTTOM, RIGHT, TOP = 34.0, 22.0, 30.0, 14.0  # margins
PANEL = 125.0  # height of the axes
BETWEEN_NAMES = 26.0  # from the middle of a mark's name to the next one's
LOOKS = (("-", COLOURS[0]), ("o-", COLOURS[1]), ("s--", COLOURS[2]))

Curve = tuple[npt.ArrayLike, npt.ArrayLike]  # tokens, and nats a token


def training_figure(curves: Mapping[str, Curve], marks: Sequence[tuple[int, str]], width: float) -> Figure:
    """Return up to three curves: perplexity, logarithmic, on the left, which is the loss in nats on the right.

    Parameters
    ----------
    curves : mapping of str to (array_like of int, array_like of float)
        By name: tokens trained on, and nats a token. Empty ones are left out, and so are values that no picture shows:
        not finite, of a perplexity that overflows, or at a place where no training comes to.
    marks : sequence of (int, str)
        Tokens, and what happened then.
    width : float
        In points.

    Returns
    -------
    Figure
        A curve's name is the label of its line. The second axes are the scale on the right.

    Raises
    ------
    InputError
        If nothing is left to draw.
    """
    kept = {name: drawn for name, curve in curves.items() if len((drawn := _drawable(curve))[0])}
    if not kept:
        raise InputError("the run has no figures yet: a picture of its training would be empty")
    figure = paper(width, BOTTOM + PANEL + TOP)
    axes = panel(figure, LEFT, BOTTOM, width - RIGHT, BOTTOM + PANEL)
    axes.set(xlabel="Tokens trained on", ylabel="Perplexity")
    values = np.concatenate([nats for _, nats in kept.values()])
    log_axis(axes.yaxis, *ends(np.exp(values)), in_full)
    make_room(axes)
    for (style, colour), (name, (tokens, nats)) in zip(LOOKS, kept.items(), strict=False):
        look: dict[str, Any] = {"color": colour, "linewidth": 1, "markersize": 3, "markeredgewidth": 0}
        axes.plot(tokens, np.exp(nats), style, label=name, **look)
    axes.set_xlim(0, 1.02 * max(float(tokens.max()) for tokens, _ in kept.values()))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: in_thousands(value)))
    axes.legend(loc="best", frameon=False, handlelength=2)
    scale = axes.twinx()  # the logarithm of a logarithmic axis: a plain one
    scale.set(ylabel="Loss (nats a token)", ylim=np.log(axes.get_ylim()))
    scale.yaxis.set_major_locator(MaxNLocator(6))
    scale.grid(False)
    scale.spines["right"].set_visible(True)
    _draw_marks(axes, marks)
    return figure


def _drawable(curve: Curve) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    tokens, nats = (np.asarray(side, dtype=np.float64) for side in curve)
    shown = (np.abs(nats) < 700) & (tokens >= 0) & (tokens < 2**63)  # the exponential of more is infinite
    return tokens[shown], nats[shown]


def _draw_marks(axes: Axes, marks: Sequence[tuple[int, str]]) -> None:
    """Draw a thin line where something happened, its name above where there is room."""
    named = -np.inf
    for tokens, name in marks:
        if not 0 <= tokens < 2**63:
            continue
        axes.axvline(tokens, color=FAINT, linewidth=0.6, linestyle=(0, (3, 2)), zorder=1)
        x = axes.transData.transform((tokens, 1))[0]
        if x - named < BETWEEN_NAMES:
            continue
        where: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "xytext": (0, 2), "textcoords": "offset points"}
        axes.annotate(name, (tokens, 1), **where, size=SMALL, color=FAINT, ha="center", va="bottom")
        named = x
