"""SOURCE and the options of how it is read: the same on every command that reads text."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from wordalloc.allocations import Bigrams
from wordalloc.checks import printable
from wordalloc.cli.choices import NearestChoice, SourceName
from wordalloc.cli.progress import progress_bar
from wordalloc.errors import InputError
from wordalloc.vocabulary import TextOptions, Vocabulary

_KINDS = ("vocabulary", "bigrams", "cutoffs", "buckets", "classes", "tree", "table", "costs")
_COMPRESSED = (".gz", ".bz2", ".zst")

TEXT_OPTIONS = (
    click.option("--lowercase", is_flag=True, help="Count words in lower case."),
    click.option("--max-size", type=click.IntRange(min=1), metavar="N", help="Keep at most N words, <unk> included."),
    click.option(
        "--min-count", type=click.IntRange(min=1), default=1, metavar="N", help="Drop words seen fewer than N times."
    ),
    click.option(
        "--unk", default=TextOptions.unk, show_default=True, metavar="WORD", help="Stands for the words dropped."
    ),
    click.option("--eos/--no-eos", default=True, help="End every line in <eos> (the default), or run on."),
    click.option(
        "--errors",
        type=NearestChoice(["strict", "replace"]),
        default="strict",
        help="Bytes that are not UTF-8: stop (the default), or read U+FFFD.",
    ),
    click.option("--memory-limit", metavar="SIZE", help="Memory for counting, such as 512MB; the rest spills to disk."),
)
COUNTS_OPTION = click.option(
    "--counts", type=click.Path(), metavar="FILE", help="Counts for a tokenizer.json or vocab.json given as SOURCE."
)
COLUMN_OPTION = click.option(
    "--column",
    metavar="NAME",
    help="Column of text in Parquet, JSONL or Arrow (default: text, or the only one of strings).",
)
_ENGINE_OPTIONS = (
    click.option(
        "--engine",
        type=NearestChoice(["duckdb", "spark"]),
        default="duckdb",
        help="Work here (the default), or on Spark, set up by its own configuration; counts and ids are the same.",
    ),
    click.option("--master", metavar="URL", help="Spark's master (default: its configuration's, else all cores here)."),
)


@dataclass(frozen=True)
class Source:
    """What the user named as SOURCE, and how it is to be read."""

    paths: tuple[str, ...]
    options: dict[str, Any]

    def vocabulary(self) -> Vocabulary:
        """Count the text, or read the counts, behind a progress bar."""
        from wordalloc.corpus import read_vocabulary

        with progress_bar("counting", unit="B") as progress:
            return read_vocabulary(self.paths, progress=progress, **self.options)

    def bigrams(self) -> Bigrams:
        """Count the adjacent words of the text, or read them from a file, behind a progress bar."""
        from wordalloc.corpus import read_bigrams

        options = {name: value for name, value in self.options.items() if name != "counts"}
        if self.options["counts"] is not None:
            raise InputError(
                "--counts are counts of words; adjacent words are counted from text or a file of bigrams; leave it out"
            )
        with progress_bar("counting", unit="B") as progress:
            return read_bigrams(self.paths, progress=progress, **options)

    @property
    def title(self) -> str:
        """How the source is called in output."""
        names = ["standard input" if path == "-" else printable(Path(path).name) for path in self.paths]
        return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"

    @property
    def stem(self) -> str:
        """What a result is called after."""
        return _stem(self.paths[0])

    def output(self, chosen: str | None, kind: str, suffix: str = "safetensors") -> Path:
        """Return where the result goes: `chosen`, or ``./<stem>.<kind>.<suffix>``; never onto the source."""
        target = Path(chosen or f"{self.stem}.{kind}.{suffix}")
        for path in self.paths:
            if path != "-" and target.exists() and Path(path).exists() and target.samefile(path):
                raise InputError(f"the result would overwrite its own source {path}; name another file with -o")
        return target


def take_text_options(options: dict[str, Any]) -> dict[str, Any]:
    """Take the values of `TEXT_OPTIONS` out of a command's options, and return them."""
    names = ("lowercase", "max_size", "min_count", "unk", "eos", "errors", "memory_limit")
    return {name: options.pop(name) for name in names}


def source_command(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the SOURCE argument and the text options, handed over as one `source`."""

    @functools.wraps(command)
    def collect(paths: tuple[str, ...], **keywords: Any) -> Any:
        names = ("counts", "column", "engine", "master")
        others = {name: keywords.pop(name) for name in names if name in keywords}
        return command(source=Source(paths, {**take_text_options(keywords), **others}), **keywords)

    for option in reversed((*TEXT_OPTIONS, COUNTS_OPTION, COLUMN_OPTION)):
        collect = option(collect)
    return click.argument("paths", nargs=-1, required=True, type=SourceName(), metavar="SOURCE...")(collect)


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --engine and --master, as `wordalloc.count` takes them."""
    for option in reversed(_ENGINE_OPTIONS):
        command = option(command)
    return command


def _stem(path: str) -> str:
    """``corpus`` for corpus.txt.gz; a result made from a result drops the earlier kind."""
    if path == "-":
        return "stdin"
    name = Path(path).name
    if any(character in name for character in "*?["):
        name = "corpus"
    for suffix in _COMPRESSED:
        name = name.removesuffix(suffix)
    if name.endswith(".safetensors"):
        name = name.removesuffix(".safetensors")
        for kind in _KINDS:
            name = name.removesuffix(f".{kind}")
        return name or "corpus"
    return Path(name).stem or "corpus"
