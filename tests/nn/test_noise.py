"""Noise: the alias table holds exactly the distribution that it states, and draws follow it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from wordalloc.errors import InputError
from wordalloc.nn import Noise
from wordalloc.nn.noise import alias_table


def implied(threshold: np.ndarray, alias: np.ndarray, height: int) -> list[int]:
    """Each word's units, added up column by column."""
    units = [0] * len(threshold)
    for column, (own, other) in enumerate(zip(threshold.tolist(), alias.tolist(), strict=True)):
        assert 0 <= own <= height
        units[column] += own
        units[other] += height - own
    return units


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.randoms())
@example([6, 3, 3], None)
@example([5, 5, 2, 0, 8, 4], None)  # a heavy word runs out in the middle of another's gap
def test_a_table_holds_exactly_the_units_it_was_made_from(units, random):
    columns = len(units)
    units[0] += -sum(units) % columns  # so that they fill columns of one height
    if not sum(units):
        units = [1] * columns
    if random is not None:
        random.shuffle(units)
    height = sum(units) // columns
    assert implied(*alias_table(np.array(units), height), height) == units


weights = st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=70)


@given(weights)
def test_the_table_of_a_noise_implies_its_weights_to_float64_precision(values):
    noise = Noise(values)
    units = implied(noise.threshold.numpy(), noise.alias.numpy(), 1 << noise.height_bits)
    assert sum(units) == 2**62
    assert not any(units[len(values) :]), "columns that belong to no word are drawn as words"
    shares = np.array(values) / np.sum(values)
    np.testing.assert_allclose(np.array(units[: len(values)], float) / 2**62, shares, rtol=1e-13, atol=2**-62)
    # What is stated is what is drawn, even where the units are few.
    stated = np.log(np.array(units[: len(values)], float)) - 62 * np.log(2)
    np.testing.assert_allclose(noise.log_prob.numpy(), stated, rtol=1e-6, atol=1e-7)


def test_every_word_can_be_drawn_however_small_its_weight():
    noise = Noise([1.0, 1e-300, 1.0])
    units = implied(noise.threshold.numpy(), noise.alias.numpy(), 1 << noise.height_bits)
    assert units[1] == 1
    assert noise.log_prob[1].item() == pytest.approx(-62 * np.log(2))


@pytest.mark.parametrize(
    "noise",
    [Noise.unigram(2000 // np.arange(1, 60)), Noise.log_uniform(33), Noise.uniform(7), Noise.uniform(1)],
    ids=["unigram", "log-uniform", "uniform", "one word"],
)
def test_draws_follow_the_distribution(noise):
    draws = noise.draw((400, 1000), generator=torch.Generator().manual_seed(1))
    assert draws.dtype == torch.int64 and draws.shape == (400, 1000)
    counts = np.bincount(draws.flatten().numpy(), minlength=noise.vocab_size)
    assert counts.size == noise.vocab_size
    expected = noise.log_prob.double().exp().numpy()
    if noise.vocab_size > 1:
        assert chisquare(counts, expected / expected.sum() * counts.sum()).pvalue > 1e-3
    # Independent: pairs of neighbours are the products.
    pairs = np.bincount((draws[:, ::2] * noise.vocab_size + draws[:, 1::2]).flatten().numpy())
    product = np.outer(expected, expected).flatten()[: pairs.size]
    often = product * pairs.sum() > 10
    if often.sum() > 1:
        wanted = product[often] / product[often].sum() * pairs[often].sum()
        assert chisquare(pairs[often], wanted).pvalue > 1e-3


def test_unigram_by_hand():
    # max(count, 1)^0.5 = 4, 3, 1, 1
    torch.testing.assert_close(Noise.unigram([16, 9, 1, 0], 0.5).log_prob.exp(), torch.tensor([4, 3, 1, 1]) / 9)
    torch.testing.assert_close(Noise.unigram([16, 9, 1, 0], 0).log_prob, Noise.uniform(4).log_prob)
    shares = torch.tensor([2.0**60, 2.0**61, 2.0**61]) / (5 * 2.0**60)
    torch.testing.assert_close(Noise.unigram([2**60, 2**61, 2**61], 1).log_prob.exp(), shares)


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_log_uniform_has_the_closed_form_of_its_sums(size):
    """P(rank < r) = log(r + 1) / log(V + 1), by which TensorFlow draws."""
    sums = np.cumsum(Noise.log_uniform(size).log_prob.double().exp().numpy())
    np.testing.assert_allclose(sums, np.log(np.arange(1, size + 1) + 1) / np.log(size + 1), rtol=1e-5)


def test_a_seed_gives_the_draws_again_also_from_a_state_kept_half_way():
    noise = Noise.log_uniform(1000)
    torch.manual_seed(3)
    noise.draw((50,))
    state = torch.get_rng_state()
    first = noise.draw((2, 50))
    torch.set_rng_state(state)
    assert torch.equal(noise.draw((2, 50)), first)
    assert not torch.equal(noise.draw((2, 50)), first)
    generator = torch.Generator().manual_seed(3)
    noise.draw((50,), generator)
    assert torch.equal(noise.draw((2, 50), generator), first)


def test_a_cast_changes_no_draw_and_nothing_is_saved():
    noise = Noise.log_uniform(100)
    before = noise.draw((1000,), torch.Generator().manual_seed(0))
    narrow = noise.to(torch.bfloat16)
    assert torch.equal(narrow.draw((1000,), torch.Generator().manual_seed(0)), before)
    assert not noise.state_dict() and {name for name, _ in noise.named_buffers()} == {"threshold", "alias", "log_prob"}


@settings(max_examples=30)
@given(st.integers(1, 300), st.lists(st.integers(0, 4), max_size=3))
def test_draws_are_words_of_any_shape(size, shape):
    draws = Noise.log_uniform(size).draw(tuple(shape))
    assert draws.shape == tuple(shape) and ((draws >= 0) & (draws < size)).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Noise([1.0, 0.0]), "positive and finite, but one is 0.0"),
        (lambda: Noise([1.0, np.inf]), "positive and finite, but one is inf"),
        (lambda: Noise([]), "one a word, not an array of shape"),
        (lambda: Noise([[1.0]]), "shape \\(1, 1\\)"),
        (lambda: Noise.unigram([3, -1]), "at least 0"),
        (lambda: Noise.unigram([3.5, 1]), "whole numbers"),
        (lambda: Noise.unigram([3, 1], 1.5), "from 0 .* to 1 .*, not 1.5"),
        (lambda: Noise.unigram([3, 1], float("nan")), "not nan"),
        (lambda: Noise.uniform(0), "positive whole number, not 0"),
        (lambda: Noise.log_uniform(2.0), "positive whole number, not 2.0"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
