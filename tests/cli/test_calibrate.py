"""``wordalloc calibrate``, and ``wordalloc cutoffs --profile --verify``, as processes."""

from __future__ import annotations

import json

import pytest
import torch

from wordalloc.algorithms.cost_model import CostModel


@pytest.mark.long  # the README's session does it, too
def test_a_profile_is_measured_used_and_verified(wordalloc, corpus, tmp_path):
    status, out, err = wordalloc("calibrate", "--device", "cpu", "--dim", 16, "--seconds", 10, "-o", "here.json")
    assert (status, err) == (0, ""), (out, err)
    assert "Predicted against measured" in out and "multiply-add" in out and out.endswith("written to here.json\n")
    profile = json.loads((tmp_path / "here.json").read_text())
    calibration = profile.pop("calibration")
    assert (profile["device"], profile["dtype"]) == ("cpu", "float32")
    model = CostModel.from_json(profile)
    assert calibration["error"]["steps"] == len(calibration["held_out"]) > 0
    assert all(step["seconds"] > 0 and step["predicted"] > 0 for step in calibration["fitted"])

    options = ("--profile", "here.json", "--dim", 16, "--batch", 64, "--json")
    status, out, err = wordalloc("cutoffs", corpus / "train.txt", *options, "--verify", "--seed", 1)
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert CostModel.from_json(found["profile"]) == model
    rows = {row["name"]: row for row in found["verified"]}
    assert rows["optimum"]["cutoffs"] == found["cutoffs"]
    assert rows["optimum"]["predicted"] == pytest.approx(found["expected_cost"])
    assert {"copied 20000,60000", "random 1", "random 4"} <= rows.keys()
    assert all(row["measured"] > 0 and row["spread"] >= 0 for row in rows.values())
    # What was measured is no part of the allocation.
    verified = (tmp_path / "train.cutoffs.safetensors").read_bytes()
    wordalloc("cutoffs", corpus / "train.txt", *options)
    assert (tmp_path / "train.cutoffs.safetensors").read_bytes() == verified


@pytest.mark.long  # the README's session prints it, too
def test_verify_prints_predicted_beside_measured(wordalloc, corpus):
    status, out, err = wordalloc("cutoffs", corpus / "train.txt", "--dim", 16, "--batch", 32, "--verify")
    assert (status, err) == (0, "")
    table = out[out.index("Measured here") :].splitlines()[3:]
    assert table[0].split()[:4] == ["choice", "cutoffs", "predicted", "measured"]
    assert [line.split()[0] for line in table[1:5]] == ["optimum", "copied", "copied", "random"]
    assert "Predictions are off by" in out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"overhead": -1e-5}', "overhead must be a finite number from 0"),
        ('{"multiply_add": 0}', "multiply_add must be positive"),
        ('{"weight": NaN}', "weight must be a finite number"),
        ('{"saturation": "many"}', "saturation must be a finite number"),
        ('{"device": 3}', "device must be a text"),
        ('{"cutoffs": [1, 2]}', "unknown key 'cutoffs'"),
    ],
)
def test_a_foreign_or_impossible_profile_is_refused(refused, corpus, tmp_path, content, says):
    whole = {**CostModel().to_json(), **json.loads(content)}
    (tmp_path / "profile.json").write_text(json.dumps(whole))
    line = refused("cutoffs", corpus / "train.txt", "--profile", "profile.json")
    assert "profile.json: " in line and says in line


@pytest.mark.parametrize("content", [b"\xff\xfe{}", b"[" * 100_000, b"null", b'"text"', b""])
def test_what_is_no_profile_at_all_is_refused(refused, corpus, tmp_path, content):
    (tmp_path / "profile.json").write_bytes(content)
    assert "profile.json: " in refused("cutoffs", corpus / "train.txt", "--profile", "profile.json")


def test_a_profile_that_cannot_be_read_is_refused(refused, corpus, tmp_path):
    assert "no such file" in refused("cutoffs", corpus / "train.txt", "--profile", "nowhere.json")
    (tmp_path / "folder.json").mkdir()
    assert "is a directory" in refused("cutoffs", corpus / "train.txt", "--profile", "folder.json")


@pytest.mark.parametrize("device", ["cuda", "abacus"])
def test_a_profile_of_a_device_that_is_not_there_cannot_be_verified(refused, corpus, tmp_path, device):
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("CUDA is there")
    (tmp_path / "profile.json").write_text(json.dumps({**CostModel().to_json(), "device": device}))
    line = refused("cutoffs", corpus / "train.txt", "--profile", "profile.json", "--verify")
    assert f"the device {device} is not there" in line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--device", "abacus"), "abacus"),
        (("--dtype", "int4"), "int4"),
        (("--dim", 0), "--dim"),
        (("--seconds", 0), "--seconds"),
        (("-o", "nowhere/profile.json"), "nowhere"),
    ],
)
def test_calibrate_refuses_what_cannot_be(refused, arguments, says):
    assert says in refused("calibrate", *arguments)


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_calibrate_says_that_a_device_is_not_there(refused):
    assert "the device cuda is not there" in refused("calibrate", "--device", "cuda")


@pytest.mark.parametrize("option", ["--dim", "--batch", "--max-params"])
def test_a_size_of_nothing_is_refused(refused, corpus, option):
    assert option in refused("cutoffs", corpus / "train.txt", option, 0)


def test_little_time_is_said_and_nothing_is_written(wordalloc, tmp_path):
    status, out, err = wordalloc("calibrate", "--device", "cpu", "--dim", 4096, "--seconds", 1)
    assert (status, out) == (1, "") and "too few for a profile" in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())
