"""Commands as a user runs them, but all of them in one process: to start it takes longer than most commands do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

_DRIVER = """
import contextlib, json, os, sys
if len(sys.argv) > 1:
    os.cpu_count = lambda threads=int(sys.argv[1]): threads  # the default of what has no variable for it
from wordalloc.cli import main
for number, arguments in enumerate(json.load(sys.stdin)):
    with open(f"{number}.out", "w", encoding="utf-8") as out, contextlib.redirect_stdout(out):
        try:
            main(arguments)
        except SystemExit as end:
            assert not end.code, arguments
"""
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def run_commands(
    folder: Path, commands: list[list[str]], *, threads: int | None = None, **environment: str
) -> list[str]:
    """Run ``wordalloc`` with each list of arguments, one after the other; return what each printed.

    All must end well and write nothing to stderr. `threads` is what the number of processors and all variables that
    set a number of threads say.
    """
    if threads is not None:
        environment |= dict.fromkeys(_THREADS, str(threads))
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER, *([] if threads is None else [str(threads)])],
        cwd=folder,
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=600,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-2000:]
    return [(folder / f"{number}.out").read_text(encoding="utf-8") for number in range(len(commands))]
