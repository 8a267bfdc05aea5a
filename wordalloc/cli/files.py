"""``wordalloc show`` and ``wordalloc export``: what a file holds."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from wordalloc.allocations import Allocation, Cutoffs, load
from wordalloc.allocations.interchange import to_json, to_tsv
from wordalloc.cli.counting import counted, vocabulary_summary
from wordalloc.cli.render import emit_json, json_option, percent, print_table, printable
from wordalloc.files import atomic_path
from wordalloc.vocabulary import Vocabulary

_SHOWN_WORDS = 6


@click.command()
@click.argument("file", type=click.Path())
@json_option
def show(file: str, as_json: bool) -> None:
    """Show what an allocation or vocabulary file holds.

    \b
    Example:
      wordalloc show corpus.cutoffs.safetensors
    """
    content = load(file)
    vocabulary = content if isinstance(content, Vocabulary) else content.vocabulary
    if as_json:
        emit_json(_summary(content, vocabulary))
        return
    kind = content.kind if isinstance(content, Allocation) else "vocabulary"
    click.echo(f"{file}: {kind} of {counted(vocabulary)}\n")
    if isinstance(content, Cutoffs):
        _print_bands(content)
    else:
        click.echo("most frequent: " + " ".join(map(printable, vocabulary.words[:12])))
    _print_origin(content, vocabulary)


@click.command()
@click.argument("file", type=click.Path())
@click.option("--to", "form", type=click.Choice(["tsv", "json"]), required=True, help="The format to write.")
@click.option("-o", "--output", type=click.Path(), metavar="FILE", help="Where to write (default: stdout).")
def export(file: str, form: str, output: str | None) -> None:
    """Write a file's words, counts and addresses as text.

    \b
    Example:
      wordalloc export corpus.cutoffs.safetensors --to tsv -o corpus.tsv
    """
    content = load(file)
    lines = to_tsv(content) if form == "tsv" else iter([json.dumps(to_json(content), ensure_ascii=False) + "\n"])
    if output is None:
        for line in lines:
            sys.stdout.write(line)
        return
    with atomic_path(output) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as written:
        written.writelines(lines)


def _summary(content: Any, vocabulary: Vocabulary) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "kind": content.kind if isinstance(content, Allocation) else "vocabulary",
        **vocabulary_summary(vocabulary),
        "words": [
            {"word": word, "count": count}
            for word, count in zip(vocabulary.words[:10], vocabulary.counts[:10].tolist(), strict=True)
        ],
        "text": vocabulary.text.to_json() if vocabulary.text else None,
        "source": vocabulary.source,
        "limits": vocabulary.parameters,
        "parameters": content.parameters if isinstance(content, Allocation) else {},
    }
    if isinstance(content, Cutoffs):
        summary["cutoffs"] = content.cutoffs.tolist()
        summary["clusters"] = [
            {"size": size, "mass": mass}
            for size, mass in zip(content.sizes.tolist(), content.masses.tolist(), strict=True)
        ]
    return summary


def _print_bands(content: Cutoffs) -> None:
    bounds = content.bounds.tolist()
    rows = [
        (
            f"{first:,} – {end - 1:,}",
            f"{end - first:,}",
            percent(mass),
            " ".join(map(printable, content.vocabulary.words[first : min(first + _SHOWN_WORDS, end)])),
        )
        for first, end, mass in zip(bounds, bounds[1:], content.masses.tolist(), strict=False)
    ]
    print_table(["ranks", "words", "mass", "most frequent"], rows, text=["most frequent"])


def _print_origin(content: Any, vocabulary: Vocabulary) -> None:
    parts = {"source": vocabulary.source, "text": vocabulary.text.to_json() if vocabulary.text else None}
    parts["limits"] = vocabulary.parameters
    if isinstance(content, Allocation):
        # What else was tried is for --json.
        parts["parameters"] = {name: value for name, value in content.parameters.items() if name != "solved"}
    click.echo()
    for name, values in parts.items():
        if values:
            click.echo(f"{name + ':':<12}" + ", ".join(f"{key} {_plain(value)}" for key, value in values.items()))


def _plain(value: Any) -> str:
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
