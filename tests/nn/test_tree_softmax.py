"""TreeSoftmax against the product of probabilities along each path, and the operator under it."""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

import wordalloc
from wordalloc.errors import InputError
from wordalloc.nn import TreeSoftmax, output_layer, path_cross_entropy, path_entries, path_pairs, tree_search
from wordalloc.nn.tree_layout import lay_out

Nested = Any  # a word's rank, or the list of a node's children


def nested_paths(tree: Nested, above: tuple[tuple[int, int], ...] = ()) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yield each word and the (id of a node, digit) pairs on its way."""
    if isinstance(tree, int):
        yield tree, list(above)
        return
    for digit, child in enumerate(tree):
        yield from nested_paths(child, (*above, (id(tree), digit)))


def flattened(tree: Nested, levels: int) -> Nested:
    def below(node: Nested, depth: int) -> list[Nested]:
        if depth == 0 or isinstance(node, int):
            return [node]
        return [leaf for child in node for leaf in below(child, depth - 1)]

    return tree if isinstance(tree, int) else below(tree, levels)


def oracle(layer: TreeSoftmax, tree: Nested, hidden: torch.Tensor) -> np.ndarray:
    """Multiply the probabilities of the digits along each path, in plain float64; the rows go level by level."""
    rows = layer.rows.detach().double().numpy()
    bias = np.zeros(len(rows)) if layer.row_bias is None else layer.row_bias.detach().double().numpy()
    tree, first, n_rows = flattened(tree, layer.flatten_levels), {}, 0
    queue = deque([tree])
    while queue:
        node = queue.popleft()
        if not isinstance(node, int):
            size = 1 if len(node) == 2 else len(node)
            first[id(node)] = (n_rows, size)
            n_rows += size
            queue.extend(node)
    assert n_rows == len(rows)
    result = np.ones((hidden.shape[0], layer.vocab_size))
    for word, path in nested_paths(tree):
        for node, digit in path:
            begin, size = first[node]
            scores = hidden.detach().double().numpy() @ rows[begin : begin + size].T + bias[begin : begin + size]
            if size == 1:
                scores = np.concatenate([np.zeros_like(scores), scores], 1)
            shares = np.exp(scores - scores.max(1, keepdims=True))
            result[:, word] *= shares[:, digit] / shares.sum(1)
    return result


def arrays(tree: Nested) -> tuple[list[int], list[int]]:
    """Number the nodes depth first, unlike the layer, and return offsets and children."""
    nodes: list[Nested] = []

    def visit(node: Nested) -> None:
        if not isinstance(node, int):
            nodes.append(node)
            for child in node:
                visit(child)

    visit(tree)
    number = {id(node): place for place, node in enumerate(nodes)}
    children = [[-1 - child if isinstance(child, int) else number[id(child)] for child in node] for node in nodes]
    offsets = [0, *np.cumsum([len(own) for own in children]).tolist()]
    return offsets, [child for own in children for child in own]


@st.composite
def trees(draw: st.DrawFn) -> Nested:
    """Join random groups of subtrees until one is left."""
    size, arity = draw(st.integers(1, 24)), draw(st.sampled_from([2, 2, 3, 6, 24]))
    parts: list[Nested] = draw(st.permutations(range(size)))
    while len(parts) > 1:
        taken = min(len(parts), draw(st.integers(2, arity)))
        chosen = [parts.pop(draw(st.integers(0, len(parts) - 1))) for _ in range(taken)]
        parts.append(chosen)
    return parts[0]


@st.composite
def layers(draw: st.DrawFn) -> tuple[TreeSoftmax, Nested]:
    tree = draw(trees())
    size = sum(1 for _ in nested_paths(tree))
    torch.manual_seed(draw(st.integers(0, 1000)))
    layer = TreeSoftmax(
        size,
        draw(st.integers(1, 9)),
        *arrays(tree),
        flatten_levels=draw(st.sampled_from([1, 1, 2, 3, 30])),
        bias=draw(st.booleans()),
        sparse=draw(st.booleans()),
    ).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    return layer, tree


@pytest.fixture(
    params=[(2, 1, 4, True), (4, 2, 1 << 20, True), (100, 8, 15, True), (100, 8, 15, False), (4, 2, 1 << 20, False)],
    ids=["wide", "mixed", "narrow", "narrow, gathered", "mixed, gathered"],
)
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matrix products for all k-ary nodes, some, or none; in blocks of a few tokens or in one; with torch's sparse
    products, or as where it has none."""
    if not request.param[3]:
        monkeypatch.setattr(path_entries, "has_sparse_products", lambda on: False)
        monkeypatch.setattr(path_entries, "GATHERED", 3)
    monkeypatch.setattr(path_pairs, "WIDE", request.param[0])
    monkeypatch.setattr(tree_search, "WIDE", request.param[0])
    monkeypatch.setattr(path_cross_entropy, "MANY", request.param[1])
    monkeypatch.setattr(path_cross_entropy, "BLOCK_ENTRIES", request.param[2])


MANY = settings(max_examples=25, deadline=None)


def check_outputs(made: tuple[TreeSoftmax, Nested], n: int, seed: int) -> None:
    layer, tree = made
    torch.manual_seed(seed)
    hidden, target = torch.randn(n, layer.dim, dtype=torch.float64), torch.randint(layer.vocab_size, (n,))
    expected = torch.from_numpy(np.log(oracle(layer, tree, hidden)))
    nll = -expected.gather(1, target[:, None]).squeeze(1)
    torch.testing.assert_close(layer(hidden, target), nll)
    torch.testing.assert_close(layer.loss(hidden, target, "sum"), nll.sum())
    torch.testing.assert_close(layer.log_prob(hidden), expected)
    torch.testing.assert_close(layer.log_prob(hidden).exp().sum(1), torch.ones(n).double(), rtol=0, atol=1e-12)


def check_gradients(layer: TreeSoftmax, n: int, seed: int, reduction: str) -> None:
    torch.manual_seed(seed)
    hidden = torch.randn(n, layer.dim, dtype=torch.float64, requires_grad=True)
    target = torch.randint(layer.vocab_size, (n,))
    ignored = torch.rand(n) < 0.3
    weight = (~ignored).double()
    if reduction == "mean":
        weight = weight / weight.sum().clamp(min=1)
    inputs = [hidden, *layer.parameters()]

    def gradients(value: torch.Tensor) -> list[torch.Tensor]:
        if not value.requires_grad:
            return [torch.zeros_like(i) for i in inputs]
        found = torch.autograd.grad(value, inputs, allow_unused=True)
        return [torch.zeros_like(i) if g is None else g.to_dense() for i, g in zip(inputs, found, strict=True)]

    expected = gradients(-(layer.log_prob(hidden).gather(1, target[:, None]).squeeze(1) * weight).sum())
    marked = torch.where(ignored, -1, target)
    torch.testing.assert_close(gradients(layer.loss(hidden, marked, reduction, ignore_index=-1)), expected)
    torch.testing.assert_close(gradients((layer(hidden, target) * weight).sum()), expected)


def test_every_output_agrees_with_the_definition(kernel):
    @MANY
    @given(layers(), st.integers(0, 12), st.integers(0, 100))
    def run(made, n, seed):
        check_outputs(made, n, seed)

    run()


def test_gradients_of_loss_and_call_agree_with_autograd_through_log_prob(kernel):
    @MANY
    @given(layers(), st.integers(1, 12), st.integers(0, 100), st.sampled_from(["mean", "sum"]))
    def run(made, n, seed, reduction):
        check_gradients(made[0], n, seed, reduction)

    run()


def test_a_sparse_gradient_holds_the_rows_on_the_way_alone():
    torch.manual_seed(0)
    tree = [[0, 1], [[2, 3, 4], 5]]  # rows: root 0, then 1 and 2, then 3, 4, 5
    layer = TreeSoftmax(6, 4, *arrays(tree), sparse=True)
    layer.loss(torch.randn(3, 4), torch.tensor([5, 5, 5])).backward()
    assert layer.rows.grad.is_sparse and layer.rows.grad.coalesce().indices().tolist() == [[0, 2]]
    torch.optim.SparseAdam([layer.rows]).step()
    layer.zero_grad()
    layer.loss(torch.randn(3, 4), torch.tensor([5, 3, 5])).backward()
    assert layer.rows.grad.coalesce().indices().tolist() == [[0, 2, 3, 4, 5]]


def test_hand_computed_probabilities():
    layer = TreeSoftmax(5, 1, *arrays([0, [1, [2, 3, 4]]]))
    with torch.no_grad():
        layer.rows.copy_(torch.tensor([[math.log(3)], [0.0], [0.0], [0.0], [math.log(2)]]))
    expected = torch.tensor([1 / 4, 3 / 8, 3 / 32, 3 / 32, 3 / 16])  # P(1) = 3/4 at the root; 1/2; 1/4, 1/4, 1/2
    torch.testing.assert_close(layer.log_prob(torch.ones(1, 1))[0].exp(), expected)
    torch.testing.assert_close(layer(torch.ones(5, 1), torch.arange(5)), -expected.log())


def test_flattening_joins_the_top_levels():
    layout = lay_out(6, *arrays([[0, 1], [[2, 3, 4], 5]]), flatten_levels=2)
    assert layout.step_child.tolist() == [-1, -2, 1, -6, -3, -4, -5]
    assert layout.row_offsets.tolist() == [0, 4, 7]


def test_an_unlikely_word_keeps_its_nll():
    layer = TreeSoftmax(4, 1, *arrays([0, [1, 2, 3]]))
    with torch.no_grad():
        layer.rows.copy_(torch.tensor([[-200.0], [0.0], [0.0], [-100.0]]))
    values = layer(torch.ones(2, 1), torch.tensor([0, 3]))
    torch.testing.assert_close(values, torch.tensor([0.0, 300 + math.log(2)]))


def test_scores_without_bounds_are_certain_and_float64_is_exact():
    layer = TreeSoftmax(4, 1, *arrays([[0, 1], [2, 3]])).double()
    scores = torch.tensor([[math.inf, 0.0, -math.inf], [-math.inf, math.inf, 5.0], [25.0, 30.0, -30.0]]).double()
    one, two = math.log1p(math.exp(-25)), math.log1p(math.exp(-30))
    expected = [
        [-math.inf, -math.inf, 0, -math.inf],
        [-math.inf, 0, -math.inf, -math.inf],
        [-25 - one - 30 - two, -25 - one - two, -one - two, -one - two - 30],
    ]
    wanted = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(layer.tree.log_prob(scores), wanted, rtol=1e-14, atol=0)


def chain_of(first: int, end: int) -> Nested:
    """Each word, or all after it."""
    tree: Nested = end - 1
    for word in range(end - 2, first - 1, -1):
        tree = [word, tree]
    return tree


def test_a_deep_chain_of_nodes():
    torch.manual_seed(0)
    tree = chain_of(0, 60)
    layer = TreeSoftmax(60, 3, *arrays(tree)).double()
    check_outputs((layer, tree), 8, 0)
    check_gradients(layer, 8, 0, "mean")


def test_topk_is_exact_with_ties_by_rank(kernel):
    @MANY
    @given(layers(), st.integers(0, 100), st.booleans(), st.data())
    def run(made, seed, tied, data):
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

    run()


def test_topk_takes_the_lower_of_tied_ranks():
    layer = TreeSoftmax(8, 1, *arrays([[[7, 5], [1, 3]], [[6, 4], [0, 2]]]))
    with torch.no_grad():
        layer.rows.zero_()
    assert layer.topk(torch.ones(2, 1), 4)[1].tolist() == [[0, 1, 2, 3]] * 2


def test_topk_opens_no_node_that_cannot_help(monkeypatch):
    layer = TreeSoftmax(64, 1, *arrays(chain_of(0, 64)))
    with torch.no_grad():
        layer.rows.fill_(-1.0)  # each word of the chain e times as likely as all after it
    opened = []
    original = layer.tree._open
    monkeypatch.setattr(layer.tree, "_open", lambda *given: opened.append(given[2].numel()) or original(*given))
    assert layer.topk(torch.ones(1, 1), 3)[1].tolist() == [[0, 1, 2]]
    assert sum(opened) == 3


@pytest.mark.parametrize("unk", [0, 3, 8, None])
@pytest.mark.parametrize("levels", [1, 2])
def test_samples_follow_the_distribution_and_are_never_unknown(unk, levels):
    torch.manual_seed(0)
    tree = [[0, [1, 2]], [[3, 4, 5], [6, [7, 8]]]]
    layer = TreeSoftmax(9, 4, *arrays(tree), unk=unk, flatten_levels=levels)
    hidden, n = torch.randn(1, 4) * 3, 20_000
    drawn = layer.sample(hidden.expand(n, 4), torch.Generator().manual_seed(1))
    assert torch.equal(drawn, layer.sample(hidden.expand(n, 4), torch.Generator().manual_seed(1)))
    expected = layer.log_prob(hidden)[0].exp().detach().double().numpy()
    if unk is not None:
        expected[unk] = 0
    counts, there = np.bincount(drawn.numpy(), minlength=9), expected > 0
    assert counts[~there].sum() == 0
    assert chisquare(counts[there], expected[there] / expected.sum() * n).pvalue > 1e-4


def test_an_unknown_word_that_is_nearly_certain_is_not_drawn():
    layer = TreeSoftmax(3, 1, *arrays([0, [1, 2]]), unk=2)
    with torch.no_grad():
        layer.rows.fill_(60.0)
    assert set(layer.sample(torch.ones(200, 1), torch.Generator().manual_seed(0)).tolist()) == {0, 1}
    with pytest.raises(InputError, match="the only one"):
        TreeSoftmax(1, 4, [0], [], unk=0).sample(torch.ones(1, 4))


@pytest.mark.parametrize("has_bias", [False, True])
def test_operators_pass_torchs_own_checks(has_bias):
    torch.manual_seed(0)
    tree = [[0, 1], [list(range(2, 40)), [40, 41, 42]]]
    layer = TreeSoftmax(43, 3, *arrays(tree), bias=has_bias).double()
    hidden = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    target, slope = torch.tensor([0, 1, 2, 39, 40, 42]), torch.rand(6, dtype=torch.float64)
    paths = [getattr(layer, f"path_{name}") for name in path_pairs.Paths._fields]
    torch.library.opcheck(path_cross_entropy.nll, (hidden, target, layer.rows, layer.row_bias, paths))
    detached = (hidden.detach(), target, layer.rows.detach(), None if not has_bias else layer.row_bias.detach(), paths)
    torch.library.opcheck(path_cross_entropy.nll_gradients, (*detached, slope))
    assert torch.autograd.gradcheck(lambda h, *_: layer(h, target), (hidden, *layer.parameters()))


def test_compiles_whole_for_batches_whose_paths_differ():
    torch.manual_seed(0)
    layer = TreeSoftmax(90, 8, *arrays([*range(35), [[*range(35, 75)], chain_of(75, 90)]]))
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
        torch.testing.assert_close(layer.rows.grad, reference.rows.grad)


def test_autocast_and_narrow_weights_sum_wide():
    torch.manual_seed(0)
    tree = [[*range(40)], [[*range(40, 60)], chain_of(60, 80)]]
    layer = TreeSoftmax(80, 32, *arrays(tree), bias=True)
    hidden, target = torch.randn(50, 32), torch.randint(80, (50,))
    expected = layer.loss(hidden, target)
    with torch.autocast("cpu", torch.bfloat16):
        loss, each = layer.loss(hidden, target), layer(hidden.bfloat16(), target)
        total = layer.log_prob(hidden).exp().sum(1)
    torch.testing.assert_close(total, torch.ones(50), atol=1e-5, rtol=0)
    loss.backward()
    assert loss.dtype == each.dtype == torch.float32
    torch.testing.assert_close(loss, expected)
    assert each.mean().item() == pytest.approx(expected.item(), rel=0.02)
    assert layer.rows.grad.dtype == torch.float32
    narrow = copy.deepcopy(layer).bfloat16()
    narrow.zero_grad()
    value = narrow.loss(hidden.bfloat16(), target)
    value.backward()
    assert value.item() == pytest.approx(expected.item(), rel=0.02)
    assert narrow.sample(hidden.bfloat16()).shape == narrow.topk(hidden.bfloat16(), 3)[1][:, 0].shape == (50,)
    assert narrow.rows.grad.dtype == torch.bfloat16
    torch.testing.assert_close(narrow.rows.grad.float(), layer.rows.grad, atol=0.01, rtol=0.1)


def test_shapes_empty_batches_and_one_word():
    torch.manual_seed(0)
    for tree in (chain_of(0, 6), [*range(6)], [[0, 1], [2, 3, 4, 5]]):
        layer = TreeSoftmax(6, 4, *arrays(tree))
        hidden, target = torch.randn(2, 3, 5, 4), torch.randint(6, (2, 3, 5))
        assert layer(hidden, target).shape == layer.sample(hidden).shape == (2, 3, 5)
        assert layer.topk(hidden, 2)[0].shape == (2, 3, 5, 2)
        torch.testing.assert_close(layer(hidden, target).mean(), layer.loss(hidden, target))
        none = torch.randn(0, 4, requires_grad=True)
        layer.loss(none, torch.zeros(0, dtype=torch.int64)).backward()
        assert layer.log_prob(none).shape == (0, 6) and layer.topk(none, 2)[1].shape == (0, 2)
        assert layer.sample(none).shape == (0,) and layer.rows.grad.abs().sum() == 0
    single = TreeSoftmax(1, 4, [0], [])
    single.loss(torch.randn(2, 4), torch.zeros(2, dtype=torch.int32)).backward()
    assert single.log_prob(torch.randn(2, 4)).tolist() == [[0], [0]] and single.n_parameters == 0
    assert single.topk(torch.randn(2, 4), 1)[1].tolist() == [[0], [0]] and single.sample(torch.randn(2, 4)).sum() == 0


def test_state_is_restored():
    layer, other = (TreeSoftmax(6, 4, *arrays(chain_of(0, 6)), bias=True) for _ in range(2))
    other.load_state_dict(layer.state_dict())
    assert set(layer.state_dict()) == {"rows", "row_bias"}
    hidden = torch.randn(3, 4)
    assert torch.equal(layer.log_prob(hidden), other.log_prob(hidden))


def test_the_allocation_picks_the_layer_and_its_codes_are_the_paths():
    vocabulary = wordalloc.Vocabulary.from_counts(["a", "b", "c", "<unk>"], [4, 3, 2, 1])
    tree = wordalloc.Tree.from_nodes(vocabulary, [-1, 2, 0], [0, 1, 1], [0, 2, 1, 1], [0, 0, 0, 1])
    layer = output_layer(tree, 1, sparse=True)
    assert (
        isinstance(layer, TreeSoftmax) and layer.unk == 3 and layer.sparse and tree.codes == ["0", "10", "110", "111"]
    )
    with torch.no_grad():
        layer.rows.copy_(torch.tensor([[math.log(9)], [math.log(4)], [0.0]]))  # P(1) = 0.9, 0.8, 0.5 down the codes
    expected = torch.tensor([[0.1, 0.18, 0.36, 0.36]])
    torch.testing.assert_close(layer.log_prob(torch.ones(1, 1)).exp(), expected)
    assert "vocab_size=4, dim=1, n_nodes=3" in repr(layer)


def test_bad_arguments_are_one_line():
    for offsets, children, message in (
        ([0, 2], [-1, -2], "once"),
        ([0, 3], [-1, -2, -2], "once"),
        ([0, 1, 4], [1, -1, -2, -3], "inner node 0 has 1 children"),
        ([0, 2, 4], [-1, -2, 1, -3], "cannot be reached"),
        ([0], [], "needs a root"),
        ([1, 3], [-1, -2, -3], "offsets must rise from 0 to 3"),
        ([0, 3], [0.5, 1, 2], "whole numbers"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            TreeSoftmax(3, 4, offsets, children)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="flatten_levels must be a whole number of at least 1, not 0"):
        TreeSoftmax(2, 4, [0, 2], [-1, -2], flatten_levels=0)
    with pytest.raises(InputError, match="k must be a whole number from 1 to 2"):
        TreeSoftmax(2, 4, [0, 2], [-1, -2]).topk(torch.randn(1, 4), 3)
    with pytest.raises(InputError, match="needs a tree, not Vocabulary"):
        TreeSoftmax.from_allocation(wordalloc.Vocabulary.from_counts("ab", [2, 1]), 4)
