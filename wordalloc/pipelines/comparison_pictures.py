"""The two pictures of a comparison, from its methods."""

from __future__ import annotations

import os
from collections.abc import Sequence

from wordalloc.pipelines.comparison_table import ComparedMethod

PICTURES = ("time", "parameters")  # perplexity over each of them


def draw_comparison(
    methods: Sequence[ComparedMethod], vocab_size: int, what: str, path: str | os.PathLike[str]
) -> None:
    """Draw perplexity over time of training, or over parameters.

    Parameters
    ----------
    methods : sequence of ComparedMethod
        In their order.
    vocab_size : int
        V, for the title.
    what : {"time", "parameters"}
        Which of the two.
    path : path-like
        Ends in .png, .svg or .pdf.

    Raises
    ------
    InputError
        If the library that draws is not installed, or the methods' names do not fit into a picture.
    OutputError
        If the file cannot be written.
    """
    from wordalloc.report import perplexity_over_parameters, perplexity_over_time

    words = f"{vocab_size:,} words"
    if what == "time":
        curves = {
            method.label: [([s for s, _ in curve], [p for _, p in curve]) for curve in method.curves]
            for method in methods
        }
        perplexity_over_time(path, curves, title=f"Perplexity over time of training, {words}")
    else:
        points = {method.label: (method.parameters, method.perplexities) for method in methods}
        perplexity_over_parameters(path, points, title=f"Perplexity over parameters of input and output, {words}")
