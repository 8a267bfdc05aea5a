"""Classes of words as categories: one number a word, by exchange clustering of adjacent words."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.validation import check_is_fitted

from wordalloc.algorithms._arguments import shown
from wordalloc.algorithms.exchange import exchange_classes
from wordalloc.allocations import Classes
from wordalloc.errors import InputError
from wordalloc.features._word_table import WordTransformer, look_up


class ExchangeClusters(OneToOneFeatureMixin, WordTransformer):
    """Turn words into the numbers of their classes.

    Class 0 holds the most frequent word. A word that the classes lack is their unknown word where one was counted
    (``min_count``, or ``wordalloc classes --min-count``); else, as the empty string always, it becomes -1, which
    scikit-learn's histogram trees take for a missing category. For linear models put a
    `sklearn.preprocessing.OneHotEncoder` behind it, or use `BrownFeatures`, whose classes are the same.

    Parameters
    ----------
    n_classes : int, optional
        K, the classes that are made, 1 … V. Default: ⌈√V⌉.
    min_count : int
        Words that the rows hold less often (in rows of pairs each word of a text stands twice) are one word,
        ``<unk>``, and so are, later, words that they lack. With 1 there is no such word, unless the rows hold
        ``<unk>`` itself.
    classes : Classes, optional
        Classes that are made already, by whatever method: ``wordalloc.load("x.classes.safetensors")``. ``fit`` then
        takes nothing from the words, and tables may have one column.
    random_state : int, RandomState or None
        Seed of the clustering; None draws one.

    Attributes
    ----------
    word_classes_ : Classes
        The classes of the words; ``word_classes_.save(path)`` keeps them.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    Notes
    -----
    A row holds words that are adjacent in the text, in this order; see `wordalloc.features` for why, and for why this
    is no `sklearn.base.ClusterMixin`.

    Examples
    --------
    >>> text = "cat runs dog runs cat sits dog sits cat".split()
    >>> clusters = ExchangeClusters(n_classes=2).fit(np.column_stack([text[:-1], text[1:]]))
    >>> clusters.transform([["cat", "runs"], ["dog", "zebra"]])
    array([[ 0,  1],
           [ 0, -1]])
    """

    def __init__(
        self,
        n_classes: int | None = None,
        min_count: int = 1,
        classes: Classes | None = None,
        random_state: Any = 0,
    ) -> None:
        self.n_classes = n_classes
        self.min_count = min_count
        self.classes = classes
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # numbers of classes are whole, whatever words are
        return tags

    def fit(self, X: Any, y: Any = None) -> Self:
        """Make the classes, or take those that were given.

        Parameters
        ----------
        X : array_like of str, shape (n_samples, n_columns)
            Adjacent words in each row.
        y : object
            Ignored.

        Raises
        ------
        InputError
            If `X` has one column or no pair of words, and no classes are given; or a parameter is wrong.
        """
        words = self._words(X, reset=True)
        if self.classes is None:
            self.word_classes_ = exchange_classes(*self._counted(words))
            return self
        if not isinstance(self.classes, Classes):
            raise InputError(f"classes must be Classes, such as wordalloc.load returns, not {shown(self.classes)}")
        self._refuse_choices("classes", "some are")
        self.word_classes_ = self.classes
        return self

    def transform(self, X: Any) -> npt.NDArray[np.int64]:
        """Return the class of each word.

        Parameters
        ----------
        X : array_like of str, shape (n_samples, n_columns)
            As many columns as in ``fit``.

        Returns
        -------
        ndarray of int64, shape (n_samples, n_columns)
            -1 where a word has no class.
        """
        check_is_fitted(self)
        ranks = look_up(self._words(X, reset=False), self.word_classes_)
        return np.where(ranks < 0, -1, self.word_classes_.word_class[ranks]).astype(np.int64)
