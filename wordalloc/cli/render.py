"""What every command prints with: aligned tables for people, one JSON object for machines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import click

from wordalloc.checks import printable

PIPE_WIDTH = 128  # columns, where the output is no terminal

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")


def output_option(default: str) -> Any:
    """Return the -o option; `default` says where the result goes without it."""
    return click.option("-o", "--output", type=click.Path(), metavar="FILE", help=f"Where to write ({default}).")


def emit_json(content: Any) -> None:
    """Print `content` as one JSON object, what is not printable escaped: words and names may hold anything."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    click.echo("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


def echo_written(target: str | os.PathLike[str]) -> None:
    """Print where the result is."""
    click.echo(f"\nwritten to {printable(os.fspath(target))}")


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, text: Sequence[str] = (), mark: int = -1
) -> None:
    """Print an aligned table: the first column and those named in `text` left, figures right; row `mark` stands out."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for place, column in enumerate(columns):
        justify: Literal["left", "right"] = "left" if not place or column in text else "right"
        table.add_column(column, justify=justify, header_style="dim", no_wrap=place == 0)
    for number, row in enumerate(rows):
        # Text, not str: words of a corpus may look like markup.
        table.add_row(*(Text(cell) for cell in row), style="bold green" if number == mark else None)
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def percent(share: float) -> str:
    """``0.8123`` as ``81.2 %``."""
    return f"{100 * share:.1f} %"


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds with three significant digits."""
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{1000 * seconds:,.0f} ms"
