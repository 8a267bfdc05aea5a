"""``wordalloc encode``: a text as token ids, once for all trainings, and by many machines where one is too slow."""

from __future__ import annotations

import click

from wordalloc.cli.choices import SourceName
from wordalloc.cli.progress import progress_bar
from wordalloc.cli.render import echo_written, emit_json, json_option, percent
from wordalloc.cli.sources import COLUMN_OPTION, Source, engine_options


@click.command()
@click.argument("paths", nargs=-1, required=True, type=SourceName(), metavar="SOURCE...")
@click.option(
    "--vocabulary",
    "given",
    type=click.Path(),
    required=True,
    metavar="FILE",
    help="What gives the ids: any allocation.",
)
@COLUMN_OPTION
@engine_options
@click.option("-o", "--output", metavar="FOLDER", help="Where to write (default: ./<source>.ids).")
@json_option
def encode(
    paths: tuple[str, ...],
    given: str,
    column: str | None,
    engine: str,
    master: str | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Write a text as token ids into a folder, which train and evaluate read in place of the text.

    The text is read as the vocabulary's own was. A row of the folder's Parquet files is a line. With either engine the
    ids are the same; into which files they are divided is not.

    \b
    Examples:
      wordalloc encode corpus.txt --vocabulary corpus.vocabulary.safetensors
      wordalloc train corpus.ids --allocation corpus.vocabulary.safetensors
      wordalloc encode pages.parquet --column body --vocabulary corpus.vocabulary.safetensors
      wordalloc encode s3a://bucket/corpus --engine spark --master spark://host:7077 --vocabulary v.safetensors \\
        -o s3a://bucket/corpus.ids
    """
    from wordalloc.allocations import load
    from wordalloc.corpus.encode_to_folder import encode_to_folder
    from wordalloc.vocabulary import Vocabulary

    content = load(given)
    vocabulary = content if isinstance(content, Vocabulary) else content.vocabulary
    source = Source(paths, {})
    target = output or f"{source.stem}.ids"
    with progress_bar("encoding", unit="B") as progress:
        numbers = encode_to_folder(
            paths, vocabulary, target, column=column, engine=engine, master=master, progress=progress
        )
    if as_json:
        emit_json({**numbers, "vocab_size": vocabulary.size, "output": target})
        return
    share = percent(numbers["unknown"] / numbers["tokens"])
    click.echo(f"{source.title}: {numbers['tokens']:,} tokens on {numbers['lines']:,} lines, {share} of them unknown")
    echo_written(target)
