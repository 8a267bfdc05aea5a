"""Labels as Huffman codes: the target of a classifier over many labels, as few binary decisions.

Each label is a string of bits, the short ones for the frequent labels, and each bit is a binary problem: as many
classifiers as the longest code has bits, in the place of one a label. It is the tree of hierarchical softmax (Morin
& Bengio 2005; Mikolov et al. 2013) without its conditioning on the bits before, and an output code (Dietterich &
Bakiri 1995) that corrects no errors.
"""

from __future__ import annotations

import numbers
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.validation import check_is_fitted

from wordalloc.algorithms._arguments import shown
from wordalloc.algorithms.huffman import huffman
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary


class HuffmanCoder(TransformerMixin, BaseEstimator):
    """Turn labels into the bits of their Huffman codes, and bits back into labels.

    Takes labels as `sklearn.preprocessing.LabelBinarizer` does, and its bits are a multilabel target: for
    `sklearn.multioutput.MultiOutputClassifier`, and for nearest neighbours, trees, forests and `MLPClassifier` as they
    are. No code is the prefix of another, and every row of bits leads to a label, so any prediction can be decoded.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        The distinct labels, sorted.
    codes_ : ndarray of int8, shape (n_classes, n_bits)
        The bits of each, and zeros after its end.
    tree_ : Tree
        The codes as an allocation, of the labels' texts; ``tree_.save(path)`` keeps it.

    Examples
    --------
    >>> coder = HuffmanCoder().fit(["cat"] * 5 + ["dog"] * 2 + ["emu"])
    >>> coder.transform(["cat", "emu", "dog"])
    array([[0, 0],
           [1, 1],
           [1, 0]], dtype=int8)
    >>> coder.inverse_transform([[0, 1], [1, 0]]).tolist()  # after a code's end bits do not matter
    ['cat', 'dog']
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.target_tags.one_d_labels = True
        return tags

    def fit(self, y: Any) -> Self:
        """Count the labels and make their codes.

        Parameters
        ----------
        y : array_like of str or int, shape (n_samples,)
            The labels.

        Raises
        ------
        InputError
            If there are no labels, or they are neither strings nor whole numbers; or one is empty, or ends with a
            zero character.
        """
        self.classes_, counts = np.unique(self._labels(y), return_counts=True)
        vocabulary = Vocabulary.from_counts(self.classes_.astype(str).tolist(), counts)
        self.tree_ = huffman(vocabulary)
        self.codes_ = np.zeros((self.classes_.size, int(self.tree_.code_lengths.max())), dtype=np.int8)
        ranks = vocabulary.index(self.classes_.astype(str).tolist())
        for row, code in zip(self.codes_, self.tree_.codes_at(ranks.tolist()), strict=True):
            row[: len(code)] = list(map(int, code))
        return self

    def transform(self, y: Any) -> npt.NDArray[np.int8]:
        """Return the bits of each label.

        Parameters
        ----------
        y : array_like of str or int, shape (n_samples,)
            Labels that ``fit`` has seen.

        Returns
        -------
        ndarray of int8, shape (n_samples, n_bits)
            Zeros after a code's end.

        Raises
        ------
        InputError
            If a label is a new one.
        """
        check_is_fitted(self)
        labels = self._labels(y)
        place = np.minimum(np.searchsorted(self.classes_, labels), self.classes_.size - 1)
        new = self.classes_[place] != labels
        if new.any():
            raise InputError(f"the label {shown(labels[np.argmax(new)].item())} was not seen in fit")
        return self.codes_[place]

    def inverse_transform(self, Y: Any) -> npt.NDArray[Any]:
        """Return the label that the bits of each row lead to.

        Parameters
        ----------
        Y : array_like of int, shape (n_samples, n_bits)
            Zeros and ones.

        Returns
        -------
        ndarray, shape (n_samples,)
            Labels of the type that ``fit`` was given.

        Raises
        ------
        InputError
            If `Y` has another width, or holds anything but 0 and 1.
        """
        check_is_fitted(self)
        bits = check_array(Y, ensure_min_features=0)
        if bits.shape[1] != self.codes_.shape[1] or not np.isin(bits, (0, 1)).all():
            raise InputError(f"codes must be rows of {self.codes_.shape[1]} zeros and ones, got shape {bits.shape}")
        offsets, children = self.tree_.children
        node = np.full(bits.shape[0], 0 if self.tree_.n_nodes else -1)
        for column in bits.T.astype(np.int64):
            inner = node >= 0
            node[inner] = children[offsets[node[inner]] + column[inner]]
        return self.classes_[self._order()[-1 - node]]

    def _order(self) -> npt.NDArray[np.int64]:
        """Return the place in ``classes_`` of each rank of the tree's vocabulary."""
        return np.argsort(self.tree_.vocabulary.index(self.classes_.astype(str).tolist()))

    def _labels(self, y: Any) -> npt.NDArray[Any]:
        labels = column_or_1d(y)
        if labels.dtype.kind not in "biu":  # pandas has whole numbers that numpy takes for floats
            listed = np.asarray(y, dtype=object).ravel().tolist()
            if all(isinstance(label, str) for label in listed):
                _check_texts(listed)
                labels = np.array(listed, dtype=str)
            elif all(isinstance(label, numbers.Integral) for label in listed):
                labels = np.array(listed)
        if not labels.size or labels.dtype.kind not in "biuU":
            raise InputError(f"labels must be one or more strings or whole numbers, not {shown(y)}")
        return labels


def _check_texts(labels: list[str]) -> None:
    """Refuse labels that numpy or a vocabulary would change or cannot hold."""
    for label in labels:
        if not label or label.endswith("\0"):
            raise InputError(
                f"a label must be a text that is not empty and does not end with a zero character, not {shown(label)}"
            )
