"""``wordalloc compare``, as processes: the table and its files, broken off and resumed, refused."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import wordalloc as package

SMALL = ("--width", 16, "--batch", 8, "--bptt", 10, "--device", "cpu", "--min-count", 2)


def without_measurements(text: str) -> dict:
    """A comparison's figures without those in seconds, and without memory."""
    content = json.loads(text)
    for method in content["methods"]:
        del method["measured"]
    return {name: value for name, value in content.items() if name != "output"}


def test_one_table_of_every_kind_of_method(wordalloc, corpus, tmp_path):
    layers = "full,adaptive,classes,tree,table,lightrnn,factorised-input,factorised-recurrence,blackout"
    status, out, err = wordalloc(
        "compare", corpus / "train.txt", "--layers", layers, "--budget-tokens", 3000, *SMALL, "--samples", 40
    )
    assert status == 0, err
    table = [line.split() for line in out.splitlines()]
    assert [line[0] for line in table if line and line[0] in layers.split(",")] == layers.split(",")
    folder = tmp_path / "wordalloc-compare"
    content = json.loads((folder / "comparison.json").read_text())
    with (folder / "comparison.csv").open(newline="") as file:
        lines = {line["method"]: line for line in csv.DictReader(file)}
    methods = {method["method"]: method for method in content["methods"]}
    assert list(methods) == list(lines) == layers.split(",") and content["failed"] == {}
    size = content["vocab_size"]
    held, kept = (package.count(folder / name, eos=False).total for name in ("valid.txt", "train.txt"))
    assert (held, kept) == (12 * 75, 12 * 1425)  # every 20th of 1,500 lines
    assert methods["full"]["parameters"] == 2 * 16 * size and methods["full"]["perplexity_to_full"] == 1
    assert methods["blackout"]["parameters"] == (2 * 16 + 1) * size
    for name, method in methods.items():
        assert 1 < method["perplexity"] < size
        assert method["perplexity"] == float(lines[name]["perplexity"])
        assert method["perplexity_to_full"] == pytest.approx(method["perplexity"] / methods["full"]["perplexity"])
        assert len(method["curve_perplexities"][0]) == 20 == len(method["measured"]["curve_seconds"][0])
        seconds = method["measured"]["curve_seconds"][0]
        assert seconds == sorted(seconds) and seconds[0] > 0
        assert 3000 <= method["tokens"][0] < 3080
        # Each run can be evaluated on its own, to the same figure.
        assert (folder / "runs" / f"{name}-0" / "checkpoint" / "best.safetensors").exists()
    assert methods["full"]["measured"]["seconds_to_reach"] == pytest.approx(
        methods["full"]["measured"]["curve_seconds"][0][-1]
    )
    status, out, _ = wordalloc("evaluate", folder / "runs" / "tree-0", folder / "valid.txt", "--json")
    assert json.loads(out)["perplexity"] == pytest.approx(methods["tree"]["perplexity"], rel=1e-5)
    for picture in ("perplexity-over-time", "perplexity-over-parameters"):
        assert (folder / f"{picture}.png").read_bytes().startswith(b"\x89PNG")
        ET.parse(folder / f"{picture}.svg")


def test_a_killed_comparison_resumes_to_the_table_of_an_unbroken_one(corpus, tmp_path):
    command = [sys.executable, "-m", "wordalloc", "compare", str(corpus / "train.txt"), "--layers", "full,adaptive"]
    command += [*map(str, SMALL), "--budget-tokens", "12000", "--seeds", "2", "--resume", "--json", "-o"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    options = {"cwd": tmp_path, "env": env, "check": True, "capture_output": True, "text": True}
    expected = subprocess.run([*command, "unbroken"], **options).stdout
    # While the first trains, while the third does, and between two rows.
    for seen in ("runs/full-0/metrics.jsonl", "runs/full-1/metrics.jsonl", "rows/full-1.json"):
        process = subprocess.Popen(
            [*command, "broken"], cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(tmp_path / "broken" / seen, process)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, seen
    found = subprocess.run([*command, "broken"], **options).stdout
    assert without_measurements(found) == without_measurements(expected)
    assert len(json.loads(found)["methods"][0]["perplexities"]) == 2


def test_a_budget_of_seconds_ends_every_training(wordalloc, corpus):
    options = ("--layers", "full,adaptive", "--budget-seconds", 1.5, *SMALL, "--json", "--valid", corpus / "valid.txt")
    status, out, err = wordalloc("compare", corpus / "train.txt", *options)
    assert status == 0, err
    for method in json.loads(out)["methods"]:
        assert method["tokens"][0] > 18_000  # more than one pass over the text
        assert 1.4 < method["measured"]["curve_seconds"][0][-1] < 3


def test_allocations_that_are_given(wordalloc, corpus, tmp_path, refused):
    text = ("--min-count", 2)
    wordalloc("classes", corpus / "train.txt", *text, "-k", 5, "-o", "few.safetensors")
    wordalloc("classes", corpus / "train.txt", *text, "-k", 50, "-o", "many.safetensors")
    options = ("--valid", corpus / "valid.txt", "--budget-tokens", 500, *SMALL, "--json")
    given = ("--layers", "classes", "--allocation", "few.safetensors", "--allocation", "many.safetensors")
    status, out, err = wordalloc("compare", corpus / "train.txt", *options, *given)
    assert status == 0, err
    content = json.loads(out)
    assert [method["method"] for method in content["methods"]] == ["classes:few", "classes:many"]
    assert content["methods"][1]["parameters"] - content["methods"][0]["parameters"] == 45 * 16
    assert content["methods"][0]["perplexity_to_full"] is None
    # Another configuration cannot go on there, nor anything without --resume.
    wrong = refused("compare", corpus / "train.txt", *options, *given, "--resume", "--width", 8)
    assert "another width: it was 16, now 8" in wrong
    assert "holds a comparison already; give --resume" in refused("compare", corpus / "train.txt", *options, *given)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--layers", "full,adaptiv"), "did you mean adaptive?"),
        (("--layers", "full,full"), "each layer once"),
        (("--layers", ","), "each layer once"),
        (("--budget-tokens", 0), "at least 1 token, not 0"),
        (("--budget-seconds", 0), "above 0"),
        (("--budget-seconds", "nan"), "above 0"),
        (("--budget-tokens", 5, "--budget-seconds", 5), "not both"),
        (("--seeds", 0), "number of seeds"),
        (("--reach", 0.5), "above 1"),
        (("--layers", "full,nce", "--samples", 100_000), "samples"),
        (("--layers", "full", "--allocation", "a.safetensors"), "no layer of this comparison takes cutoffs"),
        (("--layers", "adaptive", "--allocation", "a.safetensors", "--allocation", "b.safetensors"), "vocabulary than"),
        (("--layers", "adaptive", "--allocation", "nowhere.safetensors"), "nowhere.safetensors"),
        (("--valid", "nowhere.txt"), "nowhere.txt"),
        (("-o", "taken"), "not empty"),
        (("-o", "taken/thesis.txt"), "is a file"),
    ],
)
def test_bad_input_writes_nothing(refused, corpus, tmp_path, arguments, says):
    for name, words in (("a", "abc"), ("b", "abd")):
        package.Cutoffs(package.Vocabulary.from_counts(words, [3, 2, 1]), [1]).save(tmp_path / f"{name}.safetensors")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    assert says in refused("compare", corpus / "train.txt", *SMALL, *arguments)


def test_a_text_too_short_to_hold_out(refused, tmp_path):
    (tmp_path / "short.txt").write_text("one line\n" * 19)
    assert "--valid" in refused("compare", "short.txt", *SMALL)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the child process in /proc")
def test_a_training_that_dies_leaves_the_other_methods(corpus, tmp_path):
    command = [sys.executable, "-m", "wordalloc", "compare", str(corpus / "train.txt"), "--layers", "full,adaptive"]
    command += [*map(str, SMALL), "--budget-tokens", "12000", "--json", "--resume"]
    options = {"cwd": tmp_path, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, **options)
    wait_for(tmp_path / "wordalloc-compare" / "runs" / "full-0" / "metrics.jsonl", process)
    os.kill(child_of(process.pid), signal.SIGKILL)
    out, err = process.communicate()
    assert process.returncode == 1 and "wordalloc: full: the training in" in err and "1 of 2 failed" in err
    content = json.loads(out)
    assert [method["method"] for method in content["methods"]] == ["adaptive"] and list(content["failed"]) == ["full"]
    again = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert [method["method"] for method in json.loads(again.stdout)["methods"]] == ["full", "adaptive"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the child process in /proc")
def test_no_training_outlives_its_comparison(corpus, tmp_path):
    command = [sys.executable, "-m", "wordalloc", "compare", str(corpus / "train.txt"), "--layers", "full"]
    command += [*map(str, SMALL), "--budget-seconds", "100"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(tmp_path / "wordalloc-compare" / "runs" / "full-0" / "metrics.jsonl", process)
    child = child_of(process.pid)
    process.kill()
    process.wait()
    for _ in range(100):
        if not is_running(child):
            return
        time.sleep(0.05)
    pytest.fail("the training goes on")


def wait_for(file, process):
    """Wait until a running process has written a file."""
    while not file.exists():
        assert process.poll() is None
        time.sleep(0.02)


def child_of(pid: int) -> int:
    """Return the one child of a process."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def is_running(pid: int) -> bool:
    """Tell whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
