"""``wordalloc train`` and ``wordalloc evaluate``: a language model with the layer an allocation asks for."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from wordalloc.cli.progress import progress_bar
from wordalloc.cli.render import emit_json, json_option, percent, print_table
from wordalloc.cli.sources import TEXT_OPTIONS
from wordalloc.interrupts import deferred_interrupts

if TYPE_CHECKING:
    from wordalloc.training import TrainProgress, TrainResult

_positive = click.IntRange(min=1)
device_option = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", help="Where to compute."
)

# Name, type, default, help. Defaults are those of TrainConfig, which a test compares.
MODEL_OPTIONS = (
    click.option("--cell", type=click.Choice(["lstm", "gru", "rnn"]), default="lstm", help="The recurrent cell."),
    click.option("--width", type=_positive, default=256, help="Width of embeddings and hidden states."),
    click.option("--layers", type=_positive, default=1, help="Recurrent layers."),
    click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), default=0.0, help="Share of units dropped."),
    click.option(
        "--input", type=click.Choice(["auto", "full", "adaptive", "table"]), default="auto", help="The input embedding."
    ),
    click.option("--tie/--no-tie", default=False, help="Share the word vectors of input and output."),
)
STEP_OPTIONS = (
    click.option("--batch", type=_positive, default=32, help="Sequences in a step."),
    click.option("--bptt", type=_positive, default=35, help="Tokens of each sequence in a step."),
    click.option("--by-sentence", is_flag=True, help="Lines are sequences of their own, from a zero state."),
    click.option("--accumulate", type=_positive, default=1, help="Compute each step in so many parts."),
    click.option("--optimizer", type=click.Choice(["adamw", "sgd"]), default="adamw", help="The optimiser."),
    click.option("--learning-rate", type=float, help="Default: by optimiser and output layer."),
    click.option(
        "--schedule", type=click.Choice(["linear", "cosine", "constant"]), default="linear", help="How the rate falls."
    ),
    click.option("--warmup", type=click.IntRange(min=0), default=50, help="Steps over which the rate rises."),
    click.option("--clip", type=click.FloatRange(min=0), default=1.0, help="Largest norm of the gradient; 0: none."),
    click.option("--amp/--no-amp", default=True, help="bfloat16 autocast on CUDA."),
)
BUDGET_OPTIONS = (
    click.option("--epochs", type=_positive, default=1, help="Passes over the text."),
    click.option("--max-tokens", type=_positive, help="Stop after so many tokens."),
    click.option("--patience", type=_positive, help="Stop after so many epochs without gain."),
    click.option("--seed", type=click.IntRange(min=0), default=0, help="Of weights, dropout and order."),
    click.option("--checkpoint-seconds", type=click.FloatRange(min=0), default=60.0, help="Time between checkpoints."),
)


def with_options(*groups: tuple[Any, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that gives a command these options."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return add


@click.command(context_settings={"show_default": True})
@click.argument("paths", nargs=-1, required=True, metavar="TEXT...")
@click.option("--valid", multiple=True, metavar="TEXT", help="Validation text; may be given again.")
@click.option("--allocation", type=click.Path(), metavar="FILE", help="Picks the output layer (default: full softmax).")
@click.option("--run", type=click.Path(), default="wordalloc-run", help="The run directory.")
@click.option("--resume", is_flag=True, help="Continue the run in the run directory.")
@click.option("--costs", is_flag=True, help="With a table: take what words would cost elsewhere, for lightrnn-realloc.")
@click.option(
    "--table-model", type=click.Choice(["softmax", "lightrnn"]), default="softmax", help="What a table asks for."
)
@with_options(MODEL_OPTIONS, STEP_OPTIONS, BUDGET_OPTIONS)
@device_option
@with_options(TEXT_OPTIONS)
@json_option
def train(
    paths: tuple[str, ...],
    valid: tuple[str, ...],
    allocation: str | None,
    run: str,
    resume: bool,
    costs: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a word-level language model with the output layer that an allocation asks for.

    The text options are for counting a vocabulary where no allocation is given; an allocation brings its own.

    \b
    Example:
      wordalloc train corpus.txt --allocation corpus.cutoffs.safetensors --valid valid.txt
    """
    with deferred_interrupts():
        from wordalloc.training import TrainConfig
        from wordalloc.training import train as run_training

    names = ("lowercase", "max_size", "min_count", "unk", "eos", "errors", "memory_limit")
    text_options = {name: options.pop(name) for name in names}
    with training_bar() as progress:
        result = run_training(
            paths,
            valid=valid or None,
            allocation=allocation,
            run=run,
            config=TrainConfig(**options),
            resume=resume,
            costs=costs,
            progress=progress,
            **text_options,
        )
    if as_json:
        emit_json({**asdict(result), "run": str(result.run)})
    else:
        print_result(result)


@click.command()
@click.argument("run", type=click.Path())
@click.argument("paths", nargs=-1, required=True, metavar="TEXT...")
@device_option
@json_option
def evaluate(run: str, paths: tuple[str, ...], device: str, as_json: bool) -> None:
    """Print the perplexity of a run's best weights on a text.

    \b
    Example:
      wordalloc evaluate wordalloc-run test.txt
    """
    with deferred_interrupts():
        from wordalloc.training import evaluate as run_evaluation

    with progress_bar("evaluating") as progress:
        result = run_evaluation(run, paths, device=device, progress=progress)
    if as_json:
        emit_json(asdict(result))
        return
    click.echo(
        f"perplexity {result.perplexity:.2f} ({result.nll:.4f} nats a token) on {result.tokens:,} tokens, "
        f"{percent(result.unknown_share)} of them unknown"
    )


@contextlib.contextmanager
def training_bar() -> Iterator[Callable[[TrainProgress], None]]:
    """Yield a callable that shows a training's progress on stderr: a bar on a terminal, else nothing."""
    if not sys.stderr.isatty():
        yield lambda at: None
        return

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("training", total=None)

        def show(at: TrainProgress) -> None:
            title = f"epoch {at.epoch}  loss {at.nll:.3f}  {at.tokens_per_second:,.0f} tokens/s"
            if at.stage == "costs":
                title = "what words would cost elsewhere"
            bar.update(task, description=title, completed=at.tokens, total=at.total_tokens)

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
    click.echo(
        f"\n{result.tokens_per_second:,.0f} tokens/s; {result.n_parameters:,} parameters, "
        f"{result.n_output_parameters:,} of them in the output layer; "
        f"{percent(result.unknown_share)} of the text unknown"
    )
    click.echo(f"written to {result.run}")
