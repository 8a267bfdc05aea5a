"""Biases that begin at the counts: every layer says the unigram distribution of a hidden state of zeros."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import wordalloc
from wordalloc.nn import output_layer


@given(st.lists(st.integers(0, 50), min_size=4, max_size=30), st.integers(0, 99), st.data())
def test_zeros_get_the_unigram_distribution(counts, seed, data):
    counts = sorted(counts, reverse=True)
    vocabulary = wordalloc.Vocabulary.from_counts([f"w{rank}" for rank in range(len(counts))], counts)
    rng = np.random.default_rng(seed)
    word_class = np.unique(rng.integers(0, 5, len(counts)), return_inverse=True)[1]
    made = {
        "full": lambda: (vocabulary, {"bias": True}),
        "classes": lambda: (wordalloc.Classes(vocabulary, word_class), {"bias": True}),
        "huffman": lambda: (wordalloc.huffman(vocabulary), {"bias": True}),
        "wide": lambda: (wordalloc.random_tree(vocabulary, 4, seed=seed), {"bias": True}),
        "flat": lambda: (wordalloc.random_tree(vocabulary, 3, seed=seed), {"bias": True, "flatten_levels": 2}),
    }
    allocation, options = made[data.draw(st.sampled_from(list(made)))]()
    layer = output_layer(allocation, 3, **options).double()
    expected = (np.array(counts) + 1) / (np.array(counts) + 1).sum()
    found = layer.log_prob(torch.zeros(1, 3, dtype=torch.float64))[0].exp().detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_an_adaptive_head_has_the_shares_of_its_words_and_clusters():
    vocabulary = wordalloc.Vocabulary.from_counts("abcdef", [9, 5, 3, 2, 1, 0])  # with one more: 10 6 4 3 2 1 of 26
    layer = output_layer(wordalloc.Cutoffs(vocabulary, [2, 4]), 3, head_bias=True)
    expected = np.array([10, 6, 7 / 2, 7 / 2, 3 / 2, 3 / 2]) / 26  # a tail has no bias: its words share alike
    np.testing.assert_allclose(layer.log_prob(torch.zeros(1, 3))[0].exp().detach(), expected, rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"bias": False}])
def test_without_a_bias_nothing_is_set(options):
    vocabulary = wordalloc.Vocabulary.from_counts("abcd", [4, 3, 2, 1])
    for allocation in (vocabulary, wordalloc.huffman(vocabulary), wordalloc.Classes(vocabulary, [0, 0, 1, 1])):
        layer = output_layer(allocation, 3, **options)
        assert [parameter.ndim for parameter in layer.parameters()] == [2] * len(list(layer.parameters()))
