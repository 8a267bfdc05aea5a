"""The quick part of ``python -m tests.faults``: a few kills and a few faults of disks, done to the real command."""

from __future__ import annotations

import random
import sys

import pytest

from tests.faults.commands import commands
from tests.faults.disks import CASES
from tests.faults.kills import INTERRUPT, INTERRUPT_TWICE, KILL, TERMINATE, Bench, run_kills
from tests.faults.moments import Duration, Moment, histogram, moments
from tests.faults.mounts import CannotMount
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
    assert run_kills([commands(bench.inputs)[command]], one, bench, seed=0) == Tally(kills=len(blows))


@linux
@pytest.mark.parametrize("case", [case for case in CASES if case.quick], ids=str)
def test_a_fault_of_the_disk_is_told_in_one_line_and_loses_nothing(bench, case):
    try:
        assert case.run(bench) == Tally()
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
    tally = Tally(kills=2, lost=["a"]) + Tally(hostile_files=3, tracebacks=["b"], hangs=["c"])
    assert str(tally) == "2 kills, 3 hostile files, 1 lost, 1 tracebacks, 1 hangs"
    assert tally.problems == ["a", "b", "c"] and not tally.sound and Tally(kills=1).sound
