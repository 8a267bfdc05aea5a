"""The colours of a page, light and dark, and what all its figures share. Figures are made in the light colours."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

INK, FAINT, LINE, PAPER = "#1c2127", "#5b6570", "#dfe3e7", "#ffffff"
MARKED = "#b84a00"  # what was chosen, found or selected
SERIES = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#7a6400", "#3b5bdb")
DASHES = ("solid", "dash", "dot", "dashdot")
REFERENCE = "#000000"  # the full softmax
SCALE = ("#eef4f9", "#b5d2e8", "#6aa7d3", "#2272b2", "#0b3c6f")  # of mass
LEVELS = ("#cfe1f0", "#dbe8f4", "#e4eef7", "#ebf2f8", "#f0f5f9")  # of a tree
WORD, REST = "#fbf0e3", "#eceef0"  # a word in it, and what does not fit in

# What each light colour is in the dark.
DARK = {
    INK: "#e7eaed", FAINT: "#a3adb7", LINE: "#313a43", PAPER: "#13171b", MARKED: "#ffb454", REFERENCE: "#fefefe",
    **dict(zip(SERIES, ("#5bb8f0", "#ff8a4c", "#3fcf9f", "#e08bd0", "#d9c04a", "#9db2ff"), strict=True)),
    **dict(zip(SCALE, ("#1c2b38", "#1f4e73", "#2b7bb0", "#62b2e4", "#d2ecff"), strict=True)),
    **dict(zip(LEVELS, ("#27435a", "#233a4d", "#1f3242", "#1c2b38", "#1a2630"), strict=True)),
    WORD: "#3a2e1e", REST: "#272f36",
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


def log_axis(title: str, **more: Any) -> dict[str, Any]:
    """Return a logarithmic axis with a number at each decade or, where there are few, at 1, 2 and 5."""
    return axis(title, type="log", dtick="D1" if more.pop("narrow", False) else 1, exponentformat="SI", **more)


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
