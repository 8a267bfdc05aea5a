"""Huffman codes of labels: by hand, back again, and as the target of classifiers."""

from __future__ import annotations

import pickle
import warnings
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.estimator_checks import check_estimator

import wordalloc
from wordalloc import Vocabulary
from wordalloc.errors import InputError
from wordalloc.features import HuffmanCoder


def test_codes_by_hand() -> None:
    """Counts 5, 2, 1, 1: codes 0, 11, 100 and 101 (see `wordalloc.huffman`)."""
    coder = HuffmanCoder().fit(list("abacaadab"))
    assert coder.classes_.tolist() == list("abcd")
    assert coder.codes_.tolist() == [[0, 0, 0], [1, 1, 0], [1, 0, 0], [1, 0, 1]]
    assert coder.transform(["d", "b"]).tolist() == [[1, 0, 1], [1, 1, 0]]
    every = [[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    assert "".join(coder.inverse_transform(every)) == "aaaacdbb"


@settings(max_examples=50)
@given(st.lists(st.integers(-3, 12), min_size=1, max_size=60), st.booleans())
def test_labels_come_back(labels: list[int], as_text: bool) -> None:
    y = [f"label {label}" for label in labels] if as_text else labels
    coder = HuffmanCoder().fit(y)
    bits = coder.transform(y)
    back = coder.inverse_transform(bits)
    assert back.tolist() == y and back.dtype == np.asarray(y).dtype
    counts = Counter(map(str, y))
    tree = wordalloc.huffman(Vocabulary.from_counts(counts, list(counts.values())))
    assert coder.tree_.codes == tree.codes and bits.shape == (len(y), int(tree.code_lengths.max()))
    codes = dict(zip(tree.vocabulary.words, tree.codes, strict=True))
    for row, label in zip(bits, y, strict=True):
        assert "".join(map(str, row)).rstrip("0") == codes[str(label)].rstrip("0")


def test_ten_digits_as_four_or_five_bits() -> None:
    images, labels = load_digits(return_X_y=True)
    coder = HuffmanCoder()
    bits = coder.fit_transform(labels[:1200])
    assert bits.shape[1] in (4, 5)
    found = coder.inverse_transform(KNeighborsClassifier(3).fit(images[:1200], bits).predict(images[1200:]))
    assert (found == labels[1200:]).mean() > 0.93


def test_at_home_in_scikit_learn() -> None:
    coder = HuffmanCoder().fit(["b", "a", "b"])
    assert repr(coder) == "HuffmanCoder()" and coder.get_params() == {} and not hasattr(clone(coder), "tree_")
    assert (pickle.loads(pickle.dumps(coder)).transform(["a"]) == coder.transform(["a"])).all()  # noqa: S301
    for method in (HuffmanCoder().transform, HuffmanCoder().inverse_transform):
        with pytest.raises(NotFittedError):
            method(["a"])
    with warnings.catch_warnings(record=True) as told:  # as of LabelBinarizer: the checks have no tables to feed it
        warnings.simplefilter("always")
        assert all(check["status"] == "passed" for check in check_estimator(HuffmanCoder()))
    assert "Can't test estimator HuffmanCoder" in str(told[0].message)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "one or more strings"),
        ([0.5], "not "),
        ([["a", "b"]], "1d array"),
        (np.array(["a", None]), "strings or whole"),
        (["a", "a\0"], r"does not end with a zero character, not 'a\\x00'"),
        (np.array(["a", "a\0"], dtype=object), r"does not end with a zero character, not 'a\\x00'"),
        (["a", ""], "a label must be a text that is not empty .* not ''"),
    ],
    ids=["none", "float", "table", "hole", "zero", "zero in an array", "empty"],
)
def test_wrong_labels(labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HuffmanCoder().fit(labels)


def test_whole_numbers_whatever_holds_them() -> None:
    pandas = pytest.importorskip("pandas", reason="it has whole numbers of its own")
    for labels in (np.array([3, 1, 3], dtype=object), pandas.Series([3, 1, 3], dtype="Int64")):
        coder = HuffmanCoder().fit(labels)
        assert coder.classes_.tolist() == [1, 3] and coder.classes_.dtype == np.int64
        assert coder.inverse_transform(coder.transform(labels)).tolist() == [3, 1, 3]
    with pytest.raises(InputError, match="strings or whole"):
        HuffmanCoder().fit(pandas.Series([1, None], dtype="Int64"))


def test_wrong_codes() -> None:
    coder = HuffmanCoder().fit(list("aab"))
    with pytest.raises(InputError, match="the label 'zebra' was not seen in fit"):
        coder.transform(["a", "zebra"])
    for codes in ([[0, 1]], [[2]]):
        with pytest.raises(InputError, match="must be rows of 1 zeros and ones"):
            coder.inverse_transform(codes)
