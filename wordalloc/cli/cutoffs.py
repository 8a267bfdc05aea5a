"""``wordalloc cutoffs``: the best adaptive-softmax cutoffs, what they cost and what they gain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wordalloc.cli.counting import counted, vocabulary_summary
from wordalloc.cli.progress import progress_bar
from wordalloc.cli.render import emit_json, json_option, milliseconds, output_option, percent, print_table
from wordalloc.cli.sources import Source, source_command
from wordalloc.errors import InputError

if TYPE_CHECKING:
    from wordalloc.algorithms.cost_model import CostModel


@click.command()
@source_command
@click.option("--clusters", type=click.IntRange(min=0), metavar="J", help="Exactly J tail clusters.")
@click.option(
    "--max-clusters", type=click.IntRange(min=1), default=5, show_default=True, metavar="J", help="The best up to J."
)
@click.option("--dim", type=click.IntRange(min=1), default=512, show_default=True, help="Width d of the hidden state.")
@click.option("--batch", type=click.IntRange(min=1), default=4096, show_default=True, help="Tokens in a step.")
@click.option(
    "--div-value", type=float, default=4.0, show_default=True, help="Tail cluster i has width d / div-value^i."
)
@click.option("--profile", type=click.Path(), metavar="FILE", help="The device's cost model, as JSON.")
@click.option("--min-head-mass", type=float, metavar="P", help="Least share of tokens that the head answers.")
@click.option("--min-head", type=click.IntRange(min=1), metavar="N", help="Least number of words in the head.")
@output_option("default: ./<source>.cutoffs.safetensors")
@json_option
def cutoffs(
    source: Source,
    clusters: int | None,
    profile: str | None,
    output: str | None,
    as_json: bool,
    **parameters: Any,
) -> None:
    """Find the adaptive-softmax cutoffs of least expected time: the exact optimum.

    SOURCE is a text (several files, - for stdin, .gz .bz2 .zst), ready counts (TSV, JSON, Parquet), a Hugging
    Face vocabulary with --counts or a text, or any file made by wordalloc.

    \b
    Example:
      wordalloc cutoffs corpus.txt --dim 256 --batch 1120
    """
    from wordalloc.algorithms.adaptive_cutoffs import adaptive_cutoffs

    given = {name: value for name, value in parameters.items() if value is not None}
    cost_model = None if profile is None else read_profile(profile)
    vocabulary = source.vocabulary()
    target = source.output(output, "cutoffs")
    with progress_bar("optimising") as progress:
        best = adaptive_cutoffs(vocabulary, clusters, cost_model=cost_model, progress=progress, **given)
    best.save(target)


def read_profile(path: str) -> CostModel:
    """Read a cost model from a JSON file."""
    from wordalloc.algorithms.cost_model import CostModel

    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: the profile cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: the profile is not JSON: {error}") from error
    try:
        return CostModel.from_json(content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
