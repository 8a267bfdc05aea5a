"""One hostile case, and whoever judges what the command made of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wordalloc
from tests.faults.hostile_worker import RELOADED, STDERR, STDOUT
from tests.faults.tally import Tally
from wordalloc.checks import JOINERS

ROOT = Path(__file__).parent.parent.parent
# The stated bound: resident memory that a command may take beyond its loaded code, and beyond what it is given.
MEMORY, PER_BYTE = 192 << 20, 24
SECONDS = 60.0  # a case; most take hundredths
COMPILING = 600.0  # the sound ones, which stand first and leave compiled code behind
LONGEST_LINE = 2000  # characters of a message


@dataclass(frozen=True)
class Case:
    """Files, and a command that reads them.

    Attributes
    ----------
    group, name : str
        What is tried.
    files : mapping of str to bytes
        Lie in an otherwise empty folder, in which the command runs.
    arguments : tuple of str
        Of the command.
    reload : str
        A file that, where the command succeeds, is held against its kind's rules and loaded and saved again.
    expected : mapping of str to int, optional
        The words that ``out.safetensors`` must then hold, those counted 0 left out.
    refused, works : bool
        Whether the command must not succeed, or must.
    unfolded : int
        Bytes that a compressed file unfolds to.
    raw : bool
        Whether the command's output is the words as they are.
    writes : str
        A folder that belongs to the command, which may change what is in it.
    environment : mapping of str to str
        Of a process of its own.
    """

    group: str
    name: str
    files: Mapping[str, bytes]
    arguments: tuple[str, ...]
    reload: str = ""
    expected: Mapping[str, int] | None = None
    refused: bool = False
    works: bool = False
    unfolded: int = 0
    raw: bool = False
    writes: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def memory(self) -> int:
        """The stated bound."""
        return MEMORY + PER_BYTE * (sum(map(len, self.files.values())) + self.unfolded)

    @property
    def seconds(self) -> float:
        """The time limit."""
        return COMPILING if self.works else SECONDS


class Worker:
    """Runs cases in forks of one process that has loaded the code already."""

    def __init__(self, *modules: str) -> None:
        command = [sys.executable, "-m", "tests.faults.hostile_worker", *modules]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        environment["OMP_NUM_THREADS"] = "1"  # a fork has no threads of the one before it
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
        )

    def run(self, case: Case, folder: Path) -> dict[str, Any]:
        """Run one case and return the worker's answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        asked = {"folder": str(folder), "arguments": case.arguments, "seconds": case.seconds, "reload": case.reload}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=60)


def run_process(case: Case, folder: Path) -> dict[str, Any]:
    """Run one case as the user would: ``python -m wordalloc``, as a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **case.environment}
    command = [sys.executable, "-m", "wordalloc", *case.arguments]
    with (folder / STDOUT).open("wb") as out, (folder / STDERR).open("wb") as err:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment
        )
        try:
            return {"status": process.wait(case.seconds), "hung": False, "peak": 0}
        except subprocess.TimeoutExpired:
            process.kill()
            return {"status": process.wait(), "hung": True, "peak": 0}


def judge(case: Case, folder: Path, worker: Worker | None) -> Tally:
    """Run a case in `folder`, made and removed here, and say what went wrong; a sound file is no hostile one."""
    folder.mkdir()
    hostile = int(not case.works)
    try:
        for name, content in case.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        found = run_process(case, folder) if worker is None else worker.run(case, folder)
        where = f"{case.group}: {case.name}: "
        if found["hung"]:
            return Tally(hostile_files=hostile, hangs=[where + f"still running after {case.seconds:g} s"])
        wrong = [where + problem for problem in _wrong(case, folder, found)]
        lost = [where + problem for problem in _lost(case, folder, found["status"])]
        return Tally(hostile_files=hostile, tracebacks=wrong, lost=lost)
    finally:
        shutil.rmtree(folder)


def _wrong(case: Case, folder: Path, found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the way the command ended, and with what it said."""
    status = found["status"]
    out = (folder / STDOUT).read_bytes().decode("utf-8", "surrogateescape")
    err = (folder / STDERR).read_bytes().decode("utf-8", "surrogateescape")
    if status not in (0, 1, 2) or "Traceback" in err or "internal error" in err:
        yield f"exit status {status}, {err.strip()[-300:]!r}"
    elif status and (case.works or case.expected is not None):
        yield f"refused: {err.strip()[-300:]!r}"
    elif status:
        if err.count("\n") != 1 or not err.startswith("wordalloc: "):
            yield f"refused in other than one line: {err[:300]!r}"
        if len(err) > LONGEST_LINE:
            yield f"refused in {len(err)} characters: {err[:100]!r}"
        if "out of memory" in err:
            yield "out of memory"
    elif case.refused:
        yield "accepted"
    if found["peak"] > case.memory:
        yield f"{found['peak'] >> 20} MiB of memory, {case.memory >> 20} are the bound"
    raw = next((c for c in err + ("" if case.raw else out) if not c.isprintable() and c not in "\n" + JOINERS), None)
    if raw is not None:
        yield f"prints {raw!r} as it is"


def _lost(case: Case, folder: Path, status: int) -> Iterator[str]:
    """Yield what is wrong with the files: half a result, a source that was changed, other words than the text has."""
    for name, content in case.files.items():
        if case.writes and name.startswith(case.writes):
            continue
        if not (folder / name).is_file() or (folder / name).read_bytes() != content:
            yield f"{name} was changed"
    if status == 0:
        if case.expected is not None and (words := _words(folder / "out.safetensors")) != case.expected:
            yield f"counted {_shortly(words)}, expected {_shortly(case.expected)}"
        return
    given = {STDOUT, STDERR, RELOADED, *(name.partition("/")[0] for name in case.files)}
    if left := {path.name for path in folder.iterdir()} - given:
        yield f"left {sorted(left)} behind"


def _words(path: Path) -> dict[str, int]:
    content = wordalloc.load(path)
    return {word: count for word, count in zip(content.words, content.counts.tolist(), strict=True) if count}


def _shortly(words: Mapping[str, int]) -> str:
    return repr({word[:20]: count for word, count in list(words.items())[:8]})
