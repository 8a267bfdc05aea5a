"""``wordalloc demo``: everything once, on text found on this machine."""

from __future__ import annotations

import click

from wordalloc.checks import printable
from wordalloc.cli.counting import counted
from wordalloc.cli.render import emit_json, json_option, print_table
from wordalloc.cli.training import training_bar
from wordalloc.interrupts import deferred_interrupts


@click.command()
@click.option(
    "-o", "--output", type=click.Path(), default="wordalloc-demo", show_default=True, help="The folder to work in."
)
@json_option
def demo(output: str, as_json: bool) -> None:
    """Do the main job once, in under three minutes, on text that comes with Python.

    \b
    Example:
      wordalloc demo
    """
    with deferred_interrupts():
        from wordalloc.pipelines.demo import run_demo

    with training_bar() as progress:
        result = run_demo(output, stage=lambda title: click.echo(f"{title} …", err=True), progress=progress)
    runs = result.runs
    if as_json:
        emit_json(
            {
                "vocab_size": result.vocabulary.size,
                "tokens": result.vocabulary.total,
                "cutoffs": result.cutoffs.cutoffs.tolist(),
                "ami_bits": result.classes.parameters["objective"],
                "layers": {
                    name: {
                        "perplexity": run.best_perplexity,
                        "tokens_per_second": run.tokens_per_second,
                        "output_parameters": run.n_output_parameters,
                    }
                    for name, run in runs.items()
                },
                "reallocation": {**result.reallocated.told(), "moved": result.reallocated.moved},
                "output": str(result.folder),
            }
        )
        return
    click.echo(f"\nThe documentation of this Python: {counted(result.vocabulary)}")
    click.echo(f"Adaptive-softmax cutoffs (exact optimum): {', '.join(map(str, result.cutoffs.cutoffs.tolist()))}")
    ami = result.classes.parameters["objective"]
    click.echo(f"{result.classes.n_classes} classes by exchange: average mutual information {ami:.3f} bits\n")
    full = runs["full"]
    print_table(
        ["output layer", "perplexity", "tokens/s", "speed-up", "parameters", "run directory"],
        [
            (
                name,
                f"{run.best_perplexity:.1f}",
                f"{run.tokens_per_second:,.0f}",
                f"{run.tokens_per_second / full.tokens_per_second:.1f} ×",
                f"{run.n_output_parameters:,}",
                str(run.run),
            )
            for name, run in runs.items()
        ],
        text=["run directory"],
    )
    table, best = result.reallocated.table, result.reallocated
    click.echo(
        f"\nThe LightRNN's table of {table.n_rows} × {table.n_columns} cells, reallocated in {best.seconds:.1f} s: "
        f"{best.objective_before:,.0f} → {best.objective:,.0f} nats,\n"
        f"proven to be within {best.gap:.1g} of the best table for its costs"
    )
    click.echo(f"\nEverything lies in {printable(str(result.folder))}/. Next: wordalloc cutoffs YOUR-TEXT")
