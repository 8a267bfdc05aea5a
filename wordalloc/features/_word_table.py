"""What the estimators of words share: a table of words, checked, counted, and looked up in an allocation."""

from __future__ import annotations

import numbers
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state

from wordalloc.algorithms._arguments import shown, whole_number
from wordalloc.algorithms.frequency_classes import default_number
from wordalloc.allocations import Allocation, Bigrams
from wordalloc.errors import InputError
from wordalloc.vocabulary import TextOptions, Vocabulary

try:
    from sklearn.utils.validation import validate_data
except ImportError:  # scikit-learn before 1.6

    def validate_data(estimator: BaseEstimator, X: Any, **options: Any) -> npt.NDArray[Any]:
        return estimator._validate_data(X, **options)


Words = npt.NDArray[np.object_]


class WordTransformer(TransformerMixin, BaseEstimator):
    """A transformer of tables of words; see `wordalloc.features` for what a table holds."""

    n_classes: int | None
    min_count: int
    random_state: Any

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = tags.input_tags.string = True
        return tags

    def _words(self, X: Any, *, reset: bool) -> Words:
        """Return the table as strings, shape (n_samples, n_columns); `reset`: keep its width and names, as fit does."""
        array = validate_data(self, X, reset=reset, dtype=None)
        if array.dtype.kind in "biuU":
            return array.astype(str).astype(object)
        if array.dtype.kind == "f":
            words, whole = array.astype(str).astype(object), array == np.floor(array)
            words[whole] = list(map(_as_word, array[whole].tolist()))
            return words
        if array.dtype.kind != "O":
            raise InputError(f"words must be strings or numbers, not of the type {array.dtype}")
        listed = [word if type(word) is str else _as_word(word) for word in array.ravel().tolist()]
        return np.array(listed, dtype=object).reshape(array.shape)

    def _counted(self, words: Words) -> tuple[Bigrams, int, int]:
        """Count a table; return its pairs, how many classes to make of its words, and the seed."""
        bigrams = count_rows(words, self.min_count)
        number = default_number(bigrams.vocabulary.size) if self.n_classes is None else self.n_classes
        return bigrams, number, self._seed(self.random_state)

    def _refuse_choices(self, made: str, given: str) -> None:
        """Refuse parameters of what is made where it is given."""
        if self.n_classes is not None or self.min_count != 1:
            raise InputError(
                f"n_classes and min_count are for {made} that fit makes; leave them out where {given} given"
            )

    def _seed(self, random_state: Any) -> int:
        """Return a whole number as it is, so that it means what ``--seed`` does, and a draw from anything else."""
        if isinstance(random_state, numbers.Integral):
            return int(random_state)
        return int(check_random_state(random_state).randint(2**31 - 1))


def _as_word(value: Any) -> str:
    if isinstance(value, float | np.floating) and value.is_integer():
        value = int(value)  # one column of floats, or a hole in one, makes all numbers of a table floats
    if isinstance(value, str | numbers.Real):
        return str(value)
    raise InputError(f"words must be strings or numbers, not {shown(value)}; the empty string is for no word")


def count_rows(words: Words, min_count: int = 1) -> Bigrams:
    """Count the words of a table, and the pairs that are next to each other in a row.

    Parameters
    ----------
    words : ndarray of str, shape (n_rows, n_columns)
        Adjacent words in each row; the empty string is no word, and in no pair.
    min_count : int
        Words that the table holds less often are counted as ``<unk>``.

    Raises
    ------
    InputError
        If no two words are next to each other, or `min_count` is below 1.

    Examples
    --------
    >>> bigrams = count_rows(np.array([["", "a", "b"], ["a", "b", "a"]], dtype=object))
    >>> bigrams.vocabulary, bigrams.left.tolist(), bigrams.right.tolist(), bigrams.count.tolist()
    (Vocabulary({'a': 3, 'b': 2}, size=2), [0, 1], [1, 0], [2, 1])
    """
    min_count = whole_number("min_count", min_count, 1)
    if words.shape[1] == 1:
        raise InputError(
            "X has 1 feature(s), but adjacent words must stand side by side: give pairs, "
            "numpy.column_stack([words[:-1], words[1:]]), or what was made from other text"
        )
    flat = words.ravel().tolist()
    occurrences = Counter(flat)
    shortened = {word: word if not word or n >= min_count else TextOptions.unk for word, n in occurrences.items()}
    counts: Counter[str] = Counter()
    for word, kept in shortened.items():
        counts[kept] += occurrences[word]
    del counts[""]
    if not counts:
        raise InputError("X holds no words, only empty strings")
    vocabulary = Vocabulary.from_counts(counts, list(counts.values()))
    ranks = vocabulary.index(map(shortened.__getitem__, flat)).reshape(words.shape)
    left, right = ranks[:, :-1].ravel(), ranks[:, 1:].ravel()
    beside = (left >= 0) & (right >= 0)
    pairs, count = np.unique(left[beside] * vocabulary.size + right[beside], return_counts=True)
    if not pairs.size:
        raise InputError("X has no two words next to each other in a row, so there are no pairs to count")
    return Bigrams(vocabulary, *np.divmod(pairs, vocabulary.size), count)


def look_up(words: Words, allocation: Allocation) -> npt.NDArray[np.int64]:
    """Return the rank of each word of a table, read as the allocation's own text was; -1 where there is none.

    Words outside the vocabulary have the rank of its unknown word where that stands for words that were counted.

    Parameters
    ----------
    words : ndarray of str, any shape
        The empty string has no rank.
    allocation : Allocation
        Over the vocabulary that they are looked up in.

    Examples
    --------
    >>> from wordalloc.allocations import Classes
    >>> classes = Classes(Vocabulary.from_counts(["a", "<unk>"], [3, 2]), [0, 1])
    >>> look_up(np.array(["a", "zebra", ""], dtype=object), classes).tolist()
    [0, 1, -1]
    """
    vocabulary = allocation.vocabulary
    lowercase = vocabulary.text is not None and vocabulary.text.lowercase
    flat = words.ravel().tolist()
    ranks = vocabulary.index(word.lower() for word in flat) if lowercase else vocabulary.index(flat)
    unknown = vocabulary.unk_rank
    if unknown is not None and vocabulary.counts[unknown]:
        ranks[(ranks < 0) & (words.ravel() != "")] = unknown
    return ranks.reshape(words.shape)
