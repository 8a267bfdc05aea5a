"""Trees from codes, and from other programs' clusters to allocations."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.allocations.trees import Drawn, chain, drawn_trees, vocabulary_of
from wordalloc import Classes, TextOptions, Tree, Vocabulary, huffman, tree_from_codes
from wordalloc.corpus import ClusterFile
from wordalloc.errors import InputError
from wordalloc.pipelines.importing import from_clusters

ABCD = Vocabulary.from_counts("abcd", [5, 3, 2, 1])


# --- trees from codes


def test_shared_codes_become_classes() -> None:
    tree = tree_from_codes(ABCD, ["0", "10", "11", "11"])
    assert tree.codes == ["0", "10", "110", "111"]
    assert tree.class_depth.tolist() == [1, 2, 2, 2]
    assert tree.cut().word_class.tolist() == [0, 1, 2, 2]
    assert tree.parameters == {"algorithm": "tree_from_codes", "n_classes": 3}


def test_codes_of_their_own_name_no_classes() -> None:
    tree = tree_from_codes(ABCD, ["0", "10", "111", "110"])
    assert tree.codes == ["0", "10", "111", "110"] and tree.class_depth is None


def test_one_code_is_a_huffman_tree() -> None:
    tree = tree_from_codes(ABCD, [""] * 4)
    assert tree.codes == huffman(ABCD).codes
    assert tree.class_depth.tolist() == [0] * 4
    one = tree_from_codes(Vocabulary(["a"], [1]), [""])
    assert (one.codes, one.class_depth) == ([""], None)


@given(drawn_trees(max_size=14, max_arity=2), st.data())
def test_codes_come_back_with_huffman_trees_below(drawn: Drawn, data: st.DataObject) -> None:
    codes = ["".join(map(str, code)) for code in drawn.codes()]
    owner = [*range(len(codes)), *data.draw(st.lists(st.sampled_from(range(len(codes))), max_size=8))]
    vocabulary = vocabulary_of(len(owner))
    given_codes = [codes[place] for place in data.draw(st.permutations(owner))]
    tree = tree_from_codes(vocabulary, given_codes)
    sharing = Counter(given_codes)
    if max(sharing.values()) == 1:
        assert tree.class_depth is None and tree.codes == given_codes
        return
    assert [code[:depth] for code, depth in zip(tree.codes, tree.class_depth.tolist(), strict=True)] == given_codes
    for code, n in sharing.items():
        ranks = [rank for rank, given_code in enumerate(given_codes) if given_code == code]
        lengths = tree.code_lengths[ranks] - len(code)
        if n == 1:
            assert lengths.tolist() == [0]
        else:
            below = huffman(Vocabulary([f"w{rank:05}" for rank in ranks], vocabulary.counts[ranks]))
            assert lengths.tolist() == below.code_lengths.tolist()


def test_nodes_are_numbered_by_depth_and_then_by_code() -> None:
    tree = tree_from_codes(vocabulary_of(5), ["11", "100", "00", "01", "101"])
    assert tree.path_nodes.tolist() == [0, 2, 0, 2, 3, 0, 1, 0, 1, 0, 2, 3]


def test_a_deep_tree_takes_no_time() -> None:
    tree = chain(5001)
    again = tree_from_codes(tree.vocabulary, tree.codes)
    assert (again.word_parent == tree.word_parent).all() and (again.word_digit == tree.word_digit).all()
    with pytest.raises(InputError, match="no code begins with '01', the counterpart"):
        tree_from_codes(vocabulary_of(2), ["0" * 5_000_000, "1"])


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (["0", "1", "1"], "expected a code for each of 4 words, not 3"),
        (["0", "10", "11", "12"], "the code '12' of the word 'd' has digits other than 0 and 1"),
        (["0", "10", "11", "1 1"], "the code '1 1' of the word 'd' has digits other than 0 and 1"),
        (["0", "10", "11", "1\u0661"], "of the word 'd' has digits other than 0 and 1"),
        (["0", "1", "10", "11"], "the code '1' is the beginning of another one, '10'"),
        (["", "0", "1", "1"], "the code '' is the beginning of another one, '0'"),
        (["0", "0", "1", "10"], "the code '1' is the beginning of another one, '10'"),
        (["0", "0", "0", "0"], "no code begins with '1', the counterpart of others; the tree has a gap"),
        (["1", "1", "1", "1"], "no code begins with '0', the counterpart"),
        (["0", "0", "10", "10"], "no code begins with '11', the counterpart"),
        (["00", "01", "110", "111"], "no code begins with '10', the counterpart"),
        (["0" * 10**6, "0" * 10**6 + "1", "1", "1"], "no code begins with '01', the counterpart"),
        (["2" * 10**6, "0", "1", "1"], "has digits other than 0 and 1"),
        (["0" * 100] * 4, "no code begins with '1', the counterpart"),
    ],
)
def test_codes_that_are_refused(codes: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        tree_from_codes(ABCD, codes)
    assert message in str(caught.value) and len(str(caught.value)) < 250


@given(st.lists(st.text("01", max_size=4), min_size=4, max_size=4))
def test_codes_are_accepted_exactly_where_they_are_a_tree(codes: list[str]) -> None:
    distinct = set(codes)
    free = not any(one.startswith(other) for one, other in itertools.permutations(distinct, 2))
    complete = sum(2.0 ** -len(code) for code in distinct) == 1
    if free and complete:
        tree = tree_from_codes(ABCD, codes)
        assert all(found.startswith(code) for found, code in zip(tree.codes, codes, strict=True))
    else:
        with pytest.raises(InputError, match=r"is the beginning of another one|the tree has a gap"):
            tree_from_codes(ABCD, codes)


# --- from files of clusters


def test_a_paths_file_keeps_its_counts() -> None:
    made = from_clusters(ClusterFile("brown-paths", ["dog", "the", "cat"], ["11", "0", "10"], [2, 5, 2]))
    assert isinstance(made, Tree)
    assert made.vocabulary.words == ("the", "cat", "dog") and made.vocabulary.counts.tolist() == [5, 2, 2]
    assert made.codes == ["0", "10", "11"]


def test_classes_are_numbered_by_their_first_words() -> None:
    clusters = ClusterFile("word2vec-classes", ["x", "b", "a"], ["9", "verb", "9"], None)
    made = from_clusters(clusters)
    assert isinstance(made, Classes)
    assert made.vocabulary.words == ("a", "b", "x") and made.vocabulary.counts.tolist() == [0, 0, 0]
    assert made.word_class.tolist() == [0, 1, 0]
    assert made.parameters == {"algorithm": "imported"}


@pytest.mark.parametrize("name", ["{}", "CLASS-{:05}"])
def test_classes_that_are_numbers_already_keep_them(name: str) -> None:
    labels = [name.format(number) for number in (2, 0, 1, 2)]
    made = from_clusters(ClusterFile("srilm-classes", ["d", "c", "b", "a"], labels, None))
    assert made.vocabulary.words == ("a", "b", "c", "d") and made.word_class.tolist() == [2, 1, 0, 2]
    labels = [name.format(number) for number in (3, 1, 2, 3)]  # without 0, so they are numbered anew
    made = from_clusters(ClusterFile("mkcls-classes", ["d", "c", "b", "a"], labels, None))
    assert made.word_class.tolist() == [0, 1, 2, 0]


def test_counted_words_give_counts_and_text_options() -> None:
    counted = Vocabulary.from_counts(
        ["b", "a", "c"], [7, 2, 1], text=TextOptions(lowercase=True), source={"names": ["corpus.txt"]}
    )
    clusters = ClusterFile("word2vec-classes", ["x", "a", "b"], ["7", "7", "1"], None)
    made = from_clusters(clusters, counted)
    assert made.vocabulary.words == ("b", "a", "x") and made.vocabulary.counts.tolist() == [7, 2, 0]
    assert made.vocabulary.text == TextOptions(lowercase=True) and made.vocabulary.source == {"names": ["corpus.txt"]}
    assert made.word_class.tolist() == [0, 1, 1]
    with pytest.raises(InputError, match="no word of the clusters is among the counted ones"):
        from_clusters(ClusterFile("word2vec-classes", ["y", "z"], ["0", "1"], None), counted)


def test_long_names_of_classes_take_no_room_beside_themselves() -> None:
    words = [f"w{i:05}" for i in range(20_000)]
    made = from_clusters(ClusterFile("word2vec-classes", words, ["x" * 10**6, *"y" * 19_999], None))
    assert np.bincount(made.word_class).tolist() == [1, 19_999]
