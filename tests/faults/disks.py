"""Disks that fill up, folders that cannot be written, a cache that goes away, and two processes in one place.

Each fault is judged alike: the command works, or ends in one clear line; what stood before stands; and once the
fault is gone, the command repeated comes to what it comes to without one.
"""

from __future__ import annotations

import random
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from tests.faults.commands import Command, commands
from tests.faults.kills import Bench, judge_standing, repeat
from tests.faults.moments import moments
from tests.faults.mounts import CannotMount, enlarge, small_disk, unwritable
from tests.faults.processes import LIMIT_SECONDS, POLL_SECONDS, Ended, Place, Running, complaint, run
from tests.faults.standing import difference, results, temporary_files
from tests.faults.tally import Tally

KILOBYTE, MEGABYTE = 1 << 10, 1 << 20


@dataclass(frozen=True)
class Case:
    """A fault, and the command it is done to."""

    name: str
    command: str
    do: Callable[[str, Command, Bench], Tally]
    quick: bool = False

    def __str__(self) -> str:
        return f"{self.command}, {self.name}"

    def run(self, bench: Bench) -> Tally:
        """Do it."""
        return Tally(disk_faults=1) + self.do(str(self), commands(bench.inputs)[self.command], bench)


def files_limited_to(n_bytes: int) -> Callable[[str, Command, Bench], Tally]:
    """No file may grow beyond so many bytes, as if the disk were full."""

    def do(where: str, command: Command, bench: Bench) -> Tally:
        place = bench.place(command)
        running = Running(command.arguments, place)
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (n_bytes, n_bytes))
        return _outlived(where, command, bench, place, running.wait(), must_fail=True)

    return do


def disk_of(n_bytes: int, part: str = "work", *, must_work: bool = False) -> Callable[[str, Command, Bench], Tally]:
    """A disk of so many bytes under the output, the cache or the temporary files; in the end it is made larger."""

    def do(where: str, command: Command, bench: Bench) -> Tally:
        place = bench.place(command)
        with small_disk(getattr(place, part), n_bytes):
            command.prepare(place, bench.inputs)
            ended = run(command.arguments, place)
            enlarge(getattr(place, part), 100 * MEGABYTE)
            bites = not must_work and part != "temporary"  # of which a count so small needs none
            return _outlived(where, command, bench, place, ended, must_work=must_work, must_fail=bites)

    return do


def unwritable_part(part: str) -> Callable[[str, Command, Bench], Tally]:
    """Nobody may write where the output, the cache or the temporary files belong."""

    def do(where: str, command: Command, bench: Bench) -> Tally:
        place = bench.place(command)
        with unwritable(getattr(place, part)):
            ended = run(command.arguments, place)
        must_work, must_fail = part == "cache", part == "work"
        return _outlived(where, command, bench, place, ended, must_work=must_work, must_fail=must_fail)

    return do


def cache_that_is_a_file(where: str, command: Command, bench: Bench) -> Tally:
    """Where the cache should be, there is a file."""
    place = bench.place(command)
    in_the_way = place.work.parent / "file"
    in_the_way.write_text("in the way")
    ended = run(command.arguments, place, environment={"WORDALLOC_CACHE": str(in_the_way)})
    tally = _outlived(where, command, bench, place, ended, must_work=True)
    return tally if in_the_way.read_text() == "in the way" else tally + Tally(lost=[f"{where}: the file in the way"])


def cache_taken_away(n: int) -> Callable[[str, Command, Bench], Tally]:
    """The cache is removed while the command runs, at `n` moments spread over its duration."""

    def do(where: str, command: Command, bench: Bench) -> Tally:
        unbroken, tally = bench.unbroken(command), Tally()
        for moment in moments(n, unbroken.duration, random.Random(where)):
            place = bench.place(command)
            if not command.cold:
                (place.cache / "numba").unlink()
                shutil.copytree(bench.numba, place.cache / "numba")
            running = Running(command.arguments, place)
            running.wait_until(moment.share * unbroken.duration.seconds)
            shutil.rmtree(place.cache, ignore_errors=True)
            at = f"{where} at {moment.share:.2f}"
            tally += _outlived(at, command, bench, place, running.wait())
        return tally

    return do


def two_in_one_folder(where: str, command: Command, bench: Bench) -> Tally:
    """The first is stopped, so that it is still there; the second is refused; the first is killed, and its lock too."""
    place = bench.place(command)
    first = Running(command.arguments, place)
    _wait(lambda: any((place.work / command.output).glob("**/checkpoint/latest.safetensors")), first)
    first.signal(signal.SIGSTOP)
    second = run((*command.arguments, *command.again), Place(place.work, place.cache, place.temporary, "second"))
    tally = _judge(where, second)
    if second.status != 2 or "in use by another process" not in second.err:
        tally += Tally(lost=[f"{where}: the second is not refused: {second}"])
    first.signal(signal.SIGKILL)
    tally += repeat(where, command, bench.unbroken(command), place)
    first.wait()
    return tally


def two_on_one_cache(where: str, command: Command, bench: Bench) -> Tally:
    """Both work, and come to the same."""
    places = [bench.place(command) for _ in range(2)]
    shared = [Place(place.work, places[0].cache, place.temporary) for place in places]
    running = [Running(command.arguments, place) for place in shared]
    tally = Tally()
    for number, (process, place) in enumerate(zip(running, shared, strict=True)):
        tally += _outlived(f"{where} ({number})", command, bench, place, process.wait(), must_work=True)
    return tally


CASES = [
    Case("no file beyond 4 KB", "count", files_limited_to(4 * KILOBYTE), quick=True),
    Case("no file beyond 4 KB", "export", files_limited_to(4 * KILOBYTE)),
    Case("no file beyond 4 KB", "cutoffs, nothing compiled", files_limited_to(4 * KILOBYTE), quick=True),
    Case("no file beyond 4 KB", "tree", files_limited_to(4 * KILOBYTE)),
    Case("no file beyond 4 KB", "lightrnn-realloc", files_limited_to(4 * KILOBYTE)),
    Case("no file beyond 4 KB", "train", files_limited_to(4 * KILOBYTE)),
    Case("no file beyond 100 KB", "train", files_limited_to(100 * KILOBYTE), quick=True),
    Case("no file beyond 100 KB", "lightrnn", files_limited_to(100 * KILOBYTE)),
    Case("no file beyond 100 KB", "compare", files_limited_to(100 * KILOBYTE)),
    Case("a disk of 64 KB", "count", disk_of(64 * KILOBYTE), quick=True),
    Case("a disk of 64 KB", "bigrams", disk_of(64 * KILOBYTE)),
    Case("a disk of 64 KB", "export", disk_of(64 * KILOBYTE)),
    Case("a disk of 400 KB", "train", disk_of(400 * KILOBYTE)),
    Case("a disk of 1 MB", "train", disk_of(MEGABYTE)),
    Case("a disk of 400 KB", "lightrnn", disk_of(400 * KILOBYTE)),
    Case("a disk of 400 KB", "compare", disk_of(400 * KILOBYTE)),
    Case("a cache of 16 KB", "cutoffs, nothing compiled", disk_of(16 * KILOBYTE, "cache", must_work=True), quick=True),
    Case("a cache of 16 KB", "train", disk_of(16 * KILOBYTE, "cache"), quick=True),
    Case("16 KB for temporary files", "count", disk_of(16 * KILOBYTE, "temporary")),
    Case("an output folder that cannot be written", "count", unwritable_part("work"), quick=True),
    Case("an output folder that cannot be written", "train", unwritable_part("work")),
    Case("an output folder that cannot be written", "compare", unwritable_part("work")),
    Case("a cache that cannot be written", "cutoffs, nothing compiled", unwritable_part("cache"), quick=True),
    Case("a cache that cannot be written", "train", unwritable_part("cache")),
    Case("no folder for temporary files", "count", unwritable_part("temporary"), quick=True),
    Case("no folder for temporary files", "compare", unwritable_part("temporary")),
    Case("a cache that is a file", "cutoffs", cache_that_is_a_file),
    Case("a cache that is a file", "train", cache_that_is_a_file),
    Case("the cache taken away", "cutoffs, nothing compiled", cache_taken_away(10)),
    Case("the cache taken away", "count", cache_taken_away(4)),
    Case("the cache taken away", "lightrnn-realloc", cache_taken_away(8)),
    Case("the cache taken away", "train", cache_taken_away(10)),
    Case("the cache taken away", "compare", cache_taken_away(4)),
    Case("the cache taken away", "cutoffs, nothing compiled", cache_taken_away(2), quick=True),
    Case("two in one run directory", "train", two_in_one_folder, quick=True),
    Case("two in one run directory", "lightrnn", two_in_one_folder),
    Case("two in one comparison", "compare", two_in_one_folder),
    Case("two on one cache", "cutoffs, nothing compiled", two_on_one_cache, quick=True),
    Case("two on one cache", "train", two_on_one_cache),
    Case("two on one cache", "compare", two_on_one_cache),
]


def run_disks(bench: Bench, long: bool, jobs: int, names: list[str] | None = None) -> Tally:
    """Do every fault, or the quick ones; to all commands, or to those named."""
    chosen = [case for case in CASES if (long or case.quick) and (names is None or case.command in names)]
    tally = Tally()
    with ThreadPoolExecutor(jobs) as pool:
        for number, (case, found) in enumerate(zip(chosen, pool.map(partial(_done, bench), chosen), strict=True), 1):
            print(f"{number} of {len(chosen)}: {case}", file=sys.stderr, flush=True)
            for line in found.problems:
                print(f"  {line}", file=sys.stderr, flush=True)
            tally += found
    return tally


def _done(bench: Bench, case: Case) -> Tally:
    """Do one fault, or say why it cannot be done here, and count it as left out."""
    try:
        return case.run(bench)
    except CannotMount as error:
        print(f"left out: {case}: {error}", file=sys.stderr, flush=True)
        return Tally(left_out=1)


def _judge(where: str, ended: Ended) -> Tally:
    """Judge an end that may be success or one line."""
    if ended.hung:
        return Tally(hangs=[f"{where}: {ended}"])
    wrong = complaint(ended)
    return Tally(tracebacks=[f"{where}: {wrong}"]) if wrong else Tally()


def _outlived(
    where: str,
    command: Command,
    bench: Bench,
    place: Place,
    ended: Ended,
    *,
    must_work: bool = False,
    must_fail: bool = False,
) -> Tally:
    """Judge what a fault made of a command, and, now that it is over, what comes of the command repeated."""
    unbroken = bench.unbroken(command)
    lost = judge_standing(command, unbroken, place)
    lost += temporary_files(place.work)
    if must_work and ended.status:
        lost.append(f"does not work: {ended}")
    if must_fail and not ended.status:
        lost.append("the fault does not bite: it works")
    if ended.status == 0 and (wrong := difference(results(place.work), unbroken.results)):
        lost.append(wrong)
    tally = _judge(where, ended) + Tally(lost=[f"{where}: {line}" for line in lost])
    if ended.status:
        tally += repeat(where, command, unbroken, place)
    return tally


def _wait(holds: Callable[[], bool], running: Running) -> None:
    """Wait until something holds, or the process ends."""
    while not holds() and running.process.poll() is None and running.seconds < LIMIT_SECONDS:
        time.sleep(POLL_SECONDS)
