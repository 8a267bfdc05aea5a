"""Hostile files, fed to the real command: each works, or ends in one clear line; nothing else ever happens.

The mass of the cases runs in forks of a process that has loaded the code (`hostile_worker`); those with an environment
of their own, and a sample of the others once more, as processes of their own. Of each it is asked: does it end by
itself, with status 0, or with 1 or 2 and one line; does it print no control character; does it leave the files as they
were and no half of a new one; does it hold the words that the text has. Of the forks alone: is a damaged file that
loads still one that keeps every rule of its kind; and does its memory stay within `MEMORY` beyond the loaded code, and
`PER_BYTE` for each byte that it is given (`hostile_case`). A case is counted once, a sound file not at all.
"""

from __future__ import annotations

import importlib.util
import random
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tests.faults.hostile_allocations import allocation_cases
from tests.faults.hostile_case import Case, Worker, judge
from tests.faults.hostile_parsers import parser_cases
from tests.faults.hostile_runs import run_cases
from tests.faults.hostile_texts import text_cases
from tests.faults.tally import Tally

OFFLINE = ("wordalloc.cli.commands", "wordalloc.corpus", "wordalloc.pipelines.importing", "duckdb", "safetensors.numpy")
OFFLINE += ("pyarrow.ipc",) if importlib.util.find_spec("pyarrow") else ()
A_FEW = 2  # cases of a group, where time is short
TRAINING = (*OFFLINE, "wordalloc.training", "wordalloc.pipelines.compare", "torch._dynamo")


def run(long: bool, seed: int) -> Tally:
    """Try everything: some hundred cases, or over ten thousand; print each group to standard error."""
    rng = random.Random(seed)
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        folder = Path(name)
        offline = [case for cases in (allocation_cases, text_cases, parser_cases) for case in cases(long, rng)]
        training = list(run_cases(long, rng, folder))
        if not long:
            offline, training = _thinned(offline, rng), _thinned(training, rng)
        own = [case for case in offline if case.environment]
        shared = [case for case in offline if not case.environment]
        tally += in_worker(shared, OFFLINE, folder)
        tally += in_worker(training, TRAINING, folder)
        tally += _grouped(own, None, folder, "processes of their own")
        sample = rng.sample(shared + training, 200 if long else 3)
        again = _grouped(sample, None, folder, "once more, processes of their own")
        tally += replace(again, hostile_files=0)  # they are counted already
    return tally


def _thinned(cases: list[Case], rng: random.Random) -> list[Case]:
    """Return a few cases of each group, and the sound ones."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.group, []).append(case)
    kept = {id(case) for group in groups.values() for case in rng.sample(group, min(len(group), A_FEW))}
    return [case for case in cases if case.works or id(case) in kept]


def in_worker(cases: Iterable[Case], modules: Iterable[str], folder: Path) -> Tally:
    """Judge cases in forks of one process."""
    worker = Worker(*modules)
    try:
        return _grouped(cases, worker, folder)
    finally:
        worker.close()


def _grouped(cases: Iterable[Case], worker: Worker | None, folder: Path, name: str = "") -> Tally:
    tally, group, began, here = Tally(), "", time.monotonic(), Tally()
    for case in cases:
        if (name or case.group) != group:
            _print(group, here, began)
            tally, here, group, began = tally + here, Tally(), name or case.group, time.monotonic()
        here += judge(case, folder / "case", worker)
    _print(group, here, began)
    return tally + here


def _print(group: str, tally: Tally, began: float) -> None:
    if group:
        print(f"{group:<40}{tally}  ({time.monotonic() - began:.0f} s)", file=sys.stderr)
