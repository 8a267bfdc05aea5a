"""Progress with an ETA on stderr, shown only for work that takes longer than a moment."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

DELAY = 0.7  # seconds; work that ends sooner shows no bar
_BESIDE = 22  # columns for what stands beside the title: an amount, a time, and something of a bar


@contextlib.contextmanager
def progress_bar(title: str, unit: str = "") -> Iterator[Callable[[int, int], None]]:
    """Yield ``progress(done, total)``; total 0 means unknown. Unit "B" shows bytes.

    On anything but a terminal nothing is drawn, so logs stay clean.
    """
    if not is_drawn():
        yield lambda done, total: None
        return

    from rich.progress import DownloadColumn, MofNCompleteColumn

    bar = make_bar(DownloadColumn() if unit == "B" else MofNCompleteColumn())
    task = bar.add_task(title, total=None)
    begin = time.monotonic()
    shown = False

    def progress(done: int, total: int) -> None:
        nonlocal shown
        if not shown and time.monotonic() - begin > DELAY:
            bar.start()
            shown = True
        bar.update(task, completed=done, total=total or None)

    try:
        yield progress
    finally:
        if shown:
            bar.stop()


def is_drawn() -> bool:
    """Tell whether stderr is a terminal on which a line can be drawn anew."""
    return sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def make_bar(amount: ProgressColumn | None = None) -> Progress:
    """Return a line of a title, a bar, how much is done (by default in per cent) and the time that remains.

    Where it is narrow, the bar is short, and the title cut off: what remains can be read on 40 columns.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column

    console = Console(stderr=True)
    column = Column(no_wrap=True, overflow="ellipsis", max_width=max(8, console.width - _BESIDE))
    # No markup: the name of a file is part of some titles.
    title = TextColumn("{task.description}", markup=False, table_column=column)
    amount = amount or TaskProgressColumn()
    return Progress(title, BarColumn(), amount, TimeRemainingColumn(), console=console, transient=True)
