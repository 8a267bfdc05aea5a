"""Folders that fill up or cannot be written, as root has them: by mounting."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path


class CannotMount(Exception):
    """Nobody but root may mount, and not root in every container."""


@contextlib.contextmanager
def small_disk(folder: Path, n_bytes: int) -> Iterator[None]:
    """Put a disk of so many bytes, empty, over a folder."""
    _mount("-t", "tmpfs", "-o", f"size={n_bytes}", "tmpfs", folder)
    try:
        yield
    finally:
        _unmount(folder)


def enlarge(folder: Path, n_bytes: int) -> None:
    """Make room on a small disk."""
    _mount("-o", f"remount,size={n_bytes}", folder)


@contextlib.contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """Let nobody write into a folder; permissions do not bind root, a disk that can only be read does."""
    if os.geteuid() == 0:
        _mount("--bind", folder, folder)
        try:
            _mount("-o", "remount,ro,bind", folder)
            yield
        finally:
            _unmount(folder)
    else:
        folder.chmod(0o555)
        try:
            yield
        finally:
            folder.chmod(0o755)


def _mount(*arguments: object) -> None:
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotMount(done.stderr.strip())


def _unmount(folder: Path) -> None:
    # Lazily: a process that was just killed may still be about to let go.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
