"""Huffman codes against a heap, and the bounds that every optimal code keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracles
from tests.algorithms.vocabularies import from_counts, zipf
from wordalloc import Classes, huffman
from wordalloc.algorithms.huffman import huffman_places, with_huffman_below
from wordalloc.algorithms.mutual_information import entropy_bits
from wordalloc.allocations import Tree
from wordalloc.errors import InputError

counts_of = st.one_of(
    st.lists(st.integers(0, 12), min_size=1, max_size=60),  # many ties, and zeros
    st.lists(st.integers(0, 2**56), min_size=1, max_size=60),
    st.integers(1, 40).map(lambda n: [2**k for k in range(n)]),  # the deepest
)


@settings(max_examples=150, deadline=None)
@given(counts_of, st.integers(2, 6))
def test_the_code_is_as_short_as_a_heaps(counts, arity):
    tree = huffman(from_counts(counts), arity)
    lengths, sorted_counts = tree.code_lengths.tolist(), tree.vocabulary.counts.tolist()
    assert sum(a * b for a, b in zip(lengths, sorted_counts, strict=True)) == oracles.huffman_cost(counts, arity)
    for before, after, more, less in zip(lengths, lengths[1:], sorted_counts, sorted_counts[1:], strict=False):
        assert before <= after or more == less
    assert tree.node_sizes.max(initial=2) <= arity
    assert (np.sort(tree.node_sizes)[1:] == arity).all()  # one node at most is not full


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 1000), min_size=2, max_size=60), st.integers(2, 5))
def test_the_mean_length_is_within_one_of_the_entropy(counts, arity):
    tree = huffman(from_counts(counts), arity)
    entropy = entropy_bits(counts) / np.log2(arity)
    assert entropy - 1e-9 <= tree.mean_code_length < entropy + 1


def test_by_hand():
    assert huffman(from_counts([1])).codes == [""]
    assert huffman(from_counts([3, 1])).codes == ["0", "1"]
    assert huffman(from_counts([0, 0, 0])).code_lengths.tolist() == [1, 2, 2]
    assert huffman(from_counts([4, 3, 2, 1])).code_lengths.tolist() == [1, 2, 3, 3]
    assert huffman(from_counts([8, 4, 2, 1, 1]), 3).code_lengths.tolist() == [1, 1, 2, 2, 2]


def test_a_million_words():
    vocabulary = zipf(1_000_000)
    tree = huffman(vocabulary)
    cost = sum((tree.code_lengths * vocabulary.counts).tolist())
    assert cost == oracles.huffman_cost(vocabulary.counts.tolist(), 2)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=30), st.data())
def test_below_classes_each_class_has_its_own_code(counts, data):
    vocabulary = from_counts(counts)
    n_classes = data.draw(st.integers(1, vocabulary.size))
    word_class = data.draw(st.permutations([w % n_classes for w in range(vocabulary.size)]))
    classes = Classes(vocabulary, word_class)
    top = huffman_places(np.sort(np.bincount(word_class))[::-1].astype(np.int64))
    places, depth = with_huffman_below(classes, top)
    tree = Tree.from_nodes(vocabulary, *places, class_depth=depth)
    assert sorted(map(sorted, _groups(tree.cut().word_class))) == sorted(map(sorted, _groups(classes.word_class)))
    for members in _groups(classes.word_class):
        below = (tree.code_lengths - tree.class_depth)[members]
        assert int(below @ vocabulary.counts[members]) == oracles.huffman_cost(vocabulary.counts[members].tolist(), 2)


def _groups(word_class: np.ndarray) -> list[list[int]]:
    return [np.flatnonzero(word_class == number).tolist() for number in np.unique(word_class)]


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="arity must be a whole number from 2"):
        huffman(from_counts([1, 1]), 1)
    assert huffman(from_counts([2**62, 2**62 - 1])).codes == ["0", "1"]
