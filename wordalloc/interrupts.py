"""Keeping Ctrl-C out of moments that cannot bear it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Hold back a Ctrl-C until the block is over.

    For the first import of libraries whose compiled part ends the whole process, with a traceback of its own, when
    an interruption falls into it. Outside the main thread, where no interruption arrives, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: arrived.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if arrived:
        raise KeyboardInterrupt
