"""TableSoftmax, TableEmbedding and LightRNN against their definitions, word by word."""

from __future__ import annotations

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
from wordalloc.nn import LightRNN, TableEmbedding, TableSoftmax, lightrnn, output_layer, table_softmax

CELL, SHAPE = [4, 0, 7, 1, 3], (3, 3)  # rows of 2, 2 and 1 words
COUNTS = [9, 5, 3, 2, 1]


def softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def oracle(layer: TableSoftmax, hidden: torch.Tensor, *, closed: bool = True) -> np.ndarray:
    """P(row) · P(column | row) of each word and token; `closed`: over rows and cells that hold words."""
    state = {name: value.double().numpy() for name, value in layer.state_dict().items()}
    rows, columns = layer.layout.row.tolist(), layer.layout.column.tolist()
    n_rows, n_columns = layer.layout.shape
    held = [[column for row, column in zip(rows, columns, strict=True) if row == r] for r in range(n_rows)]
    result = np.empty((len(hidden), layer.vocab_size))
    for token, vector in enumerate(hidden.detach().double().numpy()):
        open_rows = [r for r in range(n_rows) if held[r] or not closed]
        of_row = dict(zip(open_rows, softmax((state["rows"] @ vector + state["row_bias"])[open_rows]), strict=True))
        for word, (r, c) in enumerate(zip(rows, columns, strict=True)):
            inner = np.tanh(state["mix"] @ vector + state["row_vectors"][r])
            open_columns = sorted(held[r]) if closed else list(range(n_columns))
            scores = (state["columns"] @ inner + layer.layout.word_log_share[r].numpy())[open_columns]
            result[token, word] = of_row[r] * softmax(scores)[open_columns.index(c)]
    return result


@st.composite
def layers(draw: st.DrawFn) -> TableSoftmax:
    n_rows, n_columns = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    size = draw(st.integers(1, n_rows * n_columns))
    cell = draw(st.permutations(range(n_rows * n_columns)))[:size]
    torch.manual_seed(draw(st.integers(0, 1000)))
    counts = draw(st.none() | st.lists(st.integers(0, 99), min_size=size, max_size=size))
    layer = TableSoftmax(size, draw(st.integers(1, 6)), cell, (n_rows, n_columns), counts=counts).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    return layer


@settings(max_examples=60, deadline=None)
@given(layers(), st.integers(0, 9), st.integers(0, 100), st.sampled_from([1, 20, 1 << 24]))
def test_every_output_agrees_with_the_definition(layer, n, seed, block):
    torch.manual_seed(seed)
    hidden, target = torch.randn(n, layer.dim, dtype=torch.float64), torch.randint(layer.vocab_size, (n,))
    for closed in (True, False):
        layer.train(not closed)
        expected = torch.from_numpy(np.log(oracle(layer, hidden, closed=closed)))
        nll = -expected.gather(1, target[:, None]).squeeze(1)
        torch.testing.assert_close(layer(hidden, target), nll)
        torch.testing.assert_close(layer.loss(hidden, target, "sum"), nll.sum())
    with mock.patch.object(table_softmax, "BLOCK_CELLS", block):
        log_prob = layer.log_prob(hidden)
    torch.testing.assert_close(log_prob, torch.from_numpy(np.log(oracle(layer, hidden))))
    torch.testing.assert_close(log_prob.exp().sum(1), torch.ones(n, dtype=torch.float64))


@settings(max_examples=60, deadline=None)
@given(layers(), st.integers(0, 100), st.booleans(), st.data())
def test_topk_is_exact_with_ties_by_rank(layer, seed, tied, data):
    if tied:
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.zero_()
    torch.manual_seed(seed)
    k = data.draw(st.integers(1, layer.vocab_size))
    hidden = torch.randn(2, 3, layer.dim, dtype=torch.float64)
    values, ranks = layer.topk(hidden, k)
    log_prob = layer.log_prob(hidden.reshape(6, -1)).round(decimals=10)
    order = np.lexsort((np.arange(layer.vocab_size)[None].repeat(6, 0), -log_prob.detach().numpy()))[:, :k]
    assert ranks.reshape(6, k).tolist() == order.tolist()
    torch.testing.assert_close(values.reshape(6, k), log_prob.gather(1, torch.from_numpy(order)), atol=1e-9, rtol=0)


def test_hand_computed_probabilities():
    layer = TableSoftmax(5, 2, CELL, SHAPE, counts=COUNTS).eval()
    with torch.no_grad():
        for matrix in (layer.rows, layer.row_vectors, layer.mix, layer.columns):
            matrix.zero_()
    # Counts plus one, an empty cell as one; then only cells that hold words share what a row has.
    rows = torch.tensor([6 + 3 + 1, 2 + 10 + 1, 4 + 1 + 1.0]) / 29
    assert layer.row_bias.exp().tolist() == pytest.approx(rows.tolist())
    expected = [13 / 29 * 10 / 12, 10 / 29 * 6 / 9, 6 / 29, 10 / 29 * 3 / 9, 13 / 29 * 2 / 12]
    assert layer.log_prob(torch.ones(1, 2)).exp()[0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("unk", [None, 2, 0])
def test_samples_follow_the_distribution_and_are_never_unknown(unk):
    torch.manual_seed(0)
    layer = TableSoftmax(5, 4, CELL, SHAPE, unk=unk)
    hidden = torch.randn(1, 4) * 3
    drawn = layer.sample(hidden.expand(20_000, -1), torch.Generator().manual_seed(1))
    shares = layer.log_prob(hidden)[0].exp().double().detach().numpy()
    if unk is not None:
        shares[unk] = 0
    found = np.bincount(drawn.numpy(), minlength=5)
    kept = shares > 0
    assert found[~kept].sum() == 0
    assert chisquare(found[kept], 20_000 * shares[kept] / shares.sum()).pvalue > 1e-4


def test_the_embedding_joins_row_and_column():
    embedding = TableEmbedding(5, 5, CELL, SHAPE)
    ids = torch.tensor([[0, 1], [4, 2]])
    expected = torch.cat(
        [embedding.rows[torch.tensor(CELL)[ids] // 3], embedding.columns[torch.tensor(CELL)[ids] % 3]], 2
    )
    assert embedding.rows.shape == (3, 3) and embedding.columns.shape == (3, 2)
    assert torch.equal(embedding(ids), expected)


def test_words_move_and_the_layer_follows():
    torch.manual_seed(0)
    layer = TableSoftmax(5, 4, CELL, SHAPE, counts=COUNTS).eval()
    hidden = torch.randn(3, 4)
    layer.layout.place([0, 1, 2, 3, 4])
    torch.testing.assert_close(layer.log_prob(hidden).double(), torch.from_numpy(np.log(oracle(layer, hidden))))
    assert "cell" not in " ".join(layer.state_dict())


def test_the_allocation_picks_the_layer():
    vocabulary = wordalloc.Vocabulary.from_counts(["a", "b", "<unk>", "d", "e"], COUNTS)
    table = wordalloc.Table(vocabulary, CELL, SHAPE)
    layer = output_layer(table, 4)
    assert isinstance(layer, TableSoftmax) and layer.layout.row.tolist() == [1, 0, 2, 0, 1]
    assert TableEmbedding.from_allocation(table, 4)(torch.tensor([0])).shape == (1, 4)
    assert LightRNN.from_allocation(table, 4).layout.column.tolist() == [1, 0, 1, 1, 0]


def test_compiles_whole():
    torch.manual_seed(0)
    layer = TableSoftmax(5, 4, CELL, SHAPE)
    compiled = torch.compile(layer.loss, fullgraph=True)
    for n in (3, 7):
        hidden, target = torch.randn(n, 4, requires_grad=True), torch.randint(5, (n,))
        compiled(hidden, target).backward()
        found, layer.rows.grad = layer.rows.grad.clone(), None
        layer.loss(hidden, target).backward()
        torch.testing.assert_close(layer.rows.grad, found)
        layer.rows.grad = None


def test_narrow_weights_sum_wide():
    torch.manual_seed(0)
    layer = TableSoftmax(5, 4, CELL, SHAPE)
    hidden, target = torch.randn(6, 4), torch.randint(5, (6,))
    exact = layer(hidden, target)
    narrow = layer.bfloat16()(hidden.bfloat16(), target)
    assert narrow.dtype == torch.float32
    torch.testing.assert_close(narrow, exact, atol=0.1, rtol=0.05)


# --- LightRNN ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recurrent", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("cell", [CELL, [0, 1, 2, 3, 4]])  # the second leaves a row without words
def test_lightrnn_is_two_steps_a_word(recurrent, cell):
    torch.manual_seed(0)
    model = LightRNN(5, 6, cell, SHAPE, recurrent=recurrent, layers=2, counts=COUNTS).double().eval()
    words = torch.randint(5, (2, 7))
    nll, state = model(words[:, :-1], words[:, 1:])
    # One word at a time: read its column, ask for all words, feed the row of the one that came.
    by_word, after = [], None
    for time in range(6):
        _, after = model.read(words[:, time], after)
        log_prob = model.log_prob(after)
        torch.testing.assert_close(log_prob.exp().sum(1), torch.ones(2, dtype=torch.float64))
        by_word.append(-log_prob.gather(1, words[:, time + 1, None]))
        rows = torch.tensor(cell)[words[:, time + 1]] // 3
        _, after = model.feed_row(rows, after)
    torch.testing.assert_close(nll, torch.cat(by_word, 1))
    for whole, stepwise in zip(*((s if isinstance(s, tuple) else (s,)) for s in (state, after)), strict=True):
        torch.testing.assert_close(whole, stepwise)
    # In two stretches, the state handed over.
    first, between = model(words[:, :3], words[:, 1:4])
    second, _ = model(words[:, 3:-1], words[:, 4:], between)
    torch.testing.assert_close(torch.cat([first, second], 1), nll)


@pytest.mark.parametrize("block", [1, 4, 1 << 15])
def test_lightrnn_topk_is_that_of_all_words(block):
    torch.manual_seed(1)
    model = LightRNN(5, 6, CELL, SHAPE).double()
    _, state = model.read(torch.tensor([0, 1, 2, 3]))
    with mock.patch.object(lightrnn, "BLOCK_STATES", block):
        log_prob = model.log_prob(state)
    for k in (1, 3, 5):
        values, ranks = model.topk(state, k)
        expected, order = log_prob.sort(dim=1, descending=True)
        assert ranks.tolist() == order[:, :k].tolist()
        torch.testing.assert_close(values, expected[:, :k])
    drawn = model.sample(tuple(part[:, :1].expand(-1, 5000, -1).contiguous() for part in state))
    shares = log_prob[0].exp().detach().numpy()
    assert chisquare(np.bincount(drawn.numpy(), minlength=5), 5000 * shares / shares.sum()).pvalue > 1e-4


def test_lightrnn_never_draws_the_unknown_word():
    model = LightRNN(5, 6, CELL, SHAPE, unk=1)
    _, state = model.read(torch.zeros(2000, dtype=torch.int64))
    assert 1 not in model.sample(state).tolist()


def test_lightrnn_opens_only_rows_that_can_help():
    model = LightRNN(5, 6, CELL, SHAPE)
    with torch.no_grad():
        model.row_bias.copy_(torch.tensor([0.0, 50.0, 0.0]))
    _, state = model.read(torch.tensor([0]))
    opened = []
    feed = model.feed_row
    with mock.patch.object(model, "feed_row", lambda rows, state: opened.extend(rows.tolist()) or feed(rows, state)):
        _, ranks = model.topk(state, 2)
    assert sorted(ranks[0].tolist()) == [0, 4] and opened == [1]


def test_sizes_of_lightrnn():
    model = LightRNN(10_000, 200, range(10_000), (100, 100))
    assert model.n_table_parameters == 4 * 100 * 200 + 100
    assert model.n_parameters == 2 * 100 * 200 + 100
    assert model.n_table_parameters < 2 * 10_000 * 200 / 30


def test_training_runs_over_empty_cells_and_evaluation_does_not():
    torch.manual_seed(0)
    model = LightRNN(5, 6, CELL, SHAPE)
    words = torch.randint(5, (2, 4))
    training = model(words[:, :-1], words[:, 1:])[0]
    evaluated = model.eval()(words[:, :-1], words[:, 1:])[0]
    assert (training > evaluated).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TableSoftmax(5, 4, [0, 0, 1, 2, 3], SHAPE), "two words are in one cell"),
        (lambda: TableSoftmax(5, 4, [0, 1, 2, 3, 9], SHAPE), "5 cells from 0 to 8"),
        (lambda: TableSoftmax(5, 4, CELL, (2, 2)), "too few for 5 words"),
        (lambda: TableSoftmax(5, 4, CELL, SHAPE).topk(torch.zeros(1, 4), 6), "k must be a whole number from 1 to 5"),
        (
            lambda: TableSoftmax.from_allocation(wordalloc.Cutoffs(wordalloc.Vocabulary(["a"], [1]), []), 4),
            "not Cutoffs",
        ),
        (lambda: TableSoftmax(5, 4, CELL, SHAPE, counts=[1, 2]), "counts must be 5 numbers"),
        (lambda: TableEmbedding(5, 1, CELL, SHAPE), "width of at least 2"),
        (lambda: TableEmbedding.from_allocation("table", 4), "not str"),
        (lambda: LightRNN(5, 4, CELL, SHAPE, recurrent="cnn"), "lstm, gru, rnn, not 'cnn'"),
        (lambda: LightRNN.from_allocation("table", 4), "a LightRNN needs a table, not str"),
        (lambda: TableSoftmax(1, 4, [0], (1, 1), unk=0).sample(torch.zeros(1, 4)), "nothing to draw"),
        (lambda: LightRNN(1, 4, [0], (1, 1), unk=0).sample(torch.zeros(1, 1, 4)), "nothing to draw"),
    ],
)
def test_bad_arguments_are_one_line(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_one_word_is_certain():
    layer = TableSoftmax(1, 4, [2], (2, 2)).eval()
    assert layer(torch.randn(3, 4), torch.zeros(3, dtype=torch.int64)).tolist() == pytest.approx([0.0] * 3, abs=1e-6)
    assert math.isclose(float(layer.topk(torch.randn(1, 4), 1)[0]), 0.0, abs_tol=1e-6)
