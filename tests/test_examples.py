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


@pytest.mark.parametrize(
    ("package", "name"),
    [("accelerate", "with_accelerate.py"), pytest.param("lightning", "with_lightning.py", marks=pytest.mark.long)],
)
def test_a_loop_of_another_librarys_trains_the_layer(package, name):
    pytest.importorskip(package, reason=f"the example needs the package {package}")
    first, *rest = run(name).splitlines()
    assert "AdaptiveSoftmax(" in first
    perplexities = [float(line.split()[-1]) for line in rest if line.startswith("epoch ")]
    assert len(perplexities) == 3 and perplexities == sorted(perplexities, reverse=True)
    assert perplexities[-1] < 0.8 * perplexities[0]


def test_brown_clusters_help_the_tagger():
    *_, words, all_files, other_files = (line.split() for line in run("tagger.py").splitlines())
    right, right_of_new = ([float(line[place]) for line in (words, all_files, other_files)] for place in (-4, -2))
    assert right[1] > right[0] + 3 and right_of_new[1] > right_of_new[0] + 5
    assert right[2] > right[0] and right_of_new[2] > right_of_new[0]


def test_huggingface_trains_a_model_with_fewer_parameters():
    pytest.importorskip("transformers", reason="the example is about it")
    parameters, perplexity, *text = run("huggingface.py", "3").splitlines()
    before, after = (int(number.replace(",", "")) for number in re.findall(r"[\d,]{5,}", parameters))
    assert parameters.startswith("AdaptiveSoftmax and AdaptiveEmbedding: ") and after < before
    untrained, trained = re.fullmatch(r"perplexity: (\S+) before training, (\S+) after 3 steps", perplexity).groups()
    assert float(trained) < float(untrained) < 8000
    assert text[0].startswith("return the number of")


def test_every_example_is_tested():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {
        "huggingface.py",
        "many_classes.py",
        "tagger.py",
        "with_accelerate.py",
        "with_lightning.py",
    }
