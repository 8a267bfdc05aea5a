"""``wordalloc train`` and ``wordalloc evaluate``, as processes."""

from __future__ import annotations

import json

import pytest

import wordalloc as package

SMALL = ("--width", 16, "--batch", 8, "--bptt", 10, "--max-tokens", 4000, "--device", "cpu")


def test_the_road_from_text_to_a_model(wordalloc, corpus, tmp_path):
    wordalloc("cutoffs", corpus / "train.txt", "--dim", 16, "--clusters", 2)
    options = ("--allocation", "train.cutoffs.safetensors", "--valid", corpus / "valid.txt", *SMALL)
    status, out, err = wordalloc("train", corpus / "train.txt", *options, "--json")
    assert (status, err) == (0, "")
    result = json.loads(out)
    saved = package.load(tmp_path / "train.cutoffs.safetensors")
    sizes = saved.sizes.tolist()
    assert result["n_output_parameters"] == 17 * (sizes[0] + 2) + 4 * (16 + sizes[1]) + 1 * (16 + sizes[2])
    status, out, _ = wordalloc("evaluate", "wordalloc-run", corpus / "valid.txt", "--json")
    assert status == 0
    assert json.loads(out)["perplexity"] == pytest.approx(result["best_perplexity"], rel=1e-5)
    assert (tmp_path / "wordalloc-run" / "allocation.safetensors").read_bytes() == (
        tmp_path / "train.cutoffs.safetensors"
    ).read_bytes()
    status, out, err = wordalloc("train", corpus / "train.txt", *options)
    assert status == 2 and "--resume" in err
    status, out, err = wordalloc("train", corpus / "train.txt", *options, "--resume")
    assert (status, err) == (0, "") and "validation perplexity" in out


def test_without_an_allocation_the_layer_is_the_full_softmax(wordalloc, corpus, tmp_path):
    status, out, _ = wordalloc("train", corpus / "train.txt", "--min-count", 5, *SMALL, "--json")
    vocabulary = package.count(corpus / "train.txt", min_count=5)
    assert status == 0 and json.loads(out)["n_output_parameters"] == (16 + 1) * vocabulary.size
    assert package.load(tmp_path / "wordalloc-run" / "allocation.safetensors").words == vocabulary.words


def test_nce_prints_its_log_z_beside_the_true_one(wordalloc, corpus, tmp_path):
    options = ("--loss", "nce", "--samples", 50, "--valid", corpus / "valid.txt", *SMALL)
    status, out, err = wordalloc("train", corpus / "train.txt", *options)
    assert (status, err) == (0, "")
    (line,) = [
        line for line in out.splitlines() if line.startswith("NCE took log Z to be 0.000; on the validation text")
    ]
    entry = json.loads((tmp_path / "wordalloc-run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert f"it is {entry['mean_log_normaliser']:.3f} in the mean" in line and abs(entry["mean_log_normaliser"]) < 1


def test_an_unknown_loss_is_answered_with_the_nearest(refused, corpus):
    assert "did you mean blackout?" in refused("train", corpus / "train.txt", *SMALL, "--loss", "black-out")


def test_text_is_read_as_the_allocations_text_was(wordalloc, corpus, tmp_path):
    upper = tmp_path / "upper.txt"
    upper.write_text((corpus / "train.txt").read_text().upper())
    wordalloc("count", corpus / "train.txt", "--lowercase", "--no-eos", "-o", "v.safetensors")
    status, out, _ = wordalloc("train", "upper.txt", "--allocation", "v.safetensors", *SMALL, "--json")
    assert status == 0 and json.loads(out)["unknown_share"] == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--allocation", "nowhere.safetensors"), "nowhere.safetensors: no such file"),
        (("--allocation", "damaged.safetensors"), "damaged.safetensors"),
        (("--allocation", "other.safetensors"), "not in the vocabulary"),
        (("--valid", "nowhere.txt"), "nowhere.txt"),
        (("--width", "0"), "--width"),
        (("--learning-rate", "-1"), "learning_rate"),
        (("--input", "adaptive"), "cutoffs"),
        (("--batch", "8", "--accumulate", "3"), "8 cannot be computed in 3"),
        (("--run", "taken"), "not empty"),
    ],
)
def test_bad_input_writes_nothing(refused, corpus, tmp_path, arguments, says):
    other = package.Vocabulary.from_counts(["not", "these", "words", "<unk>"], [4, 3, 2, 1])
    package.save(other, tmp_path / "other.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes((tmp_path / "other.safetensors").read_bytes()[:-3])
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    assert says in refused("train", corpus / "train.txt", *SMALL, *arguments)


def test_a_device_that_is_not_there(refused, corpus):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    assert "cuda is not there" in refused("train", corpus / "train.txt", *SMALL, "--device", "cuda")


def test_evaluate_says_what_is_missing(refused, corpus, tmp_path):
    assert "make one with: wordalloc train" in refused("evaluate", "no-run", corpus / "valid.txt")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{")
    assert "config.json" in refused("evaluate", "run", corpus / "valid.txt")


def test_a_damaged_checkpoint_is_named(refused, wordalloc, corpus, tmp_path):
    wordalloc("train", corpus / "train.txt", *SMALL)
    latest = tmp_path / "wordalloc-run" / "checkpoint" / "latest.safetensors"
    latest.write_bytes(latest.read_bytes()[:-100])
    assert "latest.safetensors: damaged" in refused("train", corpus / "train.txt", *SMALL, "--resume")
