"""The real command as a process: started in a folder of its own, waited for, signalled, and what it said judged."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wordalloc

LIMIT_SECONDS = 240.0  # of any process: whatever lives longer hangs
START_SECONDS = 0.1  # of the processor, which a busy machine changes little: what Python's own start may take
POLL_SECONDS = 0.005
PACKAGE = Path(wordalloc.__file__).parent


@dataclass(frozen=True)
class Place:
    """Where a command runs: its folder, its cache, and one for temporary files; and what it is called there."""

    work: Path
    cache: Path
    temporary: Path
    name: str = "first"

    @classmethod
    def make(cls, folder: Path, numba: Path | None = None) -> Place:
        """Make a place; `numba` is a folder of compiled functions that it shares with others."""
        place = cls(folder / "work", folder / "cache", folder / "temporary")
        for part in (place.work, place.cache, place.temporary):
            part.mkdir(parents=True)
        if numba is not None:
            (place.cache / "numba").symlink_to(numba)
        return place

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.work.parent, ignore_errors=True)


@dataclass(frozen=True)
class Ended:
    """How a process ended and what it said."""

    status: int
    out: str
    err: str
    seconds: float
    hung: bool
    processor: float  # seconds, of its children as well where it waited for them

    @property
    def traceback(self) -> bool:
        """Whether it showed a traceback."""
        return "Traceback (most recent call last)" in self.err

    def __str__(self) -> str:
        return f"status {self.status} after {self.seconds:.2f} s: {self.err.strip()[-2000:] or 'nothing on stderr'}"


class Running:
    """A command that runs, the leader of a session of its own so that its children can be found.

    Parameters
    ----------
    arguments : tuple of str
        Of ``wordalloc``.
    place : Place
        Where it runs.
    **options
        Of `subprocess.Popen`; ``environment`` is added to its own.
    """

    def __init__(self, arguments: tuple[str, ...], place: Place, **options: Any) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(PACKAGE.parent), os.environ.get("PYTHONPATH")))),
            "OMP_NUM_THREADS": "1",
            "WORDALLOC_CACHE": str(place.cache),
            "TMPDIR": str(place.temporary),
            **options.pop("environment", {}),
        }
        self._said = tuple(
            (place.work.parent / f"{place.name}-{name}").open("w+", encoding="utf-8") for name in ("out", "err")
        )
        self.began, self._used = time.monotonic(), _processor_of_children()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "wordalloc", *arguments],
            cwd=place.work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._said[0],
            stderr=self._said[1],
            start_new_session=True,
            **options,
        )

    @property
    def seconds(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.began

    def wait_until(self, seconds: float) -> None:
        """Wait until it has run for so many seconds, or ends."""
        while self.seconds < seconds and self.process.poll() is None:
            time.sleep(POLL_SECONDS)

    def signal(self, number: int, *, group: bool = False) -> bool:
        """Send a signal, to its children too if so wished; False where it has ended."""
        if self.process.poll() is not None:
            return False
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.process.pid, number)
        return True

    def wait(self, limit: float = LIMIT_SECONDS) -> Ended:
        """Wait for its end, and make one where it does not come."""
        hung = False
        try:
            self.process.wait(max(0.0, limit - self.seconds))
        except subprocess.TimeoutExpired:
            hung = True
            self.signal(signal.SIGKILL, group=True)
            self.process.wait()
        seconds = self.seconds
        said = []
        for file in self._said:
            file.seek(0)
            said.append(file.read())
            file.close()
        processor = _processor_of_children() - self._used
        return Ended(self.process.returncode, said[0], said[1], seconds, hung, processor)

    def orphans(self, patience: float = 5.0) -> list[str]:
        """Return the children that outlive it for longer than `patience` seconds, ended now."""
        until = time.monotonic() + patience
        while left := _session(self.process.pid):
            if time.monotonic() > until:
                for pid, _ in left:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                return [line for _, line in left]
            time.sleep(0.02)
        return []


def run(arguments: tuple[str, ...], place: Place, limit: float = LIMIT_SECONDS, **options: Any) -> Ended:
    """Run a command to its end."""
    return Running(arguments, place, **options).wait(limit)


def complaint(ended: Ended) -> str | None:
    """Return what is wrong with an end that may be success, or one line and exit status 1 or 2."""
    if ended.traceback:
        return f"a traceback: {ended}"
    if ended.status not in (0, 1, 2):
        return f"no exit status of ours: {ended}"
    lines = ended.err.splitlines()
    if ended.status and not (
        len(lines) == 1 and lines[0].startswith("wordalloc: ") and "internal error" not in lines[0]
    ):
        return f"not one clear line: {ended}"
    return None


def before_main(ended: Ended) -> bool:
    """Tell whether a signal met Python's own start, which no program can answer for: ``main`` was not called yet.

    Nothing tells that for certain where nothing is said, so only an end after less than `START_SECONDS` of work is
    taken for one; and what is said may show nothing of our code but that it was being imported.
    """
    by_signal = ended.status in (-signal.SIGINT, -signal.SIGTERM) or "KeyboardInterrupt" in ended.err
    frames = re.findall(r'File "(.+)", line \d+, in (.+)', ended.err)
    ours = {function for file, function in frames if Path(file).is_relative_to(PACKAGE)}
    return by_signal and ended.processor < START_SECONDS and ours <= {"<module>"}


def _processor_of_children() -> float:
    """Seconds of the processor that the processes waited for so far have used: we start one at a time."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _session(leader: int) -> list[tuple[int, str]]:
    """Return the processes of a session, zombies and its leader left out."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == leader:
            continue
        try:
            state, _, _, session = (folder / "stat").read_text().rsplit(")", 1)[1].split()[:4]
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if int(session) == leader and state != "Z":
            found.append((int(folder.name), line))
    return found
