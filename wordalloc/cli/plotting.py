"""``wordalloc plot``: a picture of what a file or folder holds."""

from __future__ import annotations

import os
from pathlib import Path

import click

from wordalloc.checks import printable
from wordalloc.cli.progress import progress_bar
from wordalloc.cli.render import emit_json, json_option, output_option
from wordalloc.cli.sources import Source
from wordalloc.files import cache_directory


@click.command()
@click.argument("file", type=click.Path())
@click.option("--what", metavar="PICTURE", help="Where there are several: zipf, frontier; time, parameters.")
@click.option("--width", type=float, metavar="INCHES", help="Of the picture (default: 3.3, a column of a paper).")
@output_option("default: ./<file>.<picture>.png; .svg and .pdf as well")
@json_option
def plot(file: str, what: str | None, width: float | None, output: str | None, as_json: bool) -> None:
    """Draw a picture for a paper: PNG, SVG or PDF.

    FILE is a file made by wordalloc, a run directory, or the folder of a comparison. What is drawn:

    \b
      vocabulary, bigrams     occurrences over rank, with a Zipf-Mandelbrot fit
      cutoffs, buckets        the same with the bands; --what frontier: time against parameters
      classes                 tokens in each over its words
      tree                    lengths of the codes, and the upper levels
      table                   a heat map of the cells
      a run                   loss and perplexity over the tokens trained on
      a comparison            perplexity over time; --what parameters: over parameters

    Needs: pip install 'wordalloc[report]'.

    \b
    Examples:
      wordalloc plot corpus.cutoffs.safetensors
      wordalloc plot corpus.cutoffs.safetensors --what frontier -o frontier.pdf
      wordalloc plot wordalloc-run -o training.svg
    """
    from wordalloc.pipelines.plotting import picture_of, read_content
    from wordalloc.pipelines.plotting import plot as draw

    keep_fonts()
    content = read_content(file)
    what = picture_of(content, what)
    target = Source((str(Path(file).absolute()),), {}).output(output, what, "png")
    with progress_bar("time against parameters") as progress:
        draw(content, what, target, width=width, progress=progress)
    if as_json:
        emit_json({"picture": what, "output": str(target)})
        return
    click.echo(f"{what}: written to {printable(str(target))}")


def keep_fonts() -> None:
    """Have matplotlib keep its list of fonts in our cache: for it is a cache, too."""
    os.environ.setdefault("MPLCONFIGDIR", str(cache_directory("matplotlib")))
