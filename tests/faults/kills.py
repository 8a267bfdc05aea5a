"""Commands killed at many moments: what stood before stands, no half file, and the same bytes when repeated."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from tests.faults.commands import Command, make_inputs
from tests.faults.moments import Duration, Moment, histogram, moments
from tests.faults.processes import POLL_SECONDS, Ended, Place, Running, before_main, complaint, run
from tests.faults.standing import difference, half_files, results, temporary_files
from tests.faults.tally import Tally
from wordalloc.files import cache_directory

TWICE_SECONDS = 0.05  # between the two of an impatient user


@dataclass(frozen=True)
class Blow:
    """A way to end a command: a signal, to itself alone or as the terminal sends it, to its children too; how often."""

    name: str
    number: int
    group: bool = False
    times: int = 1

    def strike(self, running: Running) -> bool:
        """Strike; False where the command has ended before."""
        struck = running.signal(self.number, group=self.group)
        for _ in range(self.times - 1):
            time.sleep(TWICE_SECONDS)
            running.signal(self.number, group=self.group)
        return struck


KILL = Blow("SIGKILL", signal.SIGKILL)
INTERRUPT = Blow("SIGINT", signal.SIGINT, group=True)
INTERRUPT_TWICE = Blow("SIGINT twice", signal.SIGINT, group=True, times=2)
TERMINATE = Blow("SIGTERM", signal.SIGTERM)


@dataclass(frozen=True)
class Unbroken:
    """What a command finds and comes to, and how long it takes, where nobody breaks it off."""

    duration: Duration
    before: dict[str, Any]
    results: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What came of one blow: what was wrong, whether it met a command that still ran, and when it was struck."""

    tally: Tally
    moment: Moment
    command: str
    blow: Blow


@dataclass
class Bench:
    """Where commands run: inputs, one folder of compiled functions, and fresh places.

    A quick one measures trainers, which compile next to nothing, but once.
    """

    folder: Path
    inputs: Path
    numba: Path
    quick: bool
    _numbers: Any = field(default_factory=count)
    _unbroken: dict[Command, Unbroken] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, quick: bool) -> Bench:
        """Make one, with its inputs; what is compiled stays in the cache of whoever asks."""
        bench = cls(folder, folder / "inputs", cache_directory("numba"), quick)
        make_inputs(bench.inputs)
        return bench

    def place(self, command: Command) -> Place:
        """Return a fresh place with all that stands before the command."""
        place = Place.make(self.folder / f"place-{next(self._numbers)}", None if command.cold else self.numba)
        command.prepare(place, self.inputs)
        return place

    def unbroken(self, command: Command) -> Unbroken:
        """Return what a command comes to without a fault, measured once."""
        if command not in self._unbroken:
            self._unbroken[command] = measure(command, self)
        return self._unbroken[command]


def measure(command: Command, bench: Bench) -> Unbroken:
    """Run a command without a fault: what it comes to, and, everything compiled by a run before, its duration.

    That it repeats itself is seen only where it runs twice.
    """
    found: list[Unbroken] = []
    for _ in range(1 if bench.quick and command.checkpoint else 2):
        place = bench.place(command)
        before = results(place.work)
        running = Running(command.arguments, place)
        checkpoint = _wait_for(command, place, running)
        ended = running.wait()
        if ended.status or ended.err:
            raise RuntimeError(f"{command.name} fails without a fault: {ended}")
        found.append(Unbroken(Duration(ended.seconds, checkpoint), before, results(place.work)))
        place.remove()
    if len(found) > 1 and (wrong := difference(found[0].results, found[1].results)):
        raise RuntimeError(f"{command.name} does not repeat itself: {wrong}")
    return found[-1]


def strike(command: Command, unbroken: Unbroken, moment: Moment, blow: Blow, bench: Bench) -> Outcome:
    """Break a command off once, look at what is left, repeat it, and look again."""
    where = f"{command.name}, {blow.name} at {moment.share:.3f}"
    place = bench.place(command)
    running = Running(command.arguments, place)
    _wait_until(moment, unbroken.duration, command, place, running)
    met = replace(moment, share=running.seconds / unbroken.duration.seconds)  # on a busy machine later than planned
    struck = blow.strike(running)
    ended = running.wait()
    if not struck and ended.status == 0:  # it was faster than measured
        place.remove()
        return strike(command, unbroken, replace(moment, share=0.9 * moment.share), blow, bench)
    too_early = struck and before_main(ended)
    tally = Tally() if too_early else _judge_end(where, blow, ended)
    lost = [f"a process outlives it: {line}" for line in running.orphans()]
    lost += judge_standing(command, unbroken, place)
    if blow.number != signal.SIGKILL:
        lost += temporary_files(place.work) + [
            f"left behind: {left.name}" for left in place.temporary.glob("wordalloc-*")
        ]
    if not lost or blow.number == signal.SIGKILL:
        tally += repeat(where, command, unbroken, place)
    tally += Tally(kills=int(struck), too_early=int(too_early), lost=[f"{where}: {line}" for line in lost])
    if tally.sound:
        place.remove()
    return Outcome(tally, met, command.name, blow)


def run_kills(
    commands: Sequence[Command], blows: dict[Blow, Callable[[Command], int]], bench: Bench, seed: int, jobs: int = 1
) -> Tally:
    """Break every command off in every way, each as often as `blows` says; print the histograms to stderr."""
    with ThreadPoolExecutor(jobs) as pool:
        # Measured by as many at once as will run at once.
        measured = dict(zip(commands, pool.map(bench.unbroken, commands), strict=True))
        planned = [
            (command, measured[command], moment, blow, bench)
            for command in commands
            for blow, times in blows.items()
            for moment in moments(times(command), measured[command].duration, _rng(seed, command, blow))
        ]
        random.Random(seed).shuffle(planned)
        outcomes = []
        for number, outcome in enumerate(pool.map(lambda plan: strike(*plan), planned), 1):
            outcomes.append(outcome)
            _tell(f"{number} of {len(planned)}: {outcome.command}, {outcome.blow.name} at {outcome.moment.share:.2f}")
            for line in outcome.tally.problems:
                _tell(f"  {line}")
    _print_histograms(measured, outcomes)
    return sum((outcome.tally for outcome in outcomes), Tally())


def _rng(seed: int, command: Command, blow: Blow) -> random.Random:
    return random.Random(f"{seed} {command.name} {blow.name}")


def _wait_for(command: Command, place: Place, running: Running) -> float | None:
    """Return the seconds until a trainer's first checkpoint stands; None where it has none."""
    if command.checkpoint is None:
        return None
    while running.process.poll() is None:
        if next(place.work.glob(command.checkpoint), None) is not None:
            return running.seconds
        time.sleep(POLL_SECONDS)
    raise RuntimeError(f"{command.name} took no checkpoint: {running.wait()}")


def _wait_until(moment: Moment, duration: Duration, command: Command, place: Place, running: Running) -> None:
    """Wait for a moment; one after the first checkpoint counts from when that is seen."""
    until = moment.share * duration.seconds
    if moment.after_checkpoint and duration.checkpoint is not None:
        try:
            until += (_wait_for(command, place, running) or 0.0) - duration.checkpoint
        except RuntimeError:
            return  # it ended before: the blow tells
    running.wait_until(until)


def _judge_end(where: str, blow: Blow, ended: Ended) -> Tally:
    """Judge how a command ended that was struck."""
    if ended.hung:
        return Tally(hangs=[f"{where}: {ended}"])
    if blow.number == signal.SIGKILL and ended.status == -signal.SIGKILL and not ended.traceback:
        return Tally()
    if ended.status == 0 and not ended.err:
        return Tally()  # it had finished
    wrong = complaint(ended)
    if wrong is None and not (ended.status == 2 and "interrupted" in ended.err):
        wrong = f"not told that it was interrupted: {ended}"
    return Tally(tracebacks=[f"{where}: {wrong}"] if wrong else [])


def judge_standing(command: Command, unbroken: Unbroken, place: Place) -> list[str]:
    """Return what stood before and no longer stands, what stands as half a file, and what should not be there."""
    if half := half_files(place.work):
        return half
    now, before = results(place.work), unbroken.before
    lost = [f"lost: {name}" for name in before if now.get(name) not in (before[name], unbroken.results[name])]
    strange = now.keys() - unbroken.results.keys() if not command.keeps_a_folder else set()
    return lost + [f"left behind: {name}" for name in sorted(strange)]


def repeat(where: str, command: Command, unbroken: Unbroken, place: Place) -> Tally:
    """Run the command again, and compare what it comes to with what it comes to unbroken."""
    ended = run((*command.arguments, *command.again), place)
    if ended.hung:
        return Tally(hangs=[f"{where}: repeated: {ended}"])
    if ended.status or ended.err:
        told = [f"{where}: repeated: {ended}"]
        return Tally(tracebacks=told) if ended.traceback else Tally(lost=told)
    lost = temporary_files(place.work) if command.keeps_a_folder else []
    lost += half_files(place.work)
    if wrong := difference(results(place.work), unbroken.results):
        lost.append(wrong)
    return Tally(lost=[f"{where}: repeated: {line}" for line in lost])


def _print_histograms(measured: dict[Command, Unbroken], outcomes: Sequence[Outcome]) -> None:
    struck = [outcome for outcome in outcomes if outcome.tally.kills]
    for command, unbroken in measured.items():
        own = [outcome.moment for outcome in struck if outcome.command == command.name]
        duration = unbroken.duration
        title = f"{command.name} ({duration.seconds:.1f} s"
        if duration.checkpoint is not None:
            after = sum(moment.after_checkpoint for moment in own)
            title += f", first checkpoint at {duration.checkpoint:.1f} s; {after} kills after it"
        _tell(histogram(title + ")", own))
    _tell(histogram("all", [outcome.moment for outcome in struck]))
    blows = {outcome.blow.name: 0 for outcome in outcomes}
    for outcome in struck:
        blows[outcome.blow.name] += 1
    _tell(", ".join(f"{name}: {times}" for name, times in blows.items()))


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
