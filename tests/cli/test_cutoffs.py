"""``wordalloc cutoffs``, as a process."""

from __future__ import annotations

import json

import numpy as np
import pytest

import wordalloc as package
from wordalloc.algorithms.cost_model import CostModel, LayerShape, cluster_costs


def test_prints_one_json_object_and_writes_what_it_says(wordalloc, corpus, tmp_path):
    status, out, err = wordalloc("cutoffs", corpus / "train.txt", "--json", "--dim", 64, "--batch", 128)
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["output"] == "train.cutoffs.safetensors"
    saved = package.load(tmp_path / found["output"])
    assert saved.cutoffs.tolist() == found["cutoffs"]
    assert found["vocab_size"] == saved.vocabulary.size == sum(cluster["size"] for cluster in found["clusters"])
    assert found["exact"] is True
    assert [cluster["width"] for cluster in found["clusters"]] == [64, 16, 4, 1, 1, 1][: len(found["clusters"])]
    assert sum(cluster["mass"] for cluster in found["clusters"]) == pytest.approx(1)
    assert sum(cluster["expected_cost"] for cluster in found["clusters"]) == pytest.approx(found["expected_cost"])
    assert found["speedup"] == pytest.approx(found["full_cost"] / found["expected_cost"])
    assert {tuple(other["cutoffs"]) for other in found["alternatives"]} == {
        tuple(round(c * found["vocab_size"] / 267735) for c in constant)
        for constant in ((20000, 60000), (20000, 40000, 200000))
    }


def test_no_feasible_choice_on_a_grid_is_cheaper(wordalloc, corpus):
    options = ("--dim", 64, "--batch", 128, "--clusters", 2, "--min-head-mass", 0.5, "--min-tail-share", 0.3)
    _, out, _ = wordalloc("cutoffs", corpus / "train.txt", "--json", *options)
    found = json.loads(out)
    vocabulary = package.count(corpus / "train.txt")
    prefix = np.concatenate(([0], np.cumsum(vocabulary.counts))) / vocabulary.total
    model, shape = CostModel.from_json(found["profile"]), LayerShape(64, 128, 4.0)
    feasible = 0
    for first in range(1, vocabulary.size - 1, 7):
        for second in range(first + 1, vocabulary.size, 11):
            masses = np.diff(prefix[[0, first, second, vocabulary.size]])
            if masses[0] < 0.5 or masses[1] < 0.3 * (masses[1] + masses[2]):
                continue
            feasible += 1
            sizes = np.diff([0, first, second, vocabulary.size])
            assert cluster_costs(model, shape, sizes, masses).sum() >= found["expected_cost"] * (1 - 1e-12)
    assert feasible > 100


def test_the_table_marks_the_optimum_and_keeps_the_terminal_clean(wordalloc, corpus):
    status, out, err = wordalloc("cutoffs", corpus / "train.txt", "--dim", 64)
    assert (status, err) == (0, "")
    assert "exact optimum" in out and "full softmax" in out and "copied 20000,60000" in out
    assert "\x1b" not in out  # no colours where nobody looks


@pytest.mark.parametrize("source", ["train.vocabulary.safetensors", "counts.tsv", "counts.json", "-"])
def test_every_kind_of_source_gives_the_same_cutoffs(wordalloc, corpus, tmp_path, source):
    _, expected, _ = wordalloc("cutoffs", corpus / "train.txt", "--json", "--dim", 64)
    wordalloc("count", corpus / "train.txt")
    vocabulary = package.load(tmp_path / "train.vocabulary.safetensors")
    pairs = dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True))
    (tmp_path / "counts.tsv").write_text("".join(f"{word}\t{count}\n" for word, count in pairs.items()))
    (tmp_path / "counts.json").write_text(json.dumps(pairs))
    stdin = (corpus / "train.txt").read_bytes() if source == "-" else None
    status, out, err = wordalloc("cutoffs", source, "--json", "--dim", 64, stdin=stdin)
    assert (status, err) == (0, "")
    names = {"-": "stdin", "train.vocabulary.safetensors": "train"}
    assert json.loads(out)["output"] == f"{names.get(source, 'counts')}.cutoffs.safetensors"
    assert json.loads(out)["cutoffs"] == json.loads(expected)["cutoffs"]


def test_two_runs_write_the_same_bytes(wordalloc, corpus, tmp_path):
    for number, seed in enumerate(("0", "1")):
        wordalloc("cutoffs", corpus / "train.txt", "-o", f"{number}.safetensors", env={"PYTHONHASHSEED": seed})
    assert (tmp_path / "0.safetensors").read_bytes() == (tmp_path / "1.safetensors").read_bytes()


def test_a_profile_changes_the_optimum_as_it_should(wordalloc, corpus, tmp_path):
    # With dear weights and nothing else, narrow clusters win: the head is as small as it may be.
    (tmp_path / "profile.json").write_text(json.dumps({**CostModel().to_json(), "name": "dear weights", "weight": 1.0}))
    _, out, _ = wordalloc(
        "cutoffs", corpus / "train.txt", "--json", "--profile", "profile.json", "--min-head-mass", 0, "--min-head", 5
    )
    found = json.loads(out)
    assert found["profile"]["name"] == "dear weights"
    assert found["clusters"][0]["size"] == 5


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not JSON"),
        ("[]", "object"),
        ('{"multiply_add": -1}', "multiply_add"),
        ('{"multiply_add": 1e-11, "colour": 3}', "colour"),
    ],
)
def test_an_impossible_profile_is_refused(refused, corpus, tmp_path, content, says):
    (tmp_path / "profile.json").write_text(content)
    line = refused("cutoffs", corpus / "train.txt", "--profile", "profile.json")
    assert "profile.json" in line and says in line


def test_more_clusters_than_words_are_refused(refused, corpus):
    assert "900" in refused("cutoffs", corpus / "train.txt", "--clusters", 900)


def test_the_result_never_replaces_its_source(refused, wordalloc, corpus, tmp_path):
    wordalloc("cutoffs", corpus / "train.txt")
    before = (tmp_path / "train.cutoffs.safetensors").read_bytes()
    assert "own source" in refused("cutoffs", "train.cutoffs.safetensors")
    assert (tmp_path / "train.cutoffs.safetensors").read_bytes() == before
