"""Foreseeing what will not fit: one sentence instead of a killed process."""

from __future__ import annotations

import os

from wordalloc.errors import InputError


def check_memory(what: str, n_bytes: int, remedy: str) -> None:
    """Refuse work that needs more memory than this machine has.

    Parameters
    ----------
    what : str
        The work, as the subject of a sentence.
    n_bytes : int
        What it will need.
    remedy : str
        What to do instead.

    Raises
    ------
    InputError
        With the bytes needed and those there are.

    Examples
    --------
    >>> check_memory("a list", 10**15, "shorten it")
    Traceback (most recent call last):
    ...
    wordalloc.errors.InputError: a list needs 1,000,000,000,000,000 bytes of memory, more than this machine has; ...
    """
    try:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return
    if n_bytes > there:
        raise InputError(f"{what} needs {n_bytes:,} bytes of memory, more than this machine has; {remedy}")
