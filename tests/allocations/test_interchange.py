"""TSV and JSON: what other programs read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordalloc import Cutoffs, Vocabulary
from wordalloc.allocations.interchange import to_json, to_tsv
from wordalloc.errors import InputError

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r"), min_size=1, max_size=5)


def test_cutoffs_by_hand() -> None:
    vocabulary = Vocabulary(["é", "b", "c"], [5, 2, 0], ids=[2, 0, 1])
    cutoffs = Cutoffs(vocabulary, [1], {"by": "mass"})
    assert list(to_tsv(cutoffs)) == ["é\t5\t0\n", "b\t2\t1\n", "c\t0\t1\n"]
    assert to_json(cutoffs) == {
        "kind": "cutoffs",
        "parameters": {"by": "mass"},
        "words": ["é", "b", "c"],
        "counts": [5, 2, 0],
        "ids": [2, 0, 1],
        "cluster": [0, 1, 1],
    }


@given(st.dictionaries(words, st.integers(0, 2**62), min_size=1, max_size=10))
def test_a_vocabulary_comes_back_from_both(counted: dict[str, int]) -> None:
    vocabulary = Vocabulary.from_counts(list(counted), list(counted.values()))
    rows = [line.removesuffix("\n").split("\t") for line in to_tsv(vocabulary)]
    listed = json.loads(json.dumps(to_json(vocabulary)))
    for found in ([row[0] for row in rows], listed["words"]):
        assert tuple(found) == vocabulary.words
    for found in ([int(row[1]) for row in rows], listed["counts"]):
        assert found == vocabulary.counts.tolist()


@pytest.mark.parametrize("word", ["a\tb", "a\nb", "\r"])
def test_words_that_tsv_cannot_carry(word: str) -> None:
    with pytest.raises(InputError, match="which TSV cannot carry; use --to json") as caught:
        list(to_tsv(Vocabulary([word], [1])))
    assert repr(word) in str(caught.value)
    assert to_json(Vocabulary([word], [1]))["words"] == [word]
