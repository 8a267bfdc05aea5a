"""What classes and trees are worth, against scikit-learn, the likelihood of a text word by word, and by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from tests import oracles
from tests.algorithms.texts import bigrams_of, drawn_pairs, pairs_of, zipf_text
from wordalloc import Classes, Cutoffs, Vocabulary, brown_tree, huffman, score
from wordalloc.algorithms.mutual_information import average_mutual_information, class_bigrams, entropy_bits
from wordalloc.errors import InputError


@settings(max_examples=60, deadline=None)
@given(drawn_pairs(), st.data())
def test_mutual_information_agrees_with_its_definition_and_with_scikit_learn(drawn, data):
    pairs, size = drawn
    word_class = data.draw(st.permutations([w % max(1, size // 2) for w in range(size)]))
    bigrams = bigrams_of(pairs, size)
    joint = class_bigrams(bigrams, Classes(bigrams.vocabulary, word_class))
    np.testing.assert_array_equal(joint, oracles.class_counts(pairs, word_class))
    found = average_mutual_information(joint)
    assert found == pytest.approx(oracles.mutual_information(joint.tolist()), abs=1e-9)
    assert found == pytest.approx(mutual_info_score(None, None, contingency=joint) / math.log(2), abs=1e-9)


def test_class_bigram_perplexity_is_that_of_the_text_word_by_word():
    tokens = zipf_text(30, 2000, seed=1)
    pairs = pairs_of(tokens)
    bigrams = bigrams_of(pairs, 30)
    classes = Classes(bigrams.vocabulary, np.arange(30) % 5)
    found = score(classes, bigrams, bigrams.right_counts)
    joint = np.array(oracles.class_counts(pairs, (np.arange(30) % 5).tolist()))
    nll = 0.0
    for left, right in itertools.pairwise(tokens):
        of_class = joint[left % 5, right % 5] / joint[left % 5].sum()
        in_class = bigrams.right_counts[right] / bigrams.right_counts[right % 5 :: 5].sum()
        nll -= math.log(of_class * in_class)
    assert found.class_bigram_perplexity == pytest.approx(math.exp(nll / (len(tokens) - 1)), rel=1e-9)
    assert found.ami_nats == pytest.approx(found.ami_bits * math.log(2))


def test_code_length_and_cost_of_a_tree():
    bigrams = bigrams_of(pairs_of(zipf_text(40, 2000, seed=1)), 40)
    tree = huffman(bigrams.vocabulary, 3)
    counts = np.arange(40)[::-1] + 1
    found = score(tree, bigrams, counts)
    length = {2: 1.0, 3: math.log2(3)}
    expected = sum(
        count * sum(length[int(tree.node_sizes[node])] for node in tree.path_nodes[begin:end].tolist())
        for count, begin, end in zip(counts.tolist(), tree.path_offsets[:-1], tree.path_offsets[1:], strict=True)
    )
    assert found.mean_code_length_bits == pytest.approx(expected / counts.sum())
    assert found.unigram_entropy_bits == pytest.approx(entropy_bits(counts))
    assert found.mean_code_length_bits >= found.unigram_entropy_bits
    assert found.n_classes is None and found.ami_bits is None and found.class_bigram_perplexity is None
    assert 0 < found.expected_cost < found.full_cost


def test_a_brown_tree_is_scored_as_its_classes():
    bigrams = bigrams_of(pairs_of(zipf_text(40, 2000, seed=1)), 40)
    tree = brown_tree(bigrams, 6)
    one, other = (score(made, bigrams, bigrams.right_counts) for made in (tree, tree.cut()))
    assert one.ami_bits == other.ami_bits == pytest.approx(tree.parameters["objective"])
    assert other.mean_code_length_bits is None


def test_what_has_no_score_is_refused():
    vocabulary = Vocabulary.from_counts("ab", [2, 1])
    bigrams = bigrams_of([(0, 1, 1)], 2)
    with pytest.raises(InputError, match="score takes classes or a tree, not cutoffs"):
        score(Cutoffs(vocabulary, [1]), bigrams, vocabulary.counts)
    with pytest.raises(InputError, match="different vocabularies"):
        score(Classes(vocabulary, [0, 1]), bigrams, vocabulary.counts)
