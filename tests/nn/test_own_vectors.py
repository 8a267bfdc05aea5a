"""Input vectors of their own for frequent words, in all layers that share vectors."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wordalloc.errors import InputError
from wordalloc.nn import ClassEmbedding, LightRNN, TableEmbedding

CELLS = [0, 4, 1, 3, 5, 2]


def embedding(kind: str, own_words: int) -> torch.nn.Module:
    """An embedding of six words at width 4, drawn from the same seed."""
    torch.manual_seed(0)
    if kind == "classes":
        return ClassEmbedding(6, 4, [0, 1, 1, 0, 2, 1], own_words=own_words)
    return TableEmbedding(6, 4, CELLS, (2, 3), own_words=own_words)


@pytest.mark.parametrize("kind", ["classes", "table"])
@given(own_words=st.integers(1, 6))
def test_frequent_words_have_what_they_share_and_their_own(kind, own_words):
    with_own, without = embedding(kind, own_words), embedding(kind, 0)
    ids = torch.arange(6)
    assert with_own(ids).equal(without(ids))  # they begin at zero
    with torch.no_grad():
        with_own.own.vectors.copy_(torch.arange(4.0 * own_words).reshape(own_words, 4) + 1)
    difference = with_own(ids) - without(ids)
    torch.testing.assert_close(difference[:own_words], with_own.own.vectors)
    assert not difference[own_words:].any()
    with_own(torch.tensor([[0, 5]])).sum().backward()
    touched = with_own.own.vectors.grad.any(1).tolist()
    assert touched == [True] + [False] * (own_words - 2) + [own_words == 6] * (own_words > 1)


def test_a_lightrnn_reads_them_with_the_column():
    torch.manual_seed(1)
    model = LightRNN(6, 4, CELLS, (2, 3), own_words=2).double().eval()
    plain = LightRNN(6, 4, CELLS, (2, 3)).double().eval()
    plain.load_state_dict({name: w for name, w in model.state_dict().items() if name != "own.vectors"})
    words = torch.tensor([[5, 3, 4, 5, 2, 0], [0, 3, 1, 2, 4, 0]])
    assert model(words[:, :-1], words[:, 1:])[0].equal(plain(words[:, :-1], words[:, 1:])[0])
    torch.nn.init.normal_(model.own.vectors)
    nll, state = model(words[:, :-1], words[:, 1:])
    other, _ = plain(words[:, :-1], words[:, 1:])
    # The first sequence reads no frequent word before its last target, the second one begins with one.
    torch.testing.assert_close(nll[0], other[0])
    assert not nll[1].isclose(other[1]).any()
    # One word at a time gives the same probabilities.
    state = None
    for step in range(5):
        _, state = model.read(words[:, step], state)
        log_prob = model.log_prob(state)
        torch.testing.assert_close(log_prob.exp().sum(1), torch.ones(2, dtype=torch.float64))
        torch.testing.assert_close(-log_prob.gather(1, words[:, step + 1 : step + 2])[:, 0], nll[:, step])
        _, state = model.feed_row(model.layout.row[words[:, step + 1]], state)
    assert model.n_table_parameters == plain.n_table_parameters + 2 * 4
    assert model.n_parameters == plain.n_parameters  # they are of the input


@pytest.mark.parametrize("own_words", [-1, 7, 2.0, True])
def test_an_impossible_number_is_named(own_words):
    with pytest.raises(InputError, match="own_words must be a whole number from 0 to 6"):
        embedding("table", own_words)
