"""The quick part of ``python -m tests.faults``: a few kills and a few faults of disks, done to the real command."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.allocations.test_golden import GOLDEN
from tests.faults import kills
from tests.faults.commands import Command, commands
from tests.faults.disks import CASES, _outlived
from tests.faults.kills import (
    INTERRUPT,
    INTERRUPT_TWICE,
    KILL,
    TERMINATE,
    Bench,
    Unbroken,
    _judge_end,
    judge_standing,
    run_kills,
)
from tests.faults.moments import Duration, Moment, histogram, moments
from tests.faults.mounts import CannotMount
from tests.faults.processes import PACKAGE, Ended, Place, Running, before_main
from tests.faults.standing import difference, half_files, results, temporary_files
from tests.faults.tally import Tally

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes in /proc")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench.make(tmp_path_factory.mktemp("faults"), quick=True)


@linux
@pytest.mark.parametrize(
    ("command", "blows"),
    [
        ("count", [KILL, INTERRUPT, TERMINATE]),
        ("tree", [KILL, INTERRUPT, INTERRUPT_TWICE]),
        ("lightrnn-realloc", [KILL, INTERRUPT]),
        ("train", [KILL, INTERRUPT]),
    ],
    ids=["count", "tree", "lightrnn-realloc", "train"],
)
def test_a_command_that_is_killed_loses_nothing_and_repeated_comes_to_the_same(bench, command, blows):
    one = dict.fromkeys(blows, lambda command: 1)
    tally = run_kills([commands(bench.inputs)[command]], one, bench, seed=0)
    assert replace(tally, too_early=0) == Tally(kills=len(blows))


@linux
@pytest.mark.parametrize("case", [case for case in CASES if case.quick], ids=str)
def test_a_fault_of_the_disk_is_told_in_one_line_and_loses_nothing(bench, case):
    try:
        assert case.run(bench) == Tally(disk_faults=1)
    except CannotMount as error:
        pytest.skip(f"a small disk takes a mount: {error}")


@pytest.mark.parametrize("checkpoint", [None, 2.0, 5.0, 9.0])
@pytest.mark.parametrize("n", [1, 2, 7, 20])
def test_moments_are_spread_and_half_of_a_trainers_lie_after_its_first_checkpoint(n, checkpoint):
    found = moments(n, Duration(10.0, checkpoint), random.Random(1))
    shares = [moment.share for moment in found]
    assert len(found) == n and shares == sorted(shares) and shares[0] >= 0 and shares[-1] < 1
    after = [moment.share for moment in found if moment.after_checkpoint]
    if checkpoint is None:
        assert not after and [int(share * n) for share in shares] == list(range(n))
    else:
        first = checkpoint / 10
        assert 2 * len(after) >= n and all(share >= first for share in after)
        assert all(moment.share < first for moment in found if not moment.after_checkpoint)
        assert [int((share - first) / (1 - first) * len(after)) for share in after] == list(range(len(after)))


def test_the_histogram_counts_tenths():
    lines = histogram("all", [Moment(0.05), Moment(0.31), Moment(0.39), Moment(0.999)]).splitlines()
    assert lines[0] == "all: 4 kills over the unbroken duration"
    assert [int(line.split()[3]) for line in lines[1:]] == [1, 0, 0, 2, 0, 0, 0, 0, 0, 1]


def test_tallies_add_up():
    tally = Tally(kills=2, too_early=1, lost=["a"]) + Tally(hostile_files=3, tracebacks=["b"], hangs=["c"])
    tally += Tally(disk_faults=4, left_out=5)
    assert str(tally) == (
        "2 kills, 3 hostile files, 1 lost, 1 tracebacks, 1 hangs, 1 of the kills before main, 4 disk faults, 5 left out"
    )
    assert tally.problems == ["a", "b", "c"] and not tally.sound and Tally(kills=1).sound


# That the harness finds what it looks for is shown by hand-made ends and places; no command runs.

PLAIN = Command("plain", ())
KEPT = Command("kept", (), "run", again=("--resume",))
OURS = 'Traceback (most recent call last):\n  File "{}/cli/__init__.py", line 1, in {}\nKeyboardInterrupt\n'


def ended(status: int, err: str = "", processor: float = 0.05, hung: bool = False) -> Ended:
    return Ended(status, "", err, 0.1, hung, processor)


@pytest.fixture
def place(tmp_path):
    place = Place.make(tmp_path / "place")
    (place.work / "thesis.txt").write_text("whole")
    return place


@pytest.mark.parametrize(
    ("spoil", "command", "found"),
    [
        (lambda work: None, PLAIN, []),
        (lambda work: (work / "thesis.txt").unlink(), PLAIN, ["lost: thesis.txt"]),
        (lambda work: (work / "thesis.txt").write_text("other"), PLAIN, ["lost: thesis.txt"]),
        (lambda work: (work / "strange.txt").write_text(""), PLAIN, ["left behind: strange.txt"]),
        (lambda work: (work / "strange.txt").write_text(""), KEPT, []),
    ],
    ids=["nothing", "removed", "changed", "left behind", "in a folder that is kept"],
)
def test_what_stood_and_stands_no_more_is_reported(place, spoil, command, found):
    before = results(place.work)
    spoil(place.work)
    assert judge_standing(command, Unbroken(Duration(1.0), before, before), place) == found


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("out.safetensors", (GOLDEN / "table.safetensors").read_bytes()[:-1]),
        ("checkpoint/latest.safetensors", (GOLDEN / "table.safetensors").read_bytes()),
        ("checkpoint/best.safetensors", b"\x02\0\0\0\0\0\0\0{}"),  # no metadata at all
        ("config.json", b'{"width": 3'),
        ("metrics.jsonl", b'{"epoch"\n{}\n'),
        ("chart.svg", b"<svg>"),
        ("rows.csv", b"a,b\n1\n"),
        ("chart.png", b"\x89PNG"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_half_a_file_is_reported(place, name, content):
    (place.work / name).parent.mkdir(exist_ok=True)
    (place.work / name).write_bytes(content)
    half = half_files(place.work)
    assert len(half) == 1 and half[0].startswith(f"half a file: {name}: ")
    assert judge_standing(PLAIN, Unbroken(Duration(1.0), {}, {}), place) == half


def test_results_that_differ_and_temporary_files_are_reported(place):
    before = results(place.work)
    (place.work / ".out.tmp").write_text("")
    (place.work / "timings.jsonl").write_text("{}\n")
    (place.work / "new.json").write_text('{"measured": 1, "words": 2}')
    assert results(place.work) == {**before, "new.json": {"words": 2}}
    assert difference(results(place.work), before) == "other than unbroken: new.json"
    assert difference({}, before) == "other than unbroken: thesis.txt" and difference(before, before) is None
    assert temporary_files(place.work) == ["a temporary file: .out.tmp"]


@pytest.mark.parametrize(
    ("blow", "end", "problem"),
    [
        (KILL, ended(-signal.SIGKILL), None),
        (INTERRUPT, ended(0), None),
        (INTERRUPT, ended(2, "wordalloc: interrupted\n"), None),
        (INTERRUPT, ended(-signal.SIGINT), "no exit status of ours"),
        (INTERRUPT, ended(2, "wordalloc: other\n"), "not told that it was interrupted"),
        (INTERRUPT, ended(2, "wordalloc: interrupted\nonce more\n"), "not one clear line"),
        (INTERRUPT, ended(1, OURS), "a traceback"),
        (KILL, ended(-signal.SIGKILL, OURS), "a traceback"),
        (TERMINATE, ended(-signal.SIGTERM), "no exit status of ours"),
        (TERMINATE, ended(-signal.SIGKILL, hung=True), "status -9 after"),
    ],
)
def test_how_a_struck_command_ends_is_judged(blow, end, problem):
    tally = _judge_end("here", blow, end)
    if problem is None:
        assert tally == Tally()
    else:
        assert len(tally.problems) == 1 and tally.problems[0].startswith(f"here: {problem}")
        assert bool(tally.hangs) == end.hung


@pytest.mark.parametrize(
    ("end", "early"),
    [
        (ended(-signal.SIGTERM), True),
        (ended(-signal.SIGTERM, processor=0.2), False),
        (ended(1, OURS.format(PACKAGE, "<module>")), True),
        (ended(1, OURS.format("/usr/lib/python", "main")), True),
        (ended(1, OURS.format(PACKAGE, "_answered")), False),
        (ended(2, "wordalloc: interrupted\n"), False),
        (ended(-signal.SIGKILL), False),
    ],
)
def test_only_a_signal_that_met_nothing_but_the_import_of_our_code_is_excused(end, early):
    assert before_main(end) == early


@pytest.mark.parametrize(
    ("end", "problem"),
    [
        (ended(0), None),
        (ended(0, "wordalloc: a warning\n"), "status 0 after"),
        (ended(2, "wordalloc: other\n"), "status 2 after"),
        (ended(1, OURS), "status 1 after"),
        (ended(-signal.SIGKILL, hung=True), "status -9 after"),
    ],
)
def test_a_repeated_command_that_does_not_work_is_reported(place, monkeypatch, end, problem):
    monkeypatch.setattr(kills, "run", lambda arguments, place: end)
    tally = kills.repeat("here", PLAIN, Unbroken(Duration(1.0), {}, results(place.work)), place)
    assert [line.startswith(f"here: repeated: {problem}") for line in tally.problems] == [True] * (problem is not None)
    assert bool(tally.hangs) == end.hung and bool(tally.tracebacks) == end.traceback


def test_a_repeated_command_that_comes_to_something_else_is_reported(place, monkeypatch):
    monkeypatch.setattr(kills, "run", lambda arguments, place: ended(0))
    unbroken = Unbroken(Duration(1.0), {}, results(place.work))
    (place.work / "thesis.txt").write_text("other")
    (place.work / ".out.tmp").write_text("")  # stays where a command keeps no folder: only a kill leaves it
    other, left = "here: repeated: other than unbroken: thesis.txt", "here: repeated: a temporary file: .out.tmp"
    assert kills.repeat("here", PLAIN, unbroken, place) == Tally(lost=[other])
    assert kills.repeat("here", KEPT, unbroken, place) == Tally(lost=[left, other])


def test_a_fault_that_does_not_bite_is_reported(place, tmp_path):
    class Measured(Bench):
        def unbroken(self, command: Command) -> Unbroken:
            return Unbroken(Duration(1.0), results(place.work), results(place.work))

    bench = Measured(tmp_path, tmp_path, tmp_path, quick=True)
    assert _outlived("here", PLAIN, bench, place, ended(0)) == Tally()
    found = _outlived("here", PLAIN, bench, place, ended(0), must_fail=True)
    assert found.lost == ["here: the fault does not bite: it works"]


@linux
def test_a_process_that_outlives_its_leader_is_reported_and_ended():
    running = object.__new__(Running)
    running.process = subprocess.Popen(["sh", "-c", "sleep 60 &"], start_new_session=True)
    running.process.wait()
    (line,) = running.orphans(0.0)
    assert "sleep 60" in line  # its own command, or still that of the shell that it forks from
    assert running.orphans() == []
