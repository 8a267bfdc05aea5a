"""``python -m tests.faults``: every fault, counted; exit status 1 where anything was lost."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.faults.commands import Command, commands, make_inputs
from tests.faults.kills import INTERRUPT, INTERRUPT_TWICE, KILL, TERMINATE, Bench, run_kills
from tests.faults.tally import Tally


def kill_everything(long: bool, seed: int, folder: Path, names: list[str] | None = None) -> Tally:
    """Kill all commands, or those named: hundreds of times, or a few."""
    bench = Bench(folder, folder / "inputs", folder / "numba")
    bench.numba.mkdir()
    make_inputs(bench.inputs, bench.numba)
    listed = commands(bench.inputs)
    chosen = [listed[name] for name in (names or listed)]

    def many(command: Command) -> int:
        return 1 if not long else 6 if command.name == "compare" else 14 if command.keeps_a_folder else 10

    def few(command: Command) -> int:
        return 2 if long else 0

    blows = {KILL: many, INTERRUPT: many, INTERRUPT_TWICE: few, TERMINATE: few}
    return run_kills(chosen, blows, bench, seed, jobs=os.cpu_count() or 1 if long else 1)


def main() -> None:
    """Do the faults that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--long", action="store_true", help="hundreds of kills and ten thousand files")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the damage")
    parser.add_argument("--only", choices=["kills", "disks", "hostile"], help="one part of it")
    parser.add_argument("--commands", help="kill only these, separated by semicolons")
    given = parser.parse_args()
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="wordalloc-faults-") as folder:
        if given.only in (None, "kills"):
            names = given.commands.split(";") if given.commands else None
            tally += kill_everything(given.long, given.seed, Path(folder), names)
    for line in (*tally.lost, *tally.tracebacks, *tally.hangs):
        print(line)
    print(tally)
    sys.exit(not tally.sound)


if __name__ == "__main__":
    main()
