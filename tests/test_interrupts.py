"""A Ctrl-C that waits, and is not forgotten."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading

import pytest

from wordalloc.corpus.counting import count
from wordalloc.interrupts import deferred_interrupts, heard_once


@pytest.fixture(autouse=True)
def as_python_starts():
    """Signals as they are in a fresh process, whatever libraries have set in this one."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


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


def test_an_interruption_is_not_lost_where_the_block_fails():
    with pytest.raises(KeyboardInterrupt), deferred_interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        raise ValueError("mine")


def test_other_threads_are_left_alone():
    seen = []

    def work() -> None:
        with deferred_interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


def test_a_second_interruption_does_not_break_off_the_answer_to_the_first():
    done = []
    with pytest.raises(KeyboardInterrupt), heard_once():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                os.kill(os.getpid(), number)
            try:
                raise ValueError
            except ValueError:
                os.kill(os.getpid(), signal.SIGINT)
            done.append("put away")
    assert done == ["put away"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_an_interruption_that_was_answered_is_not_the_last():
    with heard_once():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)


def test_what_the_parent_has_turned_off_stays_off():
    code = """
import atexit, os, signal
from wordalloc.interrupts import heard_once
own = lambda number, frame: print("answered")
signal.signal(signal.SIGTERM, own)
atexit.register(lambda: print(signal.getsignal(signal.SIGTERM) is own))
with heard_once():
    os.kill(os.getpid(), signal.SIGINT)
print("went on")
"""
    ignoring = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, **ignoring)
    assert done.stdout == "went on\nTrue\n"


def test_sigterm_waits_as_well():
    done = []
    with pytest.raises(KeyboardInterrupt), heard_once(), deferred_interrupts():
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("the rest of the block")
    assert done == ["the rest of the block"]


def test_a_block_that_holds_them_back_while_one_is_answered_is_not_broken_off():
    done = []
    with pytest.raises(KeyboardInterrupt), heard_once():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            with deferred_interrupts():
                os.kill(os.getpid(), signal.SIGINT)
            done.append("put away")
    assert done == ["put away"]


def test_counting_is_interrupted_at_any_moment_and_is_an_interruption_whenever(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("".join(f"{' '.join(str(line * n % 50_021) for n in range(1, 21))}\n" for line in range(50_000)))
    chance = random.Random(0)
    for _ in range(60):  # one in ten used to fall into the start of a thread, which then was not waited for
        timer = threading.Timer(0.03 * chance.random(), os.kill, (os.getpid(), signal.SIGTERM))
        with pytest.raises(KeyboardInterrupt), heard_once():
            timer.start()
            count(path)
            timer.join()
        timer.join()
