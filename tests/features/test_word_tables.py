"""Brown features and exchange clusters: scikit-learn's checks, cases by hand, and the command line's own answers."""

from __future__ import annotations

import itertools
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

import wordalloc
from wordalloc import Classes, Tree, Vocabulary
from wordalloc.allocations.interchange import to_brown_paths
from wordalloc.cli import main
from wordalloc.errors import InputError
from wordalloc.features import BrownFeatures, ExchangeClusters
from wordalloc.features._word_table import count_rows
from wordalloc.vocabulary import TextOptions

SENTENCES = ["the cat runs .", "a dog runs .", "the dog sits .", "a cat sits .", "the cow runs .", "a cow sits ."]
TEXT = " ".join(SENTENCES).split()
PAIRS = np.column_stack([TEXT[:-1], TEXT[1:]])
# the: 0, a: 10, dog: 110, cat: 1110, cow: 1111
TREE = Tree.from_nodes(
    Vocabulary.from_counts(["the", "a", "dog", "cat", "cow"], [9, 8, 3, 2, 1]),
    [-1, 0, 1, 2],
    [0, 1, 1, 1],
    [0, 1, 2, 3, 3],
    [0, 0, 0, 0, 1],
)
BOTH = [BrownFeatures, ExchangeClusters]


def table(words: Any) -> np.ndarray:
    return np.array(words, dtype=object)


# --- scikit-learn's own checks


@parametrize_with_checks([BrownFeatures(), BrownFeatures(sparse_output=False), ExchangeClusters()])
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    check(estimator)


OF_NAMES = [
    "check_get_feature_names_out_error",
    "check_dataframe_column_names_consistency",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_global_output_transform_pandas",
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OF_NAMES)
@pytest.mark.parametrize(
    "estimator", [BrownFeatures(sparse_output=False), ExchangeClusters()], ids=["brown", "exchange"]
)
def test_scikit_learn_checks_of_names_and_frames(estimator: Any, name: str) -> None:
    if "pandas" in name or "dataframe" in name:
        pytest.importorskip("pandas", reason="this check makes data frames")
    getattr(estimator_checks, name)(type(estimator).__name__, estimator)


# --- what is counted


def test_rows_are_counted_by_hand() -> None:
    bigrams = count_rows(table([["", "a", "b"], ["a", "b", "a"], ["b", "", "a"]]))
    assert bigrams.vocabulary.words == ("a", "b") and bigrams.vocabulary.counts.tolist() == [4, 3]
    pairs = list(zip(bigrams.left.tolist(), bigrams.right.tolist(), bigrams.count.tolist(), strict=True))
    assert pairs == [(0, 1, 2), (1, 0, 1)]


def test_rare_words_are_counted_together() -> None:
    bigrams = count_rows(table([["a", "b"], ["a", "c"], ["", "a"]]), min_count=2)
    assert bigrams.vocabulary.words == ("a", "<unk>") and bigrams.vocabulary.counts.tolist() == [3, 2]
    assert (bigrams.left.tolist(), bigrams.right.tolist(), bigrams.count.tolist()) == ([0], [1], [2])


@settings(max_examples=30)
@given(st.lists(st.lists(st.sampled_from(["", "a", "b", "cc"]), min_size=3, max_size=3), min_size=1), st.randoms())
def test_rows_count_alike_in_any_order(rows: list[list[str]], random: Any) -> None:
    expected: dict[tuple[str, str], int] = {}
    for row in rows:
        for pair in itertools.pairwise(row):
            if all(pair):
                expected[pair] = expected.get(pair, 0) + 1
    random.shuffle(rows)
    if not expected:
        with pytest.raises(InputError, match=r"no words|no two words"):
            count_rows(table(rows))
        return
    bigrams = count_rows(table(rows))
    words = bigrams.vocabulary.words
    triples = zip(bigrams.left.tolist(), bigrams.right.tolist(), bigrams.count.tolist(), strict=True)
    assert {(words[i], words[j]): n for i, j, n in triples} == expected
    assert bigrams.vocabulary.counts.tolist() == [sum(row.count(word) for row in rows) for word in words]


def test_the_same_tree_and_classes_as_the_command_line_makes(tmp_path: Path) -> None:
    """Pairs over a file's tokens are the bigrams of the file; each token stands in two pairs, so counts are double."""
    path, saved = tmp_path / "corpus.txt", tmp_path / "t.safetensors"
    rng = np.random.default_rng(0)
    lines = [" ".join(f"{kind}{rng.zipf(1.5) % 200}" for kind in "xyz") for _ in range(300)]
    path.write_text("".join(f"{line}\n" for line in lines))
    tree = ["tree", str(path), "--method", "brown", "-k", "8", "--min-count", "2", "-o", str(saved)]
    with pytest.raises(SystemExit) as ended:
        main(tree)
    assert ended.value.code == 0
    made = wordalloc.load(saved)
    assert isinstance(made, Tree)
    tokens = ["", *(token for line in lines for token in [*line.split(), "<eos>"]), ""]
    pairs = np.column_stack([tokens[:-1], tokens[1:]])
    features = BrownFeatures(n_classes=8, min_count=4, prefixes=[30]).fit(rng.permutation(pairs))
    of_file, found = ([line.split("\t")[:2] for line in to_brown_paths(t)] for t in (made, features.tree_))
    assert found == of_file and len({bits for bits, _ in found}) == 8
    names = features.get_feature_names_out(["a", "b"])
    for (bits, word), row in zip(found, features.transform([[word, "zebra"] for _, word in found]), strict=True):
        unknown = next(bits for bits, word in found if word == "<unk>")
        assert names[row.indices].tolist() == [f"a_p30={bits}", f"b_p30={unknown}"]
    clusters = ExchangeClusters(n_classes=8, min_count=4).fit(pairs)
    numbers = clusters.transform([[word, ""] for _, word in found])[:, 0].tolist()
    assert len({(bits, number) for (bits, _), number in zip(found, numbers, strict=True)}) == 8


# --- what comes out


def test_prefixes_by_hand() -> None:
    features = BrownFeatures(prefixes=(1, 3), tree=TREE, sparse_output=False).fit([["the"]])
    assert [strings.tolist() for strings in features.bit_strings_] == [["0", "1"], ["0", "10", "110", "111"]]
    names = ["x0_p1=0", "x0_p1=1", "x0_p3=0", "x0_p3=10", "x0_p3=110", "x0_p3=111"]
    assert features.get_feature_names_out().tolist() == names
    expected = {
        "the": [1, 0, 1, 0, 0, 0],
        "a": [0, 1, 0, 1, 0, 0],
        "dog": [0, 1, 0, 0, 1, 0],
        "cat": [0, 1, 0, 0, 0, 1],
        "cow": [0, 1, 0, 0, 0, 1],
        "zebra": [0] * 6,
        "": [0] * 6,
    }
    assert features.transform([[word] for word in expected]).tolist() == list(expected.values())


def test_bits_are_those_of_the_class() -> None:
    tree = Tree.from_nodes(TREE.vocabulary, [-1, 0, 1, 2], [0, 1, 1, 1], TREE.word_parent, TREE.word_digit,
                           class_depth=[1, 2, 2, 2, 2])  # fmt: skip
    features = BrownFeatures(prefixes=[4], tree=tree).fit([["the"]])
    assert features.bit_strings_[0].tolist() == ["0", "10", "11"]


def test_sparse_and_dense_agree_and_columns_follow_each_other() -> None:
    words = [["the", "cow"], ["zebra", "a"], ["", ""], ["dog", "zebra"]]
    given_tree = BrownFeatures(tree=TREE).fit(words)
    found = given_tree.transform(words)
    assert isinstance(found, sparse.csr_matrix) and found.has_canonical_format and found.dtype == np.float64
    assert found.nnz == 4 * 4
    dense = BrownFeatures(tree=TREE, sparse_output=False).fit_transform(words)
    assert np.array_equal(found.toarray(), dense)
    one = BrownFeatures(tree=TREE, sparse_output=False).fit([["the"]])
    assert np.array_equal(
        dense, np.hstack([one.transform([[a] for a, _ in words]), one.transform([[b] for _, b in words])])
    )


def test_words_out_of_the_vocabulary() -> None:
    vocabulary = Vocabulary.from_counts(["a", "b", "<unk>"], [3, 2, 1], text=TextOptions(lowercase=True))
    classes = Classes(vocabulary, [0, 1, 2])
    assert ExchangeClusters(classes=classes).fit_transform([["A"], ["b"], ["c"], [""]]).tolist() == [
        [0],
        [1],
        [2],
        [-1],
    ]
    none_counted = Classes(Vocabulary.from_counts(["a", "b", "<unk>"], [3, 2, 0]), [0, 1, 1])
    assert ExchangeClusters(classes=none_counted).fit_transform([["A"], ["b"], ["c"]]).tolist() == [[-1], [1], [-1]]
    made = ExchangeClusters(n_classes=3, min_count=5).fit(PAIRS)  # cat, dog and cow fall short
    assert sorted(made.word_classes_.vocabulary.words) == [".", "<unk>", "a", "runs", "sits", "the"]
    cow, zebra, unknown = made.transform([["cow", "zebra"], ["<unk>", "."]]).ravel()[:3].tolist()
    assert cow == zebra == unknown >= 0


@pytest.mark.parametrize("make", BOTH)
def test_the_same_whatever_holds_the_words(make: Any) -> None:
    expected = make(n_classes=4).fit_transform(PAIRS.astype(object))
    for same in (PAIRS, PAIRS.tolist()):
        assert abs(make(n_classes=4).fit_transform(same) - expected).sum() == 0
    ids = np.unique(PAIRS, return_inverse=True)[1].reshape(PAIRS.shape)
    of_ids = make(n_classes=4).fit(ids)
    for same in (ids.astype(object), ids.astype(str), ids.astype(float), ids.astype(np.float32).astype(object)):
        assert abs(of_ids.transform(same) - of_ids.transform(ids)).sum() == 0


def test_numbers_are_words_by_their_digits() -> None:
    whole = [[0.1, 1.0], [1e20, -0.0]]
    words = [["0.1", "1"], ["1" + 20 * "0", "0"]]
    for dtype in (np.float64, object):
        table_of = BrownFeatures()._words(np.array(whole, dtype=dtype), reset=True)
        assert table_of.tolist() == words
    assert BrownFeatures()._words(np.array([[0.1, 2]], dtype=np.float32), reset=True).tolist() == [["0.1", "2"]]


@pytest.mark.parametrize("make", BOTH)
def test_the_order_of_rows_does_not_matter_and_the_seed_does_what_it_says(make: Any) -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 60, (400, 3))
    same = [make(n_classes=6).fit(part).transform(rows) for part in (rows, rng.permutation(rows))]
    assert abs(same[0] - same[1]).sum() == 0
    other = make(n_classes=6, random_state=7).fit(rows).transform(rows)
    assert other.shape != same[0].shape or abs(other - same[0]).sum() > 0
    drawn = [make(n_classes=6, random_state=np.random.RandomState(3)).fit(rows).transform(rows) for _ in range(2)]
    assert abs(drawn[0] - drawn[1]).sum() == 0


# --- at home in scikit-learn


def test_a_pipeline_over_columns_with_a_grid() -> None:
    pandas = pytest.importorskip("pandas", reason="columns are chosen by name")
    tokens = TEXT * 8
    frame = pandas.DataFrame({"before": ["", *tokens[:-1]], "word": tokens, "length": list(map(len, tokens))})
    kinds = {"the": "det", "a": "det", ".": "stop", "runs": "verb", "sits": "verb"}
    y = [kinds.get(word, "noun") for word in tokens]
    chosen = ColumnTransformer([("brown", BrownFeatures(), ["before", "word"])], remainder="passthrough")
    model = make_pipeline(chosen, LogisticRegression())
    grid = {
        "columntransformer__brown__n_classes": [1, 5],
        "columntransformer__brown__prefixes": [(1,), (2, 4)],
    }
    search = GridSearchCV(model, grid, cv=2).fit(frame, y)
    assert search.best_score_ == 1 and search.best_params_["columntransformer__brown__n_classes"] == 5
    names = search.best_estimator_[0].get_feature_names_out()
    assert names[0].startswith("brown__before_p") and names[-1] == "remainder__length"
    assert (pickle.loads(pickle.dumps(search)).predict(frame) == y).all()  # noqa: S301
    output = BrownFeatures(tree=TREE, prefixes=[1], sparse_output=False).set_output(transform="pandas")
    out = output.fit_transform(frame[["word"]])
    assert list(out.columns) == ["word_p1=0", "word_p1=1"] and out["word_p1=0"].tolist() == [w == "the" for w in tokens]


def test_clones_share_what_was_made_already() -> None:
    classes = Classes(TREE.vocabulary, [0, 1, 1, 2, 2])
    assert clone(BrownFeatures(tree=TREE)).tree is TREE
    assert clone(ExchangeClusters(classes=classes)).classes is classes
    with pytest.raises(AttributeError, match="read-only"):
        clone(BrownFeatures(tree=TREE)).tree.arity = 3


def test_a_saved_tree_gives_the_same_features(tmp_path: Path) -> None:
    made = BrownFeatures(n_classes=4).fit(PAIRS)
    made.tree_.save(tmp_path / "t.safetensors")
    loaded = BrownFeatures(tree=wordalloc.load(tmp_path / "t.safetensors")).fit(PAIRS)
    assert (made.transform(PAIRS) != loaded.transform(PAIRS)).nnz == 0


# --- bad input

WRONG = {
    "one column": ({}, [["a"], ["b"]], r"X has 1 feature\(s\).*column_stack"),
    "no words": ({}, [["", ""]], "no words, only empty"),
    "no pairs": ({}, [["a", "", "b"]], "no two words next to each other"),
    "a hole": ({}, table([["a", None]]), "strings or numbers, not None; the empty string"),
    "bytes": ({}, np.array([[b"a", b"b"]]), "not of the type"),
    "a list": ({}, table([["a", "b"], ["c", {"d": 1}]]), "strings or numbers, not {'d'"),
    "too many classes": ({"n_classes": 9}, [["a", "b"]], "n_classes must be a whole number from 1 to 2"),
    "a count of none": ({"min_count": 0}, [["a", "b"]], "min_count must be a whole number of at least 1"),
}


@pytest.mark.parametrize("make", BOTH)
@pytest.mark.parametrize("case", WRONG)
def test_wrong_words(make: Any, case: str) -> None:
    options, words, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        make(**options).fit(words)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prefixes": 4}, r"prefixes must be lengths, such as \(4, 6, 10, 20\), not 4"),
        ({"prefixes": iter([4, 6])}, r"prefixes must be lengths, such as \(4, 6, 10, 20\), not <list_iterator"),
        ({"prefixes": []}, "one or more distinct lengths"),
        ({"prefixes": (4, 4)}, "one or more distinct lengths"),
        ({"prefixes": (0,)}, "a prefix's length must be a whole number of at least 1, not 0"),
        ({"tree": "x.tree.safetensors"}, "tree must be a binary Tree, such as wordalloc.load returns, not 'x.tree"),
        ({"tree": wordalloc.huffman(TREE.vocabulary, arity=3)}, "must be a binary Tree"),
        ({"tree": TREE, "n_classes": 3}, "n_classes and min_count are for a tree that fit makes"),
    ],
    ids=["number", "used up", "none", "twice", "zero", "path", "ternary", "both"],
)
def test_wrong_parameters_of_brown_features(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        BrownFeatures(**options).fit(PAIRS)


def test_wrong_parameters_of_exchange_clusters() -> None:
    with pytest.raises(InputError, match="classes must be Classes"):
        ExchangeClusters(classes=TREE).fit(PAIRS)
    with pytest.raises(InputError, match="are for classes that fit makes"):
        ExchangeClusters(classes=Classes(TREE.vocabulary, [0] * 5), min_count=2).fit(PAIRS)
