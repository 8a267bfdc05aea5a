"""``wordalloc compare``: every method side by side on one's own text."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from wordalloc.cli.choices import NamesWithCommas, SourceName
from wordalloc.cli.counting import counted
from wordalloc.cli.model_options import BATCH_OPTIONS, CELL_OPTIONS, NOISE_OPTIONS, device_option, with_options
from wordalloc.cli.plotting import keep_fonts
from wordalloc.cli.progress import is_drawn, make_bar
from wordalloc.cli.render import echo_written, emit_json, json_option, print_table, short
from wordalloc.cli.sources import COLUMN_OPTION, TEXT_OPTIONS, take_text_options
from wordalloc.errors import InputError, RunError
from wordalloc.interrupts import deferred_interrupts
from wordalloc.pipelines.comparison_methods import METHODS

if TYPE_CHECKING:
    from wordalloc.pipelines.compare import Comparison, Stage
    from wordalloc.pipelines.comparison_table import ComparedMethod

LONGEST_LABEL = 24  # characters: what fits beside the figures


@click.command(context_settings={"show_default": True})
@click.argument("paths", nargs=-1, required=True, type=SourceName(), metavar="TEXT...")
@COLUMN_OPTION
@click.option(
    "--layers",
    type=NamesWithCommas(METHODS),
    default="full,adaptive,classes,tree,table,lightrnn,sampled-softmax,nce",
    metavar="NAMES",
    help="What to compare, separated by commas; also importance, blackout, negative, factorised-input and "
    "factorised-recurrence.",
)
@click.option(
    "--allocation", multiple=True, type=click.Path(), metavar="FILE", help="Use this one instead of making one."
)
@click.option(
    "--valid",
    multiple=True,
    type=SourceName(),
    metavar="TEXT",
    help="Validation text (default: every 20th line is held out).",
)
@click.option("--budget-tokens", type=int, metavar="N", help="Tokens each may train on (default: 1,000,000).")
@click.option("--budget-seconds", type=float, metavar="S", help="Or: seconds each may train for.")
@click.option("--seeds", type=int, default=1, metavar="N", help="Train each N times, with the seeds 0 to N - 1.")
@click.option(
    "--reach", type=float, metavar="PPL", help="Tell the seconds to this perplexity (default: the full softmax's last)."
)
@click.option("-o", "--output", type=click.Path(), default="wordalloc-compare", help="The folder to work in.")
@click.option("--resume", is_flag=True, help="Go on with the comparison that is there.")
@with_options(CELL_OPTIONS, NOISE_OPTIONS, BATCH_OPTIONS)
@click.option("--recurrent-layers", type=click.IntRange(min=1), default=1, help="Recurrent layers.")
@device_option
@with_options(TEXT_OPTIONS)
@json_option
def compare(
    paths: tuple[str, ...],
    column: str | None,
    layers: str,
    allocation: tuple[str, ...],
    valid: tuple[str, ...],
    budget_tokens: int | None,
    budget_seconds: float | None,
    seeds: int,
    reach: float | None,
    output: str,
    resume: bool,
    recurrent_layers: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Train many softmax layers on a text under the same budget, and show what each is worth.

    Each trains at its own learning rate in a process of its own. The table, as JSON and CSV, and the pictures
    (pip install 'wordalloc[report]') lie in the folder; a comparison that was broken off goes on with --resume.

    \b
    Examples:
      wordalloc compare corpus.txt
      wordalloc compare corpus.txt --layers full,adaptive,nce --budget-seconds 60 --min-count 3
      wordalloc compare corpus.txt --layers full,classes --allocation a.classes.safetensors
    """
    with deferred_interrupts():
        from wordalloc.pipelines.compare import compare as run_comparison
        from wordalloc.pipelines.compare import draw
        from wordalloc.training import TrainConfig

    text_options = take_text_options(options)
    with _stage_bar() as progress:
        found = run_comparison(
            paths,
            layers=[name.strip() for name in layers.split(",") if name.strip()],
            allocations=allocation,
            valid=valid or None,
            column=column,
            budget_tokens=budget_tokens,
            budget_seconds=budget_seconds,
            seeds=seeds,
            reach=reach,
            config=TrainConfig(layers=recurrent_layers, **options),
            folder=output,
            resume=resume,
            progress=progress,
            **text_options,
        )
    if as_json:
        emit_json({**found.to_json(), "output": str(found.folder)})
    else:
        print_comparison(found)
    if found.methods:
        try:
            keep_fonts()
            draw(found)
        except InputError as error:
            click.echo(f"no pictures: {error}; then once more with --resume", err=True)
    if found.failed:
        name, message = next(iter(found.failed.items()))
        raise RunError(
            f"{name}: {message} ({len(found.failed)} of {len(found.failed) + len(found.methods)} failed; "
            "--resume tries them again)"
        )


def print_comparison(found: Comparison) -> None:
    """Print the one table."""
    click.echo(f"{counted(found.vocabulary)}; unigram perplexity {found.unigram_perplexity:.1f}")
    base = next((method for method in found.methods if method.label == "full"), None)
    reach = "–" if found.reach is None else f"{found.reach:.1f}"
    columns = ["method", "perplexity", "÷ full", "tokens/s", "÷ full", "scoring", "top-10", "weights", "bytes", "peak"]
    columns.append(f"s to {reach}")
    rows = [_row(method, base, found.reach) for method in found.methods]
    click.echo()
    print_table(columns, rows)
    click.echo(
        "\ntokens/s: in training; scoring: tokens/s of the validation text; top-10: a query; weights and bytes: of\n"
        f"input and output; peak: memory of the training process; s to {reach}: of training, to this perplexity of a\n"
        f"part of the validation text"
    )
    if base is not None and base.perplexity > found.unigram_perplexity / 2:
        click.echo(
            "\nThe full softmax has not come to half of the unigram perplexity: a larger budget would tell more."
        )
    echo_written(found.folder)


def _row(method: ComparedMethod, base: ComparedMethod | None, reach: float | None) -> tuple[str, ...]:
    low, high = min(method.perplexities), max(method.perplexities)
    spread = f" ± {(high - low) / 2:.1f}" if len(method.perplexities) > 1 else ""
    seconds = None if reach is None else method.seconds_to(reach)
    worse = "–" if base is None else f"{method.perplexity / base.perplexity:.3f}"
    faster = "–" if base is None else f"{method.training_tokens_per_second / base.training_tokens_per_second:.2f}"
    return (
        method.label if len(method.label) <= LONGEST_LABEL else f"{method.label[:12]}…{method.label[-11:]}",
        f"{method.perplexity:.1f}{spread}",
        worse,
        f"{method.training_tokens_per_second:,.0f}",
        faster,
        f"{method.scoring_tokens_per_second:,.0f}",
        f"{1000 * method.query_seconds:.2f} ms",
        short(method.parameters),
        f"{short(method.bytes)}B",
        f"{short(method.peak_memory_bytes)}B",
        "–" if seconds is None else f"{seconds:,.1f}",
    )


@contextlib.contextmanager
def _stage_bar() -> Iterator[Callable[[Stage], None]]:
    """Yield a callable that shows on stderr what is done: a bar on a terminal, else nothing."""
    if not is_drawn():
        yield lambda stage: None
        return

    with make_bar() as bar:
        task = bar.add_task("", total=1.0)

        def show(stage: Stage) -> None:
            title, done = stage.title, 0.0
            if (at := stage.training) is not None:
                title += f"  loss {at.nll:.3f}  {at.tokens_per_second:,.0f} tokens/s"
                done = at.done
            if done < (bar.tasks[0].completed or 0):
                bar.reset(task, total=1.0)
            bar.update(task, description=title, completed=done)

        yield show
