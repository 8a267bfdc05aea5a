"""``wordalloc calibrate``: how long this device takes for a softmax's products, as a profile for the other commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wordalloc.cli.choices import NearestChoice
from wordalloc.cli.progress import progress_bar
from wordalloc.cli.render import echo_written, emit_json, json_option, milliseconds, output_option, percent, print_table
from wordalloc.errors import InputError

if TYPE_CHECKING:
    from wordalloc.algorithms.cost_fit import MeasuredStep
    from wordalloc.algorithms.cost_model import CostModel
    from wordalloc.pipelines.calibrate import Calibration


@click.command()
@click.option("--device", type=NearestChoice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True)
@click.option("--dtype", type=NearestChoice(["float32", "bfloat16"]), default="float32", show_default=True)
@click.option("--dim", type=click.IntRange(min=1), default=512, show_default=True, help="Width d of the hidden state.")
@click.option("--seconds", type=click.FloatRange(min=1), help="Measure no longer than this.  [default: 45]")
@output_option("default: ./profile.json")
@json_option
def calibrate(device: str, dtype: str, dim: int, seconds: float | None, output: str | None, as_json: bool) -> None:
    """Measure this device, and fit the cost model by which `wordalloc cutoffs --profile` chooses.

    Training steps (loss, gradients and AdamW) of many layers are timed: products of B tokens by k words at the
    widths that an adaptive softmax has, with the softmax after them. Nothing else should run meanwhile.

    \b
    Example:
      wordalloc calibrate --dim 256 -o profile.json
      wordalloc cutoffs corpus.txt --profile profile.json --dim 256 --batch 1120
    """
    from wordalloc.files import write_text
    from wordalloc.pipelines import calibrate as pipeline

    target = Path(output or "profile.json")
    if not target.parent.is_dir():  # said now, not after a minute of measuring
        raise InputError(f"cannot write {target}: there is no folder {target.parent}")
    with progress_bar("measuring") as progress:
        found = pipeline.calibrate(
            device=device, dtype=dtype, dim=dim, seconds=seconds or pipeline.SECONDS, progress=progress
        )
    content = found.to_json()
    write_text(target, json.dumps(content, indent=1) + "\n")
    if as_json:
        emit_json({**content, "output": str(target)})
        return
    _print(found)
    echo_written(target)


def _print(found: Calibration) -> None:
    from wordalloc.pipelines.calibrate import ENOUGH, POOR

    steps = len(found.fitted) + len(found.held_out)
    click.echo(f"{found.model.name}: {steps} training steps measured, {len(found.fitted)} of them fitted\n")
    _print_numbers(found.model)
    click.echo("\nPredicted against measured, of steps that were not fitted:\n")
    print_table(
        ["layer", "steps", "median error", "greatest", "where", "predicted", "measured"],
        [
            (
                name,
                f"{error.steps}",
                percent(error.median),
                percent(error.greatest),
                _shown(error.worst),
                milliseconds(error.predicted),
                milliseconds(error.worst.seconds),
            )
            for name, error in found.by_kind()
        ],
        text=["where"],
    )
    error = found.error
    click.echo(f"\nOf all {error.steps}: {percent(error.median)} (median), {percent(error.greatest)} at most.")
    if found.unmeasured:
        click.echo(f"\nThe time was up before {found.unmeasured} more steps: --seconds gives it more.")
    poor = [name for name, error in found.by_kind() if error.median > POOR and error.steps >= ENOUGH]
    if poor:
        click.echo(
            f"\nThe fit is poor for {', '.join(poor)}: half of the predictions are off by more than {percent(POOR)}.\n"
            "Run it again with nothing beside it; check what it leads to with wordalloc cutoffs --verify."
        )


def _print_numbers(model: CostModel) -> None:
    print_table(
        ["cost", "value", "of"],
        [
            ("overhead", f"{1e6 * model.overhead:.3g} µs", "every product"),
            ("multiply-add", f"{1e12 * model.multiply_add:.3g} ps", "each of a product, with its backward pass"),
            ("softmax", f"{1e9 * model.softmax:.3g} ns", "each logit"),
            ("saturation", f"{model.saturation:,.0f}", "outputs, below which a product takes no less time"),
            ("weight", f"{1e9 * model.weight:.3g} ns", "each weight: its gradient and AdamW's state"),
        ],
        text=["of"],
    )


def _shown(step: MeasuredStep) -> str:
    tokens, words = f"B = {step.shape.batch:,}", f"k = {step.sizes[-1]:,}"
    if len(step.sizes) == 1:
        return f"{tokens}, {words}"
    return f"{tokens}, {percent(step.masses[-1])} of them in {words} at width {step.shape.width(1)}"
