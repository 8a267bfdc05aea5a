"""``wordalloc compare``: the table and its files, broken off and resumed, refused."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import wordalloc as package
from wordalloc.cli import main
from wordalloc.cli.comparing import compare
from wordalloc.pipelines.comparison_methods import DEFAULT_LAYERS, METHODS
from wordalloc.training import evaluate

SMALL = ("--width", 16, "--batch", 8, "--bptt", 10, "--device", "cpu", "--min-count", 2)
PROC = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the child process in /proc")


@pytest.fixture(scope="module")
def command(corpus, tmp_path_factory):
    """A comparison of two methods over many short passes, each of which ends in a checkpoint; and where it runs."""
    folder = tmp_path_factory.mktemp("compare")
    lines = (corpus / "train.txt").read_text().splitlines(keepends=True)
    (folder / "short.txt").write_text("".join(lines[:100]))
    package.frequency_classes(package.count(folder / "short.txt", min_count=2), 5).save(folder / "five.safetensors")
    arguments = ("short.txt", "--layers", "full,classes", "--allocation", "five.safetensors", "--budget-tokens", 20_000)
    return [sys.executable, "-m", "wordalloc", "compare", *map(str, (*arguments, *SMALL, "--resume"))], folder


@pytest.fixture(scope="module")
def unbroken(command):
    """What the comparison prints, and its folder."""
    arguments, folder = command
    done = subprocess.run([*arguments, "-o", "unbroken"], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout, folder / "unbroken"


def without_measurements(content: dict) -> dict:
    """A comparison's figures without those in seconds, and without memory."""
    kept = {name: value for name, value in content.items() if name != "output"}
    kept["methods"] = [{n: v for n, v in method.items() if n != "measured"} for method in content["methods"]]
    return kept


def test_one_table_as_text_json_csv_and_pictures(unbroken):
    out, folder = unbroken
    table = {line.split()[0]: line.split() for line in out.splitlines() if line.startswith(("full ", "classes "))}
    content = json.loads((folder / "comparison.json").read_text())
    with (folder / "comparison.csv").open(newline="") as file:
        lines = {line["method"]: line for line in csv.DictReader(file)}
    methods = {method["method"]: method for method in content["methods"]}
    assert list(table) == list(methods) == list(lines) == ["full", "classes"] and content["failed"] == {}
    held, kept = (package.count(folder / name, eos=False).total for name in ("valid.txt", "train.txt"))
    assert (held, kept) == (12 * 5, 12 * 95)  # every 20th of 100 lines
    # The words of the allocation given are those of every method.
    size = package.load(folder.parent / "five.safetensors").vocabulary.size
    assert content["vocab_size"] == size and methods["full"]["parameters"] == (16 + 16 + 1) * size
    assert methods["classes"]["parameters"] == (16 + 16 + 1) * size + (16 + 1) * 5  # a vector and a bias a class
    # The words of this text are drawn independently, so nothing can be learnt but how often they occur.
    assert "The full softmax has not come to half of the unigram perplexity" in out
    for name, method in methods.items():
        perplexity = method["perplexity"]
        assert perplexity == float(lines[name]["perplexity"]) and table[name][1] == f"{perplexity:.1f}"
        assert method["perplexity_to_full"] == pytest.approx(perplexity / methods["full"]["perplexity"])
        assert evaluate(folder / "runs" / f"{name}-0", folder / "valid.txt").perplexity == pytest.approx(perplexity)
        assert 20_000 <= method["tokens"][0] < 20_080
        assert len(method["curve_perplexities"][0]) == 20 == len(method["measured"]["curve_seconds"][0])
        assert not (folder / "runs" / f"{name}-0" / "checkpoint" / "latest.safetensors").exists()
    assert methods["full"]["measured"]["seconds_to_reach"] is not None
    for picture in ("perplexity-over-time", "perplexity-over-parameters"):
        assert (folder / f"{picture}.png").read_bytes().startswith(b"\x89PNG")
        ET.parse(folder / f"{picture}.svg")


@pytest.mark.parametrize("columns", [80, 128])
def test_no_figure_is_lost_on_a_narrow_terminal(unbroken, again, monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    again("-o", "unbroken")
    lines = capsys.readouterr().out.splitlines()
    (line,) = (line for line in unbroken[0].splitlines() if line.startswith("full "))
    found = [line.removeprefix("full ") for line in lines if line.startswith("full ")]
    assert len(found) == (2 if columns == 80 else 1) and all(len(line) < columns for line in found)
    assert sorted(" ".join(found).split()) == sorted(line.split()[1:])


def test_without_matplotlib_there_is_all_but_the_pictures(unbroken, again, monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("wordalloc.report")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    again("-o", "unbroken", "--json")
    out, err = capsys.readouterr()
    assert len(json.loads(out)["methods"]) == 2 and "no pictures: pictures need matplotlib: pip install" in err


@pytest.fixture
def again(command, monkeypatch):
    """Call the comparison again, without a process; it ends well."""
    arguments, folder = command
    monkeypatch.chdir(folder)

    def run(*more):
        with pytest.raises(SystemExit) as ended:
            main([*arguments[3:], *more])
        assert ended.value.code == 0

    return run


@PROC
def test_a_comparison_killed_in_every_way_ends_in_the_table_of_an_unbroken_one(command, unbroken):
    arguments, folder = command
    broken = folder / "broken"
    options = {"cwd": folder, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    arguments = [*arguments, "--json", "-o", "broken"]

    # A training that dies leaves the other methods.
    process = subprocess.Popen(arguments, **options)
    wait_until((broken / "runs" / "full-0" / "checkpoint" / "latest.safetensors").exists, process)
    os.kill(child_of(process.pid), signal.SIGKILL)
    out, err = process.communicate()
    assert process.returncode == 1 and "wordalloc: full: the training in" in err and "1 of 2 failed" in err
    content = json.loads(out)
    assert [method["method"] for method in content["methods"]] == ["classes"] and list(content["failed"]) == ["full"]

    # No training outlives its comparison.
    process = subprocess.Popen(arguments, **options)
    timings = broken / "runs" / "full-0" / "timings.jsonl"
    size = timings.stat().st_size
    wait_until(lambda: timings.stat().st_size > size, process)  # it goes on
    child = child_of(process.pid)
    process.kill()
    process.communicate()
    wait_until(lambda: not is_running(child))

    # Killed between writing a row and dropping the checkpoint.
    (broken / "runs" / "classes-0" / "checkpoint" / "latest.safetensors").touch()
    found = json.loads(subprocess.run(arguments, cwd=folder, check=True, capture_output=True).stdout)
    expected = json.loads((unbroken[1] / "comparison.json").read_text())
    assert without_measurements(found) == without_measurements(expected)
    assert list(broken.rglob("latest.safetensors")) == []


@pytest.mark.long
def test_a_budget_of_seconds_and_seeds(wordalloc, corpus):
    options = ("--layers", "full", "--budget-seconds", 0.5, "--seeds", 2, "--valid", "-", *SMALL, "--json")
    status, out, err = wordalloc("compare", corpus / "train.txt", *options, stdin=(corpus / "valid.txt").read_bytes())
    assert status == 0, err
    (method,) = json.loads(out)["methods"]
    assert len(set(method["perplexities"])) == 2
    for curve in method["measured"]["curve_seconds"]:
        assert 0.5 <= curve[-1] < 2
    assert method["measured"]["seconds_to_reach"] is not None  # both seeds get there


@pytest.fixture
def refused_here(tmp_path, monkeypatch, capsys):
    """As `refused`, without a process."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> str:
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert (ended.value.code, out) == (2, ""), (out, err)
        assert err.count("\n") == 1 and err.startswith("wordalloc: "), err
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return run


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
        (("--valid", "taken/thesis.txt"), "tokens of the validation text are not in the vocabulary"),
        (("-o", "taken"), "not empty"),
        (("-o", "taken/thesis.txt"), "is a file"),
    ],
)
def test_bad_input_writes_nothing(refused_here, corpus, tmp_path, arguments, says):
    for name, words in (("a", "abc"), ("b", "abd")):
        package.Cutoffs(package.Vocabulary.from_counts(words, [3, 2, 1]), [1]).save(tmp_path / f"{name}.safetensors")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine and mine")
    assert says in refused_here("compare", corpus / "train.txt", *SMALL, *arguments)


def test_the_help_names_every_method():
    (layers,) = (option for option in compare.params if option.name == "layers")
    assert layers.default == ",".join(DEFAULT_LAYERS)
    assert all(name in layers.default or name in layers.help for name in METHODS)


def test_a_text_too_short_to_hold_out(refused, tmp_path):
    (tmp_path / "short.txt").write_text("one line\n" * 19)
    assert "--valid" in refused("compare", "short.txt", *SMALL)


def test_another_comparison_cannot_go_on_in_the_folder(unbroken, command, monkeypatch, capsys):
    arguments, folder = command
    monkeypatch.chdir(folder)
    arguments = [*arguments[3:], "-o", "unbroken"]
    for other, says in (
        ([*arguments, "--width", "8"], "another width: it was 16, now 8"),
        ([*arguments, "--layers", "classes,full"], "another methods"),
        ([argument for argument in arguments if argument != "--resume"], "holds a comparison already; give --resume"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(other)
        out, err = capsys.readouterr()
        assert (ended.value.code, out) == (2, "") and says in err and err.count("\n") == 1


def test_a_damaged_run_is_named_and_kept(unbroken, command, monkeypatch, capsys):
    arguments, folder = command
    monkeypatch.chdir(folder)
    shutil.copytree(unbroken[1], folder / "damaged")
    (folder / "damaged" / "rows" / "full-0.json").unlink()
    run = folder / "damaged" / "runs" / "full-0"
    (run / "config.json").write_text("no")
    with pytest.raises(SystemExit) as ended:
        main([*arguments[3:], "-o", "damaged"])
    err = capsys.readouterr().err
    assert ended.value.code == 2 and "remove damaged/runs/full-0 and give --resume" in err
    assert run.exists() and (folder / "damaged" / "rows" / "classes-0.json").exists()


def wait_until(holds, process=None):
    """Wait until something holds, while a process runs."""
    for _ in range(3000):
        if holds():
            return
        assert process is None or process.poll() is None
        time.sleep(0.02)
    pytest.fail("waited for a minute")


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


@pytest.mark.long
@pytest.mark.parametrize("valid", [(), ("--valid", "rows.jsonl")], ids=["held-out", "valid"])
def test_a_column_of_a_dataset(wordalloc, tmp_path, valid):
    lines = [f"w{n * n % 7} w{n % 5} w{n % 3}" for n in range(60)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"text": "x", "body": line}) + "\n" for line in lines))
    arguments = ("rows.jsonl", "--column", "body", *valid, "--layers", "full", "--budget-tokens", 100)
    status, _, err = wordalloc("compare", *arguments, "--width", 4, "--batch", 2, "--bptt", 5, "--device", "cpu")
    assert status == 0, err
    content = json.loads((tmp_path / "wordalloc-compare" / "comparison.json").read_text())
    assert content["vocab_size"] == 8 and content["failed"] == {}  # w0 … w6 and <eos>
