"""``python -m tests.faults``: every fault, counted; exit status 1 where anything was lost."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.faults.commands import Command, commands
from tests.faults.disks import run_disks
from tests.faults.kills import INTERRUPT, INTERRUPT_TWICE, KILL, TERMINATE, Bench, run_kills
from tests.faults.tally import Tally


def kill_everything(bench: Bench, long: bool, seed: int, jobs: int, names: list[str] | None) -> Tally:
    """Kill all commands, or those named, hundreds of times or a few."""
    listed = commands(bench.inputs)

    def many(command: Command) -> int:
        return 1 if not long else 6 if command.name == "compare" else 14 if command.keeps_a_folder else 10

    def few(command: Command) -> int:
        return 2 if long else 0

    blows = {KILL: many, INTERRUPT: many, INTERRUPT_TWICE: few, TERMINATE: few}
    return run_kills([listed[name] for name in (names or listed)], blows, bench, seed, jobs)


def main() -> None:
    """Do the faults that were asked for, and print what came of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--long", action="store_true", help="hundreds of kills and ten thousand files")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the damage")
    parser.add_argument("--only", choices=["kills", "disks", "hostile"], help="one part of it")
    parser.add_argument("--commands", help="do it only to these, separated by semicolons")
    given = parser.parse_args()
    jobs = os.cpu_count() or 1 if given.long else 1
    tally, names = Tally(), given.commands.split(";") if given.commands else None
    with tempfile.TemporaryDirectory(prefix="wordalloc-faults-") as folder:
        if given.only != "hostile":
            bench = Bench.make(Path(folder), quick=not given.long)
        if given.only in (None, "kills"):
            tally += kill_everything(bench, given.long, given.seed, jobs, names)
        if given.only in (None, "disks"):
            tally += run_disks(bench, given.long, jobs, names)
    if given.only in (None, "hostile"):
        from tests.faults.hostile import run

        tally += run(given.long, given.seed)
    for line in tally.problems:
        print(line)
    print(tally)
    sys.exit(not tally.sound)


if __name__ == "__main__":
    main()
