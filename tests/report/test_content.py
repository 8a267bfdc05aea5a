"""What is drawn of allocations, against slow and obvious versions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordalloc.allocations import Classes, Cutoffs, Table, Tree
from wordalloc.report.content import (
    band_groups,
    cell_masses,
    class_groups,
    node_totals,
    tree_part,
)
from wordalloc.report.tree_content import code_length_shares, entropy, words_below
from wordalloc.report.zipf_content import drawn_cutoffs, zipf_points
from wordalloc.vocabulary import Vocabulary


@st.composite
def vocabularies(draw, least=1, most=24):
    counts = draw(st.lists(st.integers(0, 50), min_size=least, max_size=most))
    return Vocabulary.from_counts([f"w{place}" for place in range(len(counts))], counts)


@st.composite
def trees(draw):
    """Leaves are split off at random until there is one for each word."""
    vocabulary = draw(vocabularies())
    arity = draw(st.integers(2, 4))
    codes = [()]
    while len(codes) < vocabulary.size:
        code = codes.pop(draw(st.integers(0, len(codes) - 1)))
        most = min(arity, vocabulary.size - len(codes))
        codes += [(*code, digit) for digit in range(draw(st.integers(min(2, most), most)))]
    codes = draw(st.permutations(codes))
    inner = {prefix: place for place, prefix in enumerate(sorted({c[:n] for c in codes for n in range(len(c))}))}
    nodes = [inner[code[:n]] for code in codes for n in range(len(code))]
    digits = [digit for code in codes for digit in code]
    tree = Tree(vocabulary, np.cumsum([0, *map(len, codes)]), np.array(nodes, int), np.array(digits, int), arity)
    return tree, codes, inner


def share(vocabulary, ranks):
    return sum(vocabulary.counts[rank] for rank in ranks) / max(vocabulary.total, 1)


@given(vocabularies(), st.integers(2, 9))
def test_zipf_points_are_counted_words_among_them_the_ends(vocabulary, most):
    ranks, counts = zipf_points(vocabulary, most)
    counted = int((vocabulary.counts > 0).sum())
    assert len(ranks) <= most and (np.diff(ranks) > 0).all()
    assert counts.tolist() == [vocabulary.counts[rank - 1] for rank in ranks]
    assert not counted or (ranks[0], ranks[-1]) == (1, counted)
    assert (counts > 0).all()


def test_zipf_points_of_few_words_are_all_of_them():
    ranks, counts = zipf_points(Vocabulary.from_counts("abcd", [9, 5, 3, 0]))
    assert (ranks.tolist(), counts.tolist()) == ([1, 2, 3], [9, 5, 3])


@given(st.sets(st.integers(1, 10**6), max_size=60).map(sorted), st.integers(2, 20))
def test_of_many_cutoffs_some_are_drawn_among_them_the_ends(cutoffs, most):
    places = drawn_cutoffs(np.array(cutoffs, np.int64), most).tolist()
    if len(cutoffs) <= most:
        assert places == list(range(len(cutoffs)))
        return
    assert len(places) <= most and (np.diff(places) > 0).all()
    assert (places[0], places[-1]) == (0, len(cutoffs) - 1)
    widest = 1.01 * (cutoffs[-1] / cutoffs[0]) ** (1 / (most - 1))  # of a step in log rank, but for rounding
    for left, right in itertools.pairwise(places):  # what lies between two of them is within a step
        assert right == left + 1 or cutoffs[right - 1] <= widest * cutoffs[left] + 2


@given(vocabularies(), st.data())
def test_groups_have_sizes_masses_and_first_words(vocabulary, data):
    size = vocabulary.size
    bounds = sorted(data.draw(st.sets(st.integers(1, max(1, size - 1)), max_size=4))) if size > 1 else []
    numbers = data.draw(st.lists(st.integers(0, 5), min_size=size, max_size=size))
    word_class = np.unique(numbers, return_inverse=True)[1]
    cells = data.draw(st.permutations(range(size + 3)))[:size]
    table = Table(vocabulary, cells, shape=(-(-(size + 3) // 3), 3))
    for found, group, n_groups in (
        (band_groups(Cutoffs(vocabulary, bounds), 2), np.searchsorted(bounds, range(size), "right"), len(bounds) + 1),
        (class_groups(Classes(vocabulary, word_class), 2), word_class, max(word_class) + 1),
    ):
        members = [[rank for rank in range(size) if group[rank] == number] for number in range(n_groups)]
        assert found.sizes.tolist() == list(map(len, members))
        assert found.masses == pytest.approx([share(vocabulary, ranks) for ranks in members])
        assert found.words == [[vocabulary.words[rank] for rank in ranks[:2]] for ranks in members]
    masses = cell_masses(table)
    for cell in range(table.n_rows * 3):
        mass = masses[divmod(cell, 3)]
        assert mass == pytest.approx(share(vocabulary, [cells.index(cell)])) if cell in cells else np.isnan(mass)


@given(trees())
def test_totals_of_nodes(drawn):
    tree, codes, inner = drawn
    totals = node_totals(tree)
    for prefix, node in inner.items():
        below = [rank for rank, code in enumerate(codes) if code[: len(prefix)] == prefix]
        assert (totals.sizes[node], totals.first[node]) == (len(below), below[0])
        assert totals.masses[node] == pytest.approx(share(tree.vocabulary, below))


@given(trees(), st.integers(0, 3), st.data())
def test_a_part_of_a_tree_holds_every_prefix_once(drawn, depth, data):
    tree, codes, inner = drawn
    begin = data.draw(st.sampled_from(sorted(inner))) if inner else ()
    part = tree_part(tree, node_totals(tree), root=inner.get(begin, 0), depth=depth)
    found = {}
    for place, (parent, digit) in enumerate(zip(part.parent.tolist(), part.digit.tolist(), strict=True)):
        prefix = begin if parent < 0 else (*list(found)[parent], digit)
        found[prefix] = place
    below = [code for code in codes if code[: len(begin)] == begin]
    assert set(found) == {
        code[:n] for code in below for n in range(len(begin), len(code) + 1) if n <= len(begin) + depth
    }
    for prefix, place in found.items():
        ranks = [rank for rank, code in enumerate(codes) if code[: len(prefix)] == prefix]
        assert part.node[place] == (-1 - codes.index(prefix) if prefix in codes else inner[prefix])
        assert (part.sizes[place], part.depth[place]) == (len(ranks), len(prefix) - len(begin))
        assert part.masses[place] == pytest.approx(share(tree.vocabulary, ranks))
    assert (np.diff(part.depth) >= 0).all()


@given(trees(), st.integers(0, 4))
def test_words_below_nodes_of_one_depth_and_the_shares_of_code_lengths(drawn, depth):
    tree, codes, inner = drawn
    prefixes = sorted({code[:depth] for code in codes if len(code) > depth})
    below = [[rank for rank, code in enumerate(codes) if code[:depth] == prefix] for prefix in prefixes]
    found = words_below(tree, [inner[prefix] for prefix in prefixes], 3)
    assert found == [tree.vocabulary.words_at(ranks[:3]) for ranks in below]
    tokens, words = code_length_shares(tree)
    of_length = [[rank for rank, code in enumerate(codes) if len(code) == n] for n in range(max(map(len, codes)) + 1)]
    assert tokens == pytest.approx([share(tree.vocabulary, ranks) for ranks in of_length])
    assert words == pytest.approx([len(ranks) / len(codes) for ranks in of_length])


def test_the_entropy_is_that_of_the_counted_words():
    assert entropy(Vocabulary.from_counts("abcd", [2, 1, 1, 0])) == pytest.approx(1.5)
    assert entropy(Vocabulary.from_counts("abc", [1, 1, 1]), 3) == pytest.approx(1)
    assert entropy(Vocabulary.from_counts("ab", [7, 0])) == entropy(Vocabulary.from_counts("ab", [0, 0])) == 0
