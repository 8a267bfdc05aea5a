"""The sections of a page: for each part its HTML, its charts, and where the search finds a word in it."""

from __future__ import annotations

import itertools
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from wordalloc.allocations import Bigrams, Classes, Costs, Cutoffs, Stored, Table, Tree
from wordalloc.report.content import MOST_CELLS, band_groups, breadth_first, class_groups
from wordalloc.report.page_builder import PageBuilder
from wordalloc.report.page_comparison import add_comparison, add_runs
from wordalloc.report.page_elements import Column, element, facts, in_line, table
from wordalloc.report.page_figures import (
    MOST_CLASSES,
    classes_figure,
    frontier_figure,
    percent,
    table_figure,
    tree_figure,
    zipf_figure,
)
from wordalloc.report.page_parts import FilePart, PageParts, WordsPart

MOST_ROWS = 200  # of a table of bands
MOST_PAIRS = 30

POINTS_HELP = "Arrow keys go from point to point."
TABLE_HELP = (
    "Point at a cell, or move with the arrow keys: its word, its row and its column are told beside the map. Enter "
    "comes near, so that the words stand in their cells; Escape goes back. Drag to zoom, double-click to see all."
)
TREE_HELP = (
    "Click a node, or choose one with the arrow keys and press Enter, and the view begins there; Escape goes up. "
    "Blue: inner nodes, with the digit that leads to them and their most frequent word; yellow: words."
)


def add_sections(builder: PageBuilder, parts: PageParts) -> None:
    """Add a section for each vocabulary, each file over one, the runs together, and each comparison."""
    builder.names += [part.name for group in (parts.files, parts.runs, parts.comparisons) for part in group]
    for number, words in enumerate(parts.words):
        over = [part for part in parts.files if part.vocabulary.fingerprint == words.vocabulary.fingerprint]
        _add_words(builder, words, number, over, len(parts.words) > 1)
        for part in over:
            if isinstance(part.content, Stored):
                _ADD[type(part.content)](builder, part, number)
    if parts.runs:
        add_runs(builder, parts.runs)
    for comparison in parts.comparisons:
        add_comparison(builder, comparison)


def _add_words(
    builder: PageBuilder, words: WordsPart, number: int, over: list[FilePart], is_one_of_several: bool
) -> None:
    vocabulary = words.vocabulary
    builder.vocabularies.append(builder.arrays.add_vocabulary(vocabulary))
    bands = [part for part in over if isinstance(part.content, Cutoffs)]
    label = f"Counts over ranks, both logarithmic, of {vocabulary.size:,} words. {POINTS_HELP}"
    chart = builder.chart("zipf", zipf_figure(words, bands), label, vocabulary=number)
    title = "Words" + (f": {', '.join(part.name for part in over)}" if is_one_of_several else "")
    builder.find_in(title, number, chart=chart.get("id"))
    pairs = [
        ("words", f"{vocabulary.size:,}"),
        ("tokens", f"{vocabulary.total:,}"),
        ("counted once", f"{np.count_nonzero(vocabulary.counts == 1):,}"),
    ]
    if words.law is not None:
        law = words.law
        pairs += [("q", f"{law.q:.4g}"), ("s", f"{law.s:.4g}"), ("R² of the fit", f"{law.r_squared:.4f}")]
    builder.add(
        title,
        "How often the word of each rank was counted"
        + (", and where the bands of ranks begin." if bands else ", the most frequent one first."),
        facts(pairs),
        element("p", words.note, class_="note") if words.note else None,
        element("figure", chart),
    )


def _add_cutoffs(builder: PageBuilder, part: FilePart, number: int) -> None:
    cutoffs = part.content
    assert isinstance(cutoffs, Cutoffs)
    groups, bounds = band_groups(cutoffs), cutoffs.bounds.tolist()
    builder.find_in(part.name, number, bounds=builder.arrays.add(cutoffs.bounds[:-1]))
    bands = zip(bounds, bounds[1:], groups.sizes.tolist(), groups.masses.tolist(), groups.words, strict=False)
    columns = [Column("band"), Column("ranks"), Column("words"), Column("tokens"), Column("most frequent", words=True)]
    rows = [
        ("head" if not band else str(band), f"{start + 1:,} – {end:,}", f"{size:,}", percent(mass), in_line(words, 24))
        for band, (start, end, size, mass, words) in enumerate(itertools.islice(bands, MOST_ROWS))
    ]
    n_bands = len(groups.sizes)
    chart = None
    if part.frontier is not None:
        label = f"Time of a training step against weights, the frontier of what cutoffs can reach. {POINTS_HELP}"
        chart = element(
            "figure",
            builder.chart("points", frontier_figure(part.frontier), label),
            element("figcaption", "Left and below is better. No cutoffs lie below the frontier: it is exact."),
        )
    builder.add(
        part.name,
        f"Cutoffs: {n_bands:,} bands of ranks.",
        table(f"Bands of {part.name}", columns, rows, kind="bands"),
        _note(f"… and {n_bands - MOST_ROWS:,} more bands.") if n_bands > MOST_ROWS else None,
        element("h3", "What cutoffs can reach") if part.frontier is not None else None,
        _note(part.note) if part.note else None,
        chart,
    )


def _add_classes(builder: PageBuilder, part: FilePart, number: int) -> None:
    classes = part.content
    assert isinstance(classes, Classes)
    figure, drawn = classes_figure(classes, class_groups(classes))
    label = f"Share of the tokens over number of words, of {classes.n_classes:,} classes. {POINTS_HELP}"
    packed = builder.arrays.add(classes.word_class)
    chart = builder.chart("classes", figure, label, word_class=packed, drawn=drawn)
    builder.find_in(part.name, number, chart=chart.get("id"))
    sizes = classes.sizes
    shown = f", the {MOST_CLASSES:,} of greatest mass are drawn" if classes.n_classes > MOST_CLASSES else ""
    builder.add(
        part.name,
        f"Classes: how many words are in each, and how much of the text they make up{shown}.",
        facts(
            [
                ("classes", f"{classes.n_classes:,}"),
                ("words in the smallest", f"{sizes.min():,}"),
                ("in the largest", f"{sizes.max():,}"),
                ("greatest mass", percent(float(classes.masses.max()))),
            ]
        ),
        element("figure", chart),
    )


def _add_tree(builder: PageBuilder, part: FilePart, number: int) -> None:
    tree = part.content
    assert isinstance(tree, Tree)
    branching, children = breadth_first(tree)
    label = f"A tree over {tree.vocabulary.size:,} words. {TREE_HELP}"
    packed = {"branching": builder.arrays.add(branching), "children": builder.arrays.add(children)}
    chart = builder.chart("tree", tree_figure(), label, tall=True, vocabulary=number, **packed)
    builder.find_in(part.name, number, chart=chart.get("id"))
    builder.add(
        part.name,
        "Tree: every word is a leaf; how long a sector is tells its share of the tokens.",
        facts(
            [
                ("inner nodes", f"{tree.n_nodes:,}"),
                ("most children", f"{tree.node_sizes.max() if tree.n_nodes else 0:,}"),
                ("longest code", f"{tree.code_lengths.max():,} digits"),
                ("mean code", f"{tree.mean_code_length:.3f} digits a token"),
            ]
        ),
        element("ol", id=f"{chart.get('id')}-crumbs", class_="crumbs", aria_label="From the root"),
        _explorer(chart, TREE_HELP),
    )


def _add_table(builder: PageBuilder, part: FilePart, number: int) -> None:
    made = part.content
    assert isinstance(made, Table)
    _add_heat_map(builder, part, number, made.shape, made.cell, "Table: every word has a row and a column.", [])


def _add_costs(builder: PageBuilder, part: FilePart, number: int) -> None:
    costs = part.content
    assert isinstance(costs, Costs)
    nats = costs.objective(costs.cell)
    pairs = [("nats as they are", f"{nats:,.1f}"), ("a token", f"{nats / max(costs.vocabulary.total, 1):.4f}")]
    about = "Costs of each word in every row and column, and the table that they were taken with."
    _add_heat_map(builder, part, number, costs.shape, costs.cell, about, pairs)


def _add_heat_map(
    builder: PageBuilder,
    part: FilePart,
    number: int,
    shape: tuple[int, int],
    cell: Any,
    about: str,
    pairs: list[tuple[str, str]],
) -> None:
    rows, columns = shape
    empty = rows * columns - part.vocabulary.size
    sizes = facts([("rows", f"{rows:,}"), ("columns", f"{columns:,}"), ("empty cells", f"{empty:,}"), *pairs])
    if rows * columns > MOST_CELLS:
        note = f"A table of {rows * columns:,} cells is too large for a heat map: at most {MOST_CELLS:,} are drawn."
        builder.add(part.name, about, sizes, _note(note))
        return
    label = f"Heat map of a table of {rows:,} rows and {columns:,} columns. {TABLE_HELP}"
    figure, packed = table_figure(part.vocabulary, shape), builder.arrays.add(cell)
    chart = builder.chart("table", figure, label, tall=True, vocabulary=number, shape=[rows, columns], cell=packed)
    builder.find_in(part.name, number, chart=chart.get("id"))
    builder.add(part.name, about, sizes, _explorer(chart, TABLE_HELP))


def _add_bigrams(builder: PageBuilder, part: FilePart, number: int) -> None:
    bigrams = part.content
    assert isinstance(bigrams, Bigrams)
    most = np.argsort(-bigrams.count, kind="stable")[:MOST_PAIRS]
    words = bigrams.vocabulary.words_at
    pairs = zip(words(bigrams.left[most].tolist()), words(bigrams.right[most].tolist()), strict=True)
    columns = [Column("most frequent"), Column("times"), Column("share")]
    rows = [
        (in_line(pair, 40), f"{count:,}", percent(count / bigrams.total))
        for pair, count in zip(pairs, bigrams.count[most].tolist(), strict=True)
    ]
    builder.add(
        part.name,
        "Bigrams: pairs of words that stand side by side.",
        facts([("different pairs", f"{bigrams.count.size:,}"), ("counted", f"{bigrams.total:,}")]),
        table("The most frequent pairs", columns, rows, kind="pairs"),
    )


_ADD = {
    Cutoffs: _add_cutoffs,
    Classes: _add_classes,
    Tree: _add_tree,
    Table: _add_table,
    Costs: _add_costs,
    Bigrams: _add_bigrams,
}


def _explorer(chart: Element, help_text: str) -> Element:
    """Return a chart with the panel that tells what is selected, and how to use both."""
    panel = element("aside", id=f"{chart.get('id')}-panel", class_="panel", aria_label="What is selected")
    return element(
        "figure", element("div", chart, panel, class_="explorer"), element("figcaption", help_text, class_="help")
    )


def _note(text: str) -> Element:
    return element("p", text, class_="note")
