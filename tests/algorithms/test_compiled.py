"""Compiled code: where its cache goes, and that nothing breaks where it cannot go there."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import sys, numpy, wordalloc
assert "numba" not in sys.modules
vocabulary = wordalloc.Vocabulary(["a", "b", "c", "d"], [8, 4, 2, 1])
found = wordalloc.adaptive_cutoffs(vocabulary, 2, min_head_mass=0, min_tail_share=0)
import numba
print(found.cutoffs.tolist(), numba.config.CACHE_DIR or "none", "NUMBA_CACHE_DIR" in __import__("os").environ)
"""


def run(cache, **environment):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**inherited, "WORDALLOC_CACHE": str(cache), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_the_cache_is_ours_and_the_process_keeps_its_own_setting(tmp_path):
    first = run(tmp_path / "cache")
    compiled = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache" / "numba").rglob("*.nbc")}
    assert compiled
    assert first[-2:] == ["none", "False"]
    assert run(tmp_path / "cache") == first
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "cache" / "numba").rglob("*.nbc")} == compiled


def test_a_setting_of_the_users_own_is_left_alone(tmp_path):
    theirs = tmp_path / "theirs"
    assert run(tmp_path / "cache", NUMBA_CACHE_DIR=str(theirs))[-2:] == [str(theirs), "True"]
    assert not theirs.exists()


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert run(tmp_path / "file" / "cache")[-2:] == ["none", "False"]
    assert (tmp_path / "file").read_text() == "in the way"
