"""Narrow terminals, terminals without colours, and pipes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordalloc.cli.progress import is_drawn, make_bar
from wordalloc.cli.render import _side_by_side, print_table

COLUMNS = ["method", "perplexity", "tokens/s", "weights", "what it is for"]
ROWS = [
    ("full", "210.4 ± 1.2", "13,065", "2,386,757", "all words are scored, which takes the longest"),
    ("sampled-softmax", "1,234,567.8", "1,043,464", "12,386,757", "–"),
    ("数据", "89.0", "48,471", "119,000", "words that are two columns broad"),
]
ESCAPES = re.compile(r"\x1b\[[\d;]*m")


@pytest.fixture
def terminal(monkeypatch):
    """Make of stdout and stderr a terminal of so many columns, under an environment."""

    def make(columns: int = 80, is_terminal: bool = True, **environment: str) -> None:
        for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"COLUMNS": str(columns), "TERM": "xterm-256color", **environment}.items():
            monkeypatch.setenv(name, value)
        for stream in (sys.stdout, sys.stderr):
            monkeypatch.setattr(stream, "isatty", lambda: is_terminal)

    return make


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_a_table_fits_the_terminal_and_no_figure_is_broken(terminal, capsys, columns):
    from rich.cells import cell_len

    terminal(columns, NO_COLOR="1")
    print_table(COLUMNS, ROWS, text=["what it is for"])
    out = ESCAPES.sub("", capsys.readouterr().out)
    assert all(cell_len(line) <= columns for line in out.splitlines())
    for row in ROWS:
        for cell in row[:4]:
            assert re.search(rf"(^|\s){re.escape(cell)}(\s|$)", out, re.MULTILINE)
        assert set(row[4].split()) <= set(out.split())
    assert out.count("method") == (1 if columns == 200 else out.count("\n\n") + 1)  # each table names its rows


@given(st.lists(st.integers(1, 60), min_size=1, max_size=9), st.integers(10, 130))
def test_every_column_is_shown_once_behind_the_first(widths, room):
    tables = _side_by_side(widths, room)
    assert [column for table in tables for column in table[1:]] == list(range(1, len(widths)))
    assert all(table[0] == 0 for table in tables)
    for table in tables:
        broad = sum(widths[column] for column in table) + 3 * (len(table) - 1)
        assert broad <= room or len(table) <= 2


@pytest.mark.parametrize(
    ("environment", "is_terminal", "colours"),
    [
        ({}, True, True),
        ({"NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({}, False, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
    ids=["terminal", "NO_COLOR", "dumb", "pipe", "FORCE_COLOR", "both"],
)
def test_colours_only_where_they_are_wanted(terminal, capsys, environment, is_terminal, colours):
    terminal(is_terminal=is_terminal, **environment)
    print_table(COLUMNS, ROWS, mark=1)
    out = capsys.readouterr().out
    assert ("32m" in out) is colours  # the green of the row that stands out
    if "TERM" in environment or not (is_terminal or environment):
        assert "\x1b" not in out


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_progress_is_one_line_that_shows_how_far_it_is(terminal, columns):
    terminal(columns)
    assert is_drawn()
    bar = make_bar()
    title = "epoch 12  loss 4.123  123,456 tokens/s [/] and [red]more"  # a file's name may look like markup
    bar.add_task(title, completed=67, total=100)
    with bar.console.capture() as captured:
        bar.console.print(bar.get_renderable())
    (line,) = ESCAPES.sub("", captured.get()).splitlines()
    assert len(line) <= columns
    assert line.startswith("epoch 12") and " 67% " in line and "-:--:--" in line


def test_nothing_is_drawn_on_a_dumb_terminal_or_into_a_file(terminal):
    terminal(TERM="dumb")
    assert not is_drawn()
    terminal(is_terminal=False, FORCE_COLOR="1")
    assert not is_drawn()


def test_pipes(corpus, tmp_path):
    """Text in, JSON out, and nothing on stderr; a reader that leaves early is no error."""
    wordalloc = f"'{sys.executable}' -m wordalloc"
    script = f"""
        set -o pipefail
        cat '{corpus}/train.txt' | {wordalloc} buckets - -n 4 --json | '{sys.executable}' -m json.tool
        {wordalloc} cutoffs - --dim 64 < '{corpus}/train.txt' | head -1
    """
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, env={**os.environ, "FORCE_COLOR": ""}, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    content, _, last = done.stdout.decode().rpartition("standard input: ")
    assert len(json.loads(content)["buckets"]) == 4 and "tokens" in last
    made = {"stdin.buckets.safetensors", "stdin.cutoffs.safetensors"}
    assert {file.name for file in Path(tmp_path).iterdir()} == made
