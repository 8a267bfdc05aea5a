"""The options of a model and its training: the same on every command that trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from wordalloc.cli.choices import NearestChoice

_positive = click.IntRange(min=1)
device_option = click.option(
    "--device", type=NearestChoice(["auto", "cpu", "cuda", "mps"]), default="auto", help="Where to compute."
)

# Defaults are those of TrainConfig, which a test compares.
CELL_OPTIONS = (
    click.option("--cell", type=NearestChoice(["lstm", "gru", "rnn"]), default="lstm", help="The recurrent cell."),
    click.option("--width", type=_positive, default=256, help="Width of embeddings and hidden states."),
    click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), default=0.0, help="Share of units dropped."),
)
MODEL_OPTIONS = (
    *CELL_OPTIONS,
    click.option("--layers", type=_positive, default=1, help="Recurrent layers."),
    click.option(
        "--input",
        type=NearestChoice(["auto", "full", "adaptive", "classes", "table"]),
        default="auto",
        help="The input embedding.",
    ),
    click.option(
        "--own-words",
        type=click.IntRange(min=0),
        help="Frequent words with an input vector of their own (default: 12 a class or row).",
    ),
    click.option("--bias/--no-bias", default=True, help="Biases of scores, which begin at the unigram distribution."),
    click.option("--tie/--no-tie", default=False, help="Share the word vectors of input and output."),
)
NOISE_OPTIONS = (
    click.option("--samples", type=_positive, default=1024, help="Words drawn for a step, or for a token."),
    click.option(
        "--noise",
        type=NearestChoice(["unigram", "log-uniform", "uniform"]),
        default="unigram",
        help="What they are drawn from.",
    ),
    click.option(
        "--noise-power", type=click.FloatRange(min=0), default=0.75, help="Unigram noise: power of the counts."
    ),
    click.option(
        "--negatives", type=NearestChoice(["shared", "per-token"]), default="shared", help="Drawn for all, or for each."
    ),
    click.option("--normaliser", type=NearestChoice(["fixed", "learnt"]), default="fixed", help="NCE: what log Z is."),
    click.option(
        "--effective-samples", type=_positive, help="Importance: draw on until the samples are worth so many."
    ),
)
LOSS_OPTIONS = (
    click.option(
        "--recurrence",
        type=NearestChoice(["plain", "classes"]),
        default="plain",
        help="With classes: the class of the word read scales the state.",
    ),
    click.option(
        "--loss",
        type=NearestChoice(["softmax", "importance", "sampled-softmax", "nce", "blackout", "negative"]),
        default="softmax",
        help="What trains a full softmax: all words, or some that are drawn.",
    ),
    *NOISE_OPTIONS,
)
BATCH_OPTIONS = (
    click.option("--batch", type=_positive, default=32, help="Sequences in a step, of all processes."),
    click.option("--bptt", type=_positive, default=35, help="Tokens of each sequence in a step."),
    click.option("--by-sentence", is_flag=True, help="Lines are sequences of their own, from a zero state."),
    click.option("--accumulate", type=_positive, default=1, help="Compute each step in so many parts."),
    click.option("--amp/--no-amp", default=True, help="bfloat16 autocast on CUDA."),
    click.option("--compile/--no-compile", default=False, help="Have torch.compile translate the model."),
)
STEP_OPTIONS = (
    *BATCH_OPTIONS,
    click.option("--optimizer", type=NearestChoice(["adamw", "sgd"]), default="adamw", help="The optimiser."),
    click.option("--learning-rate", type=float, help="Default: by optimiser and output layer."),
    click.option(
        "--schedule", type=NearestChoice(["linear", "cosine", "constant"]), default="linear", help="How the rate falls."
    ),
    click.option("--warmup", type=click.IntRange(min=0), default=50, help="Steps over which the rate rises."),
    click.option("--clip", type=click.FloatRange(min=0), default=1.0, help="Largest norm of the gradient; 0: none."),
)
BUDGET_OPTIONS = (
    click.option("--epochs", type=_positive, default=1, help="Passes over the text."),
    click.option("--max-tokens", type=_positive, help="Stop after so many tokens."),
    click.option("--max-seconds", type=float, help="Stop after so many seconds of training."),
    click.option("--patience", type=_positive, help="Stop after so many epochs without gain."),
    click.option(
        "--validations",
        type=click.IntRange(min=0),
        default=0,
        help="Perplexities of a part of the text on the way.",
    ),
    click.option("--seed", type=click.IntRange(min=0), default=0, help="Of weights, dropout, order and draws."),
    click.option("--checkpoint-seconds", type=click.FloatRange(min=0), default=60.0, help="Time between checkpoints."),
)


def with_options(*groups: tuple[Any, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that gives a command these options."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return add
