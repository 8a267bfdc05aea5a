"""Being told to stop, by Ctrl-C or by ``kill``: heard once, and not in moments that cannot bear it."""

from __future__ import annotations

import atexit
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

_DEFAULTS: dict[signal.Signals, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


@contextlib.contextmanager
def heard_once() -> Iterator[None]:
    """Let SIGTERM interrupt as Ctrl-C does, and not hear another while the first is still being answered.

    Otherwise the second of an impatient user breaks off what the first one made the program put away. When the process
    ends they are heard no more: its work is done. A signal that whoever started the process has turned off stays off.
    Outside the main thread, where no signal arrives, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = [number for number, default in _DEFAULTS.items() if signal.getsignal(number) == default]
    for number in heard:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        if heard:
            atexit.unregister(_hear_no_more)
            atexit.register(_hear_no_more)  # the last to be registered is the first to be called
        for number in heard:
            signal.signal(number, _DEFAULTS[number])


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Hold an interruption back until the block is over, also where it ends by an error.

    For the first import of libraries whose compiled part ends the whole process, with a traceback of its own, when
    an interruption falls into it. Outside the main thread, where no interruption arrives, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in _DEFAULTS}
    held = [number for number, handler in before.items() if callable(handler)]  # any other ends the process, or nothing
    arrived: list[int] = []
    for number in held:
        signal.signal(number, lambda number, frame: arrived.append(number))
    try:
        yield
    finally:
        for number in held:
            signal.signal(number, before[number])
        if arrived:
            before[arrived[0]](arrived[0], None)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, unless the code that runs now is what an earlier one made run."""
    answered = sys.exc_info()[1]
    while answered is not None:
        if isinstance(answered, KeyboardInterrupt):
            return
        answered = answered.__context__
    raise KeyboardInterrupt


def _hear_no_more() -> None:
    for number in _DEFAULTS:
        signal.signal(number, signal.SIG_IGN)
