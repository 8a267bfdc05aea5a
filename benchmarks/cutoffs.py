"""The road from text to cutoffs: counting against collections.Counter, the solver alone, and the whole command.

    python benchmarks/cutoffs.py train.txt

Prints medians of several runs and their ratios; writes nothing but a temporary folder.
"""

from __future__ import annotations

import argparse
import collections
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import wordalloc

RUNS = 5


def seconds(work: Callable[[], object]) -> list[float]:
    """Time a call `RUNS` times after one warm-up."""
    work()
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return sorted(times)


def row(name: str, times: list[float], reference: float | None = None) -> None:
    ratio = "" if reference is None else f"   {statistics.median(times) / reference:.2f} of the reference"
    print(f"{name:<58}{statistics.median(times):8.3f} s  ({times[0]:.3f} – {times[-1]:.3f}){ratio}", flush=True)


def count_with_counter(path: str) -> collections.Counter[str]:
    counter: collections.Counter[str] = collections.Counter()
    with Path(path).open(encoding="utf-8") as text:
        for line in text:
            counter.update(line.split())
    return counter


def whole_command(path: str, folder: str, cache: str) -> None:
    environment = {**os.environ, "WORDALLOC_CACHE": cache}
    command = [sys.executable, "-m", "wordalloc", "cutoffs", str(Path(path).resolve())]
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text")
    path = parser.parse_args().text

    counter = seconds(lambda: count_with_counter(path))
    row("collections.Counter, str.split", counter)
    row("wordalloc.count", seconds(lambda: wordalloc.count(path)), statistics.median(counter))
    row("wordalloc.count, one thread", seconds(lambda: wordalloc.count(path, threads=1)), statistics.median(counter))

    rank = np.arange(1_000_000)
    million = wordalloc.Vocabulary([f"{i:06d}" for i in rank], np.sort((1e10 / (rank + 3.0) ** 1.05).astype(int))[::-1])
    row("adaptive_cutoffs, V = 1,000,000, all J up to 5", seconds(lambda: wordalloc.adaptive_cutoffs(million)))

    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as cache:
        began = time.perf_counter()
        whole_command(path, folder, cache)
        print(f"{'wordalloc cutoffs, whole process, cold (empty cache)':<58}{time.perf_counter() - began:8.3f} s")
        row("wordalloc cutoffs, whole process, warm", seconds(lambda: whole_command(path, folder, cache)))


if __name__ == "__main__":
    main()
