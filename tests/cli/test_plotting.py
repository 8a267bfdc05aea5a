"""``wordalloc plot``: each kind of file, run and comparison has its picture, and what has none is told."""

from __future__ import annotations

import json
import sys

import pytest

import wordalloc as package
from tests.cli.conftest import in_a_process
from tests.report.test_pictures import texts_of

pytest.importorskip("matplotlib", reason="pictures need it")

VOCABULARY = package.Vocabulary.from_counts([f"w{i}" for i in range(40)], [400 // (i + 1) for i in range(40)])


@pytest.fixture
def files(tmp_path):
    """A file of each kind, a run and a comparison in the folder where the command runs."""
    package.save(VOCABULARY, tmp_path / "a.vocabulary.safetensors")
    package.Cutoffs(VOCABULARY, [4, 12]).save(tmp_path / "a.buckets.safetensors")
    package.adaptive_cutoffs(VOCABULARY, 2, dim=16, batch=16).save(tmp_path / "a.cutoffs.safetensors")
    package.Bigrams(VOCABULARY, [0, 1], [1, 0], [5, 4]).save(tmp_path / "a.bigrams.safetensors")
    package.Classes(VOCABULARY, [i % 5 for i in range(40)]).save(tmp_path / "a.classes.safetensors")
    package.huffman(VOCABULARY).save(tmp_path / "a.tree.safetensors")
    package.Table(VOCABULARY, range(40), (7, 7)).save(tmp_path / "a.table.safetensors")
    nll = [[1.0] * 7] * 40
    package.Costs(VOCABULARY, nll, nll, range(40)).save(tmp_path / "a.costs.safetensors")
    make_run(tmp_path / "run")
    make_comparison(tmp_path / "comparison")
    return tmp_path


def make_run(folder):
    folder.mkdir()
    entries = [
        {"step": 1, "tokens": 100, "nll": 5.0},
        {"step": 2, "tokens": 200, "nll": 4.0},
        {"step": 2, "tokens": 200, "table": 1, "moved": 0.5},
        {"step": 2, "tokens": 200, "epoch": 1, "train_nll": 4.5, "valid_nll": 4.2, "valid_perplexity": 66.7},
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def make_comparison(folder):
    folder.mkdir()
    figures = {"training_tokens_per_second": 9.0, "scoring_tokens_per_second": 9.0, "top10_milliseconds": 1.0}
    figures |= {"training_speed_to_full": None, "peak_memory_bytes": 10, "seconds_to_reach": None}
    method = {"parameters": 1000, "bytes": 4000, "perplexity_to_full": None, "parameters_to_full": None}
    methods = [
        {
            "method": name,
            **dict.fromkeys(("perplexity", "perplexity_least", "perplexity_greatest"), last),
            **method,
            "perplexities": [last],
            "tokens": [100],
            "curve_perplexities": [[300.0, last]],
            "measured": {**figures, "curve_seconds": [[1.0, 2.0]]},
        }
        for name, last in (("full", 90.0), ("tree", 80.0))
    ]
    table = {"vocab_size": 40, "unigram_perplexity": 30.0, "reach": None, "methods": methods, "failed": {}}
    (folder / "comparison.json").write_text(json.dumps(table))


@pytest.mark.parametrize(
    ("file", "picture", "shown"),
    [
        ("a.vocabulary.safetensors", "zipf", "Occurrences"),
        ("a.bigrams.safetensors", "zipf", "pairs of words"),
        ("a.buckets.safetensors", "zipf", "28"),  # words of the last bucket
        ("a.cutoffs.safetensors", "zipf", "tokens"),
        ("a.classes.safetensors", "classes", "w0 w5 w10"),
        ("a.tree.safetensors", "tree", "w0"),
        ("a.table.safetensors", "table", "Tokens in the cell (grey: no word)"),
        ("run", "training", "table 1"),
        ("comparison", "time", "Perplexity over time of training, 40 words"),
    ],
)
def test_each_kind_has_its_picture(wordalloc, files, file, picture, shown):
    status, out, err = wordalloc("plot", file, "-o", "p.svg")
    assert (status, out, err) == (0, f"{picture}: written to p.svg\n", "")
    assert shown in texts_of(files / "p.svg")


@pytest.mark.parametrize(
    ("file", "picture", "shown"),
    [
        ("a.cutoffs.safetensors", "frontier", "chosen: "),
        ("comparison", "parameters", "Perplexity over parameters of input and output, 40 words"),
    ],
)
def test_the_other_picture_of_a_kind_has_a_name(wordalloc, files, file, picture, shown):
    status, _, err = wordalloc("plot", file, "--what", picture, "-o", "p.svg")
    assert (status, err) == (0, "")
    assert any(text.startswith(shown) for text in texts_of(files / "p.svg"))


def test_without_a_name_the_picture_is_called_after_the_file(wordalloc, files):
    for file, name in (("a.classes.safetensors", "a.classes.png"), ("run", "run.training.png")):
        status, out, _ = wordalloc("plot", file, "--json")
        assert status == 0
        assert json.loads(out) == {"picture": name.split(".")[1], "output": name}
        assert (files / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.costs.safetensors"], "costs are a model's figures of every word in every cell: plot the table"),
        (["a.table.safetensors", "--what", "frontier"], "a table has no picture 'frontier', but table"),
        (["a.buckets.safetensors", "--what", "frontier"], "only cutoffs made by adaptive_cutoffs"),
        (["a.tree.safetensors", "-o", "a.jpg"], "a picture's name must end in .png, .svg or .pdf, not 'a.jpg'"),
        (["a.tree.safetensors", "--width", "1"], "the width of a picture must be 3 to 20 inches, not 1"),
        (["comparison", "--width", "5"], "the pictures of a comparison have one width"),
        (["nothing.safetensors"], "no such file"),
        (["."], "neither a run nor a comparison"),
        (["a.tree.safetensors", "-o", "missing/a.png"], "no such file or directory"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_one_line(refused, files, arguments, message):
    assert message in refused("plot", *arguments)


def test_a_picture_is_not_written_over_its_source(refused, files):
    (files / "a.tree.safetensors").rename(files / "tree.png")
    assert "the result would overwrite its own source" in refused("plot", "tree.png", "-o", "tree.png")


def test_damaged_folders_are_told_in_one_line(refused, files):
    (files / "run" / "metrics.jsonl").write_text('{"tokens": null, "step": 1, "nll": 1.0}\n')
    assert "damaged" in refused("plot", "run")
    (files / "comparison" / "comparison.json").write_text('{"methods": [{}], "reach": null}')
    assert "damaged" in refused("plot", "comparison")


def test_without_matplotlib_the_error_says_what_to_install(files):
    (files / "sitecustomize.py").write_text("import sys\nsys.modules['matplotlib'] = None\n")
    path = f"{files}:{':'.join(path for path in sys.path if path)}"
    status, out, err = in_a_process(files, ("plot", "a.tree.safetensors"), env={"PYTHONPATH": path})
    assert (status, out) == (2, "")
    assert err == "wordalloc: pictures need matplotlib: pip install 'wordalloc[report]'\n"
