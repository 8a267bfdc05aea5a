"""Tree: paths, codes, classes inside it, and everything that is no tree."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.allocations.trees import Drawn, chain, drawn_trees, trees_with_classes, vocabulary_of
from wordalloc import Tree, Vocabulary
from wordalloc.errors import InputError

ABC = Vocabulary.from_counts("abc", [5, 3, 2])
OFFSETS, NODES, DIGITS = [0, 1, 3, 5], [0, 0, 1, 0, 1], [0, 1, 0, 1, 1]


def test_three_words_by_hand() -> None:
    tree = Tree(ABC, OFFSETS, NODES, DIGITS)
    assert tree.codes == ["0", "10", "11"]
    assert (tree.n_nodes, tree.arity) == (2, 2)
    assert tree.mean_code_length == (5 * 1 + 3 * 2 + 2 * 2) / 10
    assert tree.node_parent.tolist() == [-1, 0] and tree.node_digit.tolist() == [0, 1]
    assert tree.word_parent.tolist() == [0, 1, 1] and tree.word_digit.tolist() == [0, 0, 1]
    assert tree.node_depth.tolist() == [0, 1]
    assert tree.node_sizes.tolist() == [2, 2]
    assert [array.tolist() for array in tree.children] == [[0, 2, 4], [-1, 1, -2, -3]]
    assert list(tree.addresses()) == ["code"] and tree.addresses()["code"].tolist() == ["0", "10", "11"]
    assert repr(tree) == "Tree(2 inner nodes of arity 2, vocabulary of 3 words)"


def test_one_word_has_an_empty_path() -> None:
    one = Vocabulary(["a"], [3])
    for tree in (Tree(one, [0, 0], [], []), Tree.from_nodes(one, [], [], [-1], [0])):
        assert tree.codes == [""]
        assert (tree.n_nodes, tree.mean_code_length) == (0, 0.0)
        assert tree.code_lengths.tolist() == [0]
        assert tree.path_offsets.tolist() == [0, 0] and tree.path_nodes.size == tree.path_digits.size == 0
        assert tree.node_depth.size == tree.node_sizes.size == 0
        assert [array.tolist() for array in tree.children] == [[0], []]
    assert Tree(one, [0, 0], [], [], class_depth=[0]).cut().word_class.tolist() == [0]


def test_uncounted_words_count_alike() -> None:
    assert Tree(Vocabulary("abc", [0, 0, 0]), OFFSETS, NODES, DIGITS).mean_code_length == 5 / 3


def test_digits_of_more_than_one_figure_are_told_apart() -> None:
    flat = Tree.from_nodes(vocabulary_of(12), [-1], [0], [0] * 12, range(12), arity=12)
    assert flat.codes == [str(digit) for digit in range(12)]
    deeper = Tree.from_nodes(vocabulary_of(12), [-1, 0], [0, 10], [0] * 10 + [1, 1], [*range(10), 0, 1], arity=11)
    assert deeper.codes[9:] == ["9", "10.0", "10.1"]


@given(drawn_trees())
def test_paths_come_back(drawn: Drawn) -> None:
    tree = drawn.tree()
    expected = drawn.arrays()
    assert {name: getattr(tree, name).tolist() for name in expected} == expected
    assert {name: array.tolist() for name, array in tree.arrays().items()} == {**expected, "arity": [drawn.arity]}
    assert tree.codes == ["".join(map(str, code)) for code in drawn.codes()]
    assert tree.code_lengths.tolist() == [len(path) for path in drawn.paths]
    weights = drawn.vocabulary.counts.tolist()
    total = sum(weight * len(path) for weight, path in zip(weights, drawn.paths, strict=True))
    assert tree.mean_code_length == pytest.approx(total / sum(weights), rel=1e-12)


@given(drawn_trees())
def test_nodes_against_the_paths(drawn: Drawn) -> None:
    tree = drawn.tree()
    below: dict[int, dict[int, int]] = {node: {} for node in range(tree.n_nodes)}
    depth = {}
    for rank, path in enumerate(drawn.paths):
        for place, (node, digit) in enumerate(path):
            below[node][digit] = path[place + 1][0] if place + 1 < len(path) else -1 - rank
            depth[node] = place
    offsets, children = tree.children
    for node in range(tree.n_nodes):
        assert children[offsets[node] : offsets[node + 1]].tolist() == [
            below[node][digit] for digit in range(len(below[node]))
        ]
        assert tree.node_sizes[node] == len(below[node])
        assert tree.node_depth[node] == depth[node]
    again = Tree.from_nodes(
        drawn.vocabulary, tree.node_parent, tree.node_digit, tree.word_parent, tree.word_digit, drawn.arity
    )
    assert {name: array.tolist() for name, array in again.arrays().items()} == {
        name: array.tolist() for name, array in tree.arrays().items()
    }


@given(drawn_trees())
def test_codes_are_prefix_free_and_complete(drawn: Drawn) -> None:
    tree = drawn.tree()
    codes = ["".join(map(str, code)) for code in drawn.codes()]
    assert not any(one.startswith(other) for one, other in itertools.permutations(codes, 2))
    sizes, offsets = tree.node_sizes.tolist(), tree.path_offsets.tolist()
    kraft = Fraction(0)
    for start, end in itertools.pairwise(offsets):
        share = Fraction(1)
        for node in tree.path_nodes[start:end].tolist():
            share /= sizes[node]
        kraft += share
    assert kraft == 1


@pytest.mark.parametrize("size", [2, 3, 2001])
def test_a_chain(size: int) -> None:
    tree = chain(size)
    assert tree.code_lengths.tolist() == [*range(1, size), size - 1]
    assert tree.mean_code_length == pytest.approx(
        sum((size - rank) * min(rank + 1, size - 1) for rank in range(size)) / sum(range(1, size + 1))
    )
    assert tree.path_nodes[-(size - 1) :].tolist() == list(range(size - 1))
    assert tree.codes[-2:] == ["1" * (size - 2) + "0", "1" * (size - 1)]
    again = Tree(tree.vocabulary, tree.path_offsets, tree.path_nodes, tree.path_digits)
    assert (again.word_parent == tree.word_parent).all() and (again.node_parent == tree.node_parent).all()


def test_a_tree_too_deep_for_recursion() -> None:
    assert chain(20_001).code_lengths.max() == 20_000


# --- classes inside a tree


def classes_by_prefix(drawn: Drawn, depth: list[int]) -> list[tuple[int, ...]] | None:
    """Return each word's leading digits, or None where some class's place lies inside another class."""
    codes = drawn.codes()
    places = [code[:digits] for code, digits in zip(codes, depth, strict=True)]
    for place in places:
        if any(code[: len(place)] == place and own != place for code, own in zip(codes, places, strict=True)):
            return None
    return places


@given(trees_with_classes())
def test_the_cut_is_by_leading_digits(drawn: Drawn) -> None:
    assert drawn.class_depth is not None
    places = classes_by_prefix(drawn, drawn.class_depth)
    tree = drawn.tree()
    assert places is not None and tree.class_depth is not None
    assert tree.class_depth.tolist() == drawn.class_depth
    assert tree.addresses()["class_depth"].tolist() == drawn.class_depth
    number: dict[tuple[int, ...], int] = {}
    assert tree.cut().word_class.tolist() == [number.setdefault(place, len(number)) for place in places]


@given(drawn_trees(max_size=7), st.data())
def test_class_depth_is_accepted_exactly_where_classes_are_whole(drawn: Drawn, data: st.DataObject) -> None:
    depth = [data.draw(st.integers(0, len(path))) for path in drawn.paths]
    if classes_by_prefix(drawn, depth) is not None:
        assert drawn.tree(class_depth=depth).class_depth.tolist() == depth
    else:
        with pytest.raises(InputError, match=r"class_depth puts the word 'w.*' into a class inside a class"):
            drawn.tree(class_depth=depth)


@pytest.mark.parametrize(
    ("depth", "message"),
    [
        ([1, 1], "class_depth must have one entry a word: (3,), not (2,)"),
        ([[1, 1, 1]], "class_depth must have one entry a word"),
        ([2, 1, 1], "class_depth must lie between 0 and the word's code length"),
        ([-1, 1, 1], "class_depth must lie between 0 and the word's code length"),
        ([2**62, 1, 1], "class_depth must lie between"),
        ([1, 1, 2], "puts the word 'c' into a class inside a class"),
        ([0, 1, 1], "into a class inside a class"),
        ([1.0, 1.0, 1.0], "class_depth must be whole numbers"),
    ],
)
def test_class_depths_that_are_refused(depth: list, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Tree(ABC, OFFSETS, NODES, DIGITS, class_depth=depth)
    assert message in str(caught.value)


def test_all_words_in_one_class_and_each_in_its_own() -> None:
    assert Tree(ABC, OFFSETS, NODES, DIGITS, class_depth=[0, 0, 0]).cut().word_class.tolist() == [0, 0, 0]
    assert Tree(ABC, OFFSETS, NODES, DIGITS, class_depth=[1, 2, 2]).cut().word_class.tolist() == [0, 1, 2]


def test_classes_are_numbered_by_their_most_frequent_words() -> None:
    # Code order is c, b, a; the class of b and c lies left of a's.
    tree = Tree(ABC, [0, 1, 3, 5], [0, 0, 1, 0, 1], [1, 0, 1, 0, 0], class_depth=[1, 1, 1])
    assert tree.codes == ["1", "01", "00"]
    cut = tree.cut()
    assert cut.word_class.tolist() == [0, 1, 1]
    assert cut.parameters == {"algorithm": "cut", "tree": {}}


def test_a_tree_without_classes_cannot_be_cut() -> None:
    with pytest.raises(InputError, match="this tree names no classes"):
        Tree(ABC, OFFSETS, NODES, DIGITS).cut()


# --- what is no tree


@given(drawn_trees(least=2), st.data())
def test_every_changed_entry_of_a_path_is_refused(drawn: Drawn, data: st.DataObject) -> None:
    arrays = drawn.arrays()
    name = data.draw(st.sampled_from(sorted(arrays)))
    place = data.draw(st.integers(0, len(arrays[name]) - 1))
    other = st.integers(-2, max(arrays[name]) + 2) | st.integers(-(2**63), 2**63 - 1)
    arrays[name][place] = data.draw(other.filter(lambda value: value != arrays[name][place]))
    with pytest.raises(InputError) as caught:
        drawn.tree(**arrays)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


@given(drawn_trees(least=2), st.data())
def test_every_dropped_or_repeated_entry_is_refused(drawn: Drawn, data: st.DataObject) -> None:
    arrays = drawn.arrays()
    name = data.draw(st.sampled_from(sorted(arrays)))
    place = data.draw(st.integers(0, len(arrays[name]) - 1))
    arrays[name][place : place + 1] = [] if data.draw(st.booleans()) else [arrays[name][place]] * 2
    with pytest.raises(InputError):
        drawn.tree(**arrays)


@given(drawn_trees(max_size=6), st.data())
def test_arity_is_at_least_the_most_children(drawn: Drawn, data: st.DataObject) -> None:
    arity = data.draw(st.integers(2, 6))
    needed = max((digit for path in drawn.paths for _, digit in path), default=0) + 1
    if arity >= needed:
        assert drawn.tree(arity=arity).arity == arity
    else:
        with pytest.raises(InputError, match=f"digits of arity {arity} must lie between 0 and {arity - 1}"):
            drawn.tree(arity=arity)


def test_digits_have_no_gap() -> None:
    with pytest.raises(InputError, match="inner node 0 has 2 children but uses the digit 2"):
        Tree(ABC, OFFSETS, NODES, [0, 2, 0, 2, 1], arity=3)


@pytest.mark.parametrize("arity", [1, 0, -2, 2**31, True, 2.0, "2", None])
def test_arities_that_are_refused(arity) -> None:
    with pytest.raises(InputError, match="arity must be a whole number from 2 to 2147483647"):
        Tree(ABC, OFFSETS, NODES, DIGITS, arity)


@pytest.mark.parametrize(
    ("offsets", "nodes", "digits", "message"),
    [
        ([0, 1, 3], NODES, DIGITS, "path_offsets must rise from 0 to 5, the length of the paths, in 4 entries"),
        ([0, 3, 1, 5], NODES, DIGITS, "path_offsets must rise from 0 to 5"),
        ([0, 2**63 - 1, -5, 5], NODES, DIGITS, "path_offsets must rise"),
        ([[0, 1, 3, 5]], NODES, DIGITS, "path_offsets must rise"),
        ([0, 0, 2, 4], [0, 1, 0, 1], [0, 0, 0, 1], "the path of word 0 is empty"),
        (OFFSETS, NODES, DIGITS[:-1], "path_nodes and path_digits must be flat and of one length, not (5,)"),
        (OFFSETS, [NODES], [DIGITS], "must be flat"),
        (OFFSETS, [1, 0, 1, 0, 1], DIGITS, "the path of word 0 does not begin at the root, inner node 0"),
        (OFFSETS, [0, 0, 2, 0, 2], DIGITS, "inner nodes of a tree over 3 words must lie between 0 and 1"),
        (OFFSETS, [0, 0, 1, 0, 0], DIGITS, "inner node 0 is the root and cannot have a parent"),
        (OFFSETS, NODES, [0, 1, 0, 0, 1], "inner node 1 is reached in two ways"),
        (OFFSETS, NODES, [0, 1, 0, 1, 0], "inner node 1 uses a digit twice"),
        (OFFSETS, NODES, [0, 1, 0, 1, 2], "digits of arity 2 must lie between 0 and 1, not 0 … 2"),
        (OFFSETS, NODES, [1, 1, 0, 1, 1], "inner node 0 uses a digit twice: one code would be another's, or its"),
        ([0, 1, 2, 3], [0, 0, 0], [0, 1, 1], "inner node 0 uses a digit twice"),
        ([0, 2, 4, 6], [0, 1] * 3, [0, 0, 0, 1, 0, 1], "inner node 0 has 1 children; it needs at least 2"),
        (OFFSETS, [0.0] * 5, DIGITS, "path_nodes must be whole numbers"),
    ],
)
def test_paths_that_are_refused(offsets, nodes, digits, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Tree(ABC, offsets, nodes, digits)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("nodes", "digits", "parents", "word_digits", "message"),
    [
        ([], [], [-1, -1, -1], [0, 0, 0], "a tree over 3 words needs a root"),
        ([0, 0], [0, 1], [0, 1, 1], [0, 0, 1], "inner node 0 is the root and cannot have a parent"),
        ([-1, -1], [0, 1], [0, 1, 1], [0, 0, 1], "a parent is no inner node: they are numbered 0 to 1"),
        ([-1, 0], [0, 1], [0, 1, 2], [0, 0, 1], "a parent is no inner node"),
        ([-1, 0], [0, 1], [0, 1, -1], [0, 0, 1], "a parent is no inner node"),
        ([-1, 1], [0, 0], [0, 0, 1], [0, 1, 1], "inner node 1 cannot be reached from the root"),
        ([-1, 0], [0], [0, 1, 1], [0, 0, 1], "node_parent and node_digit must be flat and of one length"),
        ([-1, 0], [0, 1], [0, 1], [0, 0], "word_parent and word_digit must have one entry a word: (3,)"),
        ([-1, 0], [0, -1], [0, 1, 1], [0, 0, 1], "digits of arity 2 must lie between 0 and 1, not -1"),
        ([-1, 0], [0, 1], [0, 1, 1], [0, 0, 2**40], "digits of arity 2 must lie between"),
    ],
)
def test_nodes_that_are_refused(nodes, digits, parents, word_digits, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Tree.from_nodes(ABC, nodes, digits, parents, word_digits)
    assert message in str(caught.value)


def test_one_word_below_an_inner_node_is_refused() -> None:
    one = Vocabulary(["a"], [1])
    with pytest.raises(InputError, match="inner node 0 has 1 children; it needs at least 2"):
        Tree(one, [0, 1], [0], [0])
    with pytest.raises(InputError, match="a tree over 1 words needs a root"):
        Tree.from_nodes(one, [], [], [0], [0])


def test_a_tree_is_read_only_and_a_copy() -> None:
    nodes = np.array(NODES)
    tree = Tree(ABC, OFFSETS, nodes, DIGITS, class_depth=[1, 1, 1])
    nodes[:] = 0
    assert tree.path_nodes.tolist() == NODES
    for name in ("path_offsets", "path_nodes", "path_digits", "node_parent", "word_digit", "node_depth", "class_depth"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(tree, name)[0] = 1
    for array in tree.children:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(AttributeError, match="'class_depth' of a Tree is read-only"):
        tree.class_depth = None
