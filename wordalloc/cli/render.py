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
_GAP = 3  # columns between two of a table
_LEAST_TEXT = 20  # columns that suffice for a text, which may be broken between words

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
    """Print an aligned table: the first column and those named in `text` left, figures right; row `mark` stands out.

    What is too broad for the terminal comes as several tables below each other, all with the first column: a figure
    is never broken.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # rich knows NO_COLOR, FORCE_COLOR, TERM=dumb and COLUMNS; outside of a terminal lines are long, whatever it is.
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)
    rows = list(rows)
    widths = [
        min(
            max(cell_len(cell) for cell in (column, *(row[place] for row in rows))),
            _LEAST_TEXT if column in text else console.width,
        )
        for place, column in enumerate(columns)
    ]
    for number, shown in enumerate(_side_by_side(widths, console.width)):
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
        for place in shown:
            justify: Literal["left", "right"] = "left" if not place or columns[place] in text else "right"
            table.add_column(columns[place], justify=justify, header_style="dim", no_wrap=columns[place] not in text)
        for place, row in enumerate(rows):
            # Text, not str: words of a corpus may look like markup.
            cells = (Text(row[column]) for column in shown)
            table.add_row(*cells, style="bold green" if place == mark else None)
        with console.capture() as captured:
            console.print(table)
        if number:
            click.echo()
        for line in captured.get().splitlines():
            click.echo(line.rstrip(), color=True)  # with no more colours than rich has put there


def _side_by_side(widths: Sequence[int], room: int) -> list[list[int]]:
    """Divide the columns into tables that fit `room`, each with the first column and at least one more."""
    tables = [[0]]
    used = widths[0]
    for place, width in enumerate(widths[1:], start=1):
        if len(tables[-1]) > 1 and used + _GAP + width > room:
            tables.append([0])
            used = widths[0]
        tables[-1].append(place)
        used += _GAP + width
    return tables


def percent(share: float) -> str:
    """``0.8123`` as ``81.2 %``."""
    return f"{100 * share:.1f} %"


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds with three significant digits."""
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{1000 * seconds:,.0f} ms"


def short(number: int) -> str:
    """``7,839,744`` as ``7.84 M``."""
    for power, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= power:
            return f"{number / power:.3g} {unit}"
    return f"{number} "
