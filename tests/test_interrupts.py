"""A Ctrl-C that waits, and is not forgotten."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from wordalloc.interrupts import deferred_interrupts


def test_an_interruption_waits_for_the_end_of_the_block():
    done = []
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), deferred_interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("the rest of the block")
    assert done == ["the rest of the block"]
    assert signal.getsignal(signal.SIGINT) is before


def test_an_error_of_the_block_is_its_own():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="mine"), deferred_interrupts():
        raise ValueError("mine")
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_are_left_alone():
    seen = []

    def work() -> None:
        with deferred_interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
