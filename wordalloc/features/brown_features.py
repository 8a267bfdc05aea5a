"""Prefixes of Brown bit strings as features: what Brown clusters are mostly used for.

The first bits of a word's place in a Brown tree name a coarse cluster and more bits a finer one, so a linear model
that sees prefixes of several lengths chooses for itself how fine to look, and says something of words that its
labelled text lacks (Miller, Guinness & Zamanian 2004; Koo, Carreras & Collins 2008, section 4; Turian, Ratinov &
Bengio 2010, section 5, whose lengths 4, 6, 10 and 20 are the default).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from wordalloc.algorithms._arguments import shown, whole_number
from wordalloc.algorithms.brown import brown_tree
from wordalloc.allocations import Tree
from wordalloc.errors import InputError
from wordalloc.features._word_table import WordTransformer, look_up


class BrownFeatures(WordTransformer):
    """Turn words into prefixes of their Brown bit strings, one-hot.

    Each word of a row becomes one feature for each length: the first bits of its class's bit string, all of them
    where it is shorter. A word that the tree lacks is the tree's unknown word where one was counted (``min_count``, or
    ``wordalloc tree --min-count``); else, as the empty string always, it becomes none: zeros.

    Parameters
    ----------
    n_classes : int, optional
        K, the classes that are made, 1 … V. Default: ⌈√V⌉.
    min_count : int
        Words that the rows hold less often (in rows of pairs each word of a text stands twice) are one word,
        ``<unk>``, and so are, later, words that they lack. With 1 there is no such word, unless the rows hold
        ``<unk>`` itself.
    prefixes : sequence of int
        Lengths of the prefixes, in bits: distinct, at least 1.
    tree : Tree, optional
        A binary tree that is made already, ``wordalloc.load("x.tree.safetensors")``: ``fit`` then takes nothing from
        the words, and tables may have one column. Bits are those of a word's class where the tree names classes, else
        its whole code.
    sparse_output : bool
        Whether ``transform`` returns a `scipy.sparse.csr_matrix` or an array. For ``set_output`` it must be False.
    random_state : int, RandomState or None
        Seed of the clustering; None draws one.

    Attributes
    ----------
    tree_ : Tree
        What the bits are of; ``tree_.save(path)`` keeps it.
    bit_strings_ : list of ndarray of str
        The distinct prefixes of each length, sorted.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    Notes
    -----
    A row holds words that are adjacent in the text, in this order; see `wordalloc.features` for why. Every pair that
    rows hold is counted, so overlapping rows (word before, word, word after) count a text's pairs twice, which changes
    nothing in their mutual information. What ``fit`` finds does not depend on the order of the rows.

    References
    ----------
    J. Turian, L. Ratinov and Y. Bengio, Word representations: a simple and general method for semi-supervised
    learning, ACL 2010.

    Examples
    --------
    Two kinds of words alternate; the tree's first bit tells them apart:

    >>> text = "cat runs dog runs cat sits dog sits cat".split()
    >>> pairs = np.column_stack([text[:-1], text[1:]])
    >>> features = BrownFeatures(n_classes=2, prefixes=[1], sparse_output=False).fit(pairs)
    >>> features.get_feature_names_out(["word", "next"]).tolist()
    ['word_p1=0', 'word_p1=1', 'next_p1=0', 'next_p1=1']
    >>> features.transform([["cat", "runs"], ["dog", "zebra"]])
    array([[1., 0., 0., 1.],
           [1., 0., 0., 0.]])

    A tree that was made before, here of the words of one column:

    >>> BrownFeatures(prefixes=[1], tree=features.tree_).fit_transform([["sits"], ["cat"]]).toarray()
    array([[0., 1.],
           [1., 0.]])
    """

    def __init__(
        self,
        n_classes: int | None = None,
        min_count: int = 1,
        prefixes: Sequence[int] = (4, 6, 10, 20),
        tree: Tree | None = None,
        sparse_output: bool = True,
        random_state: Any = 0,
    ) -> None:
        self.n_classes = n_classes
        self.min_count = min_count
        self.prefixes = prefixes
        self.tree = tree
        self.sparse_output = sparse_output
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Make the tree, or take the one that was given.

        Parameters
        ----------
        X : array_like of str, shape (n_samples, n_columns)
            Adjacent words in each row.
        y : object
            Ignored.

        Raises
        ------
        InputError
            If `X` has one column or no pair of words, and no tree is given; or a parameter is wrong.
        """
        words = self._words(X, reset=True)
        self._lengths = self._checked_prefixes()
        self.tree_ = brown_tree(*self._counted(words)) if self.tree is None else self._given_tree()
        codes, depths = self.tree_.codes, self.tree_.class_depth
        if depths is not None:
            codes = [code[:depth] for code, depth in zip(codes, depths.tolist(), strict=True)]
        found = [np.unique([code[:length] for code in codes], return_inverse=True) for length in self._lengths]
        self.bit_strings_ = [strings for strings, _ in found]
        self._width = sum(map(len, self.bit_strings_))
        begins = np.cumsum([0, *map(len, self.bit_strings_)])
        places = [begin + number for begin, (_, number) in zip(begins.tolist(), found, strict=False)]
        self._places = np.column_stack(places)  # (V, n_prefixes): a word's ones among the features of a column
        return self

    def transform(self, X: Any) -> sparse.csr_matrix | npt.NDArray[np.float64]:
        """Return the features of each row.

        Parameters
        ----------
        X : array_like of str, shape (n_samples, n_columns)
            As many columns as in ``fit``.

        Returns
        -------
        csr_matrix or ndarray of float64, shape (n_samples, n_columns · distinct prefixes)
            Column after column, and in each the lengths one after the other.
        """
        check_is_fitted(self)
        ranks = look_up(self._words(X, reset=False), self.tree_)
        n_samples, n_columns = ranks.shape
        known = ranks >= 0
        first = np.broadcast_to(self._width * np.arange(n_columns), ranks.shape)
        indices = (self._places[ranks[known]] + first[known][:, None]).ravel()
        offsets = np.concatenate(([0], np.cumsum(known.sum(1)))) * len(self._lengths)
        ones = np.ones(indices.size)
        features = sparse.csr_matrix((ones, indices, offsets), shape=(n_samples, n_columns * self._width))
        return features if self.sparse_output else features.toarray()

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return the features' names, such as ``word_p4=0110``: input column, length, bits.

        Parameters
        ----------
        input_features : array_like of str, optional
            Names of the input columns. Default: those seen in ``fit``, or ``x0``, ``x1``, …
        """
        check_is_fitted(self)
        columns = _check_feature_names_in(self, input_features)
        blocks = list(zip(self._lengths, self.bit_strings_, strict=True))
        names = [
            f"{column}_p{length}={bits}"
            for column in columns
            for length, strings in blocks
            for bits in strings.tolist()
        ]
        return np.array(names, dtype=object)

    def _checked_prefixes(self) -> list[int]:
        if not isinstance(self.prefixes, Sequence | np.ndarray):  # what is used up by one fit is no parameter
            raise InputError(f"prefixes must be lengths, such as (4, 6, 10, 20), not {shown(self.prefixes)}")
        lengths = [whole_number("a prefix's length", length, 1) for length in self.prefixes]
        if not lengths or len(set(lengths)) < len(lengths):
            raise InputError(f"prefixes must be one or more distinct lengths, not {shown(self.prefixes)}")
        return lengths

    def _given_tree(self) -> Tree:
        if not isinstance(self.tree, Tree) or self.tree.arity != 2:
            raise InputError(f"tree must be a binary Tree, such as wordalloc.load returns, not {shown(self.tree)}")
        self._refuse_choices("a tree", "one is")
        return self.tree
