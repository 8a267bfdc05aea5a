"""Classes: members, slots, masses, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordalloc import Classes, Vocabulary
from wordalloc.errors import InputError

ABCDE = Vocabulary.from_counts("abcde", [5, 2, 1, 1, 1])


@st.composite
def partitions(draw: st.DrawFn) -> Classes:
    counts = sorted(draw(st.lists(st.integers(0, 10**6), min_size=1, max_size=30)), reverse=True)
    labels = [draw(st.integers(0, 5)) for _ in counts]
    numbers = {label: number for number, label in enumerate(draw(st.permutations(sorted(set(labels)))))}
    vocabulary = Vocabulary([f"w{rank:02}" for rank in range(len(counts))], counts)
    return Classes(vocabulary, [numbers[label] for label in labels])


def test_two_classes_by_hand() -> None:
    classes = Classes(ABCDE, [0, 1, 1, 0, 1])
    assert classes.n_classes == 2
    assert classes.sizes.tolist() == [2, 3]
    assert classes.masses.tolist() == [0.6, 0.4]
    assert classes.members.tolist() == [0, 3, 1, 2, 4]
    assert classes.offsets.tolist() == [0, 2, 5]
    assert classes.slots.tolist() == [0, 0, 1, 1, 2]
    assert {name: array.tolist() for name, array in classes.addresses().items()} == {
        "class": [0, 1, 1, 0, 1],
        "slot": [0, 0, 1, 1, 2],
    }
    assert repr(classes) == "Classes(2 classes, vocabulary of 5 words)"


@pytest.mark.parametrize("word_class", [[0] * 5, [4, 2, 0, 1, 3]])
def test_one_class_and_a_class_a_word(word_class: list[int]) -> None:
    classes = Classes(ABCDE, word_class)
    assert classes.n_classes == len(set(word_class))
    assert classes.slots.tolist() == ([*range(5)] if len(set(word_class)) == 1 else [0] * 5)


def test_a_vocabulary_of_one_word() -> None:
    classes = Classes(Vocabulary(["a"], [0]), [0])
    assert (classes.n_classes, classes.masses.tolist(), classes.slots.tolist()) == (1, [0.0], [0])


def test_masses_of_the_largest_counts() -> None:
    assert Classes(Vocabulary("abcdefgh", [2**59] * 8), [0, 0, 1, 1, 2, 2, 2, 2]).masses.tolist() == [0.25, 0.25, 0.5]
    # One by one a float would lose them: 2**62 + 1 is 2**62 there.
    ones = Vocabulary.from_counts(map(str, range(10_001)), [2**62] + [1] * 10_000)
    assert Classes(ones, [0] * 10_001).masses.tolist() == [1.0]
    assert Classes(ones, [0] * 10_000 + [1]).masses.tolist() == [
        (2**62 + 9_999) / (2**62 + 10_000),
        1 / (2**62 + 10_000),
    ]


@given(partitions())
def test_everything_against_a_loop(classes: Classes) -> None:
    word_class, counts = classes.word_class.tolist(), classes.vocabulary.counts.tolist()
    members = [[rank for rank, number in enumerate(word_class) if number == k] for k in range(classes.n_classes)]
    assert classes.sizes.tolist() == [len(ranks) for ranks in members]
    assert classes.members.tolist() == [rank for ranks in members for rank in ranks]
    for k, ranks in enumerate(members):
        assert classes.members[classes.offsets[k] : classes.offsets[k + 1]].tolist() == ranks
        assert [classes.slots[rank] for rank in ranks] == [*range(len(ranks))]
    total = max(1, sum(counts))
    expected = [sum(counts[rank] for rank in ranks) / total for ranks in members]
    assert classes.masses.tolist() == pytest.approx(expected, rel=1e-12)


@given(st.lists(st.integers(-1, 5) | st.integers(-(2**63), 2**63 - 1), min_size=5, max_size=5))
def test_the_constructor_accepts_exactly_numberings_without_a_gap(word_class: list[int]) -> None:
    if sorted(set(word_class)) == [*range(len(set(word_class)))]:
        assert Classes(ABCDE, word_class).word_class.tolist() == word_class
    else:
        with pytest.raises(InputError, match=r"must lie between 0 and 4|is empty; number the classes 0 … K - 1"):
            Classes(ABCDE, word_class)


@pytest.mark.parametrize(
    ("word_class", "message"),
    [
        ([0, 0, 0], r"expected shape \(5,\), got \(3,\)"),
        ([], r"expected shape \(5,\), got \(0,\)"),
        ([[0] * 5], r"expected shape \(5,\), got \(1, 5\)"),
        (0, r"expected shape \(5,\), got \(\)"),
        ([0.0] * 5, "word_class must be whole numbers"),
        ([False] * 5, "word_class must be whole numbers"),
        (None, "word_class must be whole numbers"),
        ([2**64] * 5, "word_class must be whole numbers"),
        ([0, 0, 2, 2, 2], "class 1 is empty"),
        ([0, 0, 0, 0, 5], "classes of 5 words must lie between 0 and 4"),
        ([0, 0, 0, 0, -1], "classes of 5 words must lie between 0 and 4"),
    ],
)
def test_classes_that_are_refused(word_class, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Classes(ABCDE, word_class)


def test_something_else_than_a_vocabulary_is_refused() -> None:
    with pytest.raises(InputError, match="expected a Vocabulary, got list"):
        Classes(["a"], [0])


def test_classes_are_read_only_copies() -> None:
    given_classes = np.array([0, 1, 1, 0, 1])
    classes = Classes(ABCDE, given_classes)
    given_classes[:] = 0
    assert classes.word_class.tolist() == [0, 1, 1, 0, 1]
    for name in ("word_class", "sizes", "masses", "members", "offsets", "slots"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(classes, name)[0] = 1
    with pytest.raises(AttributeError, match="'word_class' of a Classes is read-only"):
        classes.word_class = given_classes
