"""What a user may type where: a wrong name is answered with the nearest, and the shell completes a right one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from wordalloc.checks import did_you_mean, nearest

# Only newer versions of click know the type of what is chosen at run time, too.
if TYPE_CHECKING:
    _Choice = click.Choice[str]
else:
    _Choice = click.Choice


class NearestChoice(_Choice):
    """A choice that names the nearest one where there is none of that name."""

    def get_invalid_choice_message(self, value: str, ctx: click.Context | None) -> str:
        return f"{value!r} is not known; {nearest(value, list(self.choices))}"


class NearestCommand(click.Group):
    """A group whose commands stand in the order in which they were added, and that names the nearest one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and not args[0].startswith("-") and not ctx.resilient_parsing:
            hint = did_you_mean(args[0], list(self.commands))
            ctx.fail(f"there is no command {args[0]!r}{hint and f'; {hint}'}")
        return super().resolve_command(ctx, args)


class SourceName(click.ParamType):
    """A file's name, a pattern, a URL or - for standard input: taken as it is, and completed as a file."""

    name = "source"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="file")]


class NamesWithCommas(click.ParamType):
    """Some of the names, with commas between them: taken as they are, and the last one completed."""

    name = "names"

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        taken = before.split(",")
        return [
            CompletionItem(f"{before}{comma}{name}")
            for name in self.names
            if name.startswith(last) and name not in taken
        ]
