"""What is read of runs and comparisons, and what is refused as damaged: for pages and pictures alike."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest

from tests.report.pages import make_comparison, make_run
from wordalloc.errors import FormatError
from wordalloc.pipelines.plotting import read_content
from wordalloc.pipelines.report import gather


def test_curves_of_a_run(tmp_path):
    (run,) = gather([make_run(tmp_path / "run", slower=2)]).runs
    assert run.loss.tokens.tolist() == [100.0 * step for step in range(1, 11)]
    assert run.loss.seconds == pytest.approx([0.2 * step for step in range(1, 11)])
    assert run.valid.values.tolist() == [38.0, 19.0]
    (tmp_path / "run" / "timings.jsonl").unlink()
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 11, "tok')  # the run goes on
    (run,) = gather([tmp_path / "run"]).runs
    assert np.isnan(run.loss.seconds).all() and run.loss.values.size == 10


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "damaged"),
        ("[1]", "no object"),
        ('{"nll": 1, "step": 1}', "tokens"),
        ('{"nll": "x", "step": 1, "tokens": 1}', "damaged"),
    ],
)
def test_damaged_metrics_are_refused(tmp_path, line, said):
    make_run(tmp_path / "run")
    (tmp_path / "run" / "metrics.jsonl").write_text(line + "\n")
    with pytest.raises(FormatError, match=said):
        gather([tmp_path / "run"])


@pytest.mark.parametrize(
    "line",
    [
        '{"step": "x", "seconds_so_far": 1}',
        '{"seconds_so_far": 1}',
        '{"step": 1, "seconds_so_far": [1]}',
        f'{{"step": 1, "seconds_so_far": {"9" * 400}}}',
        '{"step": 1, "seconds_so_far": Infinity}',
        '{"step": NaN, "seconds_so_far": 1}',
    ],
    ids=range(6),
)
def test_damaged_timings_are_refused(tmp_path, line):
    make_run(tmp_path / "run")
    (tmp_path / "run" / "timings.jsonl").write_text(line + "\n")
    with pytest.raises(FormatError, match=r"run: metrics.jsonl or timings.jsonl is damaged: "):
        gather([tmp_path / "run"])


@pytest.mark.parametrize("value", [0, -3.0, 1e-300, 1e308, 10**400, "x", None, True], ids=range(8))
def test_what_is_no_perplexity_is_refused_for_page_and_picture(tmp_path, value):
    make_run(tmp_path / "run")
    for key in ("part_perplexity", "valid_perplexity"):
        line = json.dumps({"step": 1, "tokens": 1, key: value})
        (tmp_path / "run" / "metrics.jsonl").write_text(line + "\n")
        if value is not True:  # JSON's numbers are read as floats there
            with pytest.raises(FormatError, match=r"run: metrics.jsonl or timings.jsonl is damaged"):
                read_content(tmp_path / "run")
    file = make_comparison(tmp_path / "all") / "comparison.json"
    whole = json.loads(file.read_text())
    places = [("methods", 0, "perplexities", 0), ("methods", 1, "curve_perplexities", 0, 0), ("unigram_perplexity",)]
    for *way, last in [*places, ("methods", 2, "perplexity_least"), *([] if value is None else [("reach",)])]:
        damaged = json.loads(json.dumps(whole))
        functools.reduce(lambda found, step: found[step], way, damaged)[last] = value
        file.write_text(json.dumps(damaged))
        with pytest.raises(FormatError, match=r"comparison.json: damaged: .* is no perplexity"):
            read_content(tmp_path / "all")


@pytest.mark.parametrize("seconds", [[2.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
def test_seconds_that_do_not_increase_are_told_with_their_folder(tmp_path, seconds):
    file = make_comparison(tmp_path / "all") / "comparison.json"
    found = json.loads(file.read_text())
    found["methods"][0]["measured"]["curve_seconds"] = [seconds]
    file.write_text(json.dumps(found))
    with pytest.raises(FormatError, match=r"all/comparison.json: damaged: the seconds of 'full' do not increase"):
        gather([tmp_path / "all"])


@pytest.mark.parametrize("damage", ["{", "[]", '{"methods": [{}]}', '{"methods": [], "reach": null}'])
def test_a_damaged_comparison_is_refused(tmp_path, damage):
    (tmp_path / "comparison.json").write_text(damage)
    with pytest.raises(FormatError, match=r"comparison\.json: damaged"):
        gather([tmp_path])
