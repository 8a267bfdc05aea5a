"""Every example runs, and says what its first lines promise."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_many_classes_compares_the_layers():
    first, *rest = run("many_classes.py", "5000").splitlines()
    on_digits, (second, *on_many) = rest[:4], rest[4:]
    assert first.startswith("digits:") and second.startswith("synthetic: 5,000 classes")
    names = ["full", "adaptive", "classes", "tree"]
    assert [line.split()[0] for line in on_digits] == [line.split()[0] for line in on_many] == names
    assert all(float(line.split()[1]) > 90 for line in on_digits)
    parameters = [int(line.split()[-2].replace(",", "")) for line in on_many]
    assert parameters[0] == 5000 * 64 > 2 * parameters[1] and parameters[3] == 4999 * 64
    assert all(float(line.split()[-4]) < 8.3 for line in on_many)  # ln 5000 is 8.5: all have learnt


def test_huggingface_trains_a_model_with_fewer_parameters():
    pytest.importorskip("transformers", reason="the example is about it")
    parameters, perplexity, *text = run("huggingface.py", "3").splitlines()
    before, after = (int(number.replace(",", "")) for number in re.findall(r"[\d,]{5,}", parameters))
    assert parameters.startswith("AdaptiveSoftmax and AdaptiveEmbedding: ") and after < before
    untrained, trained = re.fullmatch(r"perplexity: (\S+) before training, (\S+) after 3 steps", perplexity).groups()
    assert float(trained) < float(untrained) < 8000
    assert text[0].startswith("return the number of")


def test_every_example_is_tested():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {"huggingface.py", "many_classes.py"}
