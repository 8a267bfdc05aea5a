"""The command line: parse, one call, render. The work itself is done by the packages below."""

from __future__ import annotations

import atexit
import io
import os
import sys
import time
from collections.abc import Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:  # without the module typing: what is loaded before `main` cannot answer a Ctrl-C
    from typing import NoReturn

_LONGEST = 1500  # characters of a message


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit status.

    0: done. 2: the input or the target could not be used, or it was interrupted. 1: it failed while running.
    Whatever happens, the user reads one line, not a traceback; ``WORDALLOC_DEBUG=1`` shows the traceback.
    """
    try:
        from wordalloc.interrupts import heard_once

        with heard_once():
            status = _answered(arguments)
    except KeyboardInterrupt:
        _interrupted()
    if arguments is None and "torch" in sys.modules:
        # Not sys.exit: a thread of torch's that is still there when Python takes itself down can abort the process
        # after its work is done, and torchrun would begin it anew.
        _end(status)
    sys.exit(status)


def _answered(arguments: Sequence[str] | None) -> int:
    """Run the command line and return the exit status; an interruption ends the process here."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed: nobody reads it
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        # A word that the terminal's encoding lacks is escaped, not an error.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        status = 0  # the reader of our output (head, less) has left: nothing is wrong, and nobody is there
        _drop_stdout()
    except OSError as error:
        status = _report(f"standard output, or a temporary file, cannot be written: {error.strerror or error}", 2)
        _drop_stdout()
    except KeyboardInterrupt:
        _interrupted()
    return status


def _interrupted() -> NoReturn:
    """End the process, interrupted; from here on another signal is not heard.

    Nothing compiled is imported: the interruption may have fallen into the first import of the same library.
    """
    import signal

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    print("wordalloc: interrupted: nothing half-written was left behind", file=sys.stderr, flush=True)
    # Not sys.exit: where the interruption fell into a library's own start, Python remembers it as unhandled
    # and would end by the signal after all.
    _end(2)


def _end(status: int) -> NoReturn:
    """End the process without taking Python down piece by piece."""
    import contextlib

    atexit._run_exitfuncs()  # what is temporary is put away
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _run(arguments: Sequence[str] | None) -> int:
    import click

    from wordalloc.cli.commands import commands
    from wordalloc.cli.completion import COMPLETE_VARIABLE
    from wordalloc.errors import ToldElsewhere, WordallocError
    from wordalloc.launched import GRACE, is_one_of_several

    if asked := os.environ.get(COMPLETE_VARIABLE):
        from click.shell_completion import shell_complete

        return shell_complete(commands, {}, "wordalloc", COMPLETE_VARIABLE, asked)
    try:
        # Not commands.main(), which answers interruptions and closed pipes in its own words.
        with commands.make_context("wordalloc", list(sys.argv[1:] if arguments is None else arguments)) as context:
            commands.invoke(context)
        return 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.Abort as error:
        raise KeyboardInterrupt from error
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        return 0
    except ToldElsewhere as error:
        return error.exit_status
    except click.UsageError as error:
        if is_one_of_several() and os.environ["RANK"] != "0":
            time.sleep(GRACE)
            return 2  # every process of torchrun reads the same command line; the first one says it
        hint = f" (see: {error.ctx.command_path} --help)" if error.ctx else ""
        return _report(f"{error.format_message()}{hint}", 2)
    except (click.ClickException, WordallocError) as error:
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        return _report(message, error.exit_status if isinstance(error, WordallocError) else 2, error)
    except BrokenPipeError:
        raise
    except MemoryError as error:
        return _report("out of memory: limit the vocabulary (--max-size) or the work (--memory-limit)", 1, error)
    except OSError as error:
        if error.filename is None:
            raise
        from wordalloc.files import unreadable

        return _report(f"{error.filename}: {unreadable(str(error.filename), error)}", 2, error)
    except Exception as error:
        kind = type(error).__name__
        return _report(f"internal error: {kind}: {error}; WORDALLOC_DEBUG=1 shows where; please report it", 1, error)


def _drop_stdout() -> None:
    """Send what is still buffered nowhere, or the interpreter would complain about it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(message: str, status: int, error: BaseException | None = None) -> int:
    if error is not None and os.environ.get("WORDALLOC_DEBUG"):
        raise error
    from wordalloc.checks import printable

    # The message may quote a file's name or its content: neither steers the terminal, or fills it.
    line = printable(" ".join(message.split()))
    if len(line) > _LONGEST:
        line = f"{line[: _LONGEST - 300]} … {line[-300:]}"
    print(f"wordalloc: {line}", file=sys.stderr)
    return status
