"""The picture of a table as a figure: a heat map of the cells' share of the tokens, with rows and columns beside it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from wordalloc.errors import InputError
from wordalloc.report._paper import panel, paper, whole_ticks
from wordalloc.report._round_numbers import round_numbers
from wordalloc.report._style import COLOURS
from wordalloc.report._ticks import in_full

LEFT, BOTTOM, RIGHT, TOP = 34.0, 22.0, 12.0, 6.0  # margins
BESIDE, GAP = 30.0, 4.0  # width of what is drawn of rows and columns, and from there to the map
BAR, TO_BAR = 6.0, 24.0  # the scale of the colours: its height, and from there up to the map
EMPTY = "#d9d9d9"


def table_figure(cells: npt.ArrayLike, width: float) -> Figure:
    """Return a heat map of the cells, the columns' sums above it and the rows' sums right of it.

    Parameters
    ----------
    cells : array_like of float, shape (rows, columns)
        Share of all tokens in each cell, not a number where no word stands. Colours are logarithmic; a word that was
        never counted has the colour of the least.
    width : float
        In points.

    Returns
    -------
    Figure
        Its axes are the map, the columns, the rows, and the scale of the colours.

    Raises
    ------
    InputError
        If no cell has any tokens.
    """
    cells = np.asarray(cells, dtype=np.float64)
    counted = cells[cells > 0]
    if not counted.size:
        raise InputError("no word was ever counted: the table has no mass to draw")
    n_rows, n_columns = cells.shape
    across = width - LEFT - RIGHT - BESIDE - GAP
    up = across * min(max(n_rows / n_columns, 0.4), 1.5)
    bottom = BOTTOM + BAR + TO_BAR
    figure = paper(width, bottom + up + GAP + BESIDE + TOP)
    axes = panel(figure, LEFT, bottom, LEFT + across, bottom + up)
    low, high = float(counted.min()), float(counted.max())
    top = min(1.0, high * max(1.0, np.sqrt(10 * low / high)))  # nothing is more than all tokens
    bottom = min(low, top / 10)  # the colours are of a factor of 10 or more
    norm = LogNorm(bottom, top)
    shades = ListedColormap(colormaps["Blues"](np.linspace(0.12, 1, 256))).with_extremes(bad=EMPTY)  # least: not white
    shown = np.where(np.isnan(cells), np.nan, np.maximum(cells, low))
    image = axes.imshow(shown, cmap=shades, norm=norm, aspect="auto", interpolation="none", interpolation_stage="rgba")
    axes.grid(False)
    axes.set(xlabel="Column", ylabel="Row")
    for axis, lines in ((axes.xaxis, n_columns), (axes.yaxis, n_rows)):
        axis.set_major_locator(FixedLocator(whole_ticks(lines, 5)))
    _draw_sums(figure, axes, np.nan_to_num(cells))
    scale = panel(figure, LEFT, BOTTOM, LEFT + across, BOTTOM + BAR)
    bar = figure.colorbar(image, cax=scale, orientation="horizontal")
    bar.outline.set_visible(False)
    bar.set_label("Tokens in the cell (grey: no word)" if np.isnan(cells).any() else "Tokens in the cell")
    ticks = round_numbers(bottom, top)
    bar.ax.xaxis.set(
        major_locator=FixedLocator(ticks[:: 1 + len(ticks) // 6]),
        minor_locator=NullLocator(),
        major_formatter=FuncFormatter(lambda share, _: f"{in_full(100 * share)} %"),
    )
    return figure


def _draw_sums(figure: Figure, axes: Axes, cells: npt.NDArray[np.float64]) -> None:
    """Draw the share of the tokens of each column above the map, and of each row right of it."""
    x0, y0, x1, y1 = axes.bbox.extents
    above = panel(figure, x0, y1 + GAP, x1, y1 + GAP + BESIDE)
    beside = panel(figure, x1 + GAP, y0, x1 + GAP + BESIDE, y1)
    columns, rows = cells.sum(axis=0), cells.sum(axis=1)
    above.stairs(columns, np.arange(columns.size + 1) - 0.5, fill=True, color=COLOURS[0])
    beside.stairs(rows, np.arange(rows.size + 1) - 0.5, fill=True, color=COLOURS[0], orientation="horizontal")
    above.set(xlim=axes.get_xlim(), xticks=[])
    beside.set(ylim=axes.get_ylim(), yticks=[])
    for axis, sums in ((above.yaxis, columns), (beside.xaxis, rows)):
        tick = float(f"{sums.max():.1g}")  # one number says how large they are
        axis.axes.set(**{f"{axis.axis_name}lim": (0, 1.05 * max(sums.max(), tick))})
        axis.set_major_locator(FixedLocator([tick]))
        axis.set_major_formatter(FuncFormatter(lambda share, _: f"{in_full(round(100 * share, 9))} %"))
