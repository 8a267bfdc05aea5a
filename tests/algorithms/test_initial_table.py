"""First tables: by class, frequency, chance."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordalloc import Bigrams, Classes, Cutoffs, Vocabulary, initial_table, tree_from_codes
from wordalloc.errors import InputError

TEN = Vocabulary([f"w{rank}" for rank in range(10)], range(10, 0, -1))


def test_classes_that_fit_are_rows() -> None:
    table = initial_table(Classes(TEN, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]), 3)
    assert table.shape == (3, 4)
    assert [table.words_in_row(row).tolist() for row in range(3)] == [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]]
    assert table.column.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]


def test_classes_that_do_not_fit_fill_rows_one_after_the_other() -> None:
    table = initial_table(Classes(TEN, [1, 0, 1, 0, 1, 1, 1, 1, 1, 1]), 5)
    assert table.shape == (5, 2)
    rows = [table.words_in_row(row).tolist() for row in range(5)]
    assert rows == [[1, 3], [0, 2], [4, 5], [6, 7], [8, 9]]
    assert table.column.tolist() == [0, 0, 1, 1, 0, 1, 0, 1, 0, 1]


def test_words_never_seen_are_strewn_over_all_rows() -> None:
    vocabulary = Vocabulary([f"w{rank:02}" for rank in range(16)], [9] * 8 + [0] * 8)
    table = initial_table(Classes(vocabulary, [0] * 8 + [1] * 8), 4)
    assert [table.words_in_row(row).tolist() for row in range(4)] == [
        [0, 1, 8, 9],
        [2, 3, 10, 11],
        [4, 5, 12, 13],
        [6, 7, 14, 15],
    ]


def test_a_tree_gives_its_leaves_from_left_to_right() -> None:
    words = Vocabulary.from_counts(["a", "b", "c", "d"], [4, 3, 2, 1])
    tree = tree_from_codes(words, ["11", "00", "10", "01"])
    assert initial_table(tree).words_in_row(0).tolist() == [1, 3]
    assert initial_table(tree).words_in_row(1).tolist() == [0, 2]


def test_frequency_and_cutoffs_keep_the_ranks_in_order() -> None:
    assert initial_table(TEN, by="frequency").cell.tolist() == [*range(10)]
    assert initial_table(TEN, by="frequency").shape == (4, 4)
    assert initial_table(Cutoffs(TEN, [3])).cell.tolist() == [*range(10)]


def test_chance_is_the_seeds_alone() -> None:
    one, again, other = (initial_table(TEN, by="random", seed=seed).cell.tolist() for seed in (1, 1, 2))
    assert one == again != other
    assert one != sorted(one)


@given(st.integers(1, 40), st.integers(1, 9), st.data())
def test_every_table_holds_every_word_and_rows_follow_classes(size, n_classes, data) -> None:
    vocabulary = Vocabulary([f"w{rank:02}" for rank in range(size)], range(size, 0, -1))
    labels = data.draw(st.lists(st.integers(0, n_classes - 1), min_size=size, max_size=size))
    classes = Classes(vocabulary, np.unique(labels, return_inverse=True)[1])
    n_rows = data.draw(st.integers(1, size))
    table = initial_table(classes, n_rows)  # the constructor checks that no cell is used twice
    assert table.shape == (n_rows, -(-size // n_rows))
    lined_up = classes.word_class[table.word_at[table.word_at >= 0]]
    if (classes.sizes <= table.n_columns).all() and classes.n_classes <= n_rows:
        assert (classes.word_class == table.row).all()
    else:
        rows = np.sort(lined_up.reshape(-1)) if n_rows == 1 else None
        assert rows is None or rows.tolist() == sorted(classes.word_class.tolist())
        firsts = [classes.word_class[table.words_in_row(row)] for row in range(n_rows)]
        assert all(a.max() <= b.min() for a, b in itertools.pairwise(firsts) if a.size and b.size)
    for row in range(n_rows):
        words = table.words_in_row(row)
        by_class = sorted(words.tolist(), key=lambda word: (classes.word_class[word], word))
        assert table.column[by_class].tolist() == [*range(words.size)]


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (TEN, {}, "need classes, cutoffs or a tree"),
        (Bigrams(TEN, [0], [1], [1]), {}, "need classes, cutoffs or a tree"),
        (TEN, {"by": "colour"}, "'classes', 'frequency' or 'random', not 'colour'"),
        (TEN, {"by": "frequency", "n_rows": 0}, "from 1 to 10, not 0"),
        (TEN, {"by": "frequency", "n_rows": 11}, "from 1 to 10, not 11"),
        (TEN, {"by": "random", "seed": -1}, "seed must be a whole number"),
    ],
)
def test_what_is_refused(source, options, message) -> None:
    with pytest.raises(InputError, match=message):
        initial_table(source, **options)
