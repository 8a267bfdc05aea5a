"""TSV, JSON, paths, word classes and drawings: what other programs read."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.allocations.trees import Drawn, drawn_trees, trees_with_classes
from wordalloc import Bigrams, Classes, Cutoffs, Tree, Vocabulary, huffman
from wordalloc.allocations.interchange import (
    to_brown_paths,
    to_dot,
    to_json,
    to_mkcls_classes,
    to_tsv,
    to_word_classes,
)
from wordalloc.errors import InputError

ABOUT = {"format_version": 1, "parameters": {}, "limits": {}, "text": None, "source": {}}
ABC = Vocabulary.from_counts("abc", [5, 3, 2])
BIGRAMS = Bigrams(ABC, [0, 2], [2, 1], [4, 1], {"eos": True})
CLASSES = Classes(ABC, [0, 1, 0])
TREE = Tree(ABC, [0, 1, 3, 5], [0, 0, 1, 0, 1], [0, 1, 0, 1, 1])
WITH_CLASSES = Tree(ABC, [0, 1, 3, 5], [0, 0, 1, 0, 1], [0, 1, 0, 1, 1], class_depth=[1, 1, 1])
TERNARY = Tree(ABC, [0, 1, 2, 3], [0, 0, 0], [0, 1, 2], 3)

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r"), min_size=1, max_size=5).filter(
    lambda word: not word.startswith("\ufeff")  # which must not begin a file
)


def test_cutoffs_by_hand() -> None:
    vocabulary = Vocabulary(["é", "b", "c"], [5, 2, 0], ids=[2, 0, 1])
    cutoffs = Cutoffs(vocabulary, [1], {"by": "mass"})
    assert list(to_tsv(cutoffs)) == ["word\tcount\tcluster\n", "é\t5\t0\n", "b\t2\t1\n", "c\t0\t1\n"]
    assert to_json(cutoffs) == {
        **ABOUT,
        "kind": "cutoffs",
        "parameters": {"by": "mass"},
        "words": ["é", "b", "c"],
        "counts": [5, 2, 0],
        "ids": [2, 0, 1],
        "cluster": [0, 1, 1],
    }


@given(st.dictionaries(words, st.integers(0, 2**59), min_size=1, max_size=10))
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
    with pytest.raises(InputError, match="holds white space that TSV cannot carry; use --to json") as caught:
        list(to_tsv(Vocabulary([word], [1])))
    assert repr(word) in str(caught.value)
    assert to_json(Vocabulary([word], [1]))["words"] == [word]


def test_the_other_kinds_as_tsv() -> None:
    assert list(to_tsv(BIGRAMS)) == ["left\tright\tcount\n", "a\tc\t4\n", "c\tb\t1\n"]
    head = "word\tcount\t"
    assert list(to_tsv(CLASSES)) == [head + "class\tslot\n", "a\t5\t0\t0\n", "b\t3\t1\t0\n", "c\t2\t0\t1\n"]
    assert list(to_tsv(TREE)) == [head + "code\n", "a\t5\t0\n", "b\t3\t10\n", "c\t2\t11\n"]
    assert list(to_tsv(WITH_CLASSES)) == [
        head + "code\tclass_depth\n",
        "a\t5\t0\t1\n",
        "b\t3\t10\t1\n",
        "c\t2\t11\t1\n",
    ]
    assert list(to_tsv(Tree(Vocabulary(["a"], [1]), [0, 0], [], []))) == [head + "code\n", "a\t1\t\n"]


def test_the_other_kinds_as_json() -> None:
    shared = {**ABOUT, "words": ["a", "b", "c"], "counts": [5, 3, 2]}
    assert to_json(BIGRAMS) == {
        **shared,
        "kind": "bigrams",
        "parameters": {"eos": True},
        "left": [0, 2],
        "right": [2, 1],
        "count": [4, 1],
    }
    assert to_json(CLASSES) == {**shared, "kind": "classes", "class": [0, 1, 0], "slot": [0, 0, 1]}
    codes = {"arity": 2, "code": ["0", "10", "11"], "class_depth": [1, 1, 1], "nodes": [[0], [0, 1], [0, 1]]}
    assert json.loads(json.dumps(to_json(WITH_CLASSES))) == {**shared, "kind": "tree", **codes}


# --- the paths of Brown clustering


def test_paths_by_hand() -> None:
    assert list(to_brown_paths(TREE)) == ["0\ta\t5\n", "10\tb\t3\n", "11\tc\t2\n"]
    assert list(to_brown_paths(WITH_CLASSES)) == ["0\ta\t5\n", "1\tb\t3\n", "1\tc\t2\n"]


@given(trees_with_classes())
def test_paths_are_sorted_by_bits_and_then_by_rank(drawn: Drawn) -> None:
    tree = drawn.tree()
    if tree.arity > 2:
        with pytest.raises(InputError, match="brown-paths needs a binary tree, not a tree of arity"):
            list(to_brown_paths(tree))
        return
    rows = [line.removesuffix("\n").split("\t") for line in to_brown_paths(tree)]
    depth = dict(zip(tree.vocabulary.words, drawn.class_depth or [], strict=True))
    code = dict(zip(tree.vocabulary.words, tree.codes, strict=True))
    assert sorted(row[1] for row in rows) == sorted(tree.vocabulary.words)
    assert [row[0] for row in rows] == [code[row[1]][: depth[row[1]]] for row in rows]
    ranks = tree.vocabulary.ranks
    assert rows == sorted(rows, key=lambda row: (row[0], ranks[row[1]]))
    assert [int(row[2]) for row in rows] == [tree.vocabulary.counts[ranks[row[1]]] for row in rows]


# --- word classes


def test_word_classes_by_hand() -> None:
    assert list(to_word_classes(CLASSES)) == ["a 0\n", "b 1\n", "c 0\n"]
    assert list(to_word_classes(WITH_CLASSES)) == ["a 0\n", "b 1\n", "c 1\n"]


# --- drawings

EDGE = re.compile(r'  (n\d+) -> ([nw]\d+) \[label="(\d+)"\];')
LEAF = re.compile(r'  (w\d+) \[label="((?:[^"\\]|\\.)*) \((\d+)\)"\];')


def drawn_codes(lines: list[str]) -> tuple[dict[str, list[int]], dict[str, str]]:
    """Read a drawing: the digits on the way to each leaf, and what is written on it."""
    assert lines[0] == "digraph tree {" and lines[-1] == "}"
    edges = {child: (parent, int(digit)) for parent, child, digit in filter(None, map(_groups(EDGE), lines))}
    labels = {leaf: label for leaf, label, _ in filter(None, map(_groups(LEAF), lines))}
    nodes = {line.split()[0] for line in lines if line.endswith("[shape=point];")}
    assert len(edges) + len(labels) + len(nodes) + 3 == len(lines)  # nothing else is there
    codes = {}
    for leaf in labels:
        digits, place = [], leaf
        while place in edges:
            place, digit = edges[place]
            assert place in nodes
            digits.insert(0, digit)
        assert place == ("n0" if digits else leaf)
        codes[leaf] = digits
    return codes, labels


def _groups(pattern: re.Pattern[str]):
    return lambda line: (found := pattern.fullmatch(line)) and found.groups()


@given(drawn_trees())
def test_a_drawing_is_the_tree(drawn: Drawn) -> None:
    codes, labels = drawn_codes("".join(to_dot(drawn.tree())).splitlines())
    assert codes == {f"w{rank}": list(code) for rank, code in enumerate(drawn.codes())}
    assert labels == {f"w{rank}": word for rank, word in enumerate(drawn.vocabulary.words)}


def test_the_largest_drawing_of_one_word() -> None:
    assert drawn_codes("".join(to_dot(Tree(Vocabulary(["a"], [1]), [0, 0], [], []))).splitlines())[0] == {"w0": []}


@given(st.lists(st.text(min_size=1, max_size=6), min_size=2, max_size=6, unique=True))
def test_any_word_can_be_drawn(listed: list[str]) -> None:
    tree = huffman(Vocabulary.from_counts(listed, [1] * len(listed)))
    text = "".join(to_dot(tree))
    assert len(text.splitlines()) == text.count("\n")  # no word begins a line of its own
    _, labels = drawn_codes(text.split("\n")[:-1])
    assert len(labels) == len(listed)
    for rank, word in enumerate(tree.vocabulary.words):
        shown = labels[f"w{rank}"].replace("&amp;", "&")
        assert re.sub(r"\\(.)", r"\1", shown) == "".join(c if c.isprintable() else "\ufffd" for c in word)


def test_labels_of_awkward_words() -> None:
    words = ['say "hi"', "back\\slash", "&amp;", "\\N", "two\nlines", "tab\there", "ends in \\"]
    tree = huffman(Vocabulary.from_counts(words, range(len(words), 0, -1)))
    labels = drawn_codes("".join(to_dot(tree)).split("\n")[:-1])[1]
    assert [labels[f"w{rank}"] for rank in range(len(words))] == [
        'say \\"hi\\"',
        "back\\\\slash",
        "&amp;amp;",
        "\\\\N",
        "two\ufffdlines",
        "tab\ufffdhere",
        "ends in \\\\",
    ]


# --- what a format cannot carry


@pytest.mark.parametrize(
    ("write", "content", "message"),
    [
        (to_brown_paths, TERNARY, "brown-paths needs a binary tree, not a tree of arity 3; use --to tsv or json"),
        (to_brown_paths, CLASSES, "brown-paths needs a binary tree, not classes"),
        (to_brown_paths, ABC, "brown-paths needs a binary tree, not a vocabulary"),
        (to_word_classes, TREE, "word2vec-classes needs classes, or a tree that names classes, not a tree without"),
        (to_word_classes, BIGRAMS, "word2vec-classes needs classes, or a tree that names classes, not bigrams"),
        (to_dot, CLASSES, "dot draws trees, not classes"),
        (to_dot, ABC, "dot draws trees, not a vocabulary"),
    ],
)
def test_kinds_that_a_format_cannot_carry(write, content, message: str) -> None:
    with pytest.raises(InputError) as caught:
        next(write(content))
    assert message in str(caught.value)


@pytest.mark.parametrize("write", [to_tsv, to_brown_paths, to_word_classes])
@pytest.mark.parametrize("word", ["a\tb", "a\nb", "\r", "a b", "x" * 10**6 + "\t"])
def test_words_are_refused_before_a_line_is_written(write, word: str) -> None:
    vocabulary = Vocabulary(["first", "second", word], [3, 2, 1])
    tree = Tree(vocabulary, [0, 1, 3, 5], [0, 0, 1, 0, 1], [0, 1, 0, 1, 1], class_depth=[1, 1, 1])
    if word == "a b" and write is not to_word_classes:
        assert any("a b" in line for line in write(tree))
        return
    with pytest.raises(InputError, match=r"holds white space that .* cannot carry; use --to json") as caught:
        next(write(tree))
    assert len(str(caught.value)) < 200


def test_a_word_that_a_byte_order_mark_begins_does_not_begin_a_file():
    vocabulary = Vocabulary.from_counts(["\ufeffa", "b"], [2, 1])
    classes = Classes(vocabulary, [0, 1])
    for write, what in ((to_tsv, vocabulary), (to_word_classes, classes)):
        with pytest.raises(InputError, match=r"the word '\\ufeffa' begins with U\+FEFF, .*; use --to json"):
            list(write(what))
    assert next(to_mkcls_classes(classes)) == "b\t1\n"  # sorted: it stands elsewhere
    assert list(to_tsv(classes))[1].startswith("\ufeffa\t2\t")  # behind the names of the columns
    with pytest.raises(InputError, match="with which a file of mkcls's classes cannot begin"):
        list(to_mkcls_classes(Classes(Vocabulary.from_counts(["\ufeffa", "\ufffd"], [2, 1]), [0, 1])))
