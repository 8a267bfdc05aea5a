"""The ragged and row kernels against dense float64 references; run by test_ragged_kernels.py in a process of its own.

Triton decides when it is first imported whether it interprets or compiles, so these run where TRITON_INTERPRET was
set before that, or on a GPU.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

pytest.importorskip("triton", reason="the kernels need triton")

from wordalloc.errors import InputError
from wordalloc.nn import AdaptiveSoftmax, cross_entropy, linear_nll, ragged_kernels, row_kernels, tails
from wordalloc.nn.ragged_kernels import tail_gradients, tail_nll
from wordalloc.nn.row_kernels import row_nll, softmax_minus_label_

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
pytestmark = pytest.mark.skipif(not INTERPRETED and not torch.cuda.is_available(), reason="no interpreter and no GPU")

torch.set_num_threads(1)

# A result is rounded once to its dtype, and shares are rounded to it before they are multiplied.
TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}
DTYPES = list(TOLERANCE)


class Case(NamedTuple):
    """One cluster's inputs, in the order of the kernels' arguments, and what only the references read."""

    narrow: Tensor
    output: Tensor
    order: Tensor
    offsets: Tensor
    cluster: int
    local: Tensor
    slope: Tensor
    inside: Tensor

    @property
    def arguments(self) -> tuple[Any, ...]:
        return self[:6]


def make(n: int, w: int, k: int, dtype: torch.dtype, kind: str, seed: int = 0, cluster: int = 2) -> Case:
    """Draw tokens for a head and three tail clusters; `kind` says how many fall into the cluster looked at."""
    random = torch.Generator().manual_seed(seed)
    of = torch.randint(4, (n,), generator=random)
    if kind == "none":
        of = torch.where(of == cluster, 0, of)
    elif kind == "all":
        of = torch.full((n,), cluster)
    inside = of == cluster
    order = torch.argsort(of, stable=True)
    offsets = torch.searchsorted(of[order], torch.arange(5))
    local = torch.randint(k, (n,), generator=random)
    local[::3] = 0
    local[1::3] = k - 1
    local[~inside] = torch.randint(-(2**62), 2**62, (int((~inside).sum()),), generator=random)
    narrow = torch.randn(n, w, generator=random).to(dtype)
    output = torch.randn(k, w, generator=random).mul(2 * w**-0.5).to(dtype)
    slope = torch.randn(n, generator=random)
    tensors = [t.to(DEVICE) for t in (narrow, output, order, offsets)]
    return Case(*tensors, cluster, *[t.to(DEVICE) for t in (local, slope, inside)])


def dense(case: Case) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The definition, in float64: nll, logsumexp, and the gradients of Σ slope · nll."""
    narrow = case.narrow.detach().double().requires_grad_()
    output = case.output.detach().double().requires_grad_()
    scores = narrow @ output.t()
    label = torch.where(case.inside, case.local, 0)
    norm = scores.logsumexp(1)
    values = torch.where(case.inside, norm - scores.gather(1, label[:, None]).squeeze(1), 0)
    gradients = torch.autograd.grad((values * case.slope).sum(), [narrow, output])
    return values.detach(), torch.where(case.inside, norm, 0).detach(), *gradients


def assert_agrees(found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Compare within a tolerance that is a share of the largest entry: sums of terms of both signs cancel."""
    assert found.shape == expected.shape
    scale = expected.abs().max().clamp_min(1e-3).item() if expected.numel() else 1.0
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance * scale)


def check(case: Case) -> None:
    values, norm = tail_nll(*case.arguments)
    by_narrow, by_output = tail_gradients(*case.arguments, norm, case.slope)
    assert values.dtype == norm.dtype == torch.float32
    assert by_narrow.dtype == by_output.dtype == case.narrow.dtype
    for result in (values, norm, by_narrow):
        assert not result[~case.inside].any()
    tolerance = TOLERANCE[case.narrow.dtype]
    for found, expected, bound in zip(
        (values, norm, by_narrow, by_output), dense(case), (1e-5, 1e-5, tolerance, tolerance), strict=True
    ):
        assert_agrees(found, expected, bound)


# Of each pair of a width, a size and a kind there is one; with a GPU, where they take no time, all three in every way.
SHAPES = [
    (w, k, kind)
    for i, w in enumerate([1, 2, 8, 16, 33, 130])
    for j, k in enumerate([1, 5, 64, 257])
    for m, kind in enumerate(["none", "some", "all"])
    if not INTERPRETED or (i + j + m) % 3 == 0
]


@pytest.mark.parametrize(("w", "k", "kind"), SHAPES)
def test_a_cluster_agrees_with_the_definition(w, k, kind):
    for dtype in (torch.float32, torch.bfloat16):
        check(make(70, w, k, dtype, kind))


@settings(max_examples=25)
@given(
    st.integers(1, 150), st.integers(1, 40), st.integers(1, 140), st.sampled_from(DTYPES), st.integers(1, 3),
    st.integers(0, 1000),
)  # fmt: skip
def test_any_shape_agrees_with_the_definition(n, w, k, dtype, cluster, seed):
    check(make(n, w, k, dtype, "some", seed, cluster))


@pytest.mark.parametrize("dtype", DTYPES)
def test_wide_rows_and_words_shared_out_agree(dtype, monkeypatch):
    monkeypatch.setattr(ragged_kernels, "SPAN", 128)
    check(make(90, 270, 300, dtype, "some"))
    check(make(90, 130, 300, dtype, "all"))
    monkeypatch.setattr(ragged_kernels, "PARTIAL_BYTES", 0)  # one program for all words of a row block
    check(make(90, 20, 300, dtype, "some"))


def test_rows_may_lie_apart():
    case = make(70, 24, 60, torch.float32, "some")
    wide = torch.full((70, 40), 1e30, device=DEVICE)
    wide[:, 8:32] = case.narrow
    check(case._replace(narrow=wide[:, 8:32]))
    check(case._replace(narrow=case.narrow.t().contiguous().t(), slope=case.slope[:1].expand(70)))


def test_no_tokens():
    case = make(0, 8, 20, torch.bfloat16, "all")
    values, norm = tail_nll(*case.arguments)
    by_narrow, by_output = tail_gradients(*case.arguments, norm, case.slope)
    assert values.shape == norm.shape == (0,) and by_narrow.shape == (0, 8)
    assert by_output.shape == (20, 8) and not by_output.any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_input_gives_the_same_bytes(dtype, monkeypatch):
    monkeypatch.setattr(ragged_kernels, "SPAN", 128)
    case = make(100, 33, 300, dtype, "some")
    runs = []
    for _ in range(2):
        values, norm = tail_nll(*case.arguments)
        runs.append([values, norm, *tail_gradients(*case.arguments, norm, case.slope)])
    assert all(torch.equal(a.view(torch.uint8), b.view(torch.uint8)) for a, b in zip(*runs, strict=True))


@pytest.mark.parametrize("sign", [1, -1])
def test_huge_scores_stay_finite(sign):
    case = make(70, 16, 70, torch.float32, "some")
    case.output[:] = 0
    case.output[3:5, 0] = 1e4 * sign
    case.output[60, 0] = -1e4 * sign
    case.narrow[:, 0] = 1
    values, norm = tail_nll(*case.arguments)
    results = [values, norm, *tail_gradients(*case.arguments, norm, case.slope)]
    assert all(result.isfinite().all() for result in results)
    for found, expected in zip(results, dense(case), strict=True):
        assert_agrees(found, expected, 1e-3)
    # A label whose score is nearly the largest keeps the digits of its nll.
    if sign == 1:
        near = case._replace(local=torch.full_like(case.local, 3))
        expected = torch.where(case.inside, torch.tensor(2.0, device=DEVICE).log(), 0)
        torch.testing.assert_close(tail_nll(*near.arguments)[0], expected)


def test_padding_does_not_leak_where_all_scores_are_low():
    """A padded word's score of 0 would win the maximum, and its share, exp(0 - logsumexp), would be infinite."""
    case = make(70, 4, 67, torch.float32, "all")
    case.output[:, 0] = -300
    case.narrow[:, 0] = 1
    values, norm = tail_nll(*case.arguments)
    results = (values, norm, *tail_gradients(*case.arguments, norm, case.slope))
    for found, expected in zip(results, dense(case), strict=True):
        torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=2e-2)  # 300 float32 roundings of 2^-16


def test_small_slopes_do_not_underflow_in_float16():
    """A share of 1 / 500 times a slope of 2^-18 is 0 in float16; the gradient, a sum over 70 tokens, is not."""
    case = make(70, 8, 500, torch.float16, "all")
    case.output[:] = 0
    case.narrow[:] = 16
    case.local[:] = 0
    slope = torch.full_like(case.slope, 2.0**-18)
    by_output = tail_gradients(*case.arguments, tail_nll(*case.arguments)[1], slope)[1]
    expected = torch.full_like(by_output, 70 * 16 / 500 * 2.0**-18)
    torch.testing.assert_close(by_output[1:], expected[1:], rtol=1e-2, atol=0)


def test_slopes_of_zero_give_gradients_of_zero():
    case = make(70, 8, 30, torch.float32, "some")
    norm = tail_nll(*case.arguments)[1]
    gradients = tail_gradients(*case.arguments, norm, torch.zeros_like(case.slope))
    assert not any(gradient.any() for gradient in gradients)


def test_a_token_without_a_label_has_its_logsumexp():
    case = make(70, 8, 30, torch.float32, "all")
    for wrong in (-1, 30, 2**32 + 3, -(2**62)):
        values, norm = tail_nll(*case.arguments[:5], torch.full_like(case.local, wrong))
        assert torch.equal(values, norm)


@pytest.mark.parametrize("dtypes", [(torch.float64, torch.float64), (torch.float32, torch.bfloat16)])
def test_other_dtypes_are_refused(dtypes):
    case = make(5, 8, 30, torch.float32, "some")
    with pytest.raises(InputError, match="float32, bfloat16 or float16"):
        tail_nll(case.narrow.to(dtypes[0]), case.output.to(dtypes[1]), *case.arguments[2:])


@pytest.mark.parametrize("newer", [True, False])
def test_float32_is_multiplied_as_torch_does(newer):
    matmul = torch.backends.cuda.matmul
    newer = newer and hasattr(matmul, "fp32_precision")
    name, fast, exact = ("fp32_precision", "tf32", "ieee") if newer else ("allow_tf32", True, False)
    try:
        setattr(matmul, name, fast)
        assert ragged_kernels._precision() == "tf32"
    finally:
        setattr(matmul, name, exact)
    assert ragged_kernels._precision() == "ieee"


# --- rows of scores ---


def rows(n: int, k: int, dtype: torch.dtype, seed: int = 0) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(k, (n,), generator=random)
    labels[::3] = 0
    labels[1::3] = k - 1
    return torch.randn(n, k, generator=random).mul(3).to(dtype).to(DEVICE), labels.to(DEVICE)


@pytest.mark.parametrize("columns", [16, 4096])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [1, 2, 16, 37, 257])
def test_rows_agree_with_the_definition(k, dtype, known, columns, monkeypatch):
    monkeypatch.setattr(row_kernels, "COLUMNS", columns)
    scores, labels = rows(7, k, dtype)
    wide = scores.double()
    norm = wide.logsumexp(1)
    expected = norm - wide.gather(1, labels[:, None]).squeeze(1)
    before = scores.clone()
    for found, right in zip(row_nll(scores, labels), (expected, norm), strict=True):
        assert_agrees(found, right, 1e-5)
    assert torch.equal(scores, before)
    results = softmax_minus_label_(scores, labels, norm.float() if known else None)
    for found, right in zip(results, (expected, norm), strict=True):
        assert_agrees(found, right, 1e-5)
    gradient = wide.softmax(1) - torch.nn.functional.one_hot(labels, k)
    assert_agrees(scores, gradient, 1e-5 if dtype == torch.float32 else TOLERANCE[dtype] / 4)


@pytest.mark.parametrize("columns", [16, 4096])
def test_rows_stay_inside_their_own_memory(columns, monkeypatch):
    """Rows with a stride; labels that lie in the neighbours' memory change nothing there."""
    monkeypatch.setattr(row_kernels, "COLUMNS", columns)
    held = torch.full((6, 50), 7.0, device=DEVICE)
    scores, _ = rows(6, 37, torch.float32)
    held[:, 5:42] = scores
    labels = torch.tensor([-1, 37, 40, -(2**62), 2**32, 5], device=DEVICE)
    values, norm = softmax_minus_label_(held[:, 5:42], labels)
    assert torch.equal(held[:, :5], torch.full((6, 5), 7.0, device=DEVICE))
    assert torch.equal(held[:, 42:], torch.full((6, 8), 7.0, device=DEVICE))
    torch.testing.assert_close(norm, scores.logsumexp(1))
    torch.testing.assert_close(values[:5], norm[:5])
    expected = scores.softmax(1)
    expected[5, 5] -= 1
    torch.testing.assert_close(held[:, 5:42], expected)


def test_huge_and_infinite_scores_of_rows():
    scores = torch.full((4, 40), -1e4, device=DEVICE)
    scores[0, 3:5] = 1e4
    scores[1, :20] = -torch.inf  # words that are ruled out, more than a block of them
    scores[2, 39] = 1e4
    labels = torch.tensor([3, 39, 0, 7], device=DEVICE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_kernels, "COLUMNS", 16)
        expected = -scores.double().log_softmax(1).gather(1, labels[:, None]).squeeze(1).float()
        share = scores.double().softmax(1).float() - torch.nn.functional.one_hot(labels, 40)
        torch.testing.assert_close(row_nll(scores, labels)[0], expected)
        torch.testing.assert_close(softmax_minus_label_(scores, labels)[0], expected)
    torch.testing.assert_close(scores, share)


def test_no_rows_and_no_words():
    values, norm = softmax_minus_label_(torch.empty(0, 5, device=DEVICE), torch.empty(0, dtype=torch.long))
    assert values.shape == norm.shape == (0,)
    for wrong in (torch.empty(3, 0), torch.zeros(4, 3).t(), torch.zeros(3)):
        with pytest.raises(InputError, match="contiguous inside a row"):
            row_nll(wrong, torch.zeros(3, dtype=torch.long))


# --- the host never waits ---


class _Calls(TorchDispatchMode):
    """Note the operators called; a boolean index counts as the nonzero that it is."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        indices = args[1] if name.startswith("index") and len(args) > 1 and isinstance(args[1], (list, tuple)) else []
        if any(isinstance(i, Tensor) and i.dtype in (torch.bool, torch.uint8) for i in indices):
            name = "nonzero"
        self.names.add(name)
        return func(*args, **(kwargs or {}))


WAITING = {
    "_local_scalar_dense", "item", "nonzero", "nonzero_static", "masked_select", "bincount", "_unique2", "unique_dim",
    "unique_consecutive", "equal", "is_nonzero", "repeat_interleave",
}  # fmt: skip


def test_the_host_functions_read_nothing_from_the_device(monkeypatch):
    monkeypatch.setattr(ragged_kernels, "SPAN", 128)
    case = make(100, 20, 300, torch.bfloat16, "some")
    scores, labels = rows(5, 40, torch.bfloat16)
    if DEVICE == "cuda":
        tail_gradients(*case.arguments, tail_nll(*case.arguments)[1], case.slope)  # loading a kernel may wait
        torch.cuda.set_sync_debug_mode("error")
    with _Calls() as calls:
        _, norm = tail_nll(*case.arguments)
        by_narrow, by_output = tail_gradients(*case.arguments, norm, case.slope)
        _, norm = row_nll(scores, labels)
        softmax_minus_label_(scores, labels, norm)
    if DEVICE == "cuda":
        torch.cuda.set_sync_debug_mode("default")
    assert by_narrow.device == by_output.device == case.narrow.device
    assert {"empty", "zeros"} & calls.names, "the mode saw nothing"
    assert not WAITING & calls.names


def test_the_mode_would_see_a_wait():
    values = torch.arange(5.0)
    for wait in (
        lambda: values[0].item(), lambda: values[values > 2], lambda: values.nonzero(), lambda: values.unique(),
        lambda: values.long().bincount(), lambda: bool(values.any()), lambda: values.masked_select(values > 2),
    ):  # fmt: skip
        with _Calls() as calls:
            wait()
        assert WAITING & calls.names


@pytest.fixture
def kernel_road(monkeypatch):
    """Send tensors of any device through the kernels, as those on CUDA go."""
    for module in (linear_nll, tails):
        monkeypatch.setattr(module, "has_kernels", lambda like: like.dtype != torch.float64)


def layer_and_batch(n: int = 60) -> tuple[AdaptiveSoftmax, Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    layer = AdaptiveSoftmax(150, 20, [13, 40, 90, 91], div_value=2, head_bias=True).to(DEVICE)
    for parameter in layer.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=random))
    hidden = torch.randn(n, 20, generator=random).to(DEVICE).requires_grad_()
    target = torch.randint(90, (n,), generator=random).to(DEVICE)  # the last cluster but one has no token
    target[-1:] = 149
    return layer, hidden, target, torch.rand(n, generator=random).to(DEVICE)


@pytest.mark.parametrize("n", [0, 1, 60])
def test_a_layer_on_the_kernel_road_agrees_with_one_in_double_precision(kernel_road, n):
    layer, hidden, target, weight = layer_and_batch(n)
    exact = AdaptiveSoftmax(150, 20, [13, 40, 90, 91], div_value=2, head_bias=True).double().to(DEVICE)
    exact.load_state_dict(layer.state_dict())
    wide = hidden.detach().double().requires_grad_()

    def run(layer: AdaptiveSoftmax, hidden: Tensor, fused: bool) -> list[Tensor]:
        if fused:
            value = cross_entropy.weighted_nll(hidden, target, layer._weights(), weight.to(hidden.dtype))
        else:
            value = (layer(hidden, target) * weight).sum()
        return [value, *torch.autograd.grad(value, [hidden, *layer.parameters()])]

    for fused in (True, False):
        for ours, reference in zip(run(layer, hidden, fused), run(exact, wide, fused), strict=True):
            torch.testing.assert_close(ours.double(), reference, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("fused", [True, False])
def test_a_pass_of_the_layer_reads_nothing_from_the_device(kernel_road, fused):
    layer, hidden, target, weight = layer_and_batch()
    weights = layer._weights()
    with torch.no_grad(), _Calls() as calls:
        if fused:
            cross_entropy._run(hidden, target, weights, None, weight)
        else:
            _, sums, _ = cross_entropy._run(hidden, target, weights, None, None)
            cross_entropy._run(hidden, target, weights, sums, weight)
    assert "mm" in calls.names and not calls.names & WAITING
