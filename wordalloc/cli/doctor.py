"""``wordalloc doctor``: what is installed, what this machine gives, and what is wrong."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import click

from wordalloc.checks import printable
from wordalloc.cli.render import PIPE_WIDTH, emit_json, json_option, print_table, short

if TYPE_CHECKING:
    from wordalloc.pipelines.doctor import Diagnosis


@click.command()
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Examine the installation and this machine, and say what is wrong and what to do.

    Packages, what each extra would add, devices, threads, memory, the cache and the places that are written to. Exit
    status 1 where something essential is broken: a package that every command needs, or a cache that cannot be written.

    \b
    Example:
      wordalloc doctor
    """
    from wordalloc.pipelines.doctor import examine

    found = examine()
    if as_json:
        emit_json(found.to_json())
    else:
        print_diagnosis(found)
    ctx.exit(0 if found.healthy else 1)


def print_diagnosis(found: Diagnosis) -> None:
    """Print what is there, and last what is wrong."""
    click.echo(f"wordalloc {found.wordalloc or '(not installed)'}, Python {found.python}, {found.system}\n")
    print_table(
        ["package", "version", "needed"],
        [(package.name, package.version or "missing", package.wanted or "any") for package in found.packages],
    )
    click.echo()
    print_table(
        ["extra", "packages", "what it adds"],
        [
            (
                extra.name,
                ", ".join(f"{package.name} {package.version or 'missing'}" for package in extra.packages),
                extra.adds,
            )
            for extra in found.extras
        ],
        text=["packages", "what it adds"],
    )
    if missing := [extra for extra in found.extras if not extra.fits]:
        click.echo("\nTo add what is missing:")
        for extra in missing:
            click.echo(f"  {extra.command}")
    click.echo()
    for name, value in _facts(found):
        click.echo(_hanging(f"{name + ':':<16} ", printable(value)))
    click.echo()
    for finding in sorted(found.findings, key=lambda finding: not finding.essential):
        kind = "broken" if finding.essential else "warning"
        click.echo(_hanging(f"{kind + ':':<16} ", printable(f"{finding.what}; {finding.remedy}")))
    if not found.findings:
        click.echo("Nothing is wrong.")


def _facts(found: Diagnosis) -> list[tuple[str, str]]:
    devices, cache = found.devices, found.cache
    limit = "" if devices.core_limit is None else f", {devices.core_limit:g} cores' worth of time"
    there = ", ".join(devices.cards) or "no NVIDIA card"
    built = "no torch" if devices.torch is None else f"torch for {devices.torch}, using {_listed(devices.usable)}"
    since = f", from {cache.oldest} to {cache.newest}" if cache.oldest else ""
    private = "private" if not cache.not_private else "not private"
    access = "can be written" if cache.writable else "cannot be written"
    memory = "unknown" if found.memory is None else f"{short(found.memory)}B"
    free = "" if found.memory_free is None else f", {short(found.memory_free)}B of it free"
    return [
        ("processor", f"{devices.processor}, {devices.usable_cores} of {devices.cores} cores usable{limit}"),
        ("devices", f"{there}; {built}"),
        (
            "threads",
            ", ".join(f"{name}={value}" for name, value in found.threads.items() if value) or "as many as cores",
        ),
        ("memory", memory + free),
        ("cache", f"{cache.path}: {short(cache.bytes)}B in {cache.files:,} files{since}; {private}, {access}"),
        *((place.use, f"{place.path}: {_room(place.free)}") for place in found.places if place.use != "cache"),
        ("Java", found.java or "none"),
    ]


def _listed(usable: list[str]) -> str:
    return ", ".join(usable) or "the CPU"


def _room(free: int | None) -> str:
    return "room unknown" if free is None else f"{short(free)}B free"


def _hanging(begin: str, text: str) -> str:
    """Return a line, broken where the terminal ends; what follows stands below the text."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH
    indent = " " * len(begin)
    return textwrap.fill(text, max(40, width), initial_indent=begin, subsequent_indent=indent, break_on_hyphens=False)
