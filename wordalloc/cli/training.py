"""``wordalloc train`` and ``wordalloc evaluate``: a language model with the layer an allocation asks for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from wordalloc.checks import printable
from wordalloc.cli.choices import NearestChoice, SourceName
from wordalloc.cli.model_options import (
    BUDGET_OPTIONS,
    LOSS_OPTIONS,
    MODEL_OPTIONS,
    STEP_OPTIONS,
    device_option,
    with_options,
)
from wordalloc.cli.progress import is_drawn, make_bar, progress_bar
from wordalloc.cli.render import emit_json, json_option, percent, print_table
from wordalloc.cli.sources import COLUMN_OPTION, TEXT_OPTIONS, take_text_options
from wordalloc.interrupts import deferred_interrupts

if TYPE_CHECKING:
    from wordalloc.training import TrainProgress, TrainResult


@click.command(context_settings={"show_default": True})
@click.argument("paths", nargs=-1, required=True, type=SourceName(), metavar="TEXT...")
@COLUMN_OPTION
@click.option("--valid", multiple=True, type=SourceName(), metavar="TEXT", help="Validation text; may be given again.")
@click.option("--allocation", type=click.Path(), metavar="FILE", help="Picks the output layer (default: full softmax).")
@click.option("--run", type=click.Path(), default="wordalloc-run", help="The run directory.")
@click.option("--resume", is_flag=True, help="Continue the run in the run directory.")
@click.option("--costs", is_flag=True, help="With a table: take what words would cost elsewhere, for lightrnn-realloc.")
@click.option(
    "--table-model", type=NearestChoice(["softmax", "lightrnn"]), default="softmax", help="What a table asks for."
)
@click.option("--tensorboard", is_flag=True, help="Write event files into the run directory, too.")
@with_options(MODEL_OPTIONS, LOSS_OPTIONS, STEP_OPTIONS, BUDGET_OPTIONS)
@device_option
@with_options(TEXT_OPTIONS)
@json_option
def train(
    paths: tuple[str, ...],
    column: str | None,
    valid: tuple[str, ...],
    allocation: str | None,
    run: str,
    resume: bool,
    costs: bool,
    tensorboard: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a word-level language model with the output layer that an allocation asks for.

    The text options are for counting a vocabulary where no allocation is given; an allocation brings its own.

    \b
    Examples:
      wordalloc train corpus.txt --allocation corpus.cutoffs.safetensors --valid valid.txt
      wordalloc train corpus.txt --loss nce --samples 1024 --noise-power 0.75
      wordalloc train corpus.txt --allocation corpus.classes.safetensors --input classes
      torchrun --nproc-per-node=4 --max-restarts=3 -m -- wordalloc train corpus.txt --batch 128
    """
    with deferred_interrupts():
        from wordalloc.training import TrainConfig
        from wordalloc.training import train as run_training
        from wordalloc.training.distributed import joined

    text_options = take_text_options(options)
    with joined() as first:
        with training_bar(first) as progress:
            result = run_training(
                paths,
                valid=valid or None,
                allocation=allocation,
                run=run,
                config=TrainConfig(**options),
                resume=resume,
                costs=costs,
                tensorboard=tensorboard,
                column=column,
                progress=progress,
                **text_options,
            )
        if first and as_json:
            emit_json({**asdict(result), "run": str(result.run)})
        elif first:
            print_result(result)


@click.command()
@click.argument("run", type=click.Path())
@click.argument("paths", nargs=-1, required=True, type=SourceName(), metavar="TEXT...")
@COLUMN_OPTION
@device_option
@json_option
def evaluate(run: str, paths: tuple[str, ...], column: str | None, device: str, as_json: bool) -> None:
    """Print the perplexity of a run's best weights on a text.

    \b
    Example:
      wordalloc evaluate wordalloc-run test.txt
    """
    with deferred_interrupts():
        from wordalloc.training import evaluate as run_evaluation

    with progress_bar("evaluating") as progress:
        result = run_evaluation(run, paths, device=device, column=column, progress=progress)
    if as_json:
        emit_json(asdict(result))
        return
    click.echo(
        f"perplexity {result.perplexity:.2f} ({result.nll:.4f} nats a token) on {result.tokens:,} tokens, "
        f"{percent(result.unknown_share)} of them unknown"
    )


@contextlib.contextmanager
def training_bar(first: bool = True) -> Iterator[Callable[[TrainProgress], None]]:
    """Yield a callable that shows a training's progress on stderr: in its first process on a terminal, a bar."""
    if not first or not is_drawn():
        yield lambda at: None
        return

    with make_bar() as bar:
        task = bar.add_task("training", total=None)

        def show(at: TrainProgress) -> None:
            title = f"epoch {at.epoch}  loss {at.nll:.3f}  {at.tokens_per_second:,.0f} tokens/s"
            if at.stage == "costs":
                title = "what words would cost elsewhere"
            bar.update(task, description=title, completed=at.done, total=1.0)

        yield show


def print_result(result: TrainResult) -> None:
    """Print the epochs of a training, and what it came to."""
    rows = [
        (
            f"{entry['epoch']}",
            f"{entry['tokens']:,}",
            f"{entry['train_nll']:.4f}",
            f"{entry['valid_perplexity']:.2f}" if "valid_perplexity" in entry else "–",
        )
        for entry in result.epochs
    ]
    print_table(["epoch", "tokens", "training loss, nats", "validation perplexity"], rows)
    last = result.epochs[-1]
    if "log_z" in last:
        click.echo(
            f"\nNCE took log Z to be {last['log_z']:.3f}; "
            f"on the validation text it is {last['mean_log_normaliser']:.3f} in the mean"
        )
    click.echo(
        f"\n{result.tokens_per_second:,.0f} tokens/s; {result.n_parameters:,} parameters, "
        f"{result.n_output_parameters:,} of them in the output layer; "
        f"{percent(result.unknown_share)} of the text unknown"
    )
    click.echo(f"written to {printable(str(result.run))}")
