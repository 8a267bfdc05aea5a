"""The sections of trainings: curves of runs, and the table and pictures of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wordalloc.report.page_builder import PageBuilder
from wordalloc.report.page_curves import AXES, comparison_figures, run_figures
from wordalloc.report.page_elements import Column, Figure, element, facts, table
from wordalloc.report.page_parts import ComparisonPart, RunPart

KEYS = "Arrow keys go along a line, up and down to the next one."


def add_runs(builder: PageBuilder, runs: Sequence[RunPart]) -> None:
    """Add one section for all runs: loss and validation, over tokens or seconds.

    Parameters
    ----------
    builder : PageBuilder
        Of the page.
    runs : sequence of RunPart
        At least one.
    """
    loss, valid, timed = run_figures(runs)
    charts = [builder.chart("points", loss, f"Training loss over tokens. {KEYS}")]
    if valid["data"]:
        charts.append(builder.chart("points", valid, f"Validation perplexity over tokens. {KEYS}"))
    switch = element(
        "fieldset",
        element("legend", "Over"),
        *(
            element("label", element("input", type="radio", name="axis", value=name,
                                     **({"checked": "checked"} if name == "tokens" else {})), f" {name}")
            for name in AXES
        ),
        data_charts=" ".join(str(chart.get("id")) for chart in charts),
    )  # fmt: skip
    rows = [
        (
            run.name,
            _figure(run.loss.tokens[-1] if run.loss.tokens.size else None, ",.0f"),
            _figure(run.loss.seconds[-1] if timed and run.loss.seconds.size else None, ",.1f"),
            _figure(run.loss.values[-1] if run.loss.values.size else None, ".4f"),
            _figure(run.valid.values.min() if run.valid.values.size else None, ",.2f"),
        )
        for run in runs
    ]
    heads = [Column("run"), Column("tokens"), Column("seconds"), Column("last loss"), Column("best perplexity")]
    builder.add(
        "Training",
        "The loss of the tokens trained on, and the perplexity of the validation text: lines of a part of it on the "
        "way, points of all of it at the end of each pass.",
        switch if timed else None,
        element("div", *(element("figure", chart) for chart in charts), class_="pair"),
        table("Runs", heads, rows, kind="runs", sortable=True),
    )


def add_comparison(builder: PageBuilder, part: ComparisonPart) -> None:
    """Add a comparison: its pictures, and the table that can be sorted.

    Parameters
    ----------
    builder : PageBuilder
        Of the page.
    part : ComparisonPart
        Perhaps without a method, where all have failed.
    """
    pairs = [("words", f"{part.vocab_size:,}"), ("unigram perplexity", f"{part.unigram_perplexity:.1f}")]
    if not part.methods:
        builder.add(part.name, "Comparison: no method has been trained to its end.", facts(pairs))
        return
    over_time, over_parameters = comparison_figures(part)
    charts = [
        builder.chart("points", over_time, f"Perplexity over seconds of training. {KEYS}"),
        builder.chart("points", over_parameters, f"Perplexity over weights, by methods. {KEYS}"),
    ]
    reach = "–" if part.reach is None else f"{part.reach:.1f}"
    heads = [
        Column("method"), Column("perplexity"), Column("÷ full"), Column("tokens/s", descending=True),
        Column("÷ full", descending=True), Column("scoring", descending=True), Column("top-10, ms"),
        Column("weights"), Column("bytes"), Column("peak, MB"), Column(f"s to {reach}"),
    ]  # fmt: skip
    builder.add(
        part.name,
        "Comparison: what each method is worth under the same budget. A column sorts by its head.",
        facts(pairs),
        table(f"Comparison {part.name}", heads, map(_row, part.methods), kind="comparison", sortable=True),
        element(
            "p",
            "tokens/s: in training; scoring: tokens/s of the validation text; top-10: a query; weights and bytes: of "
            f"input and output; peak: memory of the training process; s to {reach}: of training, to this perplexity of "
            "a part of the validation text.",
            class_="note",
        ),
        element("div", *(element("figure", chart) for chart in charts), class_="pair"),
    )


def _row(method: dict[str, Any]) -> list[str | Figure]:
    measured = method["measured"]
    low, high = method["perplexity_least"], method["perplexity_greatest"]
    spread = f" ± {(high - low) / 2:.1f}" if high > low else ""
    return [
        method["method"],
        Figure(f"{method['perplexity']:,.1f}{spread}", float(method["perplexity"])),
        _figure(method["perplexity_to_full"], ".3f"),
        _figure(measured["training_tokens_per_second"], ",.0f"),
        _figure(measured["training_speed_to_full"], ".2f"),
        _figure(measured["scoring_tokens_per_second"], ",.0f"),
        _figure(measured["top10_milliseconds"], ".2f"),
        _figure(method["parameters"], ",.0f"),
        _figure(method["bytes"], ",.0f"),
        _figure(measured["peak_memory_bytes"] / 1e6, ",.0f"),
        _figure(measured["seconds_to_reach"], ",.1f"),
    ]


def _figure(value: float | None, form: str) -> Figure:
    return Figure("–", None) if value is None else Figure(format(value, form), float(value))
