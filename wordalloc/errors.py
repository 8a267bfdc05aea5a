"""The errors a user can cause or meet: one clear sentence each, never a traceback on the command line."""


class WordallocError(Exception):
    """Base of every error this package raises on purpose.

    The message is one line: what is wrong, where, and what to do about it. The command line prints it
    on stderr and ends with ``exit_status``.
    """

    exit_status = 2

    def __str__(self) -> str:
        """Return the message on one line, also where a file name or a library's message it quotes has several."""
        return " ".join(super().__str__().splitlines())


class InputError(WordallocError, ValueError):
    """An argument, a text or a file that cannot be used as it was given."""


class FormatError(InputError):
    """A file that is damaged, foreign, or of another kind than was asked for."""


class OutputError(WordallocError, OSError):
    """A result that could not be written: a full disk, a read-only target, a missing folder."""


class RunError(WordallocError, RuntimeError):
    """Sound input, but the work failed while it ran."""

    exit_status = 1


class ToldElsewhere(WordallocError):
    """A failure of several processes at once, of which another one says what it was: this one ends in silence.

    Parameters
    ----------
    exit_status : int
        Of this process.
    """

    def __init__(self, exit_status: int) -> None:
        super().__init__("another process of this training failed, too, and says why")
        self.exit_status = exit_status
