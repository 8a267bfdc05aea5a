"""Allocations as columns: any tree and any word come back from JSON and from Parquet, and columns that lie do not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.allocations.trees import Drawn, chain, drawn_trees
from tests.faults.invariants import same
from wordalloc import Bigrams, Classes, Vocabulary, tree_from_codes
from wordalloc.allocations.columns import from_columns, to_columns
from wordalloc.allocations.interchange import from_json, to_json
from wordalloc.corpus.parquet_allocations import read_parquet, write_parquet
from wordalloc.corpus.reading import open_inputs
from wordalloc.errors import InputError

WORDS = {"words": ["a", "b", "c"], "counts": [5, 3, 2]}
CHARACTERS = st.characters(exclude_categories=["Cs"])


@given(drawn_trees(max_size=14))
def test_any_tree_comes_back_from_json(drawn: Drawn) -> None:
    same(from_json(json.loads(json.dumps(to_json(drawn.tree())))), drawn.tree())


@given(drawn_trees(max_size=14))
def test_a_tree_without_nodes_is_numbered_by_depth_and_then_by_code(drawn: Drawn) -> None:
    tree = drawn.tree()
    about, columns = to_columns(tree)
    del columns["nodes"]
    again = from_columns({"arity": about["arity"]}, columns)
    assert again.codes == tree.codes
    if tree.arity == 2:
        assert again.path_nodes.tolist() == tree_from_codes(tree.vocabulary, tree.codes).path_nodes.tolist()
    depths = again.node_depth.tolist()
    assert depths == sorted(depths)


def test_digits_of_several_characters() -> None:
    words = {"words": [f"w{n:02}" for n in range(12)], "counts": [0] * 12}
    flat = from_columns({}, {**words, "code": [str(n) for n in range(12)]})
    assert (flat.n_nodes, flat.arity, flat.code_lengths.tolist()) == (1, 12, [1] * 12)
    deep = from_columns({}, {**words, "code": [*(str(n) for n in range(10)), "10.0", "10.1"]})
    assert (deep.n_nodes, deep.arity) == (2, 11) and deep.codes[-1] == "10.1"
    assert from_columns({}, to_columns(chain(2001))[1] | {"nodes": to_columns(chain(2001))[1]["nodes"]}).n_nodes == 2000


@settings(max_examples=8)
@given(st.dictionaries(st.text(CHARACTERS, min_size=1, max_size=4), st.integers(0, 2**58), min_size=1, max_size=5))
def test_any_words_come_back_from_parquet(tmp_path_factory: pytest.TempPathFactory, counted: dict[str, int]) -> None:
    vocabulary = Vocabulary.from_counts(list(counted), list(counted.values()))
    file = tmp_path_factory.mktemp("parquet") / "it's a [file]"
    for content in (vocabulary, Bigrams(vocabulary, [], [], []), Bigrams(vocabulary, [0], [0], [2**62])):
        write_parquet(content, file)
        with open_inputs(file) as files:
            same(read_parquet(files[0]), content)


def test_more_rows_than_a_block(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("wordalloc.corpus.parquet_allocations._BLOCK", 7)
    vocabulary = Vocabulary.from_counts([f"w{n:02}" for n in range(40)], range(40))
    pairs = Bigrams(vocabulary, [3, 3, 39], [0, 39, 2], [1, 2, 3])
    for content in (Classes(vocabulary, [n % 3 for n in range(40)]), pairs):
        write_parquet(content, tmp_path / "a")
        with open_inputs(tmp_path / "a") as files:
            same(read_parquet(files[0]), content)


@pytest.mark.parametrize(
    ("about", "columns", "message"),
    [
        ({}, {"counts": [1]}, "the column 'words' is missing; there are: ['counts']"),
        ({}, {"words": "abc", "counts": [5, 3, 2]}, "'words' must be a list, not 'abc'"),
        ({}, {**WORDS, "counts": [2, 3, 5]}, "counts must descend"),
        (
            {},
            {**WORDS, "class": [0, 1, 0], "slot": [0, 0, 0]},
            "the column 'slot' does not agree with the others: expected [0, 0, 1]",
        ),
        ({}, {**WORDS, "class": [0, 1]}, "word_class must have one class a word"),
        (
            {},
            {**WORDS, "cluster": [0, 2, 2]},
            "the column 'cluster' does not agree with the others: expected [0, 1, 1]",
        ),
        ({}, {**WORDS, "row": [0, 0, 1], "column": [0, 1, 0], "x": [1, 2, 3]}, "'x' is nothing of table"),
        ({"shape": [1, 3]}, {**WORDS, "row": [0, 0, 1], "column": [0, 1, 0]}, "lie between 0 and 2"),
        ({"shape": [2, 2]}, {**WORDS, "row": [0, 0, 0], "column": [0, 1, 2]}, "the column 'row' does not agree"),
        ({}, {**WORDS, "code": ["0", "10", "12"]}, "uses the digit"),
        ({}, {**WORDS, "code": ["0", "10", "1x"]}, "a code holds 'x', which is no digit"),
        ({}, {**WORDS, "code": [0, 10, 11]}, "'code' must be a list of strings"),
        (
            {},
            {**WORDS, "code": ["0", "10", "11"], "nodes": [[0], [0], [0, 1]]},
            "as many inner nodes for each word as its code",
        ),
        ({"kind": "costs"}, WORDS, "the column 'row_nll' is missing"),
        ({"kind": "forest"}, WORDS, "the kind 'forest' is none of: vocabulary, bigrams"),
        ({"kind": 7}, WORDS, "'kind' must be a string"),
        ({"parameters": []}, WORDS, "'parameters' must be an object"),
        ({"text": {"unk": "x"}}, WORDS, "'text' must hold exactly"),
        ({"format_version": 2}, WORDS, "is of format version 2, but this wordalloc reads 1; upgrade it"),
    ],
    ids=range(19),
)
def test_columns_that_do_not_fit(about, columns, message) -> None:
    with pytest.raises(InputError) as caught:
        from_columns(about, columns)
    assert message in str(caught.value)
