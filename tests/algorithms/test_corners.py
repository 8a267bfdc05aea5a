"""Counts near the greatest, 2**62, in every algorithm that reads them, against Python's whole numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracles
from tests.algorithms.texts import bigrams_of, drawn_pairs
from tests.algorithms.vocabularies import from_counts, zipf
from wordalloc import (
    Classes,
    CostModel,
    Vocabulary,
    adaptive_cutoffs,
    brown_tree,
    cost_classes,
    exchange_classes,
    frequency_classes,
    huffman,
    predictive_classes,
    wordnet_tree,
    zipf_buckets,
)
from wordalloc.algorithms.brown import windowed_classes
from wordalloc.algorithms.constraints import Constraints
from wordalloc.algorithms.cost_model import LayerShape, class_cost
from wordalloc.algorithms.exchange_kernels import make_graph, make_partition
from wordalloc.algorithms.exchange_sweep import Sweeper
from wordalloc.algorithms.greedy_cells import greedy_cells
from wordalloc.algorithms.mutual_information import entropy_bits
from wordalloc.algorithms.reallocation import reallocate, reallocate_rows
from wordalloc.algorithms.scoring import score
from wordalloc.algorithms.zipf_mandelbrot import fit_zipf_mandelbrot

MODEL = CostModel(overhead=3, multiply_add=1, softmax=0.5, saturation=0, weight=0.125)
N_ONES = 200_000

# Descending, some near 2**62, some small, many alike or nearly so, all together below 2**63.
large = st.sampled_from([2**58, 2**58 + 1, 2**58 - 1, 2**57, 2**54 + 1]) | st.integers(0, 2**58) | st.integers(0, 3)
counts = st.lists(large, min_size=2, max_size=16).filter(any).map(lambda c: sorted(c, reverse=True))
below_greatest = st.builds(lambda c, top: [top, *c], counts, st.sampled_from([2**62 - 1, 2**62])) | counts
huge_pairs = drawn_pairs(most_words=7, most_count=2**57)


@pytest.fixture(scope="module")
def steep() -> Vocabulary:
    """One word of 2**62, and as many of 1 that floats added one by one would lose."""
    return from_counts([2**62] + [1] * N_ONES)


def bands_by_hand(masses: Sequence[int], n: int) -> list[int]:
    """The nearest ranks, each moved up to the one after the last."""
    bounds = [0]
    for i in range(1, n):
        bounds.append(max(oracles.nearest_rank(masses, Fraction(i, n)), bounds[-1] + 1))
    return bounds[1:]


@given(below_greatest, st.data())
def test_bands_of_equal_mass_are_those_of_whole_numbers(values, data):
    n = data.draw(st.integers(1, len(values)))
    expected = bands_by_hand(values, n)
    assert zipf_buckets(from_counts(values), n).cutoffs.tolist() == expected
    assert np.cumsum(frequency_classes(from_counts(values), n).sizes)[:-1].tolist() == expected


def test_a_token_in_two_to_the_sixty_decides_a_boundary():
    half = 2**61  # a half of the mass is nearest before the second word, or after it
    assert zipf_buckets(from_counts([half, half // 2, half // 2, half // 2]), 2).cutoffs.tolist() == [1]
    assert zipf_buckets(from_counts([half, half // 2 + 1, half // 2 + 1, half // 2]), 2).cutoffs.tolist() == [2]


@given(st.lists(st.integers(0, 2**29), min_size=2, max_size=16).filter(any), st.booleans(), st.data())
def test_bands_of_equal_root_mass(roots, greatest, data):
    roots = sorted([*roots, 2**31] if greatest else roots, reverse=True)
    n = data.draw(st.integers(1, len(roots)))
    found = frequency_classes(from_counts(root**2 for root in roots), n, by="sqrt-frequency")
    assert np.cumsum(found.sizes)[:-1].tolist() == bands_by_hand(roots, n)


@given(below_greatest, st.integers(2, 5))
def test_huffman_codes_are_as_short_as_a_heaps(values, arity):
    tree = huffman(from_counts(values), arity)
    cost = sum(map(math.prod, zip(tree.code_lengths.tolist(), values, strict=True)))
    assert cost == oracles.huffman_cost(values, arity)
    assert tree.mean_code_length == cost / sum(values)


@pytest.mark.parametrize("arity", [2, 3])
def test_huffman_over_one_word_ahead_of_all_others(steep, arity):
    tree = huffman(steep, arity)
    assert tree.code_lengths[0] == 1
    cost = oracles.huffman_cost(steep.counts.tolist(), arity)
    assert tree.mean_code_length == cost / (2**62 + N_ONES)


@settings(max_examples=40)
@given(counts.map(lambda c: c[:9]).filter(any), st.integers(0, 3))
def test_cutoffs_are_the_optimum_in_fractions(values, n_clusters):
    shape, n_clusters = LayerShape(dim=8, batch=64, div_value=2), min(n_clusters, len(values) - 1)
    free = Constraints(0, 1, 0)
    least, _ = oracles.best_cutoffs(MODEL, shape, free, values, n_clusters)
    found = adaptive_cutoffs(
        from_counts(values),
        n_clusters,
        dim=8,
        batch=64,
        div_value=2,
        cost_model=MODEL,
        min_head_mass=0,
        min_tail_share=0,
        threads=1,
    )
    assert found.parameters["objective"] == pytest.approx(float(least), rel=1e-12)
    reached = oracles.layer_time(MODEL, shape, values, found.cutoffs.tolist(), exact=True)
    assert float(reached) == pytest.approx(float(least), rel=1e-12)


def test_cutoffs_do_not_depend_on_the_unit_of_the_counts():
    small = zipf(3000, tokens=2.0**30)
    large = Vocabulary(small.words, small.counts << 31)
    assert large.total > 2**61
    one, other = (adaptive_cutoffs(vocabulary, threads=1).parameters for vocabulary in (small, large))
    assert one == other
    assert (cost_classes(small).word_class == cost_classes(large).word_class).all()


def test_cutoffs_behind_one_word_ahead_of_all_others(steep):
    found = adaptive_cutoffs(steep, 2, threads=1)
    assert found.cutoffs[0] == 1  # it answers all but 5e-14 of the tokens
    masses = [2**62, *found.sizes.tolist()[1:]]
    assert found.masses.tolist() == pytest.approx([mass / (2**62 + N_ONES) for mass in masses], rel=1e-15)
    assert zipf_buckets(steep, 3).cutoffs.tolist() == [1, 2]


@settings(max_examples=40)
@given(counts.map(lambda c: c[:9]).filter(any))
def test_cost_classes_are_the_best_of_all_partitions(values):
    total = sum(values)

    def cost(sizes: list[int]) -> float:
        starts = itertools.accumulate(sizes, initial=0)
        masses = [Fraction(sum(values[a : a + k]), total) for a, k in zip(starts, sizes, strict=False)]
        return class_cost(MODEL, LayerShape(2, 64), sizes, [float(mass) for mass in masses])

    found = cost_classes(from_counts(values), dim=2, batch=64, cost_model=MODEL)
    least = min(map(cost, oracles.every_bands(len(values))))
    assert found.parameters["objective"] == pytest.approx(least, rel=1e-12)


@settings(max_examples=30)
@given(huge_pairs, st.data())
def test_exchange_keeps_every_count_exactly(drawn, data):
    pairs, size = drawn
    n_classes = data.draw(st.integers(1, size))
    graph = make_graph(bigrams_of(pairs, size))
    start = np.array(data.draw(st.permutations([w % n_classes for w in range(size)])), np.int32)
    parts, words = make_partition(graph, start, n_classes), np.arange(size)
    with Sweeper(graph, n_classes, 1) as sweeper:
        for seed in range(4):  # so hot that words move back and forth
            sweeper.sweep(words, parts, temperature=1e6, seed=seed)
            joint = oracles.class_counts(pairs, parts.word_class.tolist())
            assert parts.exact.tolist() == joint
            assert parts.left.tolist() == [sum(row) for row in joint]
            assert parts.right.tolist() == [sum(column) for column in zip(*joint, strict=True)]
        before = oracles.mutual_information(joint)
        sweeper.sweep(words, parts)
    after = oracles.mutual_information(oracles.class_counts(pairs, parts.word_class.tolist()))
    assert after >= before - 1e-9


@settings(max_examples=25)
@given(huge_pairs, st.data())
def test_exchange_brown_and_score_say_what_their_classes_are_worth(drawn, data):
    pairs, size = drawn
    bigrams, n_classes = bigrams_of(pairs, size), data.draw(st.integers(1, size))
    found = exchange_classes(bigrams, n_classes, effort="fast", threads=1)
    ami = oracles.mutual_information(oracles.class_counts(pairs, found.word_class.tolist()))
    assert found.parameters["objective"] == pytest.approx(ami, abs=1e-9)

    classes = windowed_classes(bigrams, n_classes)
    ami = oracles.mutual_information(oracles.class_counts(pairs, classes.word_class.tolist()))
    assert classes.parameters["objective"] == pytest.approx(ami, abs=1e-9)
    tree = brown_tree(bigrams, n_classes, leaves="windowed")
    assert sum(tree.parameters["losses"]) == pytest.approx(ami, abs=1e-9)
    assert (tree.cut().word_class == classes.word_class).all()

    occurrences = np.array([2**62] * size)  # of a text: their sum exceeds 64 bits
    scored = score(classes, bigrams, occurrences, dim=2, batch=64, cost_model=MODEL)
    assert scored.ami_bits == pytest.approx(ami, abs=1e-9)
    assert scored.unigram_entropy_bits == pytest.approx(math.log2(size), abs=1e-9)
    shares = np.bincount(classes.word_class) / size
    assert scored.expected_cost == pytest.approx(class_cost(MODEL, LayerShape(2, 64), classes.sizes, shares))


def test_predictive_exchange_does_not_depend_on_the_unit_of_the_counts():
    # Shifted by 16 each count fits 32 bits, but those of a word beside a class do not; by 40 none does.
    rng = np.random.default_rng(0)
    for _ in range(5):
        pairs = [(a, b, int(rng.integers(2**13, 2**15))) for a in range(6) for b in range(6) if rng.random() < 0.5]
        found = [
            predictive_classes(
                bigrams_of([(left, right, count << shift) for left, right, count in pairs], 6), 2, iterations=100
            ).word_class.tolist()
            for shift in (0, 16, 40)
        ]
        assert found[1:] == [found[0]] * 2


def test_a_hierarchys_counts_are_merged_as_whole_numbers():
    # Below "x" and "y" the masses differ by 1 in 2**60: the lighter one is merged first.
    values = [2**60, 2**59 + 1, 2**59, 2**59, 2**59]
    vocabulary = from_counts(values)
    hierarchy = {0: ["a"], 1: ["x", "p"], 2: ["x", "q"], 3: ["y", "r"], 4: ["y", "s"]}
    tree = wordnet_tree(vocabulary, hierarchy)
    # y (2**60) and a (2**60, before it in the order of merging) are lighter than x.
    assert tree.code_lengths.tolist() == [2, 2, 2, 3, 3]


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.sampled_from([-100, 100]), st.booleans())
def test_costs_of_any_unit_give_the_same_table(seed, shift, by_rows):
    rng = np.random.default_rng(seed)
    rows, columns = (np.float32(rng.integers(0, 50, (7, n))) for n in (3, 3))
    unit = np.float32(2.0**shift)
    if by_rows:
        one, other = reallocate_rows(rows, 3), reallocate_rows(rows * unit, 3)
        assert one.row.tolist() == other.row.tolist()
    else:
        one, other = reallocate(rows, columns, threads=1), reallocate(rows * unit, columns * unit, threads=1)
        assert one.cell.tolist() == other.cell.tolist()
        small, large = greedy_cells(rows, columns, None), greedy_cells(rows * unit, columns * unit, None)
        assert small.tolist() == large.tolist()
    assert other.objective == one.objective * 2.0**shift
    assert other.lower_bound == pytest.approx(one.lower_bound * 2.0**shift, rel=1e-12)


def test_long_sums_of_single_precision_costs_are_exact_to_double():
    # 2**24 + 1 is not a float32: a sum in single precision would stand still there.
    size = 90_000
    nll = np.ones((size, 300), np.float32)
    nll[0] = 2.0**24
    assert reallocate_rows(nll, 300).objective == 2.0**24 + size - 1


def test_the_entropy_of_one_word_ahead_of_all_others(steep):
    total = 2**62 + N_ONES
    of_the_first = 2**62 / total * math.log1p(N_ONES / 2**62) / math.log(2)
    assert entropy_bits(steep.counts) == pytest.approx(of_the_first + N_ONES / total * math.log2(total), abs=5e-14)
    fit = fit_zipf_mandelbrot(from_counts([2**62] + [1] * 2000))
    assert all(map(math.isfinite, (fit.q, fit.s, fit.log_likelihood, fit.kl_divergence)))


def test_classes_hold_their_exact_shares():
    classes = Classes(from_counts([2**62, 3, 2, 1]), [0, 1, 0, 1])
    assert classes.masses.tolist() == pytest.approx([(2**62 + 2) / (2**62 + 6), 4 / (2**62 + 6)], rel=1e-15)
