"""The commands of tables: first ones, better ones, models over them; files and refusals."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest

import wordalloc as package
from tests.allocations import raw

SMALL = ("--width", "16", "--batch", "8", "--bptt", "10", "--device", "cpu", "--max-tokens", "4000")


class Done(NamedTuple):
    status: int
    stdout: str
    stderr: str


@pytest.fixture
def wordalloc(wordalloc):
    return lambda *arguments: Done(*wordalloc(*arguments))


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    """A run directory with a table and its costs, made as a user would."""
    folder = tmp_path_factory.mktemp("trained")
    for arguments in (
        ("lightrnn-init", corpus / "train.txt", "--by", "random", "-o", "table.safetensors"),
        ("train", corpus / "train.txt", "--allocation", "table.safetensors", "--costs", *SMALL),
    ):
        command = [sys.executable, "-m", "wordalloc", *map(str, arguments)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    return folder / "wordalloc-run"


def copied(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "wordalloc-run")
    return tmp_path / "wordalloc-run"


@pytest.mark.parametrize("by", ["classes", "embedding", "frequency", "random"])
def test_every_first_table(wordalloc, corpus, tmp_path, by):
    done = wordalloc("lightrnn-init", corpus / "train.txt", "--by", by, "--rows", "20", "-o", "t.safetensors")
    assert done.status == 0, done.stderr
    table = package.load(tmp_path / "t.safetensors")
    assert isinstance(table, package.Table)
    assert table.n_rows == 20 and table.n_columns == -(-table.vocabulary.size // 20)
    assert f"20 rows × {table.n_columns} columns" in done.stdout
    again = wordalloc(
        "lightrnn-init", corpus / "train.txt", "--by", by, "--rows", "20", "-o", "u.safetensors", "--json"
    )
    assert (tmp_path / "t.safetensors").read_bytes() == (tmp_path / "u.safetensors").read_bytes()
    assert json.loads(again.stdout)["n_rows"] == 20


def test_rows_from_classes_and_trees_of_ones_own(wordalloc, refused, corpus, tmp_path):
    wordalloc("classes", corpus / "train.txt", "-k", "25", "--effort", "fast", "-o", "c.safetensors")
    done = wordalloc("lightrnn-init", corpus / "train.txt", "--classes", "c.safetensors", "-o", "t.safetensors")
    assert done.status == 0
    classes, table = package.load(tmp_path / "c.safetensors"), package.load(tmp_path / "t.safetensors")
    rows = (table.words_in_row(row) for row in range(table.n_rows))
    # Words without a count are strewn over all rows.
    firsts = [classes.word_class[words[table.vocabulary.counts[words] > 0]] for words in rows]
    assert all(a.max() <= b.min() for a, b in itertools.pairwise(firsts) if a.size and b.size)
    said = refused("lightrnn-init", corpus / "train.txt", "--classes", "c.safetensors", "--by", "random")
    assert "--classes goes with the placement classes" in said


def test_training_leaves_a_table_and_its_costs(trained):
    table, costs = (package.load(trained / f"{name}-000.safetensors") for name in ("table", "costs"))
    costs.check_table(table)
    assert costs.parameters["tokens"] > 0
    seen = costs.row_nll.sum(axis=1) > 0
    assert seen.sum() == (table.vocabulary.counts > 0).sum()


def test_realloc_takes_the_newest_pair_and_writes_the_next_table(wordalloc, refused, trained, tmp_path):
    run = copied(trained, tmp_path)
    before = (run / "table-000.safetensors").read_bytes()
    done = wordalloc("lightrnn-realloc", "--row-only")
    assert done.status == 0, done.stderr
    assert "summed nll:" in done.stdout and "gap:" in done.stdout and "moved:" in done.stdout
    old, new = (package.load(run / f"table-00{number}.safetensors") for number in (0, 1))
    costs = package.load(run / "costs-000.safetensors")
    assert costs.objective(new.cell) < costs.objective(old.cell)
    assert (run / "table-000.safetensors").read_bytes() == before
    # The new table has no costs, so the pair is still the old one, and nothing is overwritten.
    assert "table-001.safetensors is there already, and without costs" in refused("lightrnn-realloc", "--row-only")


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--row-only", "--columns", "keep"),
        ("--column-only",),
        ("--in-turns",),
        ("--solver", "scipy"),
        ("--solver", "greedy"),
        ("--row-only", "--solver", "ortools"),
        ("--time-limit", "60", "--gap", "1e-4"),
        ("--stay", "2"),
    ],
)
def test_every_kind_of_reallocation(wordalloc, trained, tmp_path, options):
    arguments = ("--table", trained / "table-000.safetensors", "--costs", trained / "costs-000.safetensors")
    done = wordalloc("lightrnn-realloc", *arguments, *options, "-o", "new.safetensors", "--json")
    assert done.status == 0, done.stderr
    found = json.loads(done.stdout)
    table, costs = package.load(tmp_path / "new.safetensors"), package.load(trained / "costs-000.safetensors")
    assert found["objective"] == pytest.approx(costs.objective(table.cell))
    assert found["lower_bound"] <= found["objective"] <= found["objective_before"]
    assert found["moved"] > 0
    if options in ((), ("--solver", "scipy")):
        exact = package.reallocate(costs.row_nll, costs.col_nll, solver="scipy").objective
        assert found["objective"] == pytest.approx(exact, rel=2e-6)
        assert found["gap"] <= 1e-6


def test_lightrnn_in_one_command_and_resumed(wordalloc, refused, corpus, tmp_path):
    arguments = (
        "lightrnn",
        corpus / "train.txt",
        "--valid",
        corpus / "valid.txt",
        "--by",
        "random",
        "--rounds",
        "2",
        *SMALL,
    )
    done = wordalloc(*arguments)
    assert done.status == 0, done.stderr
    assert "words moved" in done.stdout and "validation perplexity" in done.stdout
    assert {file.name for file in (tmp_path / "wordalloc-run").glob("table-*")} == {
        f"table-00{number}.safetensors" for number in range(3)
    }
    assert "holds a run already" in refused(*arguments)
    again = wordalloc(*arguments, "--resume", "--json")
    found = json.loads(again.stdout)
    assert len(found["rounds"]) == 2 and found["rounds"][0]["moved"] > 0.5
    scored = wordalloc("evaluate", "wordalloc-run", corpus / "valid.txt", "--json")
    assert json.loads(scored.stdout)["perplexity"] == pytest.approx(found["best_perplexity"], rel=1e-5)


def test_lightrnn_from_a_table_of_ones_own(wordalloc, refused, corpus, trained, tmp_path):
    table = trained / "table-000.safetensors"
    done = wordalloc(
        "lightrnn", corpus / "train.txt", "--table", table, "--rounds", "0", "--table-model", "softmax", *SMALL
    )
    assert done.status == 0, done.stderr
    assert (
        package.load(tmp_path / "wordalloc-run" / "table-000.safetensors").cell.tolist()
        == package.load(table).cell.tolist()
    )
    wrong = trained / "costs-000.safetensors"
    assert "not a table" in refused("lightrnn", corpus / "train.txt", "--table", wrong, "--run", "other", *SMALL)


def test_show_a_table_a_row_and_costs(wordalloc, refused, trained):
    table = package.load(trained / "table-000.safetensors")
    shown = wordalloc("show", trained / "table-000.safetensors").stdout
    assert f"{table.n_rows} rows × {table.n_columns} columns" in shown
    row = wordalloc("show", trained / "table-000.safetensors", "--row", "3").stdout.splitlines()
    words = [table.vocabulary.words[rank] for rank in table.words_in_row(3)]
    assert row[0].startswith(f"row 3: {len(words)} words")
    assert [line.split()[0] for line in row[3:]] == words
    found = json.loads(wordalloc("show", trained / "table-000.safetensors", "--row", "3", "--json").stdout)
    assert [entry["word"] for entry in found["words"]] == words
    counts = [entry["count"] for entry in found["words"]]
    assert counts == sorted(counts, reverse=True)
    assert "nats as they are" in wordalloc("show", trained / "costs-000.safetensors").stdout
    assert f"the rows 0 to {table.n_rows - 1}, not 999" in refused(
        "show", trained / "table-000.safetensors", "--row", "999"
    )
    assert "only a table has rows" in refused("show", trained / "costs-000.safetensors", "--row", "1")


def test_a_table_goes_out_as_text(wordalloc, trained):
    table = package.load(trained / "table-000.safetensors")
    lines = wordalloc("export", trained / "table-000.safetensors", "--to", "tsv").stdout.splitlines()
    assert [line.split("\t")[-2:] for line in lines] == [
        ["row", "column"],
        *([str(row), str(column)] for row, column in zip(table.row, table.column, strict=True)),
    ]


def test_realloc_says_what_is_missing(refused, trained, tmp_path):
    assert "--costs" in refused("lightrnn-realloc")
    assert "no-run: no table with costs is here; make them with: wordalloc train" in refused(
        "lightrnn-realloc", "--run", "no-run"
    )
    table, costs = trained / "table-000.safetensors", trained / "costs-000.safetensors"
    assert "give both --table and --costs" in refused("lightrnn-realloc", "--table", table)
    assert "exclude each other" in refused("lightrnn-realloc", "--row-only", "--column-only")
    assert "not a table" in refused("lightrnn-realloc", "--table", costs, "--costs", costs, "-o", "x")
    assert "not costs" in refused("lightrnn-realloc", "--table", table, "--costs", table, "-o", "x")
    assert "solver of its own" in refused(
        "lightrnn-realloc", "--table", table, "--costs", costs, "--in-turns", "--solver", "scipy", "-o", "x"
    )


def test_damaged_costs_and_costs_of_another_table(refused, trained, tmp_path):
    table, costs = trained / "table-000.safetensors", (trained / "costs-000.safetensors").read_bytes()
    pair = ("--table", table, "--costs", "bad.safetensors", "-o", "new.safetensors")
    for name, value, says in (
        ("row_nll", np.nan, "row_nll must be finite"),
        ("col_nll", np.inf, "col_nll must be finite"),
        ("row_nll", -1.0, "at least 0"),
    ):
        arrays = {key: array.copy() for key, array in raw.tensors(costs).items()}
        arrays[name][2, 1] = value
        raw.write(tmp_path / "bad.safetensors", raw.pack(arrays, raw.metadata(costs)))
        assert says in refused("lightrnn-realloc", *pair)
    arrays = {key: array.copy() for key, array in raw.tensors(costs).items()}
    arrays["col_nll"] = arrays["col_nll"][:, :5].copy()
    raw.write(tmp_path / "bad.safetensors", raw.pack(arrays, raw.metadata(costs)))
    assert "too few cells" in refused("lightrnn-realloc", *pair)
    found = package.load(table)
    other = package.initial_table(found.vocabulary, by="random", seed=9)
    other.save(tmp_path / "other.safetensors")
    said = refused(
        "lightrnn-realloc", "--table", "other.safetensors", "--costs", trained / "costs-000.safetensors", "-o", "new"
    )
    assert "costs are of another table" in said
    cells = {key: array.copy() for key, array in raw.tensors(table.read_bytes()).items()}
    cells["cell"][1] = cells["cell"][0]
    raw.write(tmp_path / "twice.safetensors", raw.pack(cells, raw.metadata(table.read_bytes())))
    assert "holds two words" in refused("show", "twice.safetensors")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("lightrnn-init", "TEXT", "--rows", "99999"), "the number of rows must be a whole number from 1 to"),
        (("lightrnn", "-", "--rounds", "1"), "standard input can be read only once"),
        (("train", "TEXT", "--costs"), "need a table"),
        (("train", "TEXT", "--table-model", "lightrnn"), "a LightRNN needs a table"),
        (("lightrnn", "TEXT", "--by", "random", "--tie"), "--no-tie"),
        (("lightrnn", "TEXT", "--by", "random", "--input", "full"), "leave out --input"),
    ],
)
def test_what_is_refused(refused, corpus, arguments, says):
    assert says in refused(*(corpus / "train.txt" if argument == "TEXT" else argument for argument in arguments))


def test_a_column_of_a_dataset_is_trained_on_as_the_same_text_is(wordalloc, tmp_path):
    lines = [f"w{n * n % 7} w{n % 5} w{n % 3}" for n in range(40)]
    (tmp_path / "a.txt").write_text("".join(line + "\n" for line in lines))
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": "x", "body": line}) + "\n" for line in lines))
    small = ("--width", 4, "--batch", 2, "--bptt", 5, "--device", "cpu", "--max-tokens", 50)
    perplexities = []
    small = (*small, "--by", "frequency", "--rounds", 0, "--json")
    for run, source in (("plain", ("a.txt",)), ("rows", ("a.jsonl", "--column", "body"))):
        done = wordalloc("lightrnn", *source, "--valid", source[0], "--run", run, *small)
        assert done.status == 0, done.stderr
        perplexities.append(json.loads(done.stdout)["best_perplexity"])
    assert perplexities[0] == perplexities[1] > 1
