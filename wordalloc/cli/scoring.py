"""``wordalloc score``: what a class or tree allocation is worth on a text."""

from __future__ import annotations

from dataclasses import asdict

import click

from wordalloc.cli.choices import SourceName
from wordalloc.cli.cutoffs import read_profile
from wordalloc.cli.progress import progress_bar
from wordalloc.cli.render import emit_json, json_option, milliseconds, percent
from wordalloc.cli.sources import COLUMN_OPTION
from wordalloc.errors import InputError


@click.command()
@click.argument("file", type=click.Path())
@click.argument("paths", nargs=-1, required=True, type=SourceName(), metavar="TEXT...")
@click.option("--dim", type=click.IntRange(min=1), default=512, show_default=True, help="Width d of the hidden state.")
@click.option("--batch", type=click.IntRange(min=1), default=4096, show_default=True, help="Tokens in a step.")
@click.option("--profile", type=click.Path(), metavar="FILE", help="The device's cost model, as JSON.")
@COLUMN_OPTION
@click.option("--memory-limit", metavar="SIZE", help="Memory for counting, such as 512MB; the rest spills to disk.")
@json_option
def score(
    file: str,
    paths: tuple[str, ...],
    dim: int,
    batch: int,
    profile: str | None,
    column: str | None,
    memory_limit: str | None,
    as_json: bool,
) -> None:
    """Print what classes or a tree are worth on a text: mutual information, code length, expected time.

    The text is read as the one that FILE was made from.

    \b
    Example:
      wordalloc score corpus.classes.safetensors corpus.txt
    """
    import numpy as np

    from wordalloc.algorithms.scoring import score as scored
    from wordalloc.allocations import Allocation, load
    from wordalloc.corpus.bigrams import count_bigrams_of_inputs
    from wordalloc.corpus.encoding import encode_inputs
    from wordalloc.corpus.kinds import texts
    from wordalloc.corpus.reading import open_inputs

    allocation = load(file)
    if not isinstance(allocation, Allocation):
        raise InputError(f"{file}: score takes classes or a tree; make one with: wordalloc classes TEXT")
    model = None if profile is None else read_profile(profile)
    with open_inputs(paths) as found, progress_bar("counting", unit="B") as progress:
        files = texts(found, column)
        bigrams = count_bigrams_of_inputs(files, allocation.vocabulary, memory_limit=memory_limit, progress=progress)
        text = encode_inputs(files, allocation.vocabulary)
        counts = np.bincount(text.ids, minlength=allocation.vocabulary.size)
    result = scored(allocation, bigrams, counts, dim=dim, batch=batch, cost_model=model)
    unknown = text.n_unknown / text.ids.size
    if as_json:
        emit_json({**asdict(result), "tokens": int(text.ids.size), "unknown_share": unknown})
        return
    click.echo(f"{text.ids.size:,} tokens, {percent(unknown)} of them unknown\n")
    rows = [("unigram entropy", f"{result.unigram_entropy_bits:.4f} bits")]
    if result.mean_code_length_bits is not None:
        excess = result.mean_code_length_bits - result.unigram_entropy_bits
        rows.append(
            ("expected code length", f"{result.mean_code_length_bits:.4f} bits, {excess:.4f} above the entropy")
        )
    if result.ami_bits is not None and result.class_bigram_perplexity is not None:
        rows += [
            ("classes", f"{result.n_classes:,}"),
            ("average mutual information", f"{result.ami_bits:.4f} bits, {result.ami_nats:.4f} nats"),
            ("class bigram perplexity", f"{result.class_bigram_perplexity:.2f}"),
        ]
    rows.append(
        (
            "expected time a step",
            f"{milliseconds(result.expected_cost)}, full softmax {milliseconds(result.full_cost)}: "
            f"{result.full_cost / result.expected_cost:.1f} ×",
        )
    )
    for name, value in rows:
        click.echo(f"{name + ':':<28}{value}")
