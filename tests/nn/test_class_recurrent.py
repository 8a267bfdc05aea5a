"""ClassRecurrent against torch's layers, against its definition step by step, and against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import wordalloc
from wordalloc.errors import InputError
from wordalloc.nn import ClassRecurrent, class_lookup
from wordalloc.nn.table_layout import TableLayout

TORCH = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
TORCH_CELL = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}
CELLS = pytest.mark.parametrize("cell", list(TORCH))


def parts(state: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


def random_state(cell: str, layers: int, batch: int, dim: int) -> Tensor | tuple[Tensor, Tensor]:
    h, c = torch.randn(2, layers, batch, dim, dtype=torch.float64).unbind()
    return (h, c) if cell == "lstm" else h


def scaled(cell: str, dim: int, n_classes: int, layers: int = 1) -> ClassRecurrent:
    """A layer whose classes have moved away from 0."""
    layer = ClassRecurrent(cell, dim, n_classes, layers).double()
    nn.init.normal_(layer.scale)
    return layer


def definition(layer: ClassRecurrent, embedded: Tensor, classes: Tensor, state: Tensor | tuple[Tensor, ...]) -> Tensor:
    """The last layer's states, (B, T, d), each word of each sequence by torch's cells of one step.

    The cell of a class has the recurrent matrix W diag(1 + S[class]).
    """
    weights = layer.state_dict()
    result = torch.empty_like(embedded)
    for b in range(len(embedded)):
        below = [embedded[b, t] for t in range(embedded.shape[1])]
        for k in range(layer.layers):
            last = tuple(part[k, b] for part in parts(state))
            for t, read in enumerate(below):
                cell = TORCH_CELL[layer.cell](layer.dim, layer.dim).double()
                own = {name: weights[f"{name}_l{k}"].clone() for name in cell.state_dict()}
                own["weight_hh"] *= 1 + layer.scale[k, classes[b, t]].detach()
                cell.load_state_dict(own)
                last = parts(cell(read, last if layer.cell == "lstm" else last[0]))
                below[t] = last[0]
        result[b] = torch.stack(below)
    return result


@CELLS
@pytest.mark.parametrize("layers", [1, 3])
def test_with_scales_of_zero_it_is_torchs_layer(cell, layers):
    torch.manual_seed(0)
    theirs = TORCH[cell](6, 6, layers, batch_first=True)
    ours = ClassRecurrent(cell, 6, n_classes=4, layers=layers)
    assert not ours.scale.any()
    loaded = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert loaded.missing_keys == ["scale"] and not loaded.unexpected_keys
    embedded, classes, state = torch.randn(5, 7, 6), torch.randint(4, (5, 7)), random_state(cell, layers, 5, 6)
    state = tuple(part.float() for part in state) if cell == "lstm" else state.float()
    for before in (None, state):
        inputs = embedded.clone().requires_grad_(), embedded.clone().requires_grad_()
        found, found_after = ours(inputs[0], classes, before)
        expected, expected_after = theirs(inputs[1], before)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(parts(found_after), parts(expected_after))
        slope = torch.randn_like(expected)
        found.backward(slope)
        expected.backward(slope)
        torch.testing.assert_close(inputs[0].grad, inputs[1].grad)
    for name, parameter in theirs.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name).grad, parameter.grad, rtol=1e-4, atol=1e-5)


@settings(max_examples=40)
@given(
    st.sampled_from(list(TORCH)),
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 1000),
)
def test_each_class_has_the_plain_cell_with_its_own_recurrent_matrix(cell, batch, steps, dim, n_classes, layers, seed):
    torch.manual_seed(seed)
    layer = scaled(cell, dim, n_classes, layers)
    embedded = torch.randn(batch, steps, dim, dtype=torch.float64)
    classes, state = torch.randint(n_classes, (batch, steps)), random_state(cell, layers, batch, dim)
    found, after = layer(embedded, classes, state)
    torch.testing.assert_close(found, definition(layer, embedded, classes, state))
    assert [part.shape for part in parts(after)] == [part.shape for part in parts(state)]
    torch.testing.assert_close(parts(after)[0][-1], found[:, -1])


@settings(max_examples=30)
@given(st.sampled_from(list(TORCH)), st.integers(2, 9), st.data())
def test_two_stretches_with_the_state_handed_over_are_one(cell, steps, data):
    torch.manual_seed(0)
    layer = scaled(cell, 3, 4, layers=2)
    embedded, classes = torch.randn(2, steps, 3, dtype=torch.float64), torch.randint(4, (2, steps))
    cut = data.draw(st.integers(1, steps - 1))
    whole, after = layer(embedded, classes)
    first, between = layer(embedded[:, :cut], classes[:, :cut])
    second, end = layer(embedded[:, cut:], classes[:, cut:], between)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(parts(end), parts(after))


def test_hand_computed_step():
    layer = ClassRecurrent("rnn", 2, n_classes=2)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.weight_hh_l0.copy_(torch.tensor([[1.0, 2.0], [0.0, 3.0]]))
        layer.scale[0, 1] = torch.tensor([1.0, -0.5])
    state = torch.tensor([[[0.1, 0.2], [0.1, 0.2]]])
    output, _ = layer(torch.zeros(2, 1, 2), torch.tensor([[0], [1]]), state)
    # Class 0 reads (0.1, 0.2), class 1 reads (0.2, 0.1).
    expected = torch.tensor([[0.5, 0.6], [0.4, 0.3]]).tanh()
    torch.testing.assert_close(output[:, 0], expected)


@CELLS
def test_gradients_agree_with_finite_differences(cell):
    torch.manual_seed(0)
    layer = scaled(cell, 3, 4, layers=2)
    classes = torch.tensor([[3, 0, 1], [3, 2, 1]])  # class 3 meets a state of zeros
    embedded = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    state = tuple(part.requires_grad_() for part in parts(random_state(cell, 2, 2, 3)))
    names = [name for name, _ in layer.named_parameters()]

    def run(embedded, *others):
        before, weights = others[: len(state)], dict(zip(names, others[len(state) :], strict=True))
        whole = before if cell == "lstm" else before[0]
        output, after = torch.func.functional_call(layer, weights, (embedded, classes, whole))
        return output, *parts(after)

    assert torch.autograd.gradcheck(run, (embedded, *state, *layer.parameters()))
    layer(embedded, classes)[0].sum().backward()  # from zeros
    assert layer.scale.grad[:, :3].abs().sum(2).all() and not layer.scale.grad[:, 3].any()


def test_dropout_falls_between_layers_while_training_alone():
    torch.manual_seed(0)
    layer = ClassRecurrent("gru", 8, 2, layers=2, dropout=0.5)
    embedded, classes = torch.randn(3, 4, 8), torch.zeros(3, 4, dtype=torch.int64)
    first, second = (layer(embedded, classes) for _ in range(2))
    torch.testing.assert_close(first[1][0], second[1][0])  # the lower layer's state
    assert not torch.allclose(first[0], second[0])
    layer.eval()
    assert torch.equal(layer(embedded, classes)[0], layer(embedded, classes)[0])


@CELLS
def test_compiles_whole_and_runs_under_autocast(cell):
    torch.manual_seed(0)
    layer = ClassRecurrent(cell, 8, 3, layers=2)
    nn.init.normal_(layer.scale)
    embedded, classes = torch.randn(4, 3, 8), torch.randint(3, (4, 3))
    output, state = layer(embedded, classes)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(embedded, classes)[0], output)
    with torch.autocast("cpu", torch.bfloat16):
        narrow, after = layer(embedded, classes)
        again, _ = layer(embedded, classes, after)
    torch.testing.assert_close(narrow.float(), output, atol=0.05, rtol=0.05)
    torch.testing.assert_close(again.float(), layer(embedded, classes, state)[0], atol=0.05, rtol=0.05)


# --- Looking up classes -----------------------------------------------------------------------------------------------

VOCABULARY = wordalloc.Vocabulary.from_counts("abcde", [5, 4, 3, 2, 1])


def test_classes_are_looked_up_for_any_shape():
    lookup = class_lookup(wordalloc.Classes(VOCABULARY, [0, 1, 1, 0, 2]))
    ids = torch.tensor([[[4, 0], [1, 3]]])
    assert lookup(ids).tolist() == [[[2, 0], [1, 0]]] and lookup(ids).dtype == torch.int64
    assert lookup.n_classes == 3 and not lookup.state_dict() and not list(lookup.parameters())
    with pytest.raises(IndexError, match="out of bounds"):
        lookup(torch.tensor([5]))


def test_words_move_in_their_table_and_the_recurrence_follows():
    torch.manual_seed(0)
    table = wordalloc.Table(VOCABULARY, [4, 0, 7, 1, 3], (3, 3))
    lookup = class_lookup(table)
    model = nn.ModuleDict({"class_of": lookup, "recurrent": scaled("lstm", 4, lookup.n_classes)})
    assert lookup.n_classes == 3
    ids, embedded = torch.tensor([[0, 1, 2, 3, 4]]), torch.randn(1, 5, 4, dtype=torch.float64)
    assert lookup(ids).tolist() == [[1, 0, 2, 0, 1]]
    before, _ = model["recurrent"](embedded, lookup(ids))
    moved = np.array([8, 0, 7, 5, 3])
    for layout in (module for module in model.modules() if isinstance(module, TableLayout)):
        layout.place(moved)
    assert lookup(ids).tolist() == [[2, 0, 2, 1, 1]]
    after, _ = model["recurrent"](embedded, lookup(ids))
    expected, _ = model["recurrent"](embedded, torch.from_numpy(moved // 3)[ids])
    torch.testing.assert_close(after, expected)
    # The first word meets a state of zeros, and words 1 and 2 have stayed: word 3 is the first that is read otherwise.
    torch.testing.assert_close(after[:, :3], before[:, :3])
    assert not torch.isclose(after[:, 3], before[:, 3]).any()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ClassRecurrent("cnn", 4, 3), InputError, "lstm, gru, rnn, not 'cnn'"),
        (lambda: ClassRecurrent("lstm", 0, 3), InputError, "dim must be a positive whole number, not 0"),
        (lambda: ClassRecurrent("lstm", 4, 2.5), InputError, "n_classes must be a positive whole number, not 2.5"),
        (lambda: ClassRecurrent("lstm", 4, 3, layers=0), InputError, "layers must be a positive whole number, not 0"),
        (lambda: run("lstm", (2, 5, 3), (2, 5)), InputError, r"embedded \(B, T, 4\).* got \(2, 5, 3\) and \(2, 5\)"),
        (lambda: run("lstm", (2, 5, 4), (5, 2)), InputError, r"got \(2, 5, 4\) and \(5, 2\)"),
        (lambda: run("lstm", (2, 0, 4), (2, 0)), InputError, "at least one step"),
        (lambda: run("lstm", (5, 4), (5,)), InputError, r"classes \(B, T\)"),
        (lambda: run("gru", (2, 5, 4), (2, 5), torch.zeros(1, 1, 4)), InputError, r"1 of shape \(1, 2, 4\)"),
        (lambda: run("lstm", (2, 5, 4), (2, 5), torch.zeros(1, 2, 4)), InputError, r"must be 2 of shape \(1, 2, 4\)"),
        (lambda: run("gru", (2, 5, 4), (2, 5), 3), IndexError, "index out of range"),
        (
            lambda: class_lookup(wordalloc.Cutoffs(VOCABULARY, [2])),
            InputError,
            "needs classes or a table, not Cutoffs",
        ),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def run(cell, embedded, classes, state=None):
    """Run with zeros of these shapes; a whole number for the state is the class of all words instead."""
    number, state = (state, None) if isinstance(state, int) else (0, state)
    ClassRecurrent(cell, 4, 3)(torch.zeros(embedded), torch.full(classes, number), state)
