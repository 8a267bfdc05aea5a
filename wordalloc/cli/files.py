"""``wordalloc show``, ``export`` and ``import``: what a file holds, and what other programs make of it and make."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import click

from wordalloc.allocations import Bigrams, Classes, Costs, Cutoffs, Stored, Table, Tree, load, save
from wordalloc.allocations.interchange import (
    to_brown_paths,
    to_dot,
    to_json,
    to_mkcls_classes,
    to_srilm_classes,
    to_tsv,
    to_word_classes,
)
from wordalloc.checks import printable
from wordalloc.cli.choices import NearestChoice
from wordalloc.cli.classes import pairs_line, pairs_summary, print_classes, print_tree, tree_summary
from wordalloc.cli.counting import counted, vocabulary_summary
from wordalloc.cli.lightrnn import row_summary, show_row, show_table, table_summary
from wordalloc.cli.render import echo_written, emit_json, json_option, output_option, percent, print_table
from wordalloc.cli.sources import COLUMN_OPTION, Source
from wordalloc.errors import InputError
from wordalloc.files import atomic_path
from wordalloc.vocabulary import Vocabulary

_SHOWN_WORDS = 6
IMPORTED = ("tsv", "json", "parquet", "brown-paths", "word2vec-classes", "mkcls-classes", "srilm-classes")


@click.command()
@click.argument("file", type=click.Path())
@click.option("--row", type=click.IntRange(min=0), metavar="N", help="The words of a row of a table.")
@json_option
def show(file: str, row: int | None, as_json: bool) -> None:
    """Show what an allocation or vocabulary file holds.

    \b
    Examples:
      wordalloc show corpus.cutoffs.safetensors
      wordalloc show table.safetensors --row 17
    """
    content = load(file)
    if row is not None:
        if not isinstance(content, Table):
            raise InputError(f"{file}: only a table has rows; leave out --row")
        content.words_in_row(row)  # says what is wrong before anything is printed
        if as_json:
            emit_json(row_summary(content, row))
        else:
            show_row(content, row)
        return
    vocabulary = content if isinstance(content, Vocabulary) else content.vocabulary
    if as_json:
        emit_json(_summary(content, vocabulary))
        return
    kind = content.kind if isinstance(content, Stored) else "vocabulary"
    click.echo(f"{printable(file)}: {kind} of {counted(vocabulary)}\n")
    _print_content(content, vocabulary)
    _print_origin(content, vocabulary)


_FORMS = {
    "tsv": to_tsv,
    "json": lambda content: _json_pieces(to_json(content)),
    "brown-paths": to_brown_paths,
    "word2vec-classes": to_word_classes,
    "mkcls-classes": to_mkcls_classes,
    "srilm-classes": to_srilm_classes,
    "dot": to_dot,
}


@click.command()
@click.argument("file", type=click.Path())
@click.option("--to", "form", type=NearestChoice([*_FORMS, "parquet"]), required=True, help="The format to write.")
@click.option("-o", "--output", type=click.Path(), metavar="FILE", help="Where to write (default: stdout).")
def export(file: str, form: str, output: str | None) -> None:
    """Write a file for other programs; docs/formats.md says what each format carries.

    json and parquet: all of it, for wordalloc import to give back; tsv: word, count and address; brown-paths: bits,
    word and count, as Brown clustering writes; word2vec-classes and mkcls-classes: a word and its class; srilm-classes:
    a class, a probability and a word; dot: a drawing of a tree for Graphviz.

    \b
    Examples:
      wordalloc export corpus.cutoffs.safetensors --to tsv -o corpus.tsv
      wordalloc export corpus.classes.safetensors --to srilm-classes -o corpus.classes
    """
    if form == "parquet":
        from wordalloc.corpus.parquet_allocations import write_parquet

        if output is None:
            raise InputError("Parquet is no text to print; name a file with -o")
        write_parquet(load(file), output)
        return
    lines = _FORMS[form](load(file))
    if output is None:
        if isinstance(sys.stdout, io.TextIOWrapper):  # other programs read it: the same bytes as in a file, or none
            sys.stdout.reconfigure(encoding="utf-8", errors="strict", newline="\n")
        for line in lines:
            sys.stdout.write(line)
        return
    with atomic_path(output) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as written:
        written.writelines(lines)


def _json_pieces(content: dict[str, Any]) -> Iterator[str]:
    """Yield a JSON object key by key, so that no more than one list is text at a time."""
    for number, (name, value) in enumerate(content.items()):
        yield ("{" if number == 0 else ", ") + f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
    yield "}\n"


@click.command("import")
@click.argument("file", type=click.Path())
@click.option(
    "--from",
    "form",
    type=NearestChoice(IMPORTED),
    help="The format, where its content does not tell: word<TAB>number is a class, but a count from tsv.",
)
@click.option("--counts", type=click.Path(), metavar="SOURCE", help="Take the words' counts from this text or file.")
@COLUMN_OPTION
@click.option(
    "--errors",
    type=NearestChoice(["strict", "replace"]),
    default="strict",
    help="Bytes that are not UTF-8: stop, or U+FFFD.",
)
@output_option("default: ./<file>.<kind>.safetensors")
@json_option
def import_(
    file: str,
    form: str | None,
    counts: str | None,
    column: str | None,
    errors: str,
    output: str | None,
    as_json: bool,
) -> None:
    """Take over what another program made, or what wordalloc export wrote; told apart by its content.

    A paths file of Brown clustering (bits, word and count, separated by tabs) becomes a tree, with a Huffman tree over
    the words that share their bits; a file of a word and its class on each line (word2vec, mkcls), or of a class, a
    probability and a word (SRILM), becomes classes. JSON and Parquet give back exactly what was exported.

    \b
    Examples:
      wordalloc import paths
      wordalloc import corpus.classes.txt --counts corpus.txt
      wordalloc import corpus.json -o corpus.tree.safetensors
    """
    from wordalloc.corpus import read_vocabulary
    from wordalloc.pipelines.importing import import_file

    if column is not None and counts is None:
        raise click.UsageError("--column names a column of the text of --counts; give both")
    read_counts = None if counts is None else lambda: read_vocabulary(counts, errors=errors, column=column)
    made = import_file(file, form, read_counts=read_counts, errors=errors)
    kind = made.kind if isinstance(made, Stored) else "vocabulary"
    vocabulary = made if isinstance(made, Vocabulary) else made.vocabulary
    target = Source((file,), {}).output(output, kind)
    save(made, target)
    if as_json:
        emit_json({**_summary(made, vocabulary), "output": str(target)})
        return
    click.echo(f"{'standard input' if file == '-' else printable(file)}: {kind} of {counted(vocabulary)}\n")
    _print_content(made, vocabulary)
    echo_written(target)


def _summary(content: Any, vocabulary: Vocabulary) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "kind": content.kind if isinstance(content, Stored) else "vocabulary",
        **vocabulary_summary(vocabulary),
        "words": [
            {"word": word, "count": count}
            for word, count in zip(
                vocabulary.words_at(range(vocabulary.size)[:10]), vocabulary.counts[:10].tolist(), strict=True
            )
        ],
        "text": vocabulary.text.to_json() if vocabulary.text else None,
        "source": vocabulary.source,
        "limits": vocabulary.parameters,
        "parameters": content.parameters if isinstance(content, Stored) else {},
    }
    if isinstance(content, Cutoffs):
        summary["cutoffs"] = content.cutoffs.tolist()
        summary["clusters"] = [
            {"size": size, "mass": mass}
            for size, mass in zip(content.sizes.tolist(), content.masses.tolist(), strict=True)
        ]
    if isinstance(content, Bigrams):
        summary |= pairs_summary(content)
    if isinstance(content, Classes):
        summary["sizes"] = content.sizes.tolist()
        summary["masses"] = content.masses.tolist()
    if isinstance(content, Tree):
        summary |= tree_summary(content)
    if isinstance(content, Table):
        summary |= table_summary(content)
    if isinstance(content, Costs):
        summary |= {"n_rows": content.shape[0], "n_columns": content.shape[1]}
        summary["objective"] = content.objective(content.cell)
    return summary


def _print_content(content: Any, vocabulary: Vocabulary) -> None:
    if isinstance(content, Cutoffs):
        _print_bands(content)
    elif isinstance(content, Classes):
        print_classes(content)
    elif isinstance(content, Tree):
        print_tree(content)
    elif isinstance(content, Bigrams):
        click.echo(pairs_line(content))
    elif isinstance(content, Table):
        show_table(content)
    elif isinstance(content, Costs):
        rows, columns = content.shape
        click.echo(
            f"costs in {rows} rows and {columns} columns: {content.objective(content.cell):,.1f} nats as they are"
        )
    else:
        click.echo("most frequent: " + " ".join(map(printable, vocabulary.words_at(range(vocabulary.size)[:12]))))


def _print_bands(content: Cutoffs) -> None:
    bounds = content.bounds.tolist()
    rows = [
        (
            f"{first:,} – {end - 1:,}",
            f"{end - first:,}",
            percent(mass),
            " ".join(map(printable, content.vocabulary.words_at(range(first, min(first + _SHOWN_WORDS, end))))),
        )
        for first, end, mass in zip(bounds, bounds[1:], content.masses.tolist(), strict=False)
    ]
    print_table(["ranks", "words", "mass", "most frequent"], rows, text=["most frequent"])


def _print_origin(content: Any, vocabulary: Vocabulary) -> None:
    parts = {"source": vocabulary.source, "text": vocabulary.text.to_json() if vocabulary.text else None}
    parts["limits"] = vocabulary.parameters
    if isinstance(content, Stored):
        # How it was found is for --json.
        hidden = ("solved", "sweeps", "losses")
        parts["parameters"] = {name: value for name, value in content.parameters.items() if name not in hidden}
    click.echo()
    for name, values in parts.items():
        if values:
            click.echo(
                f"{name + ':':<12}" + ", ".join(f"{printable(key)} {_plain(value)}" for key, value in values.items())
            )


def _plain(value: Any) -> str:
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
