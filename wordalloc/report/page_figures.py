"""The figures of files: Zipf plot, frontier, classes, table and tree; texts are escaped as Plotly reads them."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from wordalloc.allocations import Classes, Cutoffs
from wordalloc.report._plain import plain
from wordalloc.report.content import Groups
from wordalloc.report.page_parts import FilePart, Frontier, Layer, WordsPart
from wordalloc.report.page_style import (
    FAINT,
    INK,
    MARKED,
    PAPER,
    SERIES,
    WORD,
    axis,
    figure,
    line_of,
    log_axis,
    scale,
)
from wordalloc.report.zipf_content import drawn_cutoffs, zipf_points
from wordalloc.vocabulary import Vocabulary

MOST_CLASSES = 2000  # points of a figure
FEW = 30  # points that are marked: a line through one of them alone would be nothing


def escaped(text: str, most: int = 40) -> str:
    """Return a word or a name as Plotly's texts take it: on one line, not too long, no tag, no entity, no formula.

    It comes in isolates, so that it turns nothing beside it when it is written from right to left.

    Examples
    --------
    >>> escaped("<b>&$x$").strip("\u2068\u2069")
    '&lt;b&gt;&amp;&#36;x&#36;'
    """
    safe = html.escape(plain(text, most), quote=False).replace("$", "&#36;")
    return f"\u2068{safe}\u2069"


def percent(mass: float) -> str:
    """Return a share with three digits: ``5.13 %``."""
    return f"{100 * mass:.3g} %"


def n_words(number: int) -> str:
    """Return a number of words: ``1 word``, ``2,000 words``."""
    return f"{number:,} word{'' if number == 1 else 's'}"


def zipf_figure(words: WordsPart, cutoffs: Sequence[FilePart]) -> dict[str, Any]:
    """Return the counts over the ranks, the law that was fitted, and where bands begin.

    Parameters
    ----------
    words : WordsPart
        What is counted.
    cutoffs : sequence of FilePart
        Those over these words.
    """
    vocabulary = words.vocabulary
    ranks, counts = zipf_points(vocabulary)
    total = max(vocabulary.total, 1)
    names = vocabulary.words_at((ranks - 1).tolist())
    labels = [
        f"<b>{escaped(name)}</b><br>rank {rank:,}: count {count:,}, {percent(count / total)} of the tokens"
        for name, rank, count in zip(names, ranks.tolist(), counts.tolist(), strict=True)
    ]
    look = {"line": {"color": SERIES[0], "width": 3}, "mode": "lines"}
    if ranks.size <= FEW:
        look |= {"marker": {"color": SERIES[0], "size": 8}, "mode": "lines+markers"}
    traces = [_points("counts", ranks.tolist(), counts.tolist(), labels, **look)]
    if words.law is not None:
        expected = words.law.probabilities[ranks - 1] * vocabulary.total
        law = f"Zipf–Mandelbrot, q = {words.law.q:.3g}, s = {words.law.s:.3g}"
        labels = [f"the law at rank {r:,}: count {e:,.4g}" for r, e in zip(ranks.tolist(), expected, strict=True)]
        line = {"color": FAINT, "width": 1.5, "dash": "dash"}
        traces.append(_points(law, ranks.tolist(), expected.tolist(), labels, mode="lines", line=line))
    top, low = (int(counts[0]), int(counts[-1])) if counts.size else (1, 1)
    for number, part in enumerate(cutoffs, 1):
        assert isinstance(part.content, Cutoffs)
        traces += _bounds(escaped(part.name), part.content, top, low, number)
    shade = [_shade(part.content) for part in cutoffs[:1] if isinstance(part.content, Cutoffs)]
    return figure(
        traces,
        xaxis=log_axis("Rank", [1, max(vocabulary.size, 2)], room=0.01),
        yaxis=log_axis("Count", [low, top]),
        shapes=[shape for shapes in shade for shape in shapes],
    )


def _points(name: str, x: list[Any], y: list[Any], labels: list[str], **more: Any) -> dict[str, Any]:
    hover = {"customdata": labels, "hovertemplate": "%{customdata}<extra></extra>"}
    return {"type": "scatter", "name": name, "x": x, "y": y, **hover, **more}


def _bounds(name: str, cutoffs: Cutoffs, top: int, low: int, number: int) -> list[dict[str, Any]]:
    """Return a line where each band begins, and a point on the curve that says so; of very many bands, of some."""
    vocabulary, drawn = cutoffs.vocabulary, drawn_cutoffs(cutoffs.cutoffs)
    ranks, bands = cutoffs.cutoffs[drawn], drawn + 1
    first = (ranks + 1).tolist()
    if drawn.size < cutoffs.cutoffs.size:
        name += f" ({drawn.size} of {cutoffs.cutoffs.size:,} bounds)"
    colour = line_of(number)["color"]
    lines = {"x": [x for place in first for x in (place, place, None)], "y": [top, low, None] * len(first)}
    words = vocabulary.words_at(ranks.tolist())
    columns = (bands.tolist(), first, words, cutoffs.sizes[bands].tolist(), cutoffs.masses[bands].tolist())
    labels = [
        f"<b>band {band}</b> begins at rank {rank:,}: {escaped(word)}<br>{n_words(size)}, {percent(mass)} of the tokens"
        for band, rank, word, size, mass in zip(*columns, strict=True)
    ]
    counts = np.maximum(vocabulary.counts[ranks], low).tolist()
    group = {"legendgroup": f"bounds-{number}"}
    marks = {"mode": "markers", "marker": {"color": colour, "size": 9, "line": {"color": PAPER, "width": 1.5}}}
    thin = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "showlegend": False}
    return [
        {**thin, **lines, "line": {"color": colour, "width": 1, "dash": "dot"}, **group},
        _points(name, first, counts, labels, **marks, **group),
    ]


def _shade(cutoffs: Cutoffs) -> list[dict[str, Any]]:
    """Return every other band between bounds that are drawn, faintly shaded."""
    bounds = [1, *(cutoffs.cutoffs[drawn_cutoffs(cutoffs.cutoffs)] + 1).tolist(), cutoffs.vocabulary.size + 1]
    box = {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "line": {"width": 0}, "layer": "below"}
    return [
        {**box, "x0": start, "x1": end, "fillcolor": FAINT, "opacity": 0.08}
        for start, end in zip(bounds[:-1:2], bounds[1::2], strict=True)
    ]


def frontier_figure(found: Frontier) -> dict[str, Any]:
    """Return time against parameters: the frontier, its knee, and the layer of the file."""
    line = {"color": SERIES[0], "width": 2}
    marker = {"size": 8, "color": SERIES[0]}
    traces = [_layers("the frontier", found.points, mode="lines+markers", line=line, marker=marker)]
    if found.knee is not None:
        marker = {"size": 15, "color": SERIES[2], "symbol": "diamond-open", "line": {"width": 2.5}}
        traces.append(_layers("its knee", [found.knee], mode="markers", marker=marker))
    marker = {"size": 17, "color": MARKED, "symbol": "star"}
    traces.append(_layers("chosen", [found.chosen], mode="markers", marker=marker))
    return figure(
        traces,
        xaxis=axis("Weights of the layer", exponentformat="SI"),
        yaxis=axis("Milliseconds a training step"),
    )


def _layers(name: str, layers: Sequence[Layer], **more: Any) -> dict[str, Any]:
    labels = [
        f"<b>{name}</b>: {1000 * layer.seconds:.4g} ms, {layer.parameters:,} weights<br>"
        f"cutoffs {', '.join(f'{cutoff:,}' for cutoff in layer.cutoffs) or 'none: the full softmax'}<br>"
        f"the head answers {percent(layer.head_mass)}"
        for layer in layers
    ]
    x, y = [layer.parameters for layer in layers], [1000 * layer.seconds for layer in layers]
    return _points(name, x, y, labels, **more)


def classes_figure(classes: Classes, groups: Groups) -> tuple[dict[str, Any], list[int]]:
    """Return mass over size of the classes, and which classes these are: those of greatest mass, where many.

    A class that was never counted stands below all others.

    Parameters
    ----------
    classes : Classes
        K classes.
    groups : Groups
        Of them.
    """
    drawn = np.argsort(-groups.masses, kind="stable")[:MOST_CLASSES]
    masses = groups.masses[drawn]
    floor = masses[masses > 0].min() / 2 if masses.any() else 1.0
    labels = [
        f"<b>class {number}</b>: {n_words(groups.sizes[number])}, {percent(groups.masses[number])} of the tokens<br>"
        f"{' '.join(escaped(word, 20) for word in groups.words[number])}"
        for number in drawn.tolist()
    ]
    heights = (100 * np.maximum(masses, floor)).tolist()
    marker = {"size": 9, "color": SERIES[0], "opacity": 0.7, "line": {"color": PAPER, "width": 1}}
    trace = _points("classes", groups.sizes[drawn].tolist(), heights, labels, mode="markers", marker=marker)
    made = figure(
        [trace],
        showlegend=False,
        xaxis=log_axis("Words in the class", groups.sizes[drawn].tolist()),
        yaxis=log_axis("Share of the tokens (%)", heights),
    )
    return made, drawn.tolist()


def table_figure(vocabulary: Vocabulary, shape: tuple[int, int]) -> dict[str, Any]:
    """Return the frame of a heat map of mass; the page fills in the cells."""
    counted = vocabulary.counts[vocabulary.counts > 0] / max(vocabulary.total, 1)
    low, high = (math.log10(counted[-1]), math.log10(counted[0])) if counted.size else (-1.0, 0.0)
    low = min(low, high - 0.5)
    decades = range(math.ceil(low), math.floor(high) + 1) or [round(high)]
    bar = {
        "title": {"text": "Share of<br>the tokens", "side": "top"},
        "thickness": 12,
        "outlinewidth": 0,
        "tickvals": list(decades),
        "ticktext": [f"{100 * 10.0**decade:.6g} %" for decade in decades],
    }
    heat = {"type": "heatmap", "colorscale": scale(), "zmin": low, "zmax": high, "colorbar": bar, "hoverinfo": "none"}
    text = {"type": "scatter", "mode": "text", "textfont": {"size": 12}, "hoverinfo": "skip", "showlegend": False}
    rows, columns = shape
    return figure(
        [heat, text],
        xaxis=axis("Column", range=[-0.5, columns - 0.5], showgrid=False, ticks="outside", tickformat="d"),
        yaxis=axis("Row", range=[rows - 0.5, -0.5], showgrid=False, ticks="outside", tickformat="d"),
        dragmode="zoom",
        hoverdistance=1,
    )


def tree_figure() -> dict[str, Any]:
    """Return the frame of a tree; the page fills in what is opened."""
    trace = {
        "type": "icicle",
        "branchvalues": "total",
        "sort": False,
        "tiling": {"orientation": "h", "pad": 1},
        "pathbar": {"visible": False},
        "marker": {"colors": [WORD], "line": {"color": PAPER, "width": 1}},
        "textfont": {"color": INK, "size": 11},
        "textposition": "middle left",
        "root": {"color": "rgba(0,0,0,0)"},
        "hoverinfo": "none",
        "textinfo": "label",
    }
    return figure([trace], margin={"l": 0, "r": 0, "t": 0, "b": 0}, uniformtext={"minsize": 10, "mode": "hide"})
