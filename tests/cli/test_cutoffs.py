"""``wordalloc cutoffs``, as a process."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

import wordalloc as package
from wordalloc.algorithms import parameter_bound
from wordalloc.algorithms.cost_model import CostModel, LayerShape, cluster_costs
from wordalloc.algorithms.cutoff_programme import layer_parameters
from wordalloc.cli.cutoffs import cutoffs


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


# --- bounds on parameters, frontiers, constraints that leave no room ------------------------------------------------

LOOSE = ("--dim", 64, "--batch", 128, "--min-head-mass", 0.3, "--min-tail-share", 0)


def test_a_bound_on_parameters_holds_and_says_how_good_the_answer_is(wordalloc, corpus, tmp_path):
    _, out, _ = wordalloc("cutoffs", corpus / "train.txt", "--json", *LOOSE)
    free = json.loads(out)
    assert (free["max_params"], free["exact"], free["gap"]) == (None, True, 0)
    bound = free["parameters"] * 9 // 10
    status, out, err = wordalloc("cutoffs", corpus / "train.txt", "--json", *LOOSE, "--max-params", bound)
    found = json.loads(out)
    assert (status, err, found["max_params"]) == (0, "", bound)
    assert found["parameters"] <= bound and found["expected_cost"] > free["expected_cost"]
    assert found["lower_bound"] <= found["expected_cost"]
    assert found["exact"] == (found["gap"] == 0)
    assert all(choice["parameters"] <= bound for choice in found["by_clusters"])
    assert package.load(tmp_path / found["output"]).parameters["max_params"] == bound
    _, out, _ = wordalloc("cutoffs", corpus / "train.txt", *LOOSE, "--max-params", bound)
    quality = "The exact optimum for" if found["exact"] else "% above the best possible, by the convex frontier"
    assert quality in out
    assert f"The layer has {found['parameters']:,} parameters" in out
    assert f"at most {bound:,} parameters" in out and "too many parameters" in out


def test_a_gap_is_told_and_never_rounded_down(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(parameter_bound, "EFFORT", 0)
    monkeypatch.chdir(tmp_path)
    vocabulary = package.count(corpus / "train.txt")
    package.save(vocabulary, "train.vocabulary.safetensors")
    problem = {"dim": 64, "batch": 512, "min_head_mass": 0.3, "min_tail_share": 0, "div_value": 2}
    free = package.adaptive_cutoffs(vocabulary, 4, **problem)
    bounds = range(layer_parameters(LayerShape(64, 512, 2), free.sizes) - 1, 0, -7)
    tried = (package.adaptive_cutoffs(vocabulary, 4, max_params=bound, **problem) for bound in bounds)
    bound = next(best.parameters["max_params"] for best in tried if not best.parameters["exact"])
    options = [f"--{name.replace('_', '-')}={value}" for name, value in problem.items()]
    arguments = ["train.vocabulary.safetensors", *options, "--clusters=4", f"--max-params={bound}"]
    found = json.loads(CliRunner().invoke(cutoffs, [*arguments, "--json"]).stdout)
    assert found["exact"] is False and found["gap"] > 0
    out = CliRunner().invoke(cutoffs, arguments).stdout
    above = float(out.split("At most ")[1].split(" %")[0])
    assert "above the best possible, by the convex frontier of time against parameters" in out
    assert above / 1.2 <= max(100 * (found["expected_cost"] / found["lower_bound"] - 1), 0.001) <= above


def test_the_frontier_as_json(wordalloc, corpus):
    _, out, err = wordalloc("cutoffs", corpus / "train.txt", "--json", "--frontier", *LOOSE)
    found = json.loads(out)
    assert err == ""
    assert set(found["frontier"]) == {"parameters", "head_mass", "knee"}
    points = found["frontier"]["parameters"]
    keys = {"cutoffs", "expected_cost", "parameters", "head_mass", "min_head_mass"}
    assert all(set(point) == keys for point in [*points, *found["frontier"]["head_mass"]])
    assert found["frontier"]["knee"] in points
    assert (points[-1]["cutoffs"], points[-1]["parameters"]) == (found["cutoffs"], found["parameters"])
    assert [point["parameters"] for point in points] == sorted({point["parameters"] for point in points})
    times = [point["expected_cost"] for point in points]
    assert times == sorted(set(times), reverse=True)
    masses = found["frontier"]["head_mass"]
    assert [point["min_head_mass"] for point in masses] == [
        *(0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975, 0.99)
    ]
    assert all(point["head_mass"] >= point["min_head_mass"] - 1e-12 for point in masses)
    assert masses[0]["cutoffs"] == found["cutoffs"]


def test_the_frontier_s_tables_mark_the_knee_and_what_was_chosen(wordalloc, corpus, tmp_path):
    status, out, err = wordalloc("cutoffs", corpus / "train.txt", "--frontier", *LOOSE)
    assert (status, err) == (0, "")
    assert "Time against parameters" in out and "Time against head mass" in out
    notes = [line.split("   ")[-1].strip() for line in out.splitlines()]
    assert notes.count("knee") == 1 and notes.count("chosen") == 2  # once in either table
    assert out.endswith("written to train.cutoffs.safetensors\n") and (tmp_path / "train.cutoffs.safetensors").exists()


def test_a_bound_below_every_layer_is_refused(refused, wordalloc, corpus):
    line = refused("cutoffs", corpus / "train.txt", "--max-params", 100)
    least = line.split("the smallest has ")[1].partition(";")[0]
    assert "at most 100 parameters" in line
    assert least in refused("cutoffs", corpus / "train.txt", "--max-params", int(least) - 1)
    assert wordalloc("cutoffs", corpus / "train.txt", "--max-params", least)[0] == 0
    assert "--max-params" in refused("cutoffs", corpus / "train.txt", "--max-params", 0)


def test_a_constraint_in_the_way_is_named_with_its_nearest_value(refused, wordalloc, corpus):
    source = corpus / "train.txt"
    line = refused("cutoffs", source, "--clusters", 9, "--min-head-mass", 0.999, "--min-tail-share", 0.4)
    change = line.split("min_head_mass from 0.999 to ")[1].split(",")[0].strip()
    options = ("--clusters", 9, "--min-tail-share", 0.4, "--min-head-mass", change)
    assert wordalloc("cutoffs", source, *options)[0] == 0


def test_a_head_that_takes_every_word_is_said(wordalloc, tmp_path):
    (tmp_path / "counts.tsv").write_text("a\t5\nb\t2\nc\t1\n")
    status, out, _ = wordalloc("cutoffs", "counts.tsv", "--min-head-mass", 1, "--frontier")
    assert status == 0
    assert "none: the constraints leave no room for a tail cluster" in out
