"""Merging classes and Liang's windowed algorithm against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracles
from tests.algorithms.texts import bigrams_of, drawn_pairs, pairs_of, planted_text, zipf_text
from wordalloc import Classes, Vocabulary, brown_tree, exchange_classes, merge_classes
from wordalloc.algorithms.brown import windowed_classes
from wordalloc.algorithms.class_merging import best_pair, empty_merging, fill, insert, merge
from wordalloc.errors import InputError

TEXT = pairs_of(zipf_text(60, 3000, seed=2))
BIGRAMS = bigrams_of(TEXT, 60)


def undivided(joint: np.ndarray) -> float:
    return oracles.mutual_information(joint.tolist()) * joint.sum()


def joined(joint: np.ndarray, one: int, other: int) -> np.ndarray:
    joint = joint.copy()
    joint[one] += joint[other]
    joint[:, one] += joint[:, other]
    return np.delete(np.delete(joint, other, 0), other, 1)


def check_losses(merging, joint: np.ndarray) -> None:
    size = len(joint)
    np.testing.assert_array_equal(merging.joint[:size, :size], joint)
    before = undivided(joint)
    for one, other in itertools.combinations(range(size), 2):
        expected = before - undivided(joined(joint, one, other))
        assert merging.loss[one, other] == pytest.approx(expected, abs=1e-8 * max(1, joint.sum()))


@st.composite
def joints(draw: st.DrawFn) -> np.ndarray:
    size = draw(st.integers(2, 7))
    rows = st.lists(st.integers(0, draw(st.sampled_from([2, 9, 10**6]))), min_size=size, max_size=size)
    joint = np.array(draw(st.lists(rows, min_size=size, max_size=size)), dtype=np.float64)
    joint[0, 1] += 1
    return joint


@settings(max_examples=50, deadline=None)
@given(joints())
def test_losses_are_right_after_every_merger(joint):
    size = len(joint)
    merging = empty_merging(size)
    fill(joint, joint.sum(1), joint.sum(0), merging)
    check_losses(merging, joint)
    while size > 2:
        one, other = best_pair(size, merging)
        least = min(
            undivided(joint) - undivided(joined(joint, *pair)) for pair in itertools.combinations(range(size), 2)
        )
        assert merging.loss[one, other] == pytest.approx(least, abs=1e-8 * joint.sum())
        merge(one, other, size, merging)
        size -= 1
        joint = merging.joint[:size, :size].copy()
        check_losses(merging, joint)


@settings(max_examples=50, deadline=None)
@given(joints())
def test_losses_are_right_after_every_insertion(joint):
    merging = empty_merging(len(joint))
    for size in range(len(joint)):
        to_right, to_left = np.append(joint[size, :size], 0), np.append(joint[:size, size], 0)
        insert(size, to_right, to_left, joint[size, size], merging)
        if joint[: size + 1, : size + 1].any():
            check_losses(merging, joint[: size + 1, : size + 1])


@settings(max_examples=30, deadline=None)
@given(drawn_pairs(most_words=8) | drawn_pairs(most_words=8, most_count=2**57), st.data())
def test_each_merger_of_a_tree_is_the_one_of_least_loss(drawn, data):
    pairs, size = drawn
    word_class = data.draw(st.permutations([w % max(1, size - 2) for w in range(size)]))
    number = {c: place for place, c in enumerate(dict.fromkeys(word_class))}
    classes = Classes(bigrams_of(pairs, size).vocabulary, [number[c] for c in word_class])
    tree = merge_classes(bigrams_of(pairs, size), classes)
    current, losses = classes.word_class.tolist(), tree.parameters["losses"]
    ami = oracles.mutual_information(oracles.class_counts(pairs, current))
    assert tree.parameters["objective"] == pytest.approx(ami, abs=1e-9)
    assert sum(losses) == pytest.approx(ami, abs=1e-9)
    # The tree's own mergers, from the bottom up: siblings of the cut tree in the order of the losses.
    for loss in losses:
        options = {}
        for one, other in itertools.combinations(range(max(current) + 1), 2):
            after = oracles.merged(current, one, other)
            options[one, other] = ami - oracles.mutual_information(oracles.class_counts(pairs, after))
        assert loss == pytest.approx(min(options.values()), abs=1e-9)
        close = [pair for pair, value in options.items() if value < loss + 1e-9]
        if len(close) > 1:
            return  # a tie: from here on there are several trees
        current = oracles.merged(current, *close[0])
        ami -= loss


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_classes", [1, 2, 4, 9])
def test_windowed_classes_are_those_of_the_plain_algorithm(seed, n_classes):
    tokens = zipf_text(14, 500, seed)
    pairs = pairs_of(tokens)
    found = windowed_classes(bigrams_of(pairs, 14), n_classes)
    expected = oracles.windowed_brown(pairs, 14, n_classes)
    members = [set(np.flatnonzero(found.word_class == number).tolist()) for number in range(found.n_classes)]
    assert sorted(map(sorted, members)) == sorted(map(sorted, expected))


@pytest.mark.parametrize("leaves", ["exchange", "windowed"])
@pytest.mark.parametrize("n_classes", [1, 2, 17, 60])
def test_a_tree_is_cut_into_its_classes_with_huffman_below(leaves, n_classes):
    tree = brown_tree(BIGRAMS, n_classes, leaves=leaves)
    cut = tree.cut()
    assert cut.n_classes == n_classes
    ami = oracles.mutual_information(oracles.class_counts(TEXT, cut.word_class.tolist()))
    assert tree.parameters["objective"] == pytest.approx(ami, abs=1e-9)
    counts = tree.vocabulary.counts
    for number in range(n_classes):
        members = np.flatnonzero(cut.word_class == number)
        below = tree.code_lengths[members] - tree.class_depth[members]
        assert int(below @ counts[members]) == oracles.huffman_cost(counts[members].tolist(), 2)
    codes = {code[:depth] for code, depth in zip(tree.codes, tree.class_depth.tolist(), strict=True)}
    assert len(codes) == n_classes


def test_planted_classes_are_the_leaves_and_exchange_agrees():
    bigrams = bigrams_of(pairs_of(planted_text(8, 20, 40_000, seed=4)), 160)
    tree = brown_tree(bigrams, 8)
    assert tree.cut().word_class.tolist() == (np.arange(160) % 8).tolist()
    assert tree.cut().word_class.tolist() == exchange_classes(bigrams, 8).word_class.tolist()


def test_two_runs_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        brown_tree(BIGRAMS, 9).save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_what_does_not_fit_is_refused():
    foreign = Classes(Vocabulary.from_counts("ab", [2, 1]), [0, 1])
    with pytest.raises(InputError, match="different vocabularies"):
        merge_classes(BIGRAMS, foreign)
    for wrong in (0, 61):
        with pytest.raises(InputError, match=f"from 1 to 60, not {wrong}"):
            brown_tree(BIGRAMS, wrong)
    with pytest.raises(InputError, match="leaves must be 'exchange' or 'windowed', not 'liang'"):
        brown_tree(BIGRAMS, 2, leaves="liang")
