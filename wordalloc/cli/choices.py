"""A name that a user picks from a list: a wrong one is answered with the nearest."""

from __future__ import annotations

import click

from wordalloc.checks import nearest


class NearestChoice(click.Choice[str]):
    """A choice that names the nearest one where there is none of that name."""

    def get_invalid_choice_message(self, value: str, ctx: click.Context | None) -> str:
        return f"{value!r} is not known; {nearest(value, list(self.choices))}"
