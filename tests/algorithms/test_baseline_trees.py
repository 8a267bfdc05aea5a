"""Complete trees by hand, and the two things that define them: even depths, the lesser ones first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.algorithms.vocabularies import from_counts, zipf
from wordalloc.algorithms.baseline_trees import balanced_tree, random_tree
from wordalloc.errors import InputError


@pytest.mark.parametrize(
    ("size", "arity", "codes"),
    [
        (1, 2, [""]),
        (2, 2, ["0", "1"]),
        (3, 2, ["1", "00", "01"]),
        (4, 2, ["00", "01", "10", "11"]),
        (3, 5, ["0", "1", "2"]),
        (4, 3, ["1", "2", "00", "01"]),
        # Five inner nodes: the root, its three children, and the first child of the first of these.
        (10, 3, ["01", "02", "10", "11", "12", "20", "21", "22", "000", "001"]),
    ],
)
def test_by_hand(size, arity, codes):
    assert balanced_tree(from_counts([1] * size), arity).codes == codes


@given(st.integers(1, 300), st.integers(2, 9), st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_depths_differ_by_one_at_most_and_frequent_words_are_not_deeper(size, arity, seed):
    tree = balanced_tree(zipf(size), arity)
    lengths = tree.code_lengths
    least = next(depth for depth in range(size) if arity ** (depth + 1) > size)  # ⌊log size⌋
    assert set(lengths.tolist()) <= {least, least + 1}
    assert (np.diff(lengths) >= 0).all()
    assert tree.n_nodes == -(-(size - 1) // (arity - 1))
    shuffled = random_tree(zipf(size), arity, seed)
    assert sorted(shuffled.codes) == sorted(tree.codes)


def test_no_word_more_fits_at_the_lesser_depth():
    # Of 5 words three can have 2 bits, but not four (Kraft: 3/4 + 2/8 = 1).
    assert balanced_tree(from_counts([5, 4, 3, 2, 1])).code_lengths.tolist() == [2, 2, 2, 3, 3]


def test_random_trees_differ_by_seed_and_forget_the_ranks(tmp_path):
    vocabulary = zipf(1000)
    one, again, other = (
        random_tree(vocabulary, seed=1),
        random_tree(vocabulary, seed=1),
        random_tree(vocabulary, seed=2),
    )
    one.save(tmp_path / "one"), again.save(tmp_path / "again")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "again").read_bytes()
    assert one.codes != other.codes
    assert abs(np.corrcoef(np.arange(1000), one.code_lengths)[0, 1]) < 0.15
    assert one.parameters == {"algorithm": "random_tree", "arity": 2, "seed": 1}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda v: balanced_tree(v, 1), "arity must be a whole number from 2 .*, not 1"),
        (lambda v: random_tree(v, 2.0), "arity must be a whole number"),
        (lambda v: random_tree(v, 2, -1), "seed must be a whole number of at least 0, not -1"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make(from_counts([2, 1]))
