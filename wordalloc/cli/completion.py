"""``wordalloc completion``: what a shell runs so that the Tab key completes commands, options, choices and files."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from wordalloc.cli.choices import NearestChoice

COMPLETE_VARIABLE = "_WORDALLOC_COMPLETE"  # by which the shell asks this program what may come next


@click.command()
@click.argument("shell", type=NearestChoice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes wordalloc's commands, options, choices and files in a shell.

    Each of these is done once, and holds in every shell that is started from then on.

    \b
    Examples:
      bash:  echo 'eval "$(wordalloc completion bash)"' >> ~/.bashrc
      zsh:   echo 'eval "$(wordalloc completion zsh)"' >> ~/.zshrc      (below the line of compinit)
      fish:  wordalloc completion fish > ~/.config/fish/completions/wordalloc.fish
    """
    made = get_completion_class(shell)
    assert made is not None  # click knows all three
    click.echo(made(ctx.find_root().command, {}, "wordalloc", COMPLETE_VARIABLE).source())
