"""Every example runs, and says what its first lines promise: one test for each, called after it."""

from __future__ import annotations

import itertools
import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from wordalloc.corpus.demo import demo_paragraphs

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name: str, *arguments: str) -> str:
    """Run an example as a process of its own; return what it prints."""
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.fixture
def run_here(monkeypatch, capsys, tmp_path):
    """Run an example in this process, which has loaded torch already; return what it prints. It warns of nothing."""

    def run(name: str, *arguments: object) -> str:
        capsys.readouterr()
        with monkeypatch.context() as patch, warnings.catch_warnings(action="error"):
            patch.chdir(tmp_path)
            patch.setattr(sys, "argv", [name, *map(str, arguments)])
            runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        assert not list(tmp_path.glob("wordalloc*"))  # nothing is left where it was called
        return capsys.readouterr().out

    return run


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    """The beginning of the embedded corpus, which the examples take whole."""
    path = tmp_path_factory.mktemp("examples") / "text.txt"
    path.write_text("\n".join(itertools.islice(demo_paragraphs(), 400)) + "\n", encoding="utf-8")
    return path


def number(pattern: str, output: str) -> float:
    """The number that a pattern's group finds."""
    found = re.search(pattern, output)
    assert found, output
    return float(found[1].replace(",", ""))


def test_cutoffs(run_here, text):
    output = run_here("cutoffs.py", text)
    shares = [float(share) for share in re.findall(r"answer +([\d.]+) %", output)]
    assert sum(shares) == pytest.approx(100, abs=0.2) and shares[0] > 50
    assert number(r"expected: ([\d.]+) ×", output) > 1
    small, full = number(r"parameters: ([\d,]+)", output), number(r"a full softmax ([\d,]+)", output)
    assert small < full
    assert number(r"add up to ([\d.]+)", output) == 1


def test_brown_clusters(run_here, text):
    output = run_here("brown_clusters.py", text)
    assert number(r"(\d+) classes", output) == 100
    assert number(r"perplexity (\d+)", output) < number(r"that of single words is (\d+)", output)
    groups = [int(groups) for groups in re.findall(r"\d bits: (\d+) groups", output)]
    assert groups == sorted(groups) and groups[0] <= 4 < groups[-1]
    assert re.search(r"paths:\n +[01]+ \S+ \d+\n", output)


def test_huffman_codes(run_here, text):
    output = run_here("huffman_codes.py", text)
    entropy = number(r"no code beats, is ([\d.]+)", output)
    assert entropy <= number(r"\n([\d.]+) bits a token", output) < entropy + 1
    assert number(r"equal length take ([\d.]+)", output) > entropy + 1
    assert "2,000 words" in output and number(r"add up to ([\d.]+)", output) == 1
    first, last = (float(nats) for nats in re.findall(r"step \d+: ([\d.]+) nats", output))
    assert last < first


def test_lightrnn(run_here, text):
    output = run_here("lightrnn.py", text, 4000)
    names = ["full", "by chance", "reallocated", "by class"]
    assert re.findall(r"^  (\S[\w ]*?) +perplexity", output, re.MULTILINE) == names
    assert number(r"\n([\d.]+) × fewer parameters", output) > 1.5
    assert number(r"reallocated: (-[\d.]+) % nats", output) < 0
    assert number(r"gap ([\d.e-]+)", output) <= 1e-6


def test_many_classes():
    first, *rest = run("many_classes.py", "5000").splitlines()
    on_digits, (second, *on_many) = rest[:4], rest[4:]
    assert first.startswith("digits:") and second.startswith("synthetic: 5,000 classes")
    names = ["full", "adaptive", "classes", "tree"]
    assert [line.split()[0] for line in on_digits] == [line.split()[0] for line in on_many] == names
    assert all(float(line.split()[1]) > 90 for line in on_digits)
    parameters = [int(line.split()[-2].replace(",", "")) for line in on_many]
    assert parameters[0] == 5000 * 64 > 2 * parameters[1] and parameters[3] == 4999 * 64
    assert all(float(line.split()[-4]) < 8.3 for line in on_many)  # ln 5000 is 8.5: all have learnt


def check_epochs(output):
    first, *rest = output.splitlines()
    assert "AdaptiveSoftmax(" in first
    perplexities = [float(line.split()[-1]) for line in rest if line.startswith("epoch ")]
    assert len(perplexities) == 3 and perplexities == sorted(perplexities, reverse=True)
    assert perplexities[-1] < 0.8 * perplexities[0]


def test_with_accelerate():
    pytest.importorskip("accelerate", reason="the example needs the package accelerate")
    check_epochs(run("with_accelerate.py"))


@pytest.mark.long
def test_with_lightning():
    pytest.importorskip("lightning", reason="the example needs the package lightning")
    check_epochs(run("with_lightning.py"))


def test_tagger():
    *_, words, all_files, other_files = (line.split() for line in run("tagger.py").splitlines())
    right, right_of_new = ([float(line[place]) for line in (words, all_files, other_files)] for place in (-4, -2))
    assert right[1] > right[0] + 3 and right_of_new[1] > right_of_new[0] + 5
    assert right[2] > right[0] and right_of_new[2] > right_of_new[0]


def test_huggingface():
    pytest.importorskip("transformers", reason="the example is about it")
    parameters, perplexity, *text = run("huggingface.py", "3").splitlines()
    before, after = (int(number.replace(",", "")) for number in re.findall(r"[\d,]{5,}", parameters))
    assert parameters.startswith("AdaptiveSoftmax and AdaptiveEmbedding: ") and after < before
    untrained, trained = re.fullmatch(r"perplexity: (\S+) before training, (\S+) after 3 steps", perplexity).groups()
    assert float(trained) < float(untrained) < 8000
    assert text[0].startswith("return the number of")


@pytest.mark.long
@pytest.mark.parametrize("name", ["cutoffs", "brown_clusters", "huffman_codes", "lightrnn"])
def test_the_five_run_whole(name):
    assert run(f"{name}.py").count("\n") > 10  # on the whole embedded corpus, as typed without arguments


def test_every_example_is_tested():
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {path.stem for path in EXAMPLES.glob("*.py")} <= tested
