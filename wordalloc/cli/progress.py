"""Progress with an ETA on stderr, shown only for work that takes longer than a moment."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

DELAY = 0.7  # seconds; work that ends sooner shows no bar


@contextlib.contextmanager
def progress_bar(title: str, unit: str = "") -> Iterator[Callable[[int, int], None]]:
    """Yield ``progress(done, total)``; total 0 means unknown. Unit "B" shows bytes.

    On anything but a terminal nothing is drawn, so logs stay clean.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    amount = DownloadColumn() if unit == "B" else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
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
