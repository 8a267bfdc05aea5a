"""Dividing a text into one to train on and one to hold out: every n-th line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from wordalloc.corpus.kinds import texts
from wordalloc.corpus.reading import Input, Paths, open_inputs, read_lines
from wordalloc.errors import InputError
from wordalloc.files import atomic_path

EVERY = 20  # lines: one in so many is held out
MOST_BYTES = 600_000  # held out, about; what is read again and again need not be longer


def hold_out(
    paths: Paths,
    train: Path,
    valid: Path,
    *,
    errors: str = "strict",
    column: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a text as two, line by line.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        The text; several files are read as one.
    train, valid : Path
        Where to write. One line in 20 is held out, fewer of a long text.
    errors : {"strict", "replace"}
        Bytes that are not UTF-8: an error, or U+FFFD.
    column : str, optional
        As in `wordalloc.count`.
    progress : callable, optional
        Called as ``progress(bytes done, bytes in all)``.

    Raises
    ------
    InputError
        If the text has fewer than 20 lines, or cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder = Path(name)
    ...     _ = (folder / "text").write_text("".join(f"line {n}\\n" for n in range(1, 41)))
    ...     hold_out(folder / "text", folder / "train", folder / "valid")
    ...     (folder / "valid").read_text().splitlines()
    ['line 20', 'line 40']
    """
    with open_inputs(paths) as found:
        files = texts(found, column)
        size = sum(file.size for file in files)
        every = max(EVERY, -(-size // MOST_BYTES))
        number = 0
        with (
            atomic_path(train) as train_copy,
            atomic_path(valid) as valid_copy,
            train_copy.open("w", encoding="utf-8", newline="") as kept,
            valid_copy.open("w", encoding="utf-8", newline="") as held,
        ):
            for number, line in enumerate(_lines(files, errors, size, progress), 1):
                (held if number % every == 0 else kept).write(line)
            if number < every:
                raise InputError(
                    f"the text has {number} lines, too few to hold one in {every} out; name a validation text (--valid)"
                )


def _lines(files: list[Input], errors: str, size: int, progress: Callable[[int, int], None] | None) -> Iterator[str]:
    """Yield the lines of all files, each with its line feed."""
    before = 0
    for file in files:
        for lines, position in read_lines(file, errors, keep_separators=True):
            yield from (line + "\n" for line in lines)
            if progress is not None:
                progress(before + position, size)
        before += file.size
