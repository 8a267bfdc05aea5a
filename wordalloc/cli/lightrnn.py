"""``wordalloc lightrnn``, ``lightrnn-init`` and ``lightrnn-realloc``: tables, models over them, and better tables."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wordalloc.checks import printable
from wordalloc.cli.choices import NearestChoice, SourceName
from wordalloc.cli.counting import counted, vocabulary_summary
from wordalloc.cli.model_options import BUDGET_OPTIONS, MODEL_OPTIONS, STEP_OPTIONS, device_option, with_options
from wordalloc.cli.progress import progress_bar
from wordalloc.cli.render import echo_written, emit_json, json_option, output_option, percent, print_table
from wordalloc.cli.sources import COLUMN_OPTION, TEXT_OPTIONS, Source, source_command, take_text_options
from wordalloc.cli.training import print_result, training_bar
from wordalloc.errors import InputError
from wordalloc.interrupts import deferred_interrupts
from wordalloc.pipelines.allocate import Text

if TYPE_CHECKING:
    from wordalloc.allocations import Costs, Table
    from wordalloc.pipelines.tables import Reallocated
    from wordalloc.training import TrainResult

_SHOWN_ROWS = 12
_SHOWN_WORDS = 6
_positive = click.IntRange(min=1)

TABLE_OPTIONS = (
    click.option(
        "--by",
        type=NearestChoice(["classes", "embedding", "frequency", "random"]),
        default="classes",
        help="What the words of a row have in common.",
    ),
    click.option("--classes", type=click.Path(), metavar="FILE", help="Take rows from these classes or this tree."),
    click.option("--vectors", type=click.Path(), metavar="FILE", help="embedding: word vectors, as of `classes`."),
    click.option("--rows", "n_rows", type=_positive, metavar="N", help="Rows of the table (default: a square)."),
    click.option(
        "--effort",
        type=NearestChoice(["fast", "normal", "high"]),
        default="normal",
        help="How long classes are searched for.",
    ),
)


def _make_table(text: Text, options: dict[str, Any]) -> Table:
    from wordalloc.allocations import load
    from wordalloc.pipelines.tables import make_table

    given = None if options["classes"] is None else load(options["classes"])
    with progress_bar("clustering") as progress:
        return make_table(
            text,
            options["by"],
            options["n_rows"],
            allocation=given,
            seed=options["seed"],
            effort=options["effort"],
            progress=progress,
        )


@click.command("lightrnn-init", context_settings={"show_default": True})
@source_command
@with_options(TABLE_OPTIONS)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Where chance enters.")
@output_option("default: ./<source>.table.safetensors")
@json_option
def lightrnn_init(source: Source, output: str | None, as_json: bool, **options: Any) -> None:
    """Put the words of a text into a table, for LightRNN or a table softmax.

    Rows by class (exchange clusters of the text itself, in the order of their Brown tree), by word vectors, by
    frequency, or at random.

    \b
    Examples:
      wordalloc lightrnn-init corpus.txt -o table.safetensors
      wordalloc lightrnn-init corpus.txt --by random --rows 50
    """
    target = source.output(output, "table")
    made = _make_table(Text(source.vocabulary, source.bigrams, options["vectors"], options["seed"]), options)
    made.save(target)
    if as_json:
        summary = {**vocabulary_summary(made.vocabulary), **table_summary(made), "parameters": made.parameters}
        emit_json({**summary, "output": str(target)})
        return
    click.echo(f"{source.title}: {counted(made.vocabulary)}\n")
    show_table(made)
    echo_written(target)


@click.command("lightrnn-realloc", context_settings={"show_default": True})
@click.option("--table", "table_path", type=click.Path(), metavar="FILE", help="The table the costs were taken with.")
@click.option("--costs", "costs_path", type=click.Path(), metavar="FILE", help="Its costs, as training writes them.")
@click.option("--run", type=click.Path(), default="wordalloc-run", help="Where to look for both if none is given.")
@click.option("--row-only", is_flag=True, help="Choose rows; then columns inside each row.")
@click.option("--column-only", is_flag=True, help="Choose columns; then rows inside each column.")
@click.option("--in-turns", is_flag=True, help="Rows and columns in turns, to a local optimum.")
@click.option(
    "--columns",
    "others",
    type=NearestChoice(["best", "keep"]),
    default="best",
    help="The other digit: assigned anew, or kept where the first one is.",
)
@click.option("--stay", type=click.FloatRange(min=0), default=0.0, help="Nats in favour of each digit that is kept.")
@click.option("--gap", type=click.FloatRange(min=0), default=1e-6, help="Stop within this share of the optimum.")
@click.option("--time-limit", type=click.FloatRange(min=0), metavar="SECONDS", help="Stop after so long.")
@click.option(
    "--solver",
    type=NearestChoice(["auto", "auction", "ortools", "scipy", "greedy"]),
    default="auto",
    help="auto is the auction; the others are to compare with.",
)
@output_option("default: the next table of the run, or ./<table>.table.safetensors")
@json_option
def lightrnn_realloc(
    table_path: str | None,
    costs_path: str | None,
    run: str,
    row_only: bool,
    column_only: bool,
    in_turns: bool,
    output: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Give the words of a table the cells that cost least, to a proven optimum.

    Without --table and --costs it takes the newest pair of the run directory (wordalloc train --costs), and writes the
    next table there.

    \b
    Examples:
      wordalloc lightrnn-realloc --row-only
      wordalloc lightrnn-realloc --table T --costs C -o T2 --gap 1e-6 --time-limit 60
    """
    from wordalloc.pipelines.tables import reallocate_table

    if row_only + column_only + in_turns > 1:
        raise click.UsageError("--row-only, --column-only and --in-turns exclude each other; give one of them")
    table_file, costs_file, target = _places(table_path, costs_path, run, output)
    table, costs = _load(table_file, costs_file)
    digits = "rows" if row_only else "columns" if column_only else "turns" if in_turns else "both"
    with _gap_bar(options["gap"]) as progress:
        made = reallocate_table(table, costs, digits=digits, progress=progress, **options)
    made.table.save(target)
    if as_json:
        figures = {**made.told(), "moved": made.moved, "seconds": made.seconds}
        emit_json({**vocabulary_summary(table.vocabulary), **table_summary(table), **figures, "output": str(target)})
        return
    click.echo(
        f"{printable(table_file)}: {table.vocabulary.size:,} words in {table.n_rows} × {table.n_columns} cells\n"
    )
    _print_reallocation(made, digits)
    echo_written(target)


@click.command(context_settings={"show_default": True})
@click.argument("paths", nargs=-1, required=True, type=SourceName(), metavar="TEXT...")
@COLUMN_OPTION
@click.option("--valid", multiple=True, type=SourceName(), metavar="TEXT", help="Validation text; may be given again.")
@click.option("--table", "table_path", type=click.Path(), metavar="FILE", help="The first table (default: made).")
@with_options(TABLE_OPTIONS)
@click.option(
    "--rounds",
    type=click.IntRange(min=0),
    help="Reallocations on the way (default: 6 of a table by chance or frequency, else 0).",
)
@click.option(
    "--realloc",
    "digits",
    type=NearestChoice(["rows", "columns", "both"]),
    default="rows",
    help="What is reallocated.",
)
@click.option("--stay", type=click.FloatRange(min=0), default=1.0, help="Nats in favour of each digit that is kept.")
@click.option("--costs", is_flag=True, help="Take costs of the last weights, for lightrnn-realloc.")
@click.option("--run", type=click.Path(), default="wordalloc-run", help="The run directory.")
@click.option("--resume", is_flag=True, help="Continue the run in the run directory.")
@with_options(MODEL_OPTIONS, STEP_OPTIONS, BUDGET_OPTIONS)
@click.option(
    "--table-model",
    type=NearestChoice(["lightrnn", "softmax"]),
    default="lightrnn",
    help="A LightRNN, two steps a word; or a table softmax, one.",
)
@device_option
@with_options(TEXT_OPTIONS)
@json_option
def lightrnn(
    paths: tuple[str, ...],
    column: str | None,
    valid: tuple[str, ...],
    table_path: str | None,
    rounds: int | None,
    digits: str,
    stay: float,
    costs: bool,
    run: str,
    resume: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a LightRNN on a text: make a table, train, reallocate, train on.

    \b
    Examples:
      wordalloc lightrnn corpus.txt --valid valid.txt --rounds 3
      torchrun --nproc-per-node=4 -m -- wordalloc lightrnn corpus.txt --valid valid.txt --batch 128
    """
    with deferred_interrupts():
        from wordalloc.pipelines.lightrnn import train_in_rounds
        from wordalloc.training import TrainConfig
        from wordalloc.training.distributed import allocation_from_first, joined

    made = {name: options.pop(name) for name in ("by", "classes", "vectors", "n_rows", "effort")}
    made["seed"] = options["seed"]
    text_options = take_text_options(options)
    with joined() as first:
        if "-" in paths:
            raise InputError("standard input can be read only once, for words or for training; give a file")
        source = Source(paths, {**text_options, "counts": None, "column": column})
        config = TrainConfig(**options)
        table = allocation_from_first(lambda: _first_table(table_path, source, made))
        with training_bar(first) as progress:
            result = train_in_rounds(
                paths,
                table,
                rounds=rounds,
                digits=digits,
                stay=stay,
                valid=valid or None,
                run=run,
                config=config,
                resume=resume,
                costs=costs,
                column=column,
                progress=progress,
            )
        if first:
            _print_result(result, table, as_json)


def _print_result(result: TrainResult, table: Table, as_json: bool) -> None:
    if as_json:
        emit_json({**asdict(result), **table_summary(table), "run": str(result.run)})
        return
    click.echo(f"{table.vocabulary.size:,} words in {table.n_rows} × {table.n_columns} cells\n")
    if result.rounds:
        _print_rounds(result)
    print_result(result)


def _first_table(path: str | None, source: Source, made: dict[str, Any]) -> Table:
    from wordalloc.allocations import Table, load

    if path is None:
        return _make_table(Text(source.vocabulary, source.bigrams, made["vectors"], made["seed"]), made)
    content = load(path)
    if not isinstance(content, Table):
        raise InputError(f"{path}: not a table; make one with: wordalloc lightrnn-init TEXT")
    return content


def table_summary(table: Table) -> dict[str, Any]:
    """What a table comes to."""
    return {"n_rows": table.n_rows, "n_columns": table.n_columns}


def show_table(table: Table) -> None:
    """Print the rows of most mass, with their most frequent words."""
    empty = table.n_rows * table.n_columns - table.vocabulary.size
    left = f", {empty:,} of them empty" if empty else ""
    click.echo(f"{table.n_rows} rows × {table.n_columns} columns = {table.n_rows * table.n_columns:,} cells{left}\n")
    order = sorted(range(table.n_rows), key=lambda row: -table.row_masses[row])[:_SHOWN_ROWS]
    rows = []
    for row in order:
        words = table.words_in_row(row)
        shown = " ".join(printable(table.vocabulary.words[rank]) for rank in words[:_SHOWN_WORDS].tolist())
        rows.append((f"{row}", f"{words.size:,}", percent(table.row_masses[row]), shown))
    print_table(["row", "words", "mass", "most frequent"], rows, text=["most frequent"])
    if table.n_rows > len(rows):
        click.echo(f"… and {table.n_rows - len(rows):,} more rows; one whole: wordalloc show FILE --row N")


def show_row(table: Table, row: int) -> None:
    """Print the words of a row, most frequent first."""
    ranks = table.words_in_row(row).tolist()
    click.echo(f"row {row}: {len(ranks):,} words, {percent(table.row_masses[row])} of the tokens\n")
    rows = [
        (printable(table.vocabulary.words[rank]), f"{table.vocabulary.counts[rank]:,}", f"{table.column[rank]}")
        for rank in ranks
    ]
    print_table(["word", "count", "column"], rows)


def row_summary(table: Table, row: int) -> dict[str, Any]:
    """The words of a row."""
    return {
        "row": row,
        "words": [
            {
                "word": table.vocabulary.words[rank],
                "count": int(table.vocabulary.counts[rank]),
                "column": int(table.column[rank]),
            }
            for rank in table.words_in_row(row).tolist()
        ],
    }


def _places(table: str | None, costs: str | None, run: str, output: str | None) -> tuple[str, str, Path]:
    """Return the files of table and costs, and where the new table goes."""
    if (table is None) != (costs is None):
        raise click.UsageError("give both --table and --costs, or neither, for the newest pair of --run")
    if table is not None and costs is not None:
        return table, costs, Source((table,), {}).output(output, "table")
    folder = Path(run)
    numbers = [
        int(found[1])
        for file in (folder.iterdir() if folder.is_dir() else ())
        if (found := re.fullmatch(r"costs-(\d+)\.safetensors", file.name))
        and (folder / _table_name(int(found[1]))).exists()
    ]
    if not numbers:
        raise InputError(
            f"{folder}: no table with costs is here; make them with: "
            "wordalloc train TEXT --allocation table.safetensors --costs"
        )
    newest = max(numbers)
    target = folder / _table_name(newest + 1) if output is None else Path(output)
    if output is None and target.exists():
        raise InputError(f"{target} is there already, and without costs; name another file with -o")
    return str(folder / _table_name(newest)), str(folder / f"costs-{newest:03d}.safetensors"), target


def _table_name(number: int) -> str:
    return f"table-{number:03d}.safetensors"


def _load(table_file: str, costs_file: str) -> tuple[Table, Costs]:
    from wordalloc.allocations import Costs, Table, load

    table, costs = load(table_file), load(costs_file)
    if not isinstance(table, Table):
        raise InputError(f"{table_file}: not a table; make one with: wordalloc lightrnn-init TEXT")
    if not isinstance(costs, Costs):
        raise InputError(f"{costs_file}: not costs; take some with: wordalloc train … --costs")
    return table, costs


@contextlib.contextmanager
def _gap_bar(goal: float) -> Iterator[Callable[[float], None]]:
    """Show how much of the way down to the gap is done, by its logarithm."""
    first: list[float] = []
    with progress_bar("reallocating") as progress:

        def show(gap: float) -> None:
            first.append(gap)
            whole = math.log(max(first[0], 1e-30) / max(goal, 1e-12))
            done = math.log(max(first[0], 1e-30) / max(gap, 1e-30))
            progress(round(100 * min(1.0, done / whole)) if whole > 0 else 100, 100)

        yield show


def _print_reallocation(made: Reallocated, digits: str) -> None:
    fallen = 1 - made.objective / made.objective_before if made.objective_before else 0.0
    click.echo(f"summed nll: {made.objective_before:,.1f} nats before, {made.objective:,.1f} now ({percent(-fallen)})")
    part = {"both": "the best table", "turns": "a bound on every table"}.get(digits, f"the best {digits}")
    click.echo(f"gap:        {made.gap:.2g} from {part}")
    size = made.table.vocabulary.size
    click.echo(f"moved:      {made.moved:,} of {size:,} words ({percent(made.moved / size)}) in {made.seconds:.2f} s")


def _print_rounds(result: TrainResult) -> None:
    rows = [
        (
            f"{entry['table']}",
            f"{entry['tokens']:,}",
            f"{entry['valid_perplexity']:.2f}" if "valid_perplexity" in entry else "–",
            f"{entry['objective_before']:,.0f}",
            f"{entry['objective']:,.0f}",
            percent(entry["moved"]),
            {True: "taken back", False: "kept", None: "–"}[entry["taken_back"]],
        )
        for entry in result.rounds
    ]
    print_table(
        ["table", "after tokens", "perplexity then", "nats before", "nats", "words moved", "judged"],
        rows,
        text=["judged"],
    )
    click.echo()
