"""AdaptiveSoftmax and FullSoftmax against dense references and torch's own layer."""

from __future__ import annotations

import copy
import math
import shutil

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

import wordalloc
from wordalloc.errors import InputError
from wordalloc.nn import AdaptiveSoftmax, FullSoftmax, adaptive, cross_entropy, linear_nll, output_layer

torch.set_num_threads(2)


def dense_log_prob(layer: AdaptiveSoftmax, hidden: torch.Tensor) -> torch.Tensor:
    """The definition: head, then head entry plus in-cluster log-softmax, word by word."""
    head = hidden @ layer.head.t() + (0 if layer.head_bias is None else layer.head_bias)
    head = head - head.logsumexp(1, keepdim=True)
    columns = [head[:, : layer.bounds[1]]]
    for i, (projection, output) in enumerate(zip(layer.projections, layer.outputs, strict=True)):
        scores = hidden @ projection.t() @ output.t()
        columns.append(head[:, layer.bounds[1] + i, None] + scores - scores.logsumexp(1, keepdim=True))
    return torch.cat(columns, 1)


@st.composite
def layers(draw: st.DrawFn) -> AdaptiveSoftmax:
    size = draw(st.integers(1, 30))
    cutoffs = sorted(draw(st.sets(st.integers(1, max(size - 1, 1)), max_size=min(4, size - 1))))
    torch.manual_seed(draw(st.integers(0, 1000)))
    bias = draw(st.booleans())
    return AdaptiveSoftmax(
        size, draw(st.integers(1, 9)), cutoffs, div_value=draw(st.sampled_from([1, 1.5, 2, 4])), head_bias=bias
    ).double()


@settings(max_examples=60, deadline=None)
@given(layers(), st.integers(0, 12), st.integers(0, 100))
def test_every_output_agrees_with_the_definition(layer, n, seed):
    torch.manual_seed(seed)
    hidden = torch.randn(n, layer.dim, dtype=torch.float64)
    target = torch.randint(layer.vocab_size, (n,))
    dense = dense_log_prob(layer, hidden)
    expected = -dense.gather(1, target[:, None]).squeeze(1)
    torch.testing.assert_close(layer.log_prob(hidden), dense)
    torch.testing.assert_close(layer(hidden, target), expected)
    torch.testing.assert_close(layer.loss(hidden, target, "sum"), expected.sum())
    torch.testing.assert_close(layer.log_prob(hidden).exp().sum(1), torch.ones(n, dtype=torch.float64))


@settings(max_examples=30, deadline=None)
@given(layers(), st.integers(1, 12), st.integers(0, 100), st.sampled_from(["mean", "sum"]))
def test_gradients_of_loss_and_call_agree_with_the_definition(layer, n, seed, reduction):
    torch.manual_seed(seed)
    hidden = torch.randn(n, layer.dim, dtype=torch.float64, requires_grad=True)
    target = torch.randint(layer.vocab_size, (n,))
    ignored = torch.rand(n) < 0.3
    marked = torch.where(ignored, -100, target)
    weight = (~ignored).double()
    if reduction == "mean":
        weight = weight / weight.sum().clamp(min=1)
    inputs = [hidden, *layer.parameters()]

    def gradients(value: torch.Tensor) -> list[torch.Tensor]:
        found = torch.autograd.grad(value, inputs, allow_unused=True)
        return [torch.zeros_like(i) if g is None else g for i, g in zip(inputs, found, strict=True)]

    expected = gradients(-(dense_log_prob(layer, hidden).gather(1, target[:, None]).squeeze(1) * weight).sum())
    by_loss = gradients(layer.loss(hidden, marked, reduction, ignore_index=-100))
    by_call = gradients((layer(hidden, target) * weight).sum())
    torch.testing.assert_close(by_loss, expected)
    torch.testing.assert_close(by_call, expected)


def test_a_second_backward_pass_gives_the_same_gradients_whatever_became_of_the_first():
    torch.manual_seed(0)
    layer, hidden, target = AdaptiveSoftmax(60, 8, [10, 30]), torch.randn(40, 8), torch.randint(60, (40,))
    loss = 3 * layer.loss(hidden, target)
    loss.backward(retain_graph=True)
    first = [parameter.grad.clone() for parameter in layer.parameters()]
    for parameter in layer.parameters():
        parameter.grad.mul_(100)  # as clipping would
        parameter.grad = None
    loss.backward()
    torch.testing.assert_close([parameter.grad for parameter in layer.parameters()], first)


def test_gradients_are_added_to_those_that_are_there():
    torch.manual_seed(0)
    layer, hidden, target = AdaptiveSoftmax(60, 8, [10, 30]), torch.randn(40, 8), torch.randint(60, (40,))
    layer.loss(hidden, target).backward()
    first = [parameter.grad.clone() for parameter in layer.parameters()]
    layer.loss(hidden, target).backward()
    torch.testing.assert_close([parameter.grad for parameter in layer.parameters()], [2 * g for g in first])


def test_blocks_do_not_change_the_result(monkeypatch):
    torch.manual_seed(0)
    layer, hidden, target = FullSoftmax(50, 8, bias=True), torch.randn(100, 8), torch.randint(50, (100,))
    whole = torch.autograd.grad(layer.loss(hidden, target), list(layer.parameters()))
    monkeypatch.setattr(linear_nll, "CPU_BLOCK_BYTES", 1)
    monkeypatch.setattr(linear_nll, "LEAST_ROWS", 16)
    assert linear_nll._block_rows(100, 50, hidden) == 17  # six blocks, alike in size
    torch.testing.assert_close(torch.autograd.grad(layer.loss(hidden, target), list(layer.parameters())), whole)


def test_an_unlikely_target_keeps_its_nll():
    layer = FullSoftmax(3, 1)
    with torch.no_grad():
        layer.head.copy_(torch.tensor([[0.0], [300.0], [-50.0]]))
    hidden, target = torch.ones(3, 1), torch.tensor([0, 1, 2])
    torch.testing.assert_close(layer(hidden, target), torch.tensor([300.0, 0.0, 350.0]))
    assert layer.loss(hidden, target, "sum").item() == pytest.approx(650)


@pytest.mark.parametrize("head_bias", [False, True])
def test_agrees_with_torchs_layer_both_ways(head_bias):
    torch.manual_seed(0)
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(16, 1000, [50, 200, 600], div_value=2, head_bias=head_bias)
    ours = AdaptiveSoftmax.from_torch(theirs)
    hidden, target = torch.randn(64, 16, requires_grad=True), torch.randint(1000, (64,))
    torch.testing.assert_close(ours(hidden, target), -theirs(hidden, target).output, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.loss(hidden, target), theirs(hidden, target).loss, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.log_prob(hidden), theirs.log_prob(hidden), atol=1e-5, rtol=0)
    ours.loss(hidden, target).backward()
    theirs(hidden, target).loss.backward()
    gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    torch.testing.assert_close(ours.head.grad, gradients["head.weight"], atol=1e-5, rtol=0)
    for i in range(3):
        torch.testing.assert_close(ours.projections[i].grad, gradients[f"tail.{i}.0.weight"], atol=1e-5, rtol=0)
        torch.testing.assert_close(ours.outputs[i].grad, gradients[f"tail.{i}.1.weight"], atol=1e-5, rtol=0)
    back = ours.to_torch()
    assert back.state_dict().keys() == theirs.state_dict().keys()
    for name, weight in back.state_dict().items():
        assert torch.equal(weight, theirs.state_dict()[name]), name


def test_a_tail_width_never_reaches_zero():
    layer = AdaptiveSoftmax(100, 4, [10, 20, 40], div_value=4)
    assert [projection.shape[0] for projection in layer.projections] == [1, 1, 1]
    with pytest.raises(InputError, match="width 0"):
        layer.to_torch()


def test_all_ignored_is_zero_with_zero_gradients():
    layer = AdaptiveSoftmax(10, 4, [3])
    loss = layer.loss(torch.randn(2, 3, 4), torch.full((2, 3), -1), ignore_index=-1)
    loss.backward()
    assert loss.item() == 0
    assert all(parameter.grad.abs().max() == 0 for parameter in layer.parameters())


def test_operators_pass_torchs_own_checks():
    torch.manual_seed(0)
    layer = AdaptiveSoftmax(12, 6, [3, 7], div_value=2, head_bias=True).double()
    hidden = torch.randn(7, 6, dtype=torch.float64, requires_grad=True)
    target, weight = torch.tensor([0, 1, 2, 3, 8, 7, 11]), torch.rand(7, dtype=torch.float64)
    arguments = (hidden, target, layer.head, layer.head_bias, list(layer.projections), list(layer.outputs), [3, 7])
    torch.library.opcheck(cross_entropy.nll_op, arguments)
    torch.library.opcheck(cross_entropy.nll_gradients_op, (*arguments, weight, None))
    sums = cross_entropy.nll_op(*arguments)[1].detach()
    torch.library.opcheck(cross_entropy.nll_gradients_op, (*arguments, weight, sums))
    assert torch.autograd.gradcheck(lambda h: layer(h, target), (hidden,))


NEEDS_COMPILER = pytest.mark.skipif(
    shutil.which("c++") is None, reason="inductor needs a C++ compiler: apt install g++"
)


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=[NEEDS_COMPILER, pytest.mark.long])])
def test_compiles_whole_for_batches_whose_clusters_differ(backend):
    torch.manual_seed(0)
    layer = AdaptiveSoftmax(100, 16, [10, 40])
    reference = copy.deepcopy(layer)

    @torch.compile(fullgraph=True, backend=backend)
    def step(hidden, target):
        return layer.loss(hidden, target, ignore_index=-1), layer(hidden, target.clamp(min=0))

    hidden = torch.randn(20, 16)
    for target in (torch.arange(20), torch.full((20,), 99), torch.tensor([-1, *range(35, 54)])):
        layer.zero_grad()
        reference.zero_grad()
        loss, each = step(hidden, target)
        (loss + each.sum()).backward()
        expected = reference.loss(hidden, target, ignore_index=-1)
        expected_each = reference(hidden, target.clamp(min=0))
        (expected + expected_each.sum()).backward()
        torch.testing.assert_close((loss, each), (expected, expected_each))
        for ours, theirs in zip(layer.parameters(), reference.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, theirs.grad)


def test_autocast_computes_narrow_and_sums_wide():
    torch.manual_seed(0)
    layer, hidden, target = AdaptiveSoftmax(200, 32, [20, 80]), torch.randn(50, 32), torch.randint(200, (50,))
    expected = layer.loss(hidden, target)
    with torch.autocast("cpu", torch.bfloat16):
        loss, each = layer.loss(hidden, target), layer(hidden, target)
    loss.backward()
    assert loss.dtype == each.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), rel=0.02)
    assert layer.head.grad.dtype == torch.float32


@pytest.mark.parametrize("worth_bounding", [1, 1000])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layers(), st.integers(0, 100), st.data())
def test_topk_is_exact_with_ties_by_rank(monkeypatch, worth_bounding, layer, seed, data):
    monkeypatch.setattr(adaptive, "WORTH_BOUNDING", worth_bounding)
    torch.manual_seed(seed)
    with torch.no_grad():  # few distinct values, so that there are ties
        for parameter in layer.parameters():
            parameter.copy_(parameter.sign())
    hidden = torch.randint(-1, 2, (5, layer.dim)).double()
    k = data.draw(st.integers(1, layer.vocab_size))
    values, ranks = layer.topk(hidden, k)
    dense = layer.log_prob(hidden)
    for row in range(5):
        rounded = [round(value, 9) for value in dense[row].tolist()]
        expected = sorted(range(layer.vocab_size), key=lambda rank: (-rounded[rank], rank))[:k]
        assert [round(value, 9) for value in values[row].tolist()] == [rounded[rank] for rank in expected]
        torch.testing.assert_close(values[row], dense[row, ranks[row]])
        assert len(set(ranks[row].tolist())) == k


def test_topk_takes_the_lower_of_tied_ranks():
    layer = AdaptiveSoftmax(6, 1, [4])
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
    assert layer.topk(torch.ones(2, 1), 3)[1].tolist() == [[0, 1, 2]] * 2


def test_topk_opens_no_cluster_that_cannot_help(monkeypatch):
    layer = AdaptiveSoftmax(30, 1, [10])
    with torch.no_grad():
        layer.head.copy_(torch.tensor([*range(20, 10, -1), -5.0])[:, None])
    monkeypatch.setattr(layer, "_tail_log_prob", lambda *_: pytest.fail("the tail was scored"))
    assert layer.topk(torch.ones(1, 1), 5)[1].tolist() == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize("unk", [1, 5, None])
def test_samples_follow_the_distribution_and_are_never_unknown(unk):
    torch.manual_seed(0)
    layer = AdaptiveSoftmax(8, 4, [3, 6], div_value=2, unk=unk)
    hidden = torch.randn(1, 4) * 2
    n = 20_000
    drawn = layer.sample(hidden.expand(n, 4), torch.Generator().manual_seed(1))
    again = layer.sample(hidden.expand(n, 4), torch.Generator().manual_seed(1))
    assert torch.equal(drawn, again)
    expected = layer.log_prob(hidden)[0].exp().detach().double().numpy()
    if unk is not None:
        expected[unk] = 0
    counts = np.bincount(drawn.numpy(), minlength=8)
    there = expected > 0
    assert counts[~there].sum() == 0
    assert chisquare(counts[there], expected[there] / expected.sum() * n).pvalue > 1e-4


def test_shapes_and_targets_are_checked():
    layer = AdaptiveSoftmax(10, 4, [3])
    with pytest.raises(InputError, match=r"expected hidden \(\.\.\., 4\)"):
        layer(torch.randn(2, 5), torch.zeros(2, dtype=torch.long))
    with pytest.raises(InputError, match="from 0 to 9, but one is 10"):
        layer(torch.randn(1, 4), torch.tensor([10]))
    with pytest.raises(InputError, match="int64"):
        layer(torch.randn(1, 4), torch.tensor([1.0]))
    with pytest.raises(InputError, match="'none'"):
        layer.loss(torch.randn(1, 4), torch.tensor([1]), reduction="none")
    with pytest.raises(InputError, match="increase strictly"):
        AdaptiveSoftmax(10, 4, [3, 3])
    with pytest.raises(InputError, match="k must be a whole number from 1 to 10"):
        layer.topk(torch.randn(1, 4), 11)


def test_any_leading_shape_is_kept():
    layer = AdaptiveSoftmax(10, 4, [3])
    hidden, target = torch.randn(2, 3, 5, 4), torch.randint(10, (2, 3, 5))
    assert layer(hidden, target).shape == layer.sample(hidden).shape == (2, 3, 5)
    assert layer.topk(hidden, 2)[0].shape == (2, 3, 5, 2)
    torch.testing.assert_close(layer(hidden, target).mean(), layer.loss(hidden, target))


def test_the_allocation_picks_the_layer():
    vocabulary = wordalloc.Vocabulary.from_counts(["a", "b", "c", "<unk>"], [4, 3, 2, 1])
    adaptive = output_layer(wordalloc.Cutoffs(vocabulary, [2], {"div_value": 2.0}), 8)
    assert isinstance(adaptive, AdaptiveSoftmax) and adaptive.div_value == 2 and adaptive.unk == 3
    assert isinstance(output_layer(vocabulary, 8), FullSoftmax)
    assert output_layer(vocabulary, 8).n_parameters == 32


def test_the_peak_of_the_loss_is_a_block_not_the_logits(monkeypatch):
    monkeypatch.setattr(linear_nll, "CPU_BLOCK_BYTES", 1 << 20)
    monkeypatch.setattr(linear_nll, "LEAST_ROWS", 8)
    layer, hidden, target = FullSoftmax(20_000, 4), torch.randn(1000, 4), torch.randint(20_000, (1000,))
    with torch.profiler.profile(profile_memory=True) as profile:
        layer.loss(hidden, target).backward()
    largest = max(event.self_cpu_memory_usage for event in profile.events())
    assert largest < 4 << 20 < math.prod((1000, 20_000, 4))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="only CUDA tells when the host waits for it")
@pytest.mark.parametrize("compiled", [False, True])
def test_a_step_never_waits_for_cuda(compiled):
    layer = AdaptiveSoftmax(150, 20, [13, 40, 90], div_value=2).cuda()
    hidden, target = torch.randn(60, 20, device="cuda", requires_grad=True), torch.randint(150, (60,), device="cuda")

    def step(hidden: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cuda", torch.bfloat16):
            return layer.loss(hidden, target, ignore_index=-1) + layer(hidden, target).mean()

    run = torch.compile(step, fullgraph=True) if compiled else step
    run(hidden, target).backward()  # compiles the kernels
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        run(hidden, target).backward()
    finally:
        torch.cuda.set_sync_debug_mode(before)
