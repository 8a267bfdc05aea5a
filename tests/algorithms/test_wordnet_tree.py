"""Concepts stay together, by hand and over random hierarchies, and the words outside come to their nearest."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.algorithms.vocabularies import from_counts, zipf
from wordalloc import Vocabulary
from wordalloc.algorithms.wordnet_tree import wordnet_tree
from wordalloc.errors import InputError


def leaf_sets(tree) -> set[frozenset[int]]:
    """Return the sets of words below the inner nodes, and each word alone."""
    below = [set() for _ in range(tree.n_nodes)]
    for word, parent in enumerate(tree.word_parent.tolist()):
        if parent >= 0:
            below[parent].add(word)
    for node in range(tree.n_nodes - 1, 0, -1):
        below[tree.node_parent[node]] |= below[node]
    return {frozenset(words) for words in below} | {frozenset([word]) for word in range(tree.vocabulary.size)}


def test_chains_are_left_out_and_a_word_above_others_is_a_leaf_beside_them():
    vocabulary = Vocabulary.from_counts(["animal", "dog", "cat", "oak"], [8, 4, 2, 1])
    hierarchy = {
        0: ("thing", "being", "animal"),
        1: ("thing", "being", "animal", "carnivore", "canine"),
        2: ("thing", "being", "animal", "carnivore", "feline"),
        3: ("thing", "being", "plant", "tree"),
    }
    tree = wordnet_tree(vocabulary, hierarchy)
    assert tree.codes == ["00", "010", "011", "1"]
    assert tree.parameters == {
        "algorithm": "wordnet_tree",
        "seed": 0,
        "vectors": None,
        "words_inside": 4,
        "words_by_vector": 0,
        "words_beside": 0,
    }


def test_without_vectors_siblings_are_merged_by_huffman():
    counts = [21, 13, 8, 5, 3, 2, 1, 1]
    tree = wordnet_tree(from_counts(counts), dict.fromkeys(range(8), ("top",)))
    heap = sorted(counts)
    cost = 0
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        cost += merged
        heapq.heappush(heap, merged)
    assert int(tree.code_lengths @ counts) == cost


def test_words_outside_without_vectors_stand_beside_the_hierarchy():
    tree = wordnet_tree(from_counts([9, 5, 4, 3, 2]), {1: ("a",), 3: ("a", "b")})
    assert frozenset({1, 3}) in leaf_sets(tree) and frozenset({0, 2, 4}) in leaf_sets(tree)
    assert {tree.code_lengths[0], tree.code_lengths[2], tree.code_lengths[4]} == {2, 3}


def test_words_outside_join_the_nearest_word_inside():
    vocabulary = from_counts([9, 5, 4, 3, 2, 1])
    hierarchy = {0: ("x", "a"), 1: ("x", "b"), 2: ("y",)}
    vectors = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.1, 5, 0.2], [0.1, 0.3, 0.9], [0, 0, 0]]
    tree = wordnet_tree(vocabulary, hierarchy, vectors)
    assert {frozenset({1, 3}), frozenset({2, 4}), frozenset({0, 1, 3}), frozenset({0, 1, 2, 3, 4})} <= leaf_sets(tree)
    assert tree.code_lengths[5] == 1  # it has no direction
    found = tree.parameters
    assert (found["words_inside"], found["words_by_vector"], found["words_beside"]) == (3, 2, 1)


def test_many_siblings_are_split_by_their_vectors():
    rng = np.random.default_rng(0)
    kinds = rng.permutation(np.arange(60) % 3)
    vectors = np.eye(3)[kinds] + 0.02 * rng.standard_normal((60, 3))
    below = leaf_sets(wordnet_tree(from_counts([1] * 60), dict.fromkeys(range(60), ("top",)), vectors))
    for kind in range(3):
        assert frozenset(np.flatnonzero(kinds == kind).tolist()) in below


@given(st.data())
@settings(deadline=None, max_examples=80)
def test_what_stands_below_one_concept_stays_below_one_node(data):
    size = data.draw(st.integers(1, 25))
    paths = st.lists(st.sampled_from("abc"), min_size=1, max_size=6).map(tuple)
    hierarchy = data.draw(st.dictionaries(st.integers(0, size - 1), paths, min_size=1))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    vectors = rng.integers(-2, 3, (size, 3)) if data.draw(st.booleans()) else None
    tree = wordnet_tree(zipf(size), hierarchy, vectors)
    assert tree.arity == 2 and tree.n_nodes == size - 1
    outside = {*range(size)} - hierarchy.keys()
    inside_only = {found - outside for found in leaf_sets(tree)}
    for path in hierarchy.values():
        for depth in range(1, len(path) + 1):
            members = {rank for rank, other in hierarchy.items() if other[:depth] == path[:depth]}
            assert members in inside_only


def test_the_nearest_are_those_of_a_search_one_by_one(monkeypatch):
    monkeypatch.setattr("wordalloc.algorithms._vectors.BLOCK", 100)  # a few rows at a time
    rng = np.random.default_rng(4)
    vectors = rng.standard_normal((80, 5)) * rng.uniform(0.1, 9, (80, 1))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    hierarchy = {rank: ("top", f"own{rank}") for rank in range(0, 80, 4)}
    joined = {rank: {rank} for rank in hierarchy}
    for word in set(range(80)) - hierarchy.keys():
        joined[max(hierarchy, key=lambda rank: unit[rank] @ unit[word])].add(word)
    below = leaf_sets(wordnet_tree(zipf(80), hierarchy, vectors))
    assert {frozenset(words) for words in joined.values()} <= below


def test_deep_hierarchies_and_the_same_bytes_twice(tmp_path):
    hierarchy = {rank: tuple(range(rank + 1)) for rank in range(1500)}
    vectors = np.random.default_rng(0).standard_normal((2000, 4))
    for name in "ab":
        tree = wordnet_tree(zipf(2000), hierarchy, vectors, seed=3)
        tree.save(tmp_path / name)
    assert tree.code_lengths.max() >= 1499
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("hierarchy", "options", "message"),
    [
        ({}, {}, "no word of the vocabulary is in the hierarchy"),
        ({2: ("a",)}, {}, "a rank in the hierarchy must be a whole number from 0 to 1, not 2"),
        ({-1: ("a",)}, {}, "from 0 to 1, not -1"),
        ({"a": ("a",), 0: ("b",)}, {}, "from 0 to 1, not 'a'"),
        ({0: ()}, {}, "the word of rank 0 an empty path"),
        ({0: ("a",)}, {"vectors": np.ones((5, 2))}, "5 vectors but 2 words"),
        ({0: ("a",)}, {"seed": None}, "seed must be"),
    ],
)
def test_what_is_refused(hierarchy, options, message):
    with pytest.raises(InputError, match=message):
        wordnet_tree(from_counts([2, 1]), hierarchy, **options)
