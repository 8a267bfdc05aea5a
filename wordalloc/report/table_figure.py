"""The picture of a table as a figure: a heat map of the cells' share of the tokens, with rows and columns beside it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from wordalloc.errors import InputError
from wordalloc.report._paper import panel, paper
from wordalloc.report._style import COLOURS, FAINT
from wordalloc.report._ticks import in_full, round_numbers

LEFT, BOTTOM, RIGHT, TOP = 30.0, 22.0, 8.0, 6.0  # margins
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
    norm = LogNorm(counted.min(), max(counted.max(), counted.min() * 1.01))
    shades = ListedColormap(colormaps["Blues"](np.linspace(0.12, 1, 256))).with_extremes(bad=EMPTY)  # least: not white
    shown = np.where(np.isnan(cells), np.nan, np.maximum(cells, counted.min()))
    image = axes.imshow(shown, cmap=shades, norm=norm, aspect="auto", interpolation="none", interpolation_stage="rgba")
    axes.grid(False)
    axes.set(xlabel="Column", ylabel="Row")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    _draw_sums(figure, axes, np.nan_to_num(cells))
    scale = panel(figure, LEFT, BOTTOM, LEFT + across, BOTTOM + BAR)
    bar = figure.colorbar(image, cax=scale, orientation="horizontal")
    bar.outline.set_visible(False)
    bar.set_label("Tokens in the cell (grey: no word)" if np.isnan(cells).any() else "Tokens in the cell")
    bar.ax.xaxis.set(
        major_locator=FixedLocator(round_numbers(norm.vmin, norm.vmax)),
        minor_locator=NullLocator(),
        major_formatter=FuncFormatter(lambda share, _: f"{in_full(100 * share)} %"),
    )
    return figure


def _draw_sums(figure: Figure, axes: Axes, cells: npt.NDArray[np.float64]) -> None:
    """Draw the share of the tokens of each column above the map, and of each row right of it."""
    x0, y0, x1, y1 = axes.bbox.extents
    above = panel(figure, x0, y1 + GAP, x1, y1 + GAP + BESIDE)
    beside = panel(figure, x1 + GAP, y0, x1 + GAP + BESIDE, y1)
    for own, line, orientation in ((above, 0, "vertical"), (beside, 1, "horizontal")):
        sums = cells.sum(axis=line)
        edges = np.arange(sums.size + 1) - 0.5
        own.stairs(sums, edges, fill=True, color=COLOURS[0], orientation=orientation, linewidth=0)
        along, value = (own.xaxis, own.yaxis) if line == 0 else (own.yaxis, own.xaxis)
        along.set(major_locator=NullLocator())
        value.set(major_locator=FixedLocator([float(f"{sums.max():.1g}")]) if sums.max() else NullLocator())
        value.set_major_formatter(FuncFormatter(lambda share, _: f"{in_full(100 * share)} %"))
        own.set(**{f"{'xy'[line]}lim": getattr(axes, f"get_{'xy'[line]}lim")()})
        own.set(**{f"{'yx'[line]}lim": (0, 1.05 * max(sums.max(), float(f'{sums.max():.1g}')))})
        own.spines[["left", "bottom"]].set_color(FAINT)
