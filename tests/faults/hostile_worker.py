"""A process that serves hostile cases: each runs the real command line in a fork of its own, under bounds.

Started as ``python -m tests.faults.hostile_worker MODULE…`` with the modules to import before the first case. It reads
one JSON object a line (``folder``, ``arguments``, ``seconds``, ``reload``) and answers each with one (``status``, which
is negative where a signal ended the command; ``hung``; ``peak``, the bytes by which its resident memory grew). What the
command printed lies in the case's folder, in `STDOUT` and `STDERR`.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

STDOUT, STDERR = ".stdout", ".stderr"
RELOADED = ".again.safetensors"
ADDRESS_SPACE = 3 << 30  # beyond what the worker has: keeps a bomb from taking the machine down


def main() -> None:
    """Serve cases until standard input ends."""
    for name in sys.argv[1:]:
        importlib.import_module(name)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        answers.write(json.dumps(_serve(json.loads(line))) + "\n")
        answers.flush()


def _serve(case: dict[str, Any]) -> dict[str, Any]:
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    child = os.fork()
    if not child:
        _run(case)
    process = os.pidfd_open(child)
    hung = not select.select([process], [], [], case["seconds"])[0]
    if hung:
        os.kill(child, signal.SIGKILL)
    os.close(process)
    _, status, usage = os.wait4(child, 0)
    peak = max(0, 1024 * usage.ru_maxrss - before)
    return {"status": os.waitstatus_to_exitcode(status), "hung": hung, "peak": peak}


def _run(case: dict[str, Any]) -> None:
    """Run one case and end this process; whatever is not said by the command itself is a traceback."""
    status = 70
    try:
        os.chdir(case["folder"])
        for number, name, flags in ((0, os.devnull, os.O_RDONLY), (1, STDOUT, _NEW), (2, STDERR, _NEW)):
            os.dup2(os.open(name, flags, 0o600), number)
        limit = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + ADDRESS_SPACE
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        status = _command(case["arguments"])
        if status == 0 and case["reload"]:
            _reload(case["reload"])
    except BaseException:
        status = 70
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def _command(arguments: list[str]) -> int:
    from wordalloc.cli import main as wordalloc

    try:
        wordalloc(arguments)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 0
    return 0


def _reload(name: str) -> None:
    """Hold what a file was taken for against its kind's rules, and against itself after a way through a new file."""
    from tests.faults.invariants import check, same
    from wordalloc import load, save

    content = load(name)
    check(content)
    save(content, RELOADED)
    same(content, load(RELOADED))
    first = Path(RELOADED).read_bytes()
    save(load(RELOADED), RELOADED)
    assert Path(RELOADED).read_bytes() == first, "saved twice, it gives other bytes"


if __name__ == "__main__":
    main()
