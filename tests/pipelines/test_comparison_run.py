"""One training of a comparison: every method's figures, budgets of seconds, short texts, and processes that end."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
import torch

import wordalloc as package
from wordalloc.allocations import save
from wordalloc.errors import FormatError, InputError, OutputError, RunError
from wordalloc.pipelines.comparison_allocations import make_allocations
from wordalloc.pipelines.comparison_directory import ComparisonDirectory
from wordalloc.pipelines.comparison_methods import METHODS, contestants
from wordalloc.pipelines.comparison_run import in_own_process, train_and_measure
from wordalloc.training import TrainConfig, evaluate

torch.set_num_threads(1)
SAMPLED = ("importance", "sampled-softmax", "nce", "blackout", "negative")
CONFIG = {"width": 16, "batch": 8, "bptt": 10, "device": "cpu", "samples": 20, "epochs": 99, "validations": 20}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A text, a validation text, and an allocation of every kind, made as a comparison makes them."""
    folder = tmp_path_factory.mktemp("comparison")
    (folder / "train.txt").write_text("".join(f"w{n % 7} w{n % 11} w{n % 23} w{n % 31}\n" for n in range(400)))
    (folder / "valid.txt").write_text("".join(f"w{n % 7} w{n % 11} w{n % 23} w{n % 31}\n" for n in range(400, 440)))
    words = package.count(folder / "train.txt")
    save(words, folder / "vocabulary.safetensors")
    entrants, _ = contestants(list(METHODS), [])
    made: list[str] = []
    text, config = [str(folder / "train.txt")], TrainConfig(**CONFIG)
    make_allocations(entrants, ComparisonDirectory(folder), words, text, None, config, made.append)
    assert made == ["making cutoffs", "making classes", "making tree", "making table"]
    return folder


def job(folder, run, method="full", valid="valid.txt", **config):
    """What a comparison has another process do."""
    options = {**CONFIG, **METHODS[method].config, **config}
    return {
        "paths": [str(folder / "train.txt")],
        "valid": [str(folder / valid)],
        "column": None,
        "allocation": str(folder / f"{METHODS[method].kind}.safetensors"),
        "run": str(run),
        "config": TrainConfig(**options).to_json(),
    }


def ignored(at):
    """Listen to no progress."""


@pytest.mark.parametrize("method", METHODS)
def test_the_row_of_every_method(folder, tmp_path, method):
    row = train_and_measure(job(folder, tmp_path / "run", method, max_tokens=4000), ignored)
    size = package.load(folder / "vocabulary.safetensors").size
    assert 1 < row["perplexity"] < size
    assert evaluate(tmp_path / "run", folder / "valid.txt").perplexity == pytest.approx(row["perplexity"], rel=1e-5)
    assert 4000 <= row["tokens"] < 4080 and row["unknown_share"] == 0
    points = [point["tokens"] for point in row["curve"]]
    assert len(points) == 20 and points[-1] == row["tokens"]
    assert all(0 <= point - 200 * number < 80 for number, point in enumerate(points, 1))
    seconds = row["measured"]["curve_seconds"]
    assert seconds == sorted(seconds) and seconds[0] > 0 and len(seconds) == 20
    full = (2 * 16 + 1) * size  # with a bias each
    shape = package.load(folder / "table.safetensors").shape
    own = min(6 * shape[0], size) * 16  # vectors of frequent words
    expected = {"lightrnn": 2 * 16 * sum(shape) + shape[0] + own} | dict.fromkeys(["full", *SAMPLED], full)
    assert row["parameters"] == expected.get(method, row["parameters"])
    assert row["bytes"] >= 4 * row["parameters"]


def test_a_budget_of_seconds_goes_on_over_many_passes(folder, tmp_path):
    row = train_and_measure(job(folder, tmp_path / "run", max_seconds=0.5), ignored)
    assert row["tokens"] > 2 * 2000  # passes
    assert 0.5 <= row["measured"]["curve_seconds"][-1] < 1.5


@pytest.mark.parametrize(("bptt", "lines"), [(1, 40), (5, 40), (10, 1)])
def test_a_query_is_timed_also_where_sequences_are_short(folder, tmp_path, bptt, lines):
    (tmp_path / "valid.txt").write_text("w1 w2 w3\n" * lines)
    short = job(folder, tmp_path / "run", valid=tmp_path / "valid.txt", bptt=bptt, max_tokens=100)
    assert train_and_measure(short, ignored)["measured"]["query_seconds"] > 0


def test_timings_that_are_gone_are_named(folder, tmp_path):
    small = job(folder, tmp_path / "run", max_tokens=100)
    train_and_measure(small, ignored)
    (tmp_path / "run" / "timings.jsonl").unlink()
    with pytest.raises(FormatError, match=r"timings\.jsonl: damaged"):
        train_and_measure(small, ignored)


def test_what_goes_wrong_in_the_process_is_told(folder, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"nowhere\.txt"):
        in_own_process(job(folder, tmp_path / "run", valid="nowhere.txt"), ignored)
    with pytest.raises(OutputError, match="cannot make the run directory"):
        in_own_process(job(folder, folder / "train.txt" / "run"), ignored)
    # A process that ends before it has read what to do: more than a pipe holds.
    monkeypatch.setattr(sys, "executable", shutil.which("true"))
    with pytest.raises(RunError, match="unexpected end: exit status 0"):
        in_own_process({**job(folder, tmp_path / "run"), "more": "x" * 2**20}, ignored)


def test_rows_that_are_damaged_are_named(folder, tmp_path):
    row = train_and_measure(job(folder, tmp_path / "run", max_tokens=100), ignored)
    directory, file = ComparisonDirectory(tmp_path), tmp_path / "row.json"
    file.write_text(json.dumps(row))
    assert directory.read_row(file) == row
    shorter = json.dumps({**row, "curve": row["curve"][1:]})
    for damaged in ("", "[]", "{}", '{"perplexity": 1, "measured": {}}', shorter):
        file.write_text(damaged)
        with pytest.raises(FormatError, match=r"row\.json: damaged: .* --resume"):
            directory.read_row(file)
