"""What this machine gives a process: processor, threads, memory, graphics cards. Needs neither torch nor numpy."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
_CGROUPS = Path("/sys/fs/cgroup")
_PATIENCE = 20  # seconds for another program to say what it is


def processor_name() -> str:
    """Return what the processor calls itself."""
    found = re.search(r"^model name\s*:\s*(.+)$", _text(Path("/proc/cpuinfo")), re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return how many cores this process may run on (its affinity)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def core_limit() -> float | None:
    """Return how many cores' worth of time the control groups of this process grant; None for no limit."""
    limits = []
    for folder in _control_groups("cpu"):
        quota, period = 0.0, 0.0
        with contextlib.suppress(ValueError):
            quota, period = map(float, _text(folder / "cpu.max").split())
        with contextlib.suppress(ValueError):
            quota = float(_text(folder / "cpu.cfs_quota_us"))
            period = float(_text(folder / "cpu.cfs_period_us"))
        if quota > 0 and period > 0:
            limits.append(quota / period)
    return min(limits, default=None)


def memory() -> tuple[int | None, int | None]:
    """Return the bytes of memory that this process may have in all, and those free now; None where it is not told."""
    total, free = None, None
    with contextlib.suppress(AttributeError, ValueError, OSError):
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if found := re.search(r"^MemAvailable:\s*(\d+) kB", _text(Path("/proc/meminfo")), re.MULTILINE):
        free = 1024 * int(found[1])
    for folder in _control_groups("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with contextlib.suppress(ValueError):  # "max" is no number, and neither is a file that is not there
                total = min(int(_text(folder / name)), total or sys.maxsize)
    if total is not None and free is not None:
        free = min(total, free)
    return total, free


def nvidia_cards() -> list[str]:
    """Return the names of the NVIDIA cards that the driver shows, whether or not torch can use them."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    return _said([program, "--query-gpu=name", "--format=csv,noheader"]).splitlines()


def java_version(java: str) -> str | None:
    """Return the version of a Java, such as ``17.0.12``; None where it does not tell.

    Parameters
    ----------
    java : str
        Its program.
    """
    found = re.search(r'version "([^"]+)"', _said([java, "-version"]))
    return found[1] if found else None


def _said(command: list[str]) -> str:
    """Return what a program prints, to either stream; nothing where it fails or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return (done.stdout + done.stderr).decode(errors="replace")


def _control_groups(controller: str) -> Iterator[Path]:
    """Yield the folders of the groups that this process is in, of either version, from its own to the root."""
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        _, controllers, name = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = _CGROUPS / controller if controllers else _CGROUPS
        group = root / name.lstrip("/")
        # Inside a container the name may be that on the host, and only the root of it is there.
        yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(root) and folder.is_dir())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
