"""``wordalloc show`` and ``wordalloc export``: what a file holds."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from wordalloc.allocations import Bigrams, Classes, Costs, Cutoffs, Stored, Table, Tree, load
from wordalloc.allocations.interchange import to_brown_paths, to_dot, to_json, to_tsv, to_word_classes
from wordalloc.checks import printable
from wordalloc.cli.choices import NearestChoice
from wordalloc.cli.classes import pairs_line, pairs_summary, print_classes, print_tree, tree_summary
from wordalloc.cli.counting import counted, vocabulary_summary
from wordalloc.cli.lightrnn import row_summary, show_row, show_table, table_summary
from wordalloc.cli.render import echo_written, emit_json, json_option, output_option, percent, print_table
from wordalloc.cli.sources import Source
from wordalloc.errors import InputError
from wordalloc.files import atomic_path
from wordalloc.vocabulary import Vocabulary

_SHOWN_WORDS = 6


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
    _print_origin(content, vocabulary)


_FORMS = {
    "tsv": to_tsv,
    "json": lambda content: iter([json.dumps(to_json(content), ensure_ascii=False) + "\n"]),
    "brown-paths": to_brown_paths,
    "word2vec-classes": to_word_classes,
    "dot": to_dot,
}


@click.command()
@click.argument("file", type=click.Path())
@click.option("--to", "form", type=NearestChoice(list(_FORMS)), required=True, help="The format to write.")
@click.option("-o", "--output", type=click.Path(), metavar="FILE", help="Where to write (default: stdout).")
def export(file: str, form: str, output: str | None) -> None:
    """Write a file's words, counts and addresses as text.

    brown-paths: bits, word and count, as Brown clustering writes; word2vec-classes: a word and its class a line; dot:
    a drawing of a tree for Graphviz.

    \b
    Example:
      wordalloc export corpus.cutoffs.safetensors --to tsv -o corpus.tsv
    """
    lines = _FORMS[form](load(file))
    if output is None:
        for line in lines:
            sys.stdout.write(line)
        return
    with atomic_path(output) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as written:
        written.writelines(lines)


@click.command("import")
@click.argument("file", type=click.Path())
@click.option("--counts", type=click.Path(), metavar="SOURCE", help="Take the words' counts from this text or file.")
@click.option(
    "--errors",
    type=NearestChoice(["strict", "replace"]),
    default="strict",
    help="Bytes that are not UTF-8: stop, or U+FFFD.",
)
@output_option("default: ./<file>.tree.safetensors or .classes.safetensors")
@json_option
def import_(file: str, counts: str | None, errors: str, output: str | None, as_json: bool) -> None:
    """Take over clusters that another program made, told apart by their content.

    A paths file of Brown clustering (bits, word and count, separated by tabs) becomes a tree, with a Huffman tree over
    the words that share their bits; a file of a word and its class on each line (word2vec, mkcls) becomes classes.

    \b
    Examples:
      wordalloc import paths
      wordalloc import corpus.classes.txt --counts corpus.txt
    """
    from wordalloc.corpus import read_clusters, read_vocabulary
    from wordalloc.pipelines.importing import from_clusters

    clusters = read_clusters(file, errors=errors)
    made = from_clusters(clusters, None if counts is None else read_vocabulary(counts, errors=errors))
    target = Source((file,), {}).output(output, made.kind)
    made.save(target)
    if as_json:
        emit_json({**_summary(made, made.vocabulary), "output": str(target)})
        return
    click.echo(f"{'standard input' if file == '-' else printable(file)}: {made.kind} of {counted(made.vocabulary)}\n")
    if isinstance(made, Tree):
        print_tree(made)
    else:
        print_classes(made)
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
