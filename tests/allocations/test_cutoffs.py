"""Cutoffs: bands, masses, refusals."""

import bisect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordalloc import Cutoffs, Vocabulary
from wordalloc.errors import InputError

ABCDE = Vocabulary.from_counts("abcde", [5, 2, 1, 1, 1])


@st.composite
def bands(draw) -> Cutoffs:
    counts = sorted(draw(st.lists(st.integers(0, 10**6), min_size=1, max_size=40)), reverse=True)
    vocabulary = Vocabulary([f"w{rank:02}" for rank in range(len(counts))], counts)
    chosen = draw(st.sets(st.integers(1, len(counts) - 1))) if len(counts) > 1 else set()
    return Cutoffs(vocabulary, sorted(chosen))


def test_three_bands_by_hand() -> None:
    cutoffs = Cutoffs(ABCDE, [1, 3])
    assert cutoffs.bounds.tolist() == [0, 1, 3, 5]
    assert cutoffs.sizes.tolist() == [1, 2, 2]
    assert cutoffs.masses.tolist() == [0.5, 0.3, 0.2]
    assert cutoffs.n_clusters == 2
    assert cutoffs.addresses()["cluster"].tolist() == [0, 1, 1, 2, 2]
    assert repr(cutoffs) == "Cutoffs([1, 3], vocabulary of 5 words)"


@pytest.mark.parametrize("empty", [[], (), np.array([], dtype=np.int32), np.array([])])
def test_no_cutoffs_are_one_band(empty) -> None:
    cutoffs = Cutoffs(ABCDE, empty)
    assert cutoffs.sizes.tolist() == [5]
    assert cutoffs.masses.tolist() == [1.0]
    assert cutoffs.n_clusters == 0
    assert cutoffs.cutoffs.dtype == np.int64


def test_a_vocabulary_of_one_word() -> None:
    assert Cutoffs(Vocabulary(["a"], [0]), []).sizes.tolist() == [1]


def test_every_word_its_own_band() -> None:
    assert Cutoffs(ABCDE, [1, 2, 3, 4]).sizes.tolist() == [1] * 5


def test_masses_of_words_that_were_never_counted() -> None:
    assert Cutoffs(Vocabulary("abc", [0, 0, 0]), [1]).masses.tolist() == [0.0, 0.0]


def test_masses_of_the_largest_counts() -> None:
    assert Cutoffs(Vocabulary("abcdefgh", [2**59] * 8), [2, 4]).masses.tolist() == [0.25, 0.25, 0.5]
    # One by one a float would lose them: 2**62 + 1 is 2**62 there.
    ones = Vocabulary.from_counts([f"{i:05}" for i in range(10_001)], [2**62] + [1] * 10_000)
    assert Cutoffs(ones, []).masses.tolist() == [1.0]
    assert Cutoffs(ones, [1]).masses.tolist() == [2**62 / (2**62 + 10_000), 10_000 / (2**62 + 10_000)]


@given(bands())
def test_bands_against_a_loop(cutoffs: Cutoffs) -> None:
    counts = cutoffs.vocabulary.counts.tolist()
    listed = cutoffs.cutoffs.tolist()
    of_rank = [bisect.bisect_right(listed, rank) for rank in range(len(counts))]
    members = [[rank for rank, band in enumerate(of_rank) if band == i] for i in range(len(listed) + 1)]
    assert cutoffs.sizes.tolist() == [len(ranks) for ranks in members]
    assert cutoffs.cluster_of(range(len(counts))).tolist() == of_rank
    assert cutoffs.addresses()["cluster"].tolist() == of_rank
    total = max(sum(counts), 1)
    expected = [sum(counts[rank] for rank in ranks) / total for ranks in members]
    assert cutoffs.masses.tolist() == pytest.approx(expected, rel=1e-12)


@given(st.lists(st.integers(-3, 9) | st.integers(-(2**63), 2**63 - 1), max_size=5))
def test_the_constructor_accepts_exactly_increasing_ranks(listed: list[int]) -> None:
    valid = all(1 <= cutoff <= 4 for cutoff in listed) and listed == sorted(set(listed))
    if valid:
        assert Cutoffs(ABCDE, listed).cutoffs.tolist() == listed
    else:
        with pytest.raises(InputError, match=r"cutoffs must increase strictly between 1 and 4 .* 5 words\), not \["):
            Cutoffs(ABCDE, listed)


def test_differences_that_overflow_are_no_way_in() -> None:
    # 2**63 - 1 to -5 is a step of +2**63 - 4 in 64-bit arithmetic.
    with pytest.raises(InputError, match="increase strictly"):
        Cutoffs(ABCDE, [2**63 - 1, -5])


@pytest.mark.parametrize(
    ("cutoffs", "message"),
    [
        ([1.0, 3.0], "whole numbers"),
        ([True], "whole numbers"),
        (["1"], "whole numbers"),
        ([[1, 3]], "flat list"),
        (3, "flat list"),
        ([[1], [2, 3]], "rows of one length"),
        ([2**64], "fit int64"),
        (np.array([2**63], dtype=np.uint64), "fit int64"),
        (None, "whole numbers"),
    ],
)
def test_cutoffs_that_are_refused(cutoffs, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Cutoffs(ABCDE, cutoffs)


def test_long_cutoffs_are_shortened_in_messages() -> None:
    with pytest.raises(InputError) as caught:
        Cutoffs(ABCDE, range(100_000))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("vocabulary", [None, ["a"], {"a": 1}])
def test_something_else_than_a_vocabulary_is_refused(vocabulary) -> None:
    with pytest.raises(InputError, match="expected a Vocabulary"):
        Cutoffs(vocabulary, [])


@pytest.mark.parametrize("shape", [(), (0,), (2, 2)])
def test_cluster_of_keeps_the_shape(shape: tuple[int, ...]) -> None:
    assert Cutoffs(ABCDE, [1, 3]).cluster_of(np.full(shape, 4)).shape == shape


@pytest.mark.parametrize("rank", [-1, 5, 2**62])
def test_cluster_of_refuses_what_is_no_rank(rank: int) -> None:
    with pytest.raises(InputError, match="ranks must lie between 0 and 4"):
        Cutoffs(ABCDE, [1, 3]).cluster_of([0, rank])


def test_cutoffs_are_read_only_copies() -> None:
    given_cutoffs = np.array([1, 3])
    cutoffs = Cutoffs(ABCDE, given_cutoffs)
    given_cutoffs[0] = 2
    assert cutoffs.cutoffs.tolist() == [1, 3]
    for array in (cutoffs.cutoffs, cutoffs.masses):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(AttributeError, match="'cutoffs' of a Cutoffs is read-only"):
        cutoffs.cutoffs = given_cutoffs


def test_parameters_are_a_private_copy_of_plain_values() -> None:
    parameters = {"by": "mass", "limits": (1, 2)}
    cutoffs = Cutoffs(ABCDE, [1], parameters)
    parameters["by"] = "rank"
    assert cutoffs.parameters == {"by": "mass", "limits": [1, 2]}


@pytest.mark.parametrize("parameters", [{"cost": float("nan")}, {"cost": np.float32(1)}, {"text": "\udcff"}])
def test_parameters_that_a_file_cannot_hold(parameters: dict) -> None:
    with pytest.raises(InputError, match="parameters must be plain finite JSON values"):
        Cutoffs(ABCDE, [1], parameters)


def test_the_one_reserved_parameter() -> None:
    with pytest.raises(InputError, match="parameters cannot hold 'vocabulary'"):
        Cutoffs(ABCDE, [1], {"vocabulary": {}})
