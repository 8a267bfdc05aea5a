"""SampledSoftmax: against loops written from the papers, against the true softmax it estimates, and what it learns."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import wordalloc
from wordalloc.errors import InputError
from wordalloc.nn import FullSoftmax, SampledSoftmax
from wordalloc.nn.blackout import blackout
from wordalloc.nn.candidate_softmax import sampled_softmax_nll
from wordalloc.nn.importance import effective_sample_size, importance_nll, log_moments
from wordalloc.nn.nce import nce
from wordalloc.nn.negative import negative_sampling
from wordalloc.nn.sampled_softmax import LOSSES

NLL_LIKE = ("importance", "sampled-softmax")
COUNTS = [40, 20, 11, 7, 4, 2, 1, 1, 0]


# --- the equations, one candidate at a time ---


def oracle(loss: str, target: float, target_noise: float, scores: list[float], noise: list[float], hits: list[bool]):
    """The loss of one token, from its scores s and the noise's q; `target` is the target's score."""
    k = len(scores)
    weight = math.exp(target) / target_noise
    weights = [math.exp(s) / q for s, q in zip(scores, noise, strict=True)]
    if loss == "importance":
        z = math.exp(target) + sum(w for w, hit in zip(weights, hits, strict=True) if not hit) / k
        return math.log(z) - target
    if loss == "sampled-softmax":
        return -math.log(weight / (weight + sum(weights))) - math.log((k + 1) * target_noise)
    if loss == "nce":
        posterior = math.exp(target) / (math.exp(target) + k * target_noise)
        total = -math.log(posterior)
        for s, q in zip(scores, noise, strict=True):
            total -= math.log(k * q / (math.exp(s) + k * q))
        return total
    if loss == "blackout":
        shares = [w / (weight + sum(weights)) for w in weights]
        total = -math.log(weight / (weight + sum(weights)))
        for share in shares:
            total -= math.log(1 - share)
        return total
    total = -math.log(1 / (1 + math.exp(-(target - math.log(target_noise)))))
    for s, q in zip(scores, noise, strict=True):
        total -= math.log(1 / (1 + math.exp(s - math.log(q))))
    return total


@st.composite
def layers(draw: st.DrawFn) -> SampledSoftmax:
    size = draw(st.integers(1, 12))
    torch.manual_seed(draw(st.integers(0, 1000)))
    layer = SampledSoftmax(
        size,
        draw(st.integers(1, 6)),
        loss=draw(st.sampled_from(LOSSES)),
        samples=draw(st.integers(1, size)),
        noise=draw(st.sampled_from(["unigram", "log-uniform", "uniform"])),
        counts=draw(st.lists(st.integers(0, 50), min_size=size, max_size=size)),
        negatives=draw(st.sampled_from(["shared", "per-token"])),
    ).double()
    torch.nn.init.normal_(layer.head)
    return layer


@settings(max_examples=50, deadline=None)
@given(layers(), st.integers(0, 6), st.integers(0, 1000))
def test_the_loss_and_its_gradients_agree_with_loops_over_the_same_draws(layer, n, seed):
    torch.manual_seed(seed)
    hidden = torch.randn(n, layer.dim, dtype=torch.float64, requires_grad=True)
    target, weight = torch.randint(layer.vocab_size, (n,)), torch.rand(n, dtype=torch.float64)
    torch.manual_seed(seed)
    found = layer._weighted_nll(hidden, target, weight)
    torch.manual_seed(seed)
    negatives = layer._draw(target).expand(n, layer.samples)
    noise = layer.noise.log_prob.exp().tolist()

    def slow() -> float:
        scores = (hidden @ layer.head.T + layer.head_bias).tolist()
        return sum(
            weight[i].item()
            * oracle(
                layer.loss_name,
                scores[i][t],
                noise[t],
                [scores[i][k] for k in drawn],
                [noise[k] for k in drawn],
                [k == t for k in drawn],
            )
            for i, (t, drawn) in enumerate(zip(target.tolist(), negatives.tolist(), strict=True))
        )

    assert found.item() == pytest.approx(slow(), rel=1e-5, abs=1e-6)
    inputs = [hidden, layer.head, layer.head_bias]
    gradients = torch.autograd.grad(found, inputs)
    for values, gradient in zip(inputs, gradients, strict=True):
        direction = torch.randn_like(gradient)
        with torch.no_grad():
            values += 1e-5 * direction
            above = slow()
            values -= 2e-5 * direction
            below = slow()
            values += 1e-5 * direction
        assert (gradient * direction).sum().item() == pytest.approx((above - below) / 2e-5, rel=1e-5, abs=1e-6)
    touched = set(target.tolist()) | set(negatives.flatten().tolist())
    idle = [w for w in range(layer.vocab_size) if w not in touched]
    assert not gradients[1][idle].any() and not gradients[2][idle].any()


# --- hits ---


def test_hits_are_masked_where_the_target_is_counted_already_and_kept_elsewhere():
    """Weights: target 2 / q with q = 1/4, so 8; negatives 8 (a hit) and 4."""
    target, noise = torch.tensor([2.0]).log(), torch.tensor([0.25]).log()
    weights, hits = torch.tensor([[8.0, 4.0]]).log(), torch.tensor([[True, False]])
    for found, expected in [
        (importance_nll(target, weights, hits), (2 + 4 / 2) / 2),  # Ẑ = exp s(t) + the others' mean of two draws
        (sampled_softmax_nll(target, noise, weights), (8 + 8 + 4) / 3 / 2),
        (nce(target - noise, weights), 1 / (8 / 10 * 2 / 10 * 2 / 6)),  # odds 8/2, 8/2, 4/2
        (blackout(target - noise, weights), 1 / (8 / 20 * 12 / 20 * 16 / 20)),
        (negative_sampling(target - noise, weights), 1 / (8 / 9 * 1 / 9 * 1 / 5)),
    ]:
        torch.testing.assert_close(found.exp(), torch.tensor([expected]))


def test_a_token_of_which_all_negatives_are_hits_has_a_loss_of_zero_and_no_gradient():
    scores = torch.randn(2, requires_grad=True)
    weights = torch.randn(2, 3, requires_grad=True)
    loss = importance_nll(scores, weights, torch.ones(2, 3, dtype=torch.bool))
    loss.sum().backward()
    assert not loss.any() and not scores.grad.any() and not weights.grad.any()


def test_scores_far_apart_have_finite_losses_that_push_the_right_way():
    for loss in LOSSES:
        layer = SampledSoftmax(2, 1, loss=loss, samples=1, noise="uniform", negatives="per-token")
        with torch.no_grad():
            layer.head.copy_(torch.tensor([[-200.0], [200.0]]))
        hidden, target = torch.ones(8, 1), torch.zeros(8, dtype=torch.long)
        torch.manual_seed(0)
        value = layer.loss(hidden, target)
        by_head = torch.autograd.grad(value, layer.head)[0]
        assert value.isfinite() and (by_head[0] < 0).all() and (by_head[1] > 0).all(), loss


# --- what they converge to ---

V, R = 40, 3000


def estimates(loss: str, samples: int) -> tuple[Tensor, Tensor, float]:
    """R gradients by one hidden state, the true one, and a bound of the bias times K; scores normalised, as NCE asks.

    To leading order the bias of a ratio of two means is at most 2 Σ p²/q times the greatest row, over K; and that of
    the log-odds losses, Σ p · p/(Kq) and p/(Kq) of the target times it, is within as much again.
    """
    torch.manual_seed(0)
    counts = 1000 // torch.arange(1, V + 1)
    layer = SampledSoftmax(V, 4, loss=loss, samples=V, counts=counts, negatives="per-token").double()
    torch.nn.init.normal_(layer.head)
    hidden, target = torch.randn(1, 4, dtype=torch.float64), torch.tensor([3])
    with torch.no_grad():
        layer.head_bias -= layer.log_normaliser(hidden, target)
    share = layer.log_prob(hidden).exp()[0]
    exact = share @ layer.head - layer.head[3]
    noise = layer.noise.log_prob.double().exp()
    bound = 2 * ((share**2 / noise).sum() + share[3] / noise[3]) * layer.head.norm(dim=1).max()
    many = hidden.repeat(R, 1).requires_grad_()
    negatives = layer.noise.draw((R, samples))
    value = layer._sampled(many, target.repeat(R), negatives).sum()
    return torch.autograd.grad(value, many)[0], exact.detach(), bound.item()


@pytest.mark.parametrize("loss", ["importance", "sampled-softmax", "nce", "blackout"])
def test_the_gradient_converges_to_that_of_the_softmax(loss):
    spread, bias = [], []
    for samples in (64, 256, 1024):
        found, exact, bound = estimates(loss, samples)
        error = (found.mean(0) - exact).norm().item()
        spread.append((found - found.mean(0)).square().sum(1).mean().sqrt().item())
        bias.append(error)
        assert error < 4 * spread[-1] / math.sqrt(R) + bound / samples
    # Four times the draws halve the spread.
    for more, less in itertools.pairwise(spread):
        assert 1.8 < more / less < 2.25
    assert bias[-1] < 0.02 * exact.norm(), "no error is left in the mean"


@pytest.mark.parametrize("loss", NLL_LIKE)
def test_the_value_estimates_the_nll(loss):
    torch.manual_seed(0)
    layer = SampledSoftmax(500, 8, loss=loss, samples=500, noise="log-uniform", negatives="per-token")
    hidden, target = torch.randn(1000, 8), layer.noise.draw((1000,))
    sampled, exact = layer.loss(hidden, target), layer.eval().loss(hidden, target)
    assert sampled.item() == pytest.approx(exact.item(), abs=0.02)


def test_importance_estimates_z_without_bias():
    """The mean of Ẑ over all draws of K = 3 out of 4 words, each as often as it is drawn, is Z."""
    noise, scores = torch.tensor([0.4, 0.3, 0.2, 0.1]).double(), torch.tensor([0.3, -1.0, 2.0, 0.5]).double()
    draws = torch.tensor(list(itertools.product(range(4), repeat=3)))
    chance = noise[draws].prod(1)
    for target in range(4):
        own = scores[target].expand(len(draws))
        estimate = (importance_nll(own, (scores - noise.log())[draws], draws == target) + own).exp()
        torch.testing.assert_close((chance * estimate).sum(), scores.exp().sum())


# --- what they learn: the optimum over all draws, in exact arithmetic ---

P = torch.tensor([[0.5, 0.2, 0.15, 0.1, 0.05], [0.02, 0.08, 0.1, 0.2, 0.6]]).double()
Q = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05]).double()


def by_name(loss: str, target: Tensor, noise: Tensor, weights: Tensor, hits: Tensor) -> Tensor:
    if loss == "importance":
        return importance_nll(target, weights, hits)
    if loss == "sampled-softmax":
        return sampled_softmax_nll(target, noise, weights)
    function = {"nce": nce, "blackout": blackout, "negative": negative_sampling}[loss]
    return function(target - noise, weights)


def minimise(objective: Callable[[Tensor], Tensor], start: Tensor) -> Tensor:
    scores = start.clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [scores], max_iter=300, line_search_fn="strong_wolfe", tolerance_grad=1e-9, tolerance_change=1e-13
    )

    def step() -> Tensor:
        optimiser.zero_grad()
        value = objective(scores)
        value.backward()
        return value

    optimiser.step(step)
    return scores.detach()


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("loss", ["sampled-softmax", "nce", "blackout", "negative"])
def test_the_optimum_of_a_consistent_loss_is_the_softmax_for_every_k(loss, samples):
    draws = torch.tensor(list(itertools.product(range(5), repeat=samples)))
    chance = Q[draws].prod(1)

    def objective(scores: Tensor) -> Tensor:
        total = torch.zeros(())
        for context, target in itertools.product(range(2), range(5)):
            weights = (scores[context] - Q.log())[draws]
            own, noise = scores[context, target].expand(len(draws)), Q[target].log()
            total = total + P[context, target] * (chance * by_name(loss, own, noise, weights, draws == target)).sum()
        return total

    scores = minimise(objective, torch.zeros_like(P))
    torch.testing.assert_close(scores.log_softmax(1), P.log(), atol=1e-5, rtol=0)
    if loss in ("nce", "negative"):
        assumed = 0.0 if loss == "nce" else -math.log(samples)
        torch.testing.assert_close(scores.logsumexp(1), torch.full((2,), assumed).double(), atol=1e-5, rtol=0)


def importance_optimum(p: Tensor, q: Tensor, samples: int) -> Tensor:
    """What p is trained to, over all counts of the words in K draws; a word drawn n times weighs n times."""
    size = len(q)
    drawn = itertools.combinations_with_replacement(range(size), samples)
    times = torch.tensor(np.array([np.bincount(words, minlength=size) for words in drawn])).double()
    chance = (math.lgamma(samples + 1) - torch.lgamma(times + 1).sum(1) + (times * q.log()).sum(1)).exp()
    amount = (times * size / samples).clamp(min=1e-300).log()

    def objective(scores: Tensor) -> Tensor:
        weights = scores - q.log() + amount
        losses = [
            (chance * importance_nll(scores[word].expand(len(times)), weights, torch.arange(size) == word)).sum()
            for word in range(size)
        ]
        return p @ torch.stack(losses)

    return minimise(objective, torch.zeros_like(p)).softmax(0)


def test_the_bias_of_importance_samplings_optimum_falls_as_one_over_k():
    p, q = torch.tensor([0.6, 0.3, 0.1]).double(), torch.tensor([0.2, 0.3, 0.5]).double()
    few, many = ((importance_optimum(p, q, samples) - p).abs().max() for samples in (20, 80))
    assert many < 0.01 and 3 < few / many < 5


# --- and what the layer learns by drawing ---


@pytest.mark.parametrize(("noise", "negatives"), [("unigram", "per-token"), ("uniform", "shared")])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_trained_layer_has_the_true_conditional_distribution(loss, noise, negatives):
    """Two contexts, of which 20 tokens each show six words: log-probabilities within 0.1.

    Importance sampling within 0.1 of its own optimum, which six draws leave a fifth away from the truth.
    """
    shown = torch.tensor([[8, 5, 3, 2, 1, 1], [1, 1, 2, 3, 5, 8]])
    target = torch.cat([torch.arange(6).repeat_interleave(times) for times in shown])
    hidden = torch.eye(2).repeat_interleave(20, 0)
    torch.manual_seed(0)
    layer = SampledSoftmax(6, 2, loss=loss, samples=6, noise=noise, counts=shown.sum(0), negatives=negatives)
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1, 0.01, 400)
    for _ in range(400):
        optimiser.zero_grad()
        layer.loss(hidden, target).backward()
        optimiser.step()
        schedule.step()
    expected = (shown / 20).double()
    if loss == "importance":
        expected = torch.stack([importance_optimum(p, layer.noise.log_prob.double().exp(), 6) for p in expected])
    torch.testing.assert_close(layer.log_prob(torch.eye(2)), expected.log().float(), atol=0.1, rtol=0)


@pytest.mark.parametrize("loss", LOSSES)
def test_shared_and_own_negatives_agree_in_expectation(loss):
    torch.manual_seed(0)
    layer = SampledSoftmax(30, 4, loss=loss, samples=10, noise="log-uniform").double()
    hidden, target = torch.randn(3, 4, dtype=torch.float64), torch.tensor([0, 5, 29])
    with torch.no_grad():
        own = layer._sampled(hidden.repeat(4000, 1), target.repeat(4000), layer.noise.draw((12000, 10))).view(-1, 3)
        shared = torch.stack([layer._sampled(hidden, target, layer._draw(target)) for _ in range(2000)])
    error = (own.var(0) / 4000 + shared.var(0) / 2000).sqrt()
    assert ((own.mean(0) - shared.mean(0)).abs() < 4 * error).all()


# --- the effective sample size ---


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=12), st.integers(1, 11))
def test_the_effective_sample_size_of_joined_blocks_is_that_of_all(values, cut):
    log_weights = torch.tensor([values], dtype=torch.float64)
    weights = np.exp(values)
    cut = min(cut, len(values) - 1)
    joined = torch.logaddexp(log_moments(log_weights[:, :cut]), log_moments(log_weights[:, cut:]))
    expected = weights.sum() ** 2 / (weights**2).sum()
    assert effective_sample_size(joined).item() == pytest.approx(expected)
    assert 1 - 1e-9 <= expected <= len(values) + 1e-9


def test_blocks_are_drawn_until_the_effective_size_is_reached():
    torch.manual_seed(0)
    layer = SampledSoftmax(1000, 8, loss="importance", samples=20, noise="uniform", effective_samples=150).double()
    hidden, target = torch.randn(5, 8, dtype=torch.float64), torch.randint(1000, (5,))
    weight = torch.tensor([1.0, 2.0, 1.0, 0.0, 1.0]).double()
    hidden[3] *= 100  # of effective size 1, but it counts nothing

    def size(negatives: Tensor) -> Tensor:
        weights = (hidden @ layer.head[negatives].T + layer.head_bias[negatives]).exp() * 1000
        return (weights.sum(1) ** 2 / (weights**2).sum(1) * weight).sum() / weight.sum()

    negatives = layer._draw_enough(hidden, target, weight, 150)
    assert negatives.ndim == 1 and len(negatives) % 20 == 0
    assert size(negatives) >= 150 > size(negatives[:-20])


@pytest.mark.parametrize("negatives", ["shared", "per-token"])
def test_where_v_draws_are_not_enough_the_loss_is_exact(negatives):
    torch.manual_seed(0)
    options = {"noise": "log-uniform", "negatives": negatives, "effective_samples": 50.0}
    layer = SampledSoftmax(50, 8, loss="importance", samples=7, **options)
    hidden, target = torch.randn(6, 8, requires_grad=True), torch.randint(50, (6,))
    found = torch.autograd.grad(layer.loss(hidden, target), [hidden, layer.head])
    expected = torch.autograd.grad(layer(hidden, target).mean(), [hidden, layer.head])
    torch.testing.assert_close(found, expected)
    layer.effective_samples = 1.0  # one block is enough
    assert not torch.equal(torch.autograd.grad(layer.loss(hidden, target), layer.head)[0], expected[1])


# --- the layer ---


@settings(max_examples=40, deadline=None)
@given(layers(), st.lists(st.integers(0, 3), max_size=2), st.integers(0, 100))
def test_but_for_the_training_loss_it_is_the_full_softmax(layer, shape, seed):
    full = FullSoftmax(layer.vocab_size, layer.dim, bias=True).double()
    full.load_state_dict(layer.state_dict())
    torch.manual_seed(seed)
    hidden, target = torch.randn(*shape, layer.dim).double(), torch.randint(layer.vocab_size, shape)
    torch.testing.assert_close(layer(hidden, target), full(hidden, target))
    flat = hidden.reshape(-1, layer.dim)
    torch.testing.assert_close(layer.log_prob(flat), full.log_prob(flat))
    assert torch.equal(layer.topk(hidden, layer.vocab_size)[1], full.topk(hidden, layer.vocab_size)[1])
    with torch.no_grad():
        torch.testing.assert_close(layer.loss(hidden, target), full.loss(hidden, target))
    layer.eval()
    torch.testing.assert_close(layer.loss(hidden, target, "sum"), full.loss(hidden, target, "sum"))
    expected = torch.logsumexp(hidden @ layer.head.T + layer.head_bias, -1).detach()
    torch.testing.assert_close(layer.log_normaliser(hidden, target), expected)


@pytest.mark.parametrize("negatives", ["shared", "per-token"])
@pytest.mark.parametrize("loss", LOSSES)
def test_ignored_tokens_count_nothing(loss, negatives):
    torch.manual_seed(0)
    layer = SampledSoftmax(9, 4, loss=loss, samples=5, counts=COUNTS, negatives=negatives)
    hidden, target = torch.randn(2, 3, 4, requires_grad=True), torch.tensor([[1, -1, 2], [-1, 0, 8]])
    layer.loss(hidden, target, ignore_index=-1).backward()
    touched = hidden.grad.any(-1)
    assert torch.equal(touched, target != -1)


def test_a_seed_gives_the_loss_again():
    layer = SampledSoftmax(9, 4, samples=5, counts=COUNTS)
    hidden, target = torch.randn(6, 4), torch.arange(6)
    torch.manual_seed(1)
    first = layer.loss(hidden, target)
    assert layer.loss(hidden, target) != first
    torch.manual_seed(1)
    assert layer.loss(hidden, target) == first


@pytest.mark.parametrize("loss", LOSSES)
def test_it_begins_at_the_unigram_distribution_with_the_normaliser_it_assumes(loss):
    vocabulary = wordalloc.Vocabulary.from_counts("abcdefghi", COUNTS)
    layer = SampledSoftmax.from_allocation(wordalloc.Cutoffs(vocabulary, [3]), 4, loss=loss, samples=5)
    nowhere, target = torch.zeros(1, 4), torch.tensor([0])
    shares = (torch.tensor(COUNTS) + 1) / (sum(COUNTS) + 9)
    torch.testing.assert_close(layer.log_prob(nowhere)[0].exp(), shares)
    assumed = {"nce": 0.0, "negative": -math.log(5)}.get(loss)
    assert layer.log_z == assumed
    torch.testing.assert_close(layer.log_normaliser(nowhere, target), torch.tensor([assumed or 0.0]), atol=1e-5, rtol=0)
    torch.testing.assert_close(layer.noise.log_prob.exp()[0] / layer.noise.log_prob.exp()[1], torch.tensor(2**0.75))


def test_without_counts_it_begins_uniform():
    layer = SampledSoftmax(8, 4, samples=3, noise="uniform")
    torch.testing.assert_close(layer.head_bias.exp(), torch.full((8,), 1 / 8))


def test_a_learnt_normaliser_finds_z():
    """Scores that cannot change, of Z = 5 everywhere: what is learnt is log 5."""
    torch.manual_seed(0)
    layer = SampledSoftmax(4, 2, loss="nce", samples=4, noise="uniform", normaliser="learnt")
    assert layer.log_z == 0
    share = torch.tensor([0.4, 0.3, 0.2, 0.1])
    with torch.no_grad():
        layer.head_bias.copy_((5 * share).log())
    target = torch.arange(4).repeat_interleave(torch.tensor([4, 3, 2, 1])).repeat(100)
    optimiser = torch.optim.Adam([layer.learnt_log_z], lr=0.05)
    for _ in range(150):
        optimiser.zero_grad()
        layer.loss(torch.zeros(1000, 2), target).backward()
        optimiser.step()
    assert layer.log_z == pytest.approx(math.log(5), abs=0.1)
    assert layer.n_parameters == 4 * 2 + 4 + 1


def test_tied_weights_are_trained_through_both_roads():
    layer = SampledSoftmax(9, 4, samples=5, counts=COUNTS)
    embedding = torch.nn.Embedding(9, 4)
    layer.tie(embedding.weight)
    layer.loss(embedding(torch.tensor([8])), torch.tensor([3])).backward()
    assert embedding.weight.grad[[3, 8]].any(1).all()


@pytest.mark.parametrize("negatives", ["shared", "per-token"])
@pytest.mark.parametrize("loss", LOSSES)
def test_autocast_multiplies_narrow_and_sums_wide(loss, negatives):
    torch.manual_seed(0)
    layer = SampledSoftmax(400, 16, loss=loss, samples=64, noise="log-uniform", negatives=negatives)
    hidden, target = torch.randn(20, 16, requires_grad=True), torch.randint(400, (20,))
    results = []
    for narrow in (False, True):
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            value = layer.loss(hidden, target)
        assert value.dtype == torch.float32
        results.append([value, *torch.autograd.grad(value, [hidden, layer.head, layer.head_bias])])
    for wide, near in zip(*results, strict=True):
        assert near.dtype == torch.float32
        assert (wide - near).norm() < 0.02 * wide.norm()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_compiler_sees_one_graph_and_the_same_loss(loss):
    torch.manual_seed(0)
    layer = SampledSoftmax(60, 8, loss=loss, samples=16, noise="log-uniform")
    hidden, target = torch.randn(10, 8, requires_grad=True), torch.randint(60, (10,))
    compiled = torch.compile(layer.loss, fullgraph=True, backend="aot_eager")
    results = []
    for run in (layer.loss, compiled):
        torch.manual_seed(1)
        value = run(hidden, target)
        results.append([value, *torch.autograd.grad(value, [hidden, layer.head, layer.head_bias])])
    torch.testing.assert_close(*results)


def test_a_compiler_may_break_where_it_must_look_at_the_effective_size():
    torch.manual_seed(0)
    layer = SampledSoftmax(60, 8, loss="importance", samples=16, noise="log-uniform", effective_samples=20.0)
    hidden, target = torch.randn(10, 8), torch.randint(60, (10,))
    torch.manual_seed(1)
    expected = layer.loss(hidden, target)
    torch.manual_seed(1)
    torch.testing.assert_close(torch.compile(layer.loss, backend="aot_eager")(hidden, target), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"samples": 0},
            "samples must be from 1 to V \\(9\\), not 0: with more, the full softmax is cheaper",
        ),
        ({"samples": 10}, "samples must be from 1 to V \\(9\\), not 10"),
        ({"samples": 2.0}, "not 2.0"),
        ({"samples": True}, "not True"),
        (
            {"loss": "softmax"},
            "one of importance, sampled-softmax, nce, blackout, negative, not 'softmax'",
        ),
        ({"noise": "zipf"}, "noise must be one of unigram, log-uniform, uniform, not 'zipf'"),
        ({"negatives": "all"}, "negatives must be one of shared, per-token, not 'all'"),
        ({"normaliser": "none"}, "normaliser must be one of fixed, learnt, not 'none'"),
        ({"normaliser": "learnt"}, "is for the loss nce"),
        ({"noise_power": -0.1}, "from 0 \\(uniform\\) to 1 \\(unigram\\), not -0.1"),
        ({"noise_power": 1.1}, "not 1.1"),
        ({"counts": None}, "needs the counts of the words; give counts, or noise='log-uniform'"),
        ({"counts": [1, 2]}, "counts must be 9 numbers of at least 0"),
        ({"counts": [-1] * 9, "noise": "uniform"}, "counts must be 9 numbers of at least 0"),
        ({"effective_samples": 3.0}, "is for the loss importance, not 'sampled-softmax'"),
        ({"loss": "importance", "effective_samples": 0.5}, "from 1 to V \\(9\\), not 0.5"),
        ({"loss": "importance", "effective_samples": 10}, "from 1 to V \\(9\\), not 10"),
        ({"loss": "importance", "effective_samples": float("nan")}, "not nan"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        SampledSoftmax(9, 4, **{"samples": 3, "counts": COUNTS, **options})


def test_targets_that_are_no_ranks_are_refused():
    layer = SampledSoftmax(9, 4, samples=3, counts=COUNTS)
    with pytest.raises(InputError, match="targets must be ranks from 0 to 8, but one is 9"):
        layer.loss(torch.randn(1, 4), torch.tensor([9]))
    with pytest.raises(InputError, match=r"expected hidden \(..., 4\)"):
        layer.log_normaliser(torch.randn(1, 5), torch.tensor([0]))
