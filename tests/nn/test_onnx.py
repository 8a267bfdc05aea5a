"""Layers written as ONNX and run by onnxruntime: what they say there is what they say here."""

from __future__ import annotations

import doctest
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.nn.exported_layers import MAKERS, make
from wordalloc.errors import InputError, OutputError
from wordalloc.nn import AdaptiveSoftmax, ClassSoftmax, OutputLayer
from wordalloc.nn import onnx as onnx_files
from wordalloc.nn.onnx import export_onnx

onnx = pytest.importorskip("onnx", reason="pip install 'wordalloc[onnx]'")
pytest.importorskip("onnxscript", reason="pip install 'wordalloc[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="pip install 'wordalloc[onnx]'")

pytestmark = pytest.mark.filterwarnings("ignore:`isinstance\\(treespec, LeafSpec\\)` is deprecated")  # torch's own
QUICK = {"classes"}
EVERY_KIND = [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.long) for kind in MAKERS]


def run(path: Path, hidden: torch.Tensor) -> list[torch.Tensor]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return [torch.from_numpy(found) for found in session.run(None, {"hidden": hidden.numpy()})]


def states(layer: OutputLayer, n: int) -> torch.Tensor:
    torch.manual_seed(n)
    return 3 * torch.randn(n, layer.dim, dtype=next(layer.parameters()).dtype)


def test_the_example_of_the_docstring():
    """Here and not among the doctests, which run also where these packages are missing."""
    failed, tried = doctest.testmod(onnx_files)
    assert not failed and tried


def test_no_package_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxscript", None)  # as where it is not installed
    with pytest.raises(InputError, match=r"needs the package onnxscript: pip install 'wordalloc\[onnx\]'"):
        export_onnx(make("classes"), tmp_path / "a.onnx")


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_log_prob_is_the_layers(kind, tmp_path):
    layer = make(kind)
    training = layer.training
    export_onnx(layer, tmp_path / "a.onnx")
    assert layer.training == training
    for n in (0, 1, 2, 500):
        (log_prob,) = run(tmp_path / "a.onnx", states(layer, n))
        assert log_prob.shape == (n, layer.vocab_size)
        torch.testing.assert_close(log_prob, layer.log_prob(states(layer, n)).detach(), atol=1e-5, rtol=1e-6)


@pytest.mark.long
@pytest.mark.parametrize(("kind", "k"), [*((kind, 5) for kind in MAKERS), ("adaptive-2", 14), ("classes", 1)])
def test_topk_is_the_layers(kind, k, tmp_path):
    layer = make(kind)
    export_onnx(layer, tmp_path / "a.onnx", k=k)
    for n in (1, 500):
        compare_topk(layer, k, tmp_path / "a.onnx", states(layer, n))


def compare_topk(layer: OutputLayer, k: int, path: Path, hidden: torch.Tensor) -> None:
    values, ranks = run(path, hidden)
    expected, expected_ranks = layer.topk(hidden, k)
    torch.testing.assert_close(values, expected, atol=1e-5, rtol=1e-6)
    # Where rounding parts or joins neighbours they may change places.
    close = torch.isclose(layer.log_prob(hidden).gather(1, ranks), expected, atol=1e-5, rtol=1e-6)
    assert ranks.dtype == torch.int64 and close.all() and (ranks == expected_ranks).float().mean() > 0.99
    assert all(len(set(row)) == k for row in ranks.tolist())


def without_preferences(layer: OutputLayer) -> OutputLayer:
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
    return layer


@pytest.mark.long
@pytest.mark.parametrize("kind", ["adaptive-1", "adaptive-2", "classes", "classes-alike"])
def test_ties_go_to_the_lower_rank(kind, tmp_path):
    """All layers without weights prefer the lower ranks, in steps of equal words."""
    layer = without_preferences(make(kind))
    export_onnx(layer, tmp_path / "a.onnx", k=8)
    for n in (1, 300):
        _, ranks = run(tmp_path / "a.onnx", states(layer, n))
        assert ranks.tolist() == [[*range(8)]] * n == layer.topk(states(layer, n), 8)[1].tolist()
    model = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {entry.key: entry.value for entry in model.metadata_props} == {"vocab_size": "14", "k": "8"}
    assert (model.producer_name, model.opset_import[0].version) == ("wordalloc", 18)
    shapes = [
        [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    ]
    assert shapes == [["n", 6], ["n", 8], ["n", 8]]


@pytest.mark.long
@pytest.mark.parametrize("large", ["adaptive", "classes"])
def test_a_large_vocabulary_and_a_large_batch(large, tmp_path):
    torch.manual_seed(0)
    size = 20_000
    rng = np.random.default_rng(0)
    uneven = np.concatenate([np.arange(140), rng.choice(140, size - 140, p=np.arange(1, 141) / 9870)])
    layer = {
        "adaptive": lambda: AdaptiveSoftmax(size, 32, [500, 3000, 9000], head_bias=True, div_value=2),
        "classes": lambda: ClassSoftmax(size, 32, uneven, bias=True),
    }[large]()
    hidden = states(layer, 300)
    export_onnx(layer, tmp_path / "a.onnx")
    torch.testing.assert_close(
        run(tmp_path / "a.onnx", hidden)[0], layer.log_prob(hidden).detach(), atol=1e-5, rtol=1e-6
    )
    export_onnx(layer, tmp_path / "a.onnx", k=50)
    compare_topk(layer, 50, tmp_path / "a.onnx", hidden)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["adaptive-2", "classes", "tree", "table"])
def test_scores_far_apart_stay_finite(kind, tmp_path):
    layer = make(kind)
    export_onnx(layer, tmp_path / "a.onnx")
    hidden = 1000 * states(layer, 50)
    (log_prob,) = run(tmp_path / "a.onnx", hidden)
    assert log_prob.min() < -500 and log_prob.isfinite().all()
    torch.testing.assert_close(log_prob, layer.log_prob(hidden).detach(), atol=1e-3, rtol=1e-6)


@pytest.mark.long
def test_float64_stays_float64(tmp_path):
    layer = make("adaptive-2").double()
    export_onnx(layer, tmp_path / "a.onnx")
    (log_prob,) = run(tmp_path / "a.onnx", states(layer, 7))
    torch.testing.assert_close(log_prob, layer.log_prob(states(layer, 7)).detach(), atol=1e-12, rtol=0)


@pytest.mark.long
def test_the_same_weights_give_the_same_bytes_and_name_no_file_of_this_machine(tmp_path):
    for name in ("a", "b"):
        export_onnx(make("classes"), tmp_path / f"{name}.onnx", k=3)
    content = (tmp_path / "a.onnx").read_bytes()
    assert content == (tmp_path / "b.onnx").read_bytes()
    assert b".py" not in content and [file.name for file in sorted(tmp_path.iterdir())] == ["a.onnx", "b.onnx"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_narrow_weights_are_refused(dtype, tmp_path):
    with pytest.raises(InputError, match=rf"not {dtype}; export layer\.float\(\)"):
        export_onnx(make("classes").to(dtype), tmp_path / "a.onnx")


def test_bad_arguments_are_one_line_and_leave_no_file(tmp_path):
    layer = make("adaptive-0")
    for k in (15, 2.5, True, "3"):
        with pytest.raises(InputError, match=f"k must be a whole number from 1 to 14, not {k!r}"):
            export_onnx(layer, tmp_path / "a.onnx", k=k)
    with pytest.raises(InputError, match="expected an output layer of wordalloc, not Linear"):
        export_onnx(torch.nn.Linear(2, 2), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_weights_beyond_one_file_are_refused_before_the_graph_is_made(tmp_path, monkeypatch):
    layer = make("adaptive-0")
    layer.log_prob = None  # the exporter would call it
    monkeypatch.setattr(onnx_files, "MOST_BYTES", 4 * layer.n_parameters - 1)
    with pytest.raises(InputError, match="one ONNX file holds"):
        export_onnx(layer, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_the_places_of_words_count_too(tmp_path, monkeypatch):
    layer = make("classes")
    monkeypatch.setattr(onnx_files, "MOST_BYTES", 4 * layer.n_parameters)
    with pytest.raises(InputError, match="one ONNX file holds"):
        export_onnx(layer, tmp_path / "a.onnx")


@pytest.mark.long
def test_a_target_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(OutputError, match="no such file or directory"):
        export_onnx(make("adaptive-0"), tmp_path / "nowhere" / "a.onnx")
