"""Hostile files, a few of every sort; all of them: ``python -m tests.faults --long``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.hostile import OFFLINE, in_worker, run
from tests.faults.hostile_case import Case


def test_hostile_files_end_in_one_line_or_work() -> None:
    tally = run(long=False, seed=0)
    assert tally.hostile_files > 100
    assert (tally.lost, tally.tracebacks, tally.hangs) == ([], [], [])


COUNT = ("count", "text.txt", "-o", "out.safetensors")


@pytest.mark.parametrize(
    ("case", "found"),
    [
        (Case("g", "n", {"text.txt": b"a"}, COUNT, expected={"b": 1}), "counted {'<eos>': 1, 'a': 1}, expected"),
        (Case("g", "n", {"text.txt": b"a"}, COUNT, refused=True), "accepted"),
        (Case("g", "n", {"text.txt": b"\xff"}, COUNT, works=True), "refused: 'wordalloc: text.txt: byte 0"),
        (Case("g", "n", {"text.txt": b"\x1b a"}, ("export", "text.txt", "--to", "tsv"), works=True), "refused"),
        (Case("g", "n", {"text.txt": b"a"}, COUNT, reload="text.txt"), "exit status 70"),
    ],
    ids=["other words", "accepted", "refused", "no allocation", "traceback"],
)
def test_the_harness_finds_what_is_wrong(tmp_path: Path, case: Case, found: str) -> None:
    tally = in_worker([case], OFFLINE, tmp_path)
    assert any(found in problem for problem in tally.tracebacks + tally.lost), tally
