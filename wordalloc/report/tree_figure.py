"""The picture of a tree as a figure: how long the codes are, and its upper levels with the words below them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from wordalloc.report._frame import write_at
from wordalloc.report._labels import spread
from wordalloc.report._paper import SMALL, panel, paper, short_words, text_sizes, whole_ticks
from wordalloc.report._style import COLOURS, FAINT, points
from wordalloc.report._ticks import in_full

LEFT, BOTTOM, RIGHT, TOP = 38.0, 22.0, 5.0, 12.0  # margins
LENGTHS, BETWEEN, LEVELS = 62.0, 32.0, 150.0  # heights: of the code lengths, from there to the levels, of the levels
COLUMN, NEAREST = 20.0, 7.2  # width of a level, and how far apart the words of two nodes are written
LEAST_DRAWN, LEAST_WRITTEN = 1.0, 6.5  # heights of a node that is drawn by itself, and that holds its digit
INNER, LEAF, LOW = "#cfe3f2", "#f6d3b3", "#e4e4e4"  # pale blue and orange; and grey


@dataclass(frozen=True)
class CodeLengths:
    """How long the codes of a tree are.

    Attributes
    ----------
    tokens, words : ndarray of float64, shape (longest + 1,)
        Share of the tokens, and of the words, whose code has each length.
    mean, entropy : float
        Digits a token, and the least that any code would take.
    unit : str
        What a digit is called.
    """

    tokens: npt.NDArray[np.float64]
    words: npt.NDArray[np.float64]
    mean: float
    entropy: float
    unit: str


@dataclass(frozen=True)
class Levels:
    """The upper levels of a tree, a node after its parent; the first is the root.

    Attributes
    ----------
    parent, digit, depth : ndarray of int64, shape (n,)
        Place of the parent in these arrays, the digit that leads from there, steps from the root.
    masses : ndarray of float64, shape (n,)
        Share of the tokens at or below each.
    leaf : ndarray of bool, shape (n,)
        Whether it is a word.
    words : list of list of str, length n
        Words at or below those that have nothing below them here.
    """

    parent: npt.NDArray[np.int64]
    digit: npt.NDArray[np.int64]
    depth: npt.NDArray[np.int64]
    masses: npt.NDArray[np.float64]
    leaf: npt.NDArray[np.bool_]
    words: Sequence[list[str]]


def tree_figure(lengths: CodeLengths, levels: Levels, width: float) -> Figure:
    """Return two panels: the code lengths, and below them the upper levels, heights being shares of the tokens.

    Parameters
    ----------
    lengths : CodeLengths
        Of all words.
    levels : Levels
        At least one level below the root.
    width : float
        In points.

    Returns
    -------
    Figure
        Its axes are the two panels.
    """
    figure = paper(width, BOTTOM + LEVELS + BETWEEN + LENGTHS + TOP)
    _draw_lengths(panel(figure, LEFT, BOTTOM + LEVELS + BETWEEN, width - RIGHT, figure.bbox.y1 - TOP), lengths)
    deepest = int(levels.depth.max())
    right = LEFT + COLUMN * deepest
    axes = panel(figure, LEFT, BOTTOM, right, BOTTOM + LEVELS)
    axes.set(xlim=(0.5, deepest + 0.5), ylim=(1, 0), xlabel="Depth", ylabel="Tokens at or below")
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="x", length=0)
    axes.xaxis.set_major_locator(FixedLocator(range(1, deepest + 1)))
    axes.yaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f} %"))
    starts = _starts(levels)
    _draw_nodes(axes, levels, starts)
    _write_words(figure, axes, levels, starts)
    return figure


def _draw_lengths(axes: Axes, lengths: CodeLengths) -> None:
    """Draw what share of the tokens, and of the words, has codes of each length."""
    every = np.arange(lengths.tokens.size)
    bars = axes.bar(every, lengths.tokens, width=0.8, color=COLOURS[0], label="tokens")
    outline = axes.stairs(lengths.words, np.arange(every.size + 1) - 0.5, color=FAINT, linewidth=0.8, label="words")
    handles: list[Any] = [bars, outline]
    for name, place, dashes in (("entropy", lengths.entropy, (0, (3, 2))), ("mean", lengths.mean, "-")):
        label = f"{name} {place:.2f}"
        handles.append(axes.axvline(place, color=COLOURS[1], linewidth=0.9, linestyle=dashes, label=label))
    axes.set(xlim=(-0.6, every.size + 0.6), xlabel=f"Length of the code ({lengths.unit})", ylabel="Share")
    axes.set_ylim(0, 1.05 * max(lengths.tokens.max(), lengths.words.max()))
    axes.grid(False, axis="x")
    axes.xaxis.set_major_locator(FixedLocator(whole_ticks(every.size, 8)))
    axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{in_full(round(100 * share, 9))} %"))
    above: dict[str, Any] = {
        "loc": "lower right",
        "bbox_to_anchor": (1, 1),
        "borderaxespad": 0,
        "borderpad": 0.2,
        "ncols": 4,
    }
    axes.legend(handles=handles, frameon=False, handlelength=1.2, columnspacing=1, fontsize=SMALL, **above)


def _starts(levels: Levels) -> npt.NDArray[np.float64]:
    """Return where each node begins, as a share of the tokens from the top: children stand in order below a parent."""
    starts = np.zeros(len(levels.parent))
    used = starts.copy()
    for place in range(1, len(starts)):
        above = levels.parent[place]
        starts[place] = starts[above] + used[above]
        used[above] += levels.masses[place]
    return starts


def _draw_nodes(axes: Axes, levels: Levels, starts: npt.NDArray[np.float64]) -> None:
    """Draw nodes as boxes with their digits; neighbours too low to be told apart make one box without."""
    heights = levels.masses * LEVELS
    drawn = (heights >= LEAST_DRAWN) & (levels.depth > 0)
    for chosen, colour in ((drawn & ~levels.leaf, INNER), (drawn & levels.leaf, LEAF)):
        places = np.flatnonzero(chosen).tolist()
        boxes = [_box(levels.depth[i], starts[i], starts[i] + levels.masses[i]) for i in places]
        axes.add_collection(PolyCollection(boxes, facecolors=colour, edgecolors="white", linewidths=0.5))
    low = np.flatnonzero(~drawn & (levels.depth > 0))
    low = low[np.lexsort([starts[low], levels.depth[low]])]
    ends = starts + levels.masses
    apart = (np.diff(levels.depth[low]) > 0) | (np.abs(starts[low[1:]] - ends[low[:-1]]) > 1e-9)
    runs = np.split(low, np.flatnonzero(apart) + 1) if low.size else []
    boxes = [_box(levels.depth[run[0]], starts[run[0]], ends[run[-1]]) for run in runs]
    axes.add_collection(PolyCollection(boxes, facecolors=LOW, linewidths=0))
    for place in np.flatnonzero(drawn & (heights >= LEAST_WRITTEN)).tolist():
        middle = starts[place] + levels.masses[place] / 2
        style: dict[str, Any] = {"size": SMALL, "color": FAINT, "ha": "center", "va": "center_baseline"}
        axes.text(levels.depth[place], middle, f"{levels.digit[place]}", **style)


def _box(depth: int, start: float, end: float) -> list[tuple[float, float]]:
    left, right = depth - 0.5, depth + 0.5
    return [(left, start), (right, start), (right, end), (left, end)]


def _write_words(figure: Figure, axes: Axes, levels: Levels, starts: npt.NDArray[np.float64]) -> None:
    """Write, right of the levels, the words of the heaviest of those that have nothing below them here."""
    ends = np.setdiff1d(np.arange(1, len(levels.parent)), levels.parent)
    heaviest = ends[np.argsort(-levels.masses[ends], kind="stable")][: 1 + int(LEVELS // NEAREST)]
    named = heaviest[np.argsort(starts[heaviest], kind="stable")]
    middles = starts[named] + levels.masses[named] / 2
    edges = axes.transData.transform(np.column_stack([levels.depth[named] + 0.5, middles]))
    right = axes.bbox.x1
    room = figure.bbox.x1 - right - 14
    heights = spread(edges[:, 1], NEAREST, BOTTOM, BOTTOM + LEVELS)
    for place, (x, y), height in zip(named.tolist(), edges, heights, strict=True):
        leader = [x + 1, right + 2, right + 9, right + 11], [y, y, height, height]
        figure.add_artist(Line2D(*leader, color=FAINT, linewidth=0.4, transform=points(figure)))
        text = _as_many_as_fit(figure, levels.words[place], room)
        write_at(figure, text, right + 13, height, size=SMALL, va="center")


def _as_many_as_fit(figure: Figure, words: list[str], room: float) -> str:
    """Return the first words side by side, at least one."""
    for number in range(2, len(words) + 1):
        if text_sizes(figure, [short_words(words[:number])], SMALL)[0, 0] > room:
            return short_words(words[: number - 1])
    return short_words(words)
