"""``wordalloc demo``: the README's first command, whole. Takes about a minute on two quiet cores."""

from __future__ import annotations

import json

import pytest

import wordalloc as package


@pytest.mark.long
def test_the_demo_does_the_main_job_and_can_be_repeated(wordalloc, tmp_path):
    status, out, _ = wordalloc("demo", "--json")
    assert status == 0
    found = json.loads(out)
    full, adaptive = found["layers"]["full"], found["layers"]["adaptive"]
    assert adaptive["perplexity"] < 1.03 * full["perplexity"]
    assert adaptive["output_parameters"] < full["output_parameters"] / 3
    for layer in ("classes", "tree"):
        assert found["layers"][layer]["perplexity"] < 1.1 * full["perplexity"]
    cutoffs = package.load(tmp_path / "wordalloc-demo" / "train.cutoffs.safetensors")
    assert cutoffs.cutoffs.tolist() == found["cutoffs"] and cutoffs.vocabulary.size == 12_000
    status, again, err = wordalloc("demo")
    assert status == 0, err
    assert f"{full['perplexity']:.1f}" in again and "run-adaptive" in again
