"""``wordalloc report``: one page about files, runs and comparisons."""

from __future__ import annotations

from pathlib import Path

import click

from wordalloc.checks import printable
from wordalloc.cli.progress import progress_bar
from wordalloc.cli.render import echo_written, emit_json, json_option
from wordalloc.cli.sources import Source
from wordalloc.errors import InputError


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(), metavar="FILE|FOLDER...")
@click.option(
    "-o", "--output", type=click.Path(), default="report.html", show_default=True, metavar="FILE", help="The page."
)
@json_option
def report(paths: tuple[str, ...], output: str, as_json: bool) -> None:
    """Show files, runs and comparisons on one HTML page.

    The page opens from disk and asks the network for nothing. Of each file it shows what is in it: counts over ranks
    with the law fitted to them and the bands of cutoffs, what cutoffs can reach, classes, a tree to walk through, a
    table as a heat map; of run directories their curves, of a comparison's folder its table and pictures. One search
    finds a word in all of them. Needs the extra: pip install 'wordalloc[report]'.

    \b
    Examples:
      wordalloc report corpus.cutoffs.safetensors corpus.tree.safetensors
      wordalloc report table.safetensors wordalloc-run wordalloc-compare -o everything.html
    """
    from wordalloc.pipelines.report import report as write_report

    check_output(output, paths)
    with progress_bar("reading") as progress:
        found = write_report(paths, output, progress=progress)
    if as_json:
        emit_json({**found, "output": output})
        return
    click.echo(f"{found['bytes'] / 1e6:.1f} MB: " + ", ".join(map(printable, found["sections"])))
    echo_written(output)


def check_output(output: str, paths: tuple[str, ...]) -> None:
    """Refuse a page that would replace what it shows: a file, or what a run or a comparison keeps in its folder."""
    if output == "-":
        raise InputError("a page is a file, not for standard output: name it with -o")
    given = [Path(path).absolute() for path in paths]
    target = Source(tuple(map(str, given)), {}).output(output, "report", "html").resolve()
    if target.exists() and target.suffix != ".html":  # an earlier page is in the way of nothing
        for folder in given:
            if folder.is_dir() and target.is_relative_to(folder.resolve()):
                raise InputError(f"the page would replace {output}, a file of {folder.name}; name another file with -o")
