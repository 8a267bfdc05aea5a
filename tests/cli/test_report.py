"""``report``: what is printed, and what is refused."""

from __future__ import annotations

import json
import sys

import pytest

import wordalloc as package
from tests.report.pages import make_comparison, make_run

pytest.importorskip("plotly", reason="pages need plotly: pip install 'wordalloc[report]'")


@pytest.fixture
def vocabulary(tmp_path):
    package.save(package.Vocabulary.from_counts("abc", [3, 2, 1]), tmp_path / "a.vocabulary.safetensors")
    return "a.vocabulary.safetensors"


def test_report_says_what_it_has_written(wordalloc, vocabulary, tmp_path):
    status, out, err = wordalloc("report", vocabulary, "-o", "page.html", "--json")
    assert (status, err) == (0, "")
    size = (tmp_path / "page.html").stat().st_size
    assert json.loads(out) == {"bytes": size, "sections": ["Words"], "output": "page.html"}
    status, out, err = wordalloc("report", vocabulary)
    assert (status, err) == (0, "") and out.endswith("written to report.html\n")
    assert (tmp_path / "report.html").read_bytes() == (tmp_path / "page.html").read_bytes()


def test_what_is_nothing_to_show_is_refused(refused, vocabulary, tmp_path):
    assert "nowhere.safetensors" in refused("report", "nowhere.safetensors")
    (tmp_path / "folder").mkdir()
    assert "neither a run nor a comparison" in refused("report", vocabulary, "folder")
    assert "cannot write nowhere" in refused("report", vocabulary, "-o", "nowhere/page.html")
    assert "Missing argument" in refused("report")


def test_a_page_replaces_nothing_that_it_shows(refused, wordalloc, vocabulary, tmp_path):
    make_run(tmp_path / "run")
    make_comparison(tmp_path / "all")
    (tmp_path / "link.safetensors").symlink_to(vocabulary)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for output in (vocabulary, f"run/../{vocabulary}", "link.safetensors"):
        assert "the result would overwrite its own source" in refused("report", "run", vocabulary, "-o", output)
    for output in ("run/metrics.jsonl", "run/timings.jsonl", "run/config.json", "all/comparison.json"):
        assert f"would replace {output}, a file of" in refused("report", vocabulary, "run", "all", "-o", output)
    assert "a page is a file" in refused("report", vocabulary, "-o", "-")
    assert {path: path.read_bytes() for path in before} == before
    for _ in range(2):  # a page beside what it shows is no harm, nor a newer one in its place
        assert wordalloc("report", "run", "-o", "run/page.html")[0] == 0


def test_without_plotly_the_error_says_what_to_install(refused, vocabulary, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "plotly" or name == "wordalloc.report.page"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.delitem(sys.modules, "wordalloc.report.page_style", raising=False)
    assert "a page needs plotly: pip install 'wordalloc[report]'" in refused("report", vocabulary)
