"""``wordalloc count`` and ``wordalloc buckets``: what a corpus holds, and its bands."""

from __future__ import annotations

from typing import Any

import click

from wordalloc.checks import printable
from wordalloc.cli.choices import NearestChoice
from wordalloc.cli.render import (
    echo_written,
    emit_json,
    json_option,
    output_option,
    percent,
    print_table,
)
from wordalloc.cli.sources import Source, engine_options, source_command
from wordalloc.vocabulary import Vocabulary


@click.command()
@engine_options
@source_command
@output_option("default: ./<source>.vocabulary.safetensors")
@json_option
def count(source: Source, output: str | None, as_json: bool) -> None:
    """Count the words of a text, once for all later commands.

    \b
    Examples:
      wordalloc count corpus.txt --min-count 3
      wordalloc cutoffs corpus.vocabulary.safetensors
      wordalloc count s3a://bucket/corpus --engine spark --master spark://host:7077 --max-size 1000000
    """
    from wordalloc.allocations import save

    vocabulary = source.vocabulary()
    target = source.output(output, "vocabulary")
    save(vocabulary, target)
    if as_json:
        emit_json({**vocabulary_summary(vocabulary), "output": str(target)})
        return
    click.echo(f"{source.title}: {counted(vocabulary)}\n")
    print_table(["most frequent", "count", "share"], _top_words(vocabulary, 10))
    echo_written(target)


@click.command()
@source_command
@click.option("-n", "--buckets", "n", type=click.IntRange(min=1), default=10, show_default=True, help="How many bands.")
@click.option(
    "--by",
    type=NearestChoice(["mass", "log-rank", "zipf"]),
    default="mass",
    show_default=True,
    help="Equal probability mass, equal width in log rank, or equal mass under the fitted Zipf-Mandelbrot law.",
)
@output_option("default: ./<source>.buckets.safetensors")
@json_option
def buckets(source: Source, n: int, by: str, output: str | None, as_json: bool) -> None:
    """Divide the vocabulary into Zipf buckets: bands of ranks.

    \b
    Example:
      wordalloc buckets corpus.txt -n 8 --by log-rank
    """
    from wordalloc.algorithms.zipf_buckets import zipf_buckets

    vocabulary = source.vocabulary()
    target = source.output(output, "buckets")
    bands = zipf_buckets(vocabulary, n, by=by)
    bands.save(target)
    rows = [
        {"first": int(first), "size": int(size), "mass": float(mass)}
        for first, size, mass in zip(bands.bounds, bands.sizes, bands.masses, strict=False)
    ]
    if as_json:
        summary = vocabulary_summary(vocabulary)
        emit_json(
            {
                **summary,
                "cutoffs": bands.cutoffs.tolist(),
                "buckets": rows,
                **_fit(bands.parameters),
                "output": str(target),
            }
        )
        return
    click.echo(f"{source.title}: {counted(vocabulary)}\n")
    words = ["first word", "last word"]
    print_table(["ranks", "words", "mass", *words], [_bucket_row(vocabulary, row) for row in rows], text=words)
    for line in _fit_lines(bands.parameters):
        click.echo(line)
    echo_written(target)


def counted(vocabulary: Vocabulary) -> str:
    """One line on the size of a vocabulary."""
    line = f"{vocabulary.total:,} tokens, {vocabulary.size:,} words"
    unk = vocabulary.unk_rank
    if unk is None or not vocabulary.counts[unk]:
        return line
    share = percent(vocabulary.counts[unk] / vocabulary.total)
    return f"{line}, {share} of the tokens are {printable(vocabulary.words_at([unk])[0])}"


def vocabulary_summary(vocabulary: Vocabulary) -> dict[str, Any]:
    """What every command's JSON says of the vocabulary."""
    return {"vocab_size": vocabulary.size, "tokens": vocabulary.total}


def _top_words(vocabulary: Vocabulary, n: int) -> list[tuple[str, ...]]:
    total = max(vocabulary.total, 1)
    return [
        (printable(word), f"{count:,}", percent(count / total))
        for word, count in zip(
            vocabulary.words_at(range(vocabulary.size)[:n]), vocabulary.counts[:n].tolist(), strict=True
        )
    ]


def _bucket_row(vocabulary: Vocabulary, row: dict[str, Any]) -> tuple[str, ...]:
    first, last = row["first"], row["first"] + row["size"] - 1
    return (
        f"{first:,} – {last:,}",
        f"{row['size']:,}",
        percent(row["mass"]),
        *map(printable, vocabulary.words_at([first, last])),
    )


def _fit(parameters: dict[str, Any]) -> dict[str, Any]:
    return {"zipf": parameters["zipf"]} if "zipf" in parameters else {}


def _fit_lines(parameters: dict[str, Any]) -> list[str]:
    fit = parameters.get("zipf")
    if not fit:
        return []
    return [
        f"\nZipf-Mandelbrot law, p(rank) ~ (rank + {fit['q']:.3g})^-{fit['s']:.4g} with rank from 1; "
        f"KL divergence {fit['kl_divergence']:.4f} nats"
    ]
