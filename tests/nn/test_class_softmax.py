"""ClassSoftmax against the product of its two levels, word by word."""

from __future__ import annotations

import copy
import math
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

import wordalloc
from wordalloc.errors import InputError
from wordalloc.nn import ClassSoftmax, output_layer, path_cross_entropy, path_pairs

COUNTS = np.array([9, 7, 5, 5, 4, 3, 2, 1, 1, 0])


def softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def oracle(layer: ClassSoftmax, word_class: list[int], hidden: torch.Tensor, counts: np.ndarray | None) -> np.ndarray:
    """P(class) · P(word | class) of each word and token, one at a time, in float64."""
    state = {name: value.double().numpy() for name, value in layer.state_dict().items()}
    order = sorted(range(len(word_class)), key=lambda rank: (word_class[rank], rank))
    result = np.empty((hidden.shape[0], len(word_class)))
    for token, vector in enumerate(hidden.detach().double().numpy()):
        of_class = softmax(state["classes"] @ vector + state.get("class_bias", 0))
        for number, share in enumerate(of_class):
            ranks = [rank for rank in order if word_class[rank] == number]
            if counts is None:
                places = [order.index(rank) for rank in ranks]
                bias = state["word_bias"][places] if "word_bias" in state else 0
                inside = softmax(state["words"][places] @ vector + bias)
            else:
                inside = (counts[ranks] + 1) / (counts[ranks] + 1).sum()
            result[token, ranks] = share * inside
    return result


@st.composite
def layers(draw: st.DrawFn) -> tuple[ClassSoftmax, list[int], np.ndarray | None]:
    size = draw(st.integers(1, 24))
    raw = draw(st.lists(st.integers(0, draw(st.integers(0, size - 1))), min_size=size, max_size=size))
    names = {name: number for number, name in enumerate(dict.fromkeys(raw))}
    word_class = [names[name] for name in raw]
    within = draw(st.sampled_from(["softmax", "softmax", "unigram"]))
    counts = np.array(draw(st.lists(st.integers(0, 9), min_size=size, max_size=size))) if within == "unigram" else None
    torch.manual_seed(draw(st.integers(0, 1000)))
    options = {"within": within, "counts": counts, "bias": draw(st.booleans()), "sparse": draw(st.booleans())}
    layer = ClassSoftmax(size, draw(st.integers(1, 9)), word_class, **options).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    return layer, word_class, counts


@st.composite
def kernels(draw: st.DrawFn) -> mock._patch:
    """Matrix products for all classes or none, and blocks of a few tokens."""
    return mock.patch.multiple(path_pairs, WIDE=draw(st.sampled_from([2, 4, 100]))), mock.patch.multiple(
        path_cross_entropy, BLOCK_ENTRIES=draw(st.sampled_from([3, 20, 1 << 20])), MANY=draw(st.sampled_from([1, 2, 8]))
    )


@settings(max_examples=60, deadline=None)
@given(layers(), kernels(), st.integers(0, 12), st.integers(0, 100))
def test_every_output_agrees_with_the_definition(made, kernel, n, seed):
    layer, word_class, counts = made
    torch.manual_seed(seed)
    hidden, target = torch.randn(n, layer.dim, dtype=torch.float64), torch.randint(layer.vocab_size, (n,))
    expected = torch.from_numpy(np.log(oracle(layer, word_class, hidden, counts)))
    nll = -expected.gather(1, target[:, None]).squeeze(1)
    with kernel[0], kernel[1]:
        torch.testing.assert_close(layer(hidden, target), nll)
        torch.testing.assert_close(layer.loss(hidden, target, "sum"), nll.sum())
        with torch.no_grad():
            torch.testing.assert_close(layer.loss(hidden, target, "sum"), nll.sum())
    torch.testing.assert_close(layer.log_prob(hidden), expected)
    torch.testing.assert_close(layer.log_prob(hidden).exp().sum(1), torch.ones(n).double(), rtol=0, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(layers(), kernels(), st.integers(1, 12), st.integers(0, 100), st.sampled_from(["mean", "sum"]))
def test_gradients_of_loss_and_call_agree_with_autograd_through_log_prob(made, kernel, n, seed, reduction):
    layer = made[0]
    torch.manual_seed(seed)
    hidden = torch.randn(n, layer.dim, dtype=torch.float64, requires_grad=True)
    target = torch.randint(layer.vocab_size, (n,))
    ignored = torch.rand(n) < 0.3
    weight = (~ignored).double()
    if reduction == "mean":
        weight = weight / weight.sum().clamp(min=1)
    inputs = [hidden, *layer.parameters()]

    def gradients(value: torch.Tensor) -> list[torch.Tensor]:
        found = torch.autograd.grad(value, inputs, allow_unused=True)
        return [torch.zeros_like(i) if g is None else g.to_dense() for i, g in zip(inputs, found, strict=True)]

    expected = gradients(-(layer.log_prob(hidden).gather(1, target[:, None]).squeeze(1) * weight).sum())
    with kernel[0], kernel[1]:
        marked = torch.where(ignored, -1, target)
        torch.testing.assert_close(gradients(layer.loss(hidden, marked, reduction, ignore_index=-1)), expected)
        torch.testing.assert_close(gradients((layer(hidden, target) * weight).sum()), expected)


def test_a_sparse_gradient_holds_the_rows_of_opened_classes_alone():
    torch.manual_seed(0)
    layer = ClassSoftmax(7, 4, [0, 1, 1, 0, 2, 2, 2], sparse=True)
    layer.loss(torch.randn(3, 4), torch.tensor([3, 0, 5])).backward()
    gradient = layer.words.grad
    assert gradient.is_sparse and gradient.coalesce().indices().tolist() == [[0, 1, 4, 5, 6]]
    assert not layer.classes.grad.is_sparse
    torch.optim.SparseAdam([layer.words]).step()


def test_a_sparse_gradient_of_nothing_is_empty():
    layer = ClassSoftmax(3, 4, [0, 1, 2], sparse=True)  # each word alone: nothing is left to choose
    layer.loss(torch.randn(3, 4), torch.arange(3)).backward()
    assert layer.words.grad.to_dense().abs().sum() == 0
    assert layer.n_parameters == 24


def test_hand_computed_probabilities():
    layer = ClassSoftmax(3, 1, [0, 1, 1])
    with torch.no_grad():
        layer.classes.copy_(torch.tensor([[math.log(3)], [0.0]]))  # P(class) = 3/4, 1/4
        layer.words.copy_(torch.tensor([[5.0], [0.0], [math.log(4)]]))  # P(word | class) = 1; 1/5, 4/5
    expected = torch.tensor([0.75, 0.05, 0.2])
    torch.testing.assert_close(layer.log_prob(torch.ones(1, 1))[0].exp(), expected)
    torch.testing.assert_close(layer(torch.ones(3, 1), torch.arange(3)), -expected.log())


def test_goodmans_words_are_smoothed_counts():
    vocabulary = wordalloc.Vocabulary.from_counts("abcd", [7, 3, 1, 0])
    layer = ClassSoftmax.from_allocation(wordalloc.Classes(vocabulary, [0, 0, 1, 1]), 4, within="unigram")
    assert layer.n_parameters == 8
    with torch.no_grad():
        layer.classes.zero_()
    expected = torch.tensor([[4 / 12, 2 / 12, 1 / 3, 1 / 6]])
    torch.testing.assert_close(layer.log_prob(torch.ones(1, 4)).exp(), expected)


def test_an_unlikely_word_keeps_its_nll():
    layer = ClassSoftmax(3, 1, [0, 1, 1])
    with torch.no_grad():
        layer.classes.zero_()
        layer.words.copy_(torch.tensor([[0.0], [300.0], [-50.0]]))
    values = layer(torch.ones(2, 1), torch.tensor([1, 2]))
    torch.testing.assert_close(values, torch.tensor([math.log(2), 350 + math.log(2)]))


@settings(max_examples=60, deadline=None)
@given(layers(), st.integers(0, 100), st.booleans(), st.data())
def test_topk_is_exact_with_ties_by_rank(made, seed, tied, data):
    layer = made[0]
    torch.manual_seed(seed)
    if tied:
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
    layer = ClassSoftmax(6, 1, [1, 0, 1, 0, 1, 0])
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
    assert layer.topk(torch.ones(2, 1), 4)[1].tolist() == [[0, 1, 2, 3]] * 2


def test_topk_opens_no_class_that_cannot_help(monkeypatch):
    layer = ClassSoftmax(9, 1, [0, 0, 0, 1, 1, 1, 2, 2, 2])
    with torch.no_grad():
        layer.classes.copy_(torch.tensor([[0.0], [20.0], [-3.0]]))
        layer.words.zero_()
    opened = []
    original = layer._word_log_prob
    monkeypatch.setattr(layer, "_word_log_prob", lambda h, number: opened.append(number) or original(h, number))
    assert layer.topk(torch.ones(2, 1), 3)[1].tolist() == [[3, 4, 5]] * 2
    assert opened == [1]


@pytest.mark.parametrize("within", ["softmax", "unigram"])
@pytest.mark.parametrize("unk", [0, 3, 9, None])
def test_samples_follow_the_distribution_and_are_never_unknown(within, unk):
    torch.manual_seed(0)
    layer = ClassSoftmax(10, 4, [0, 1, 1, 2, 0, 2, 2, 1, 3, 0], within=within, counts=COUNTS, unk=unk)
    hidden, n = torch.randn(1, 4) * 3, 20_000
    drawn = layer.sample(hidden.expand(n, 4), torch.Generator().manual_seed(1))
    assert torch.equal(drawn, layer.sample(hidden.expand(n, 4), torch.Generator().manual_seed(1)))
    expected = layer.log_prob(hidden)[0].exp().detach().double().numpy()
    if unk is not None:
        expected[unk] = 0
    counts, there = np.bincount(drawn.numpy(), minlength=10), expected > 0
    assert counts[~there].sum() == 0
    assert chisquare(counts[there], expected[there] / expected.sum() * n).pvalue > 1e-4


def test_the_unknown_word_alone_in_the_likeliest_class_is_not_drawn():
    layer = ClassSoftmax(3, 1, [0, 1, 1], unk=0)
    with torch.no_grad():
        layer.classes.copy_(torch.tensor([[50.0], [0.0]]))
    assert set(layer.sample(torch.ones(50, 1)).tolist()) == {1, 2}
    with pytest.raises(InputError, match="the only one"):
        ClassSoftmax(1, 4, [0], unk=0).sample(torch.ones(1, 4))


@pytest.mark.parametrize("within", ["softmax", "unigram"])
def test_compiles_whole_for_batches_whose_classes_differ(within):
    torch.manual_seed(0)
    layer = ClassSoftmax(90, 8, np.arange(90) % 3, bias=True, within=within, counts=np.arange(90, 0, -1))
    layer = layer if within == "unigram" else ClassSoftmax(90, 8, np.minimum(np.arange(90) // 3, 10), bias=True)
    reference = copy.deepcopy(layer)

    @torch.compile(fullgraph=True, backend="aot_eager")
    def step(hidden, target):
        return layer.loss(hidden, target, ignore_index=-1), layer(hidden, target.clamp(min=0))

    hidden = torch.randn(20, 8)
    for target in (torch.arange(20), torch.full((20,), 89), torch.tensor([-1, *range(35, 54)])):
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


def test_autocast_and_narrow_weights_sum_wide():
    torch.manual_seed(0)
    layer = ClassSoftmax(200, 32, np.arange(200) // 50, bias=True)
    hidden, target = torch.randn(50, 32), torch.randint(200, (50,))
    expected = layer.loss(hidden, target)
    with torch.autocast("cpu", torch.bfloat16):
        loss, each = layer.loss(hidden, target), layer(hidden.bfloat16(), target)
        assert torch.equal(layer.log_prob(hidden).argmax(1), layer.topk(hidden, 1)[1].squeeze(1))
    loss.backward()
    assert loss.dtype == each.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), rel=0.02)
    assert each.mean().item() == pytest.approx(expected.item(), rel=0.02)
    assert layer.classes.grad.dtype == layer.words.grad.dtype == torch.float32
    narrow = copy.deepcopy(layer).bfloat16()
    narrow.zero_grad()
    value = narrow.loss(hidden.bfloat16(), target)
    value.backward()
    assert value.item() == pytest.approx(expected.item(), rel=0.02)
    assert narrow.words.grad.dtype == torch.bfloat16
    torch.testing.assert_close(narrow.words.grad.float(), layer.words.grad, atol=0.01, rtol=0.1)


def test_shapes_empty_batches_and_the_extremes_of_k():
    torch.manual_seed(0)
    for classes in ([0] * 6, list(range(6)), [0, 0, 1, 1, 1, 2]):
        layer = ClassSoftmax(6, 4, classes)
        hidden, target = torch.randn(2, 3, 5, 4), torch.randint(6, (2, 3, 5))
        assert layer(hidden, target).shape == layer.sample(hidden).shape == (2, 3, 5)
        assert layer.topk(hidden, 2)[0].shape == (2, 3, 5, 2)
        torch.testing.assert_close(layer(hidden, target).mean(), layer.loss(hidden, target))
        none = torch.randn(0, 4, requires_grad=True)
        layer.loss(none, torch.zeros(0, dtype=torch.int64)).backward()
        assert layer.log_prob(none).shape == (0, 6) and layer.topk(none, 2)[1].shape == (0, 2)
        assert layer.words.grad.abs().sum() == 0
    single = ClassSoftmax(1, 4, [0])
    single.loss(torch.randn(2, 4), torch.zeros(2, dtype=torch.int32)).backward()
    assert single(torch.randn(2, 4), torch.zeros(2, dtype=torch.int64)).tolist() == [0, 0]


def test_state_is_restored():
    layer, other = (ClassSoftmax(6, 4, [0, 0, 1, 1, 1, 2], bias=True) for _ in range(2))
    other.load_state_dict(layer.state_dict())
    assert set(layer.state_dict()) == {"classes", "class_bias", "words", "word_bias"}
    hidden = torch.randn(3, 4)
    assert torch.equal(layer.log_prob(hidden), other.log_prob(hidden))


def test_the_allocation_picks_the_layer():
    vocabulary = wordalloc.Vocabulary.from_counts(["a", "b", "c", "<unk>"], [4, 3, 2, 1])
    layer = output_layer(wordalloc.Classes(vocabulary, [1, 0, 0, 1]), 8, sparse=True)
    assert isinstance(layer, ClassSoftmax) and layer.unk == 3 and layer.sparse
    assert layer.members.tolist() == wordalloc.Classes(vocabulary, [1, 0, 0, 1]).members.tolist()
    assert repr(layer) == "ClassSoftmax(vocab_size=4, dim=8, n_classes=2, within='softmax')"


def test_bad_arguments_are_one_line():
    for arguments, message in (
        ({"word_class": [0, 2, 2]}, "class 1 is empty"),
        ({"word_class": [0, 1]}, r"shape \(3,\)"),
        ({"word_class": [0, -1, 0]}, "between 0 and 2"),
        ({"word_class": [0, 0, 0], "within": "bigram"}, "'bigram'"),
        ({"word_class": [0, 0, 0], "within": "unigram"}, "needs the counts"),
        ({"word_class": [0, 0, 0], "within": "unigram", "counts": [1, -1, 0]}, "at least 0"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            ClassSoftmax(3, 4, **arguments)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="k must be a whole number from 1 to 3"):
        ClassSoftmax(3, 4, [0, 0, 1]).topk(torch.randn(1, 4), 4)
    with pytest.raises(InputError, match="needs classes, not Cutoffs"):
        ClassSoftmax.from_allocation(wordalloc.Cutoffs(wordalloc.Vocabulary.from_counts("ab", [2, 1]), [1]), 4)
