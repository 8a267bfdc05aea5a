"""Vocabulary: order, refusals, totals, ids, fingerprints."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordalloc import TextOptions, Vocabulary
from wordalloc.checks import plain_json, whole_numbers
from wordalloc.errors import InputError
from wordalloc.vocabulary import MAX_COUNT

# Characters whose code points order differently in UTF-16 than in UTF-8, control characters, separators, emoji.
letters = st.one_of(
    st.sampled_from("ab\x00\t\n\x7fé\u2028\ue000\uffff\U00010000😀"), st.characters(exclude_categories=["Cs"])
)
words_and_counts = st.dictionaries(
    st.text(letters, min_size=1, max_size=4), st.integers(0, 5) | st.integers(0, 2**58), min_size=1, max_size=30
)


@given(words_and_counts)
def test_from_counts_sorts_by_count_then_utf8_bytes(counted: dict[str, int]) -> None:
    vocabulary = Vocabulary.from_counts(list(counted), list(counted.values()))
    expected = sorted(counted, key=lambda word: (-counted[word], word.encode("utf-8")))
    assert list(vocabulary.words) == expected
    assert vocabulary.counts.tolist() == [counted[word] for word in expected]


@given(words_and_counts, st.randoms())
def test_the_order_of_the_input_does_not_matter(counted: dict[str, int], random) -> None:
    shuffled = list(counted)
    random.shuffle(shuffled)
    first = Vocabulary.from_counts(list(counted), list(counted.values()))
    second = Vocabulary.from_counts(shuffled, [counted[word] for word in shuffled])
    assert first.words == second.words
    assert first.fingerprint == second.fingerprint


@given(words_and_counts)
def test_the_constructor_accepts_exactly_the_rank_order(counted: dict[str, int]) -> None:
    ranked = sorted(counted, key=lambda word: (-counted[word], word.encode("utf-8")))
    given_counts = [counted[word] for word in counted]
    if list(counted) == ranked:
        assert Vocabulary(list(counted), given_counts).words == tuple(ranked)
    else:
        with pytest.raises(InputError, match=r"must descend|must be sorted"):
            Vocabulary(list(counted), given_counts)


def test_words_above_the_basic_plane_follow_private_use_ones() -> None:
    # UTF-16 would put U+1F600 (surrogates D83D DE00) before U+E000; UTF-8 and code points put it after.
    assert Vocabulary.from_counts(["\U0001f600", "\ue000"], [1, 1]).words == ("\ue000", "\U0001f600")


def test_ids_follow_their_words() -> None:
    vocabulary = Vocabulary.from_counts(["x", "y", "z"], [1, 3, 2], ids=[10, 20, 0])
    assert vocabulary.words == ("y", "z", "x")
    assert vocabulary.ids.tolist() == [20, 0, 10]
    assert Vocabulary.from_counts(["x"], [1]).ids is None


@given(st.lists(st.integers(0, MAX_COUNT), min_size=1, max_size=5))
def test_total_is_exact_or_refused_where_it_exceeds_64_bits(counts: list[int]) -> None:
    words = [f"w{place}" for place in range(len(counts))]
    if sum(counts) < 2**63:
        assert Vocabulary.from_counts(words, counts).total == sum(counts)
    else:
        with pytest.raises(InputError, match=rf"less than 2\*\*63, but these sum to {sum(counts)}; scale"):
            Vocabulary.from_counts(words, counts)


def test_total_of_the_largest_counts() -> None:
    assert Vocabulary("ab", [2**62, 2**62 - 1]).total == 2**63 - 1
    with pytest.raises(InputError, match="sum to 9223372036854775808; scale"):
        Vocabulary("ab", [2**62, 2**62])
    with pytest.raises(InputError, match=f"sum to {2**65}; scale"):  # 0 in 64 bits
        Vocabulary("abcdefgh", [2**62] * 8)


@given(words_and_counts)
def test_index_inverts_words(counted: dict[str, int]) -> None:
    vocabulary = Vocabulary.from_counts(list(counted), list(counted.values()))
    assert vocabulary.index(vocabulary.words).tolist() == list(range(vocabulary.size))
    assert len(vocabulary) == vocabulary.size == len(counted)


def test_index_of_unknown_and_of_no_words() -> None:
    vocabulary = Vocabulary.from_counts(["a", "b"], [2, 1])
    assert vocabulary.index(["b", "nowhere", "", "a"]).tolist() == [1, -1, -1, 0]
    assert vocabulary.index([]).shape == (0,)
    assert vocabulary.index([]).dtype == np.int64


@given(words_and_counts)
def test_encoded_holds_every_word_at_its_offset(counted: dict[str, int]) -> None:
    vocabulary = Vocabulary.from_counts(list(counted), list(counted.values()))
    blob, offsets = vocabulary.encoded
    bounds = offsets.tolist()
    pieces = [blob.tobytes()[bounds[rank] : bounds[rank + 1]] for rank in range(vocabulary.size)]
    assert pieces == [word.encode("utf-8") for word in vocabulary.words]
    assert bounds[0] == 0 and bounds[-1] == blob.size


def test_repr_names_the_first_words() -> None:
    assert repr(Vocabulary.from_counts("ab", [2, 1])) == "Vocabulary({'a': 2, 'b': 1}, size=2)"
    assert repr(Vocabulary.from_counts("abcd", [4, 3, 2, 1])) == "Vocabulary({'a': 4, 'b': 3, 'c': 2, …}, size=4)"


# --- what is refused


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "at least one word"),
        (["a", ""], "is empty"),
        (["a", "b", "a"], "'a' appears twice"),
        (["a", None], "must be a string, not None"),
        (["a", b"b"], "must be a string, not b'b'"),
        ([1, 2], "must be a string, not 1"),
        (["a", "\ud800"], "lone surrogate"),
    ],
)
@pytest.mark.parametrize("make", [Vocabulary, Vocabulary.from_counts])
@pytest.mark.parametrize("count", [0, 3])
def test_words_that_are_refused(words: list, message: str, make, count: int) -> None:
    with pytest.raises(InputError, match=message):
        make(words, [count] * len(words))


def test_duplicates_of_different_count_are_found() -> None:
    with pytest.raises(InputError, match="'b' appears twice"):
        Vocabulary.from_counts(["b", "a", "b"], [3, 2, 1])


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([3, -1], "entry 1 is -1"),
        ([2**62 + 1, 1], f"entry 0 is {2**62 + 1}"),
        ([2**63, 1], "fit int64"),
        ([2**64, 1], "whole numbers that fit int64"),
        ([-(2**70), 1], "whole numbers that fit int64"),
        (np.array([2**64 - 1, 1], dtype=np.uint64), "must fit int64"),
        ([2.0, 1.0], "not float64"),
        ([float("nan"), 1.0], "not float64"),
        ([True, False], "not bool"),
        (["2", "1"], "whole numbers"),
        ([None, 1], "not object"),
        (np.array([2, 1], dtype="m8[s]"), "whole numbers"),
        ([[2], [1]], r"expected shape \(2,\), got \(2, 1\)"),
        ([[2], [1, 1]], "rows of one length"),
        ([2], r"expected shape \(2,\), got \(1,\)"),
        ([3, 2, 1], r"expected shape \(2,\), got \(3,\)"),
        (5, r"expected shape \(2,\), got \(\)"),
        ((count for count in [2, 1]), "whole numbers"),
    ],
)
@pytest.mark.parametrize("make", [Vocabulary, Vocabulary.from_counts])
def test_counts_that_are_refused(counts, message: str, make) -> None:
    with pytest.raises(InputError, match=message):
        make(["a", "b"], counts)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_any_integer_dtype_is_accepted(dtype: type) -> None:
    vocabulary = Vocabulary.from_counts(["a", "b"], np.array([1, 100], dtype=dtype))
    assert vocabulary.counts.dtype == np.int64
    assert vocabulary.counts.tolist() == [100, 1]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 1], "1 appears twice"),
        ([0, -7], "entry 1 is -7"),
        ([0], r"ids must have one entry a word: expected shape \(2,\)"),
        ([0.0, 1.0], "ids must be whole numbers"),
    ],
)
@pytest.mark.parametrize("make", [Vocabulary, Vocabulary.from_counts])
def test_ids_that_are_refused(ids: list, message: str, make) -> None:
    with pytest.raises(InputError, match=message):
        make(["a", "b"], [2, 1], ids=ids)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), {1, 2}, b"bytes", np.int64(3), "\ud800", 10**5000],
    ids=["nan", "infinity", "set", "bytes", "numpy", "surrogate", "huge"],
)
@pytest.mark.parametrize("name", ["source", "parameters"])
def test_values_that_a_file_cannot_hold_are_refused_at_once(value, name: str) -> None:
    with pytest.raises(InputError, match=f"{name} must be plain finite JSON values"):
        Vocabulary(["a"], [1], **{name: {"key": value}})


def test_values_nested_too_deep_are_refused() -> None:
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(InputError, match="plain finite JSON"):
        plain_json({"nested": nested}, "parameters")


# --- what a vocabulary holds is read-only


def test_arrays_are_read_only_copies() -> None:
    counts, ids = np.array([2, 1]), np.array([1, 0])
    vocabulary = Vocabulary(["a", "b"], counts, ids=ids)
    counts[0] = ids[0] = 99
    assert vocabulary.counts.tolist() == [2, 1] and vocabulary.ids.tolist() == [1, 0]
    for array in (vocabulary.counts, vocabulary.ids, *vocabulary.encoded):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5


def test_attributes_are_set_once() -> None:
    vocabulary = Vocabulary(["a"], [1])
    with pytest.raises(AttributeError, match="'words' of a Vocabulary is read-only"):
        vocabulary.words = ("b",)
    assert vocabulary.words == ("a",)


def test_parameters_are_a_private_copy() -> None:
    parameters = {"limits": [1]}
    vocabulary = Vocabulary(["a"], [1], parameters=parameters)
    parameters["limits"].append(2)
    assert vocabulary.parameters == {"limits": [1]}


# --- the words with a meaning


def test_unk_and_eos_ranks() -> None:
    words, counts = ["<eos>", "<unk>", "UNK"], [3, 2, 1]
    for text, unk_rank, eos_rank in [
        (None, 1, 0),
        (TextOptions(), 1, 0),
        (TextOptions(unk="UNK", eos=False), 2, None),
        (TextOptions(unk="absent"), None, 0),
    ]:
        vocabulary = Vocabulary(words, counts, text=text)
        assert (vocabulary.unk_rank, vocabulary.eos_rank) == (unk_rank, eos_rank)
    assert Vocabulary(["a"], [1]).unk_rank is None
    assert Vocabulary(["a"], [1]).eos_rank is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unk": ""}, "one word without white space"),
        ({"unk": "two words"}, "one word without white space"),
        ({"unk": "<unk>\n"}, "one word without white space"),
        ({"unk": "<eos>"}, "cannot be '<eos>'"),
        ({"unk": "\udc80"}, "lone surrogate"),
        ({"unk": None}, "unk must be a str"),
        ({"errors": "ignore"}, "'strict' or 'replace', not 'ignore'"),
        ({"lowercase": "yes"}, "lowercase must be a bool"),
        ({"eos": 1}, "eos must be a bool"),
    ],
)
def test_text_options_that_are_refused(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TextOptions(**options)


def test_a_no_break_space_does_not_separate_words() -> None:
    assert TextOptions(unk="un\xa0known").unk == "un\xa0known"


# --- fingerprints


def test_the_fingerprint_depends_on_every_part_and_on_nothing_else() -> None:
    base = Vocabulary(["a", "b"], [2, 1])
    others = [
        Vocabulary(["a", "c"], [2, 1]),
        Vocabulary(["ab", "c"], [2, 1]),
        Vocabulary(["a", "bc"], [2, 1]),
        Vocabulary(["a", "b"], [2, 0]),
        Vocabulary(["a", "b"], [2, 1], ids=[0, 1]),
        Vocabulary(["a", "b"], [2, 1], ids=[1, 0]),
        Vocabulary(["a"], [2]),
    ]
    assert len({vocabulary.fingerprint for vocabulary in [base, *others]}) == len(others) + 1
    told = Vocabulary(["a", "b"], [2, 1], text=TextOptions(lowercase=True), source={"s": 1}, parameters={"p": 1})
    assert told.fingerprint == base.fingerprint


def test_the_fingerprint_is_pinned() -> None:
    # Caches on disk are named by it: words, then offsets 0 1 2, counts 2 1, and no ids, each after its length.
    parts = [b"2;ab", b"3;" + np.arange(3).tobytes(), b"2;" + np.array([2, 1]).tobytes(), b"absent;"]
    expected = hashlib.sha256(b"".join(parts)).hexdigest()
    assert Vocabulary(["a", "b"], [2, 1]).fingerprint == expected


@pytest.mark.parametrize("shape", [(), (0,), (2, 2)])
def test_whole_numbers_keeps_the_shape(shape: tuple[int, ...]) -> None:
    assert whole_numbers(np.ones(shape, dtype=np.int16), "values").shape == shape
