"""The colours of a page, light and dark, and what all its figures share. Figures are made in the light colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from wordalloc.report._round_numbers import round_numbers

INK, FAINT, LINE, PAPER = "#1c2127", "#5b6570", "#dfe3e7", "#ffffff"
MARKED = "#b84a00"  # what was chosen, found or selected
SERIES = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#7a6400", "#3b5bdb")
DASHES = ("solid", "dash", "dot", "dashdot")
REFERENCE = "#000000"  # the full softmax
SCALE = ("#eef4f9", "#b5d2e8", "#6aa7d3", "#2272b2", "#0b3c6f")  # of mass
LEVELS = ("#b9d4ec", "#c8ddf0", "#d5e5f4", "#dfecf7", "#e8f1f9")  # of a tree
WORD, REST = "#fce6c8", "#e6e9ec"  # a word in it, and what does not fit in

# What each light colour is in the dark.
DARK = {
    INK: "#e7eaed", FAINT: "#a3adb7", LINE: "#313a43", PAPER: "#13171b", MARKED: "#ffb454", REFERENCE: "#fefefe",
    **dict(zip(SERIES, ("#5bb8f0", "#ff8a4c", "#3fcf9f", "#e08bd0", "#d9c04a", "#9db2ff"), strict=True)),
    **dict(zip(SCALE, ("#1c2b38", "#1f4e73", "#2b7bb0", "#62b2e4", "#d2ecff"), strict=True)),
    **dict(zip(LEVELS, ("#2c5373", "#274863", "#233e54", "#1f3547", "#1c2d3b"), strict=True)),
    WORD: "#55401f", REST: "#2f3840",
}  # fmt: skip

# Given to every mark of a found word.
MARK = {
    "type": "scatter", "mode": "markers+text", "textposition": "top right", "hoverinfo": "skip", "showlegend": False,
    "cliponaxis": False, "textfont": {"color": MARKED, "size": 14},
    "marker": {"color": MARKED, "size": 12, "symbol": "circle-open", "line": {"width": 3}},
}  # fmt: skip


def axis(title: str, **more: Any) -> dict[str, Any]:
    """Return an axis: a quiet grid, and a title."""
    shared = {"gridcolor": LINE, "zeroline": False, "linecolor": LINE, "tickcolor": LINE, "automargin": True}
    return {"title": {"text": title, "standoff": 10}, **shared, **more}


def log_axis(title: str, values: Sequence[float], room: float = 0.04) -> dict[str, Any]:
    """Return a logarithmic axis over some values, with a few round numbers written out.

    Parameters
    ----------
    title : str
        What it measures.
    values : sequence of float
        Above 0.
    room : float
        Share of the range that is left free at both ends.
    """
    low, high = (math.log10(min(values)), math.log10(max(values))) if values else (0.0, 1.0)
    room = max(room * (high - low), 0.05)
    low, high = low - room, high + room
    ticks = round_numbers(10**low, 10**high)
    texts = [in_short(tick) for tick in ticks]
    return axis(title, type="log", range=[low, high], tickmode="array", tickvals=ticks, ticktext=texts, tickangle=0)


def in_short(value: float) -> str:
    """Return a number as an axis has it: in thousands (k), millions (M) or billions (G) where it is large.

    Examples
    --------
    >>> [in_short(value) for value in (0.05, 1.5, 500, 20000, 3e9)]
    ['0.05', '1.5', '500', '20 k', '3 G']
    """
    for least, unit, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if value >= least:
            return f"{value / unit:,.12g} {letter}"
    return f"{value:,.12g}"


def figure(traces: list[dict[str, Any]], **layout: Any) -> dict[str, Any]:
    """Return a figure of Plotly as plain JSON, checked by the library.

    Parameters
    ----------
    traces : list of dict
        Each with its type.
    **layout
        Beside what all figures share.
    """
    shared = {
        "template": go.layout.Template(),
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": INK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 16, "t": 8, "b": 8},
        "hoverlabel": {"bgcolor": PAPER, "bordercolor": FAINT, "font": {"color": INK, "size": 13}, "align": "left"},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "bgcolor": "rgba(0,0,0,0)"},
        "hovermode": "closest",
        "dragmode": False,
    }
    made = go.Figure(data=traces, layout={**shared, **layout}).to_plotly_json()
    return {"data": made["data"], "layout": made["layout"]}


def scale() -> list[list[Any]]:
    """Return the colours of mass as Plotly has them."""
    return [[place / (len(SCALE) - 1), colour] for place, colour in enumerate(SCALE)]


def line_of(index: int) -> dict[str, Any]:
    """Return colour and dashes of the index-th line: told apart also where colours repeat."""
    return {"color": SERIES[index % len(SERIES)], "dash": DASHES[index // len(SERIES) % len(DASHES)], "width": 2}
