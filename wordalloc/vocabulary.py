"""Vocabulary: words and their counts, most frequent first. Everything else in this package starts here.

Words are held as UTF-8 bytes (`wordalloc.encoded_words`), and become strings when somebody asks for them: what bands,
trees and tables are computed from are the counts.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.checks import Frozen, exact_sum, plain_json, whole_numbers
from wordalloc.encoded_words import EncodedWords, encode
from wordalloc.errors import InputError

EOS = "<eos>"
MAX_COUNT = 2**62
MAX_TOTAL = 2**63 - 1  # so that no sum of counts exceeds 64 bits, whatever words it is of


@dataclass(frozen=True)
class TextOptions:
    """How a text was read, remembered by what was made from it so that training reads it the same way.

    Attributes
    ----------
    lowercase : bool
        Whether ``str.lower()`` was applied to every word.
    unk : str
        The word that stands for all words outside the vocabulary.
    eos : bool
        Whether every line ends in the token ``<eos>``.
    errors : {"strict", "replace"}
        What happens to bytes that are not text: an error, or U+FFFD in their place.

    Raises
    ------
    InputError
        If an option has another type, or a value that no text can be read with.

    Examples
    --------
    >>> TextOptions(lowercase=True).to_json()
    {'lowercase': True, 'unk': '<unk>', 'eos': True, 'errors': 'strict'}
    """

    lowercase: bool = False
    unk: str = "<unk>"
    eos: bool = True
    errors: str = "strict"

    def __post_init__(self) -> None:
        for name, kind in {"lowercase": bool, "unk": str, "eos": bool, "errors": str}.items():
            if not isinstance(getattr(self, name), kind):
                raise InputError(f"{name} must be a {kind.__name__}, not {getattr(self, name)!r}")
        encode([self.unk])
        if not self.unk or any(separator in self.unk for separator in " \t\n\v\f\r"):
            raise InputError(f"the unknown word must be one word without white space, not {self.unk!r}")
        if self.unk == EOS:
            raise InputError(f"the unknown word cannot be {EOS!r}, which ends every line; choose another --unk")
        if self.errors not in ("strict", "replace"):
            raise InputError(f"errors must be 'strict' or 'replace', not {self.errors!r}")

    def to_json(self) -> dict[str, Any]:
        """Return the options as a JSON object."""
        return asdict(self)


class Vocabulary(Frozen):
    """Words and counts, sorted by count (descending), then by the word's UTF-8 bytes. Rank 0 comes first.

    Make one with `Vocabulary.from_counts`, which sorts; the constructor takes what is sorted already and
    refuses anything else. What a vocabulary holds is read-only.

    Parameters
    ----------
    words : sequence of str, length V
        Distinct, not empty, encodable as UTF-8, in rank order.
    counts : array_like of int, shape (V,)
        Occurrences of each word, descending; 0 is allowed, the largest is 2**62, and all together are below 2**63.
    ids : array_like of int, shape (V,), optional
        The foreign token id of each rank, for vocabularies that come from a tokenizer. Absent: the rank.
    text : TextOptions, optional
        How the text was read; None where the counts did not come from a text.
    source : mapping, optional
        Where the counts came from: sorted base names, sizes, tokens. Plain JSON values.
    parameters : mapping, optional
        What the vocabulary was limited by. Plain JSON values.

    Raises
    ------
    InputError
        If the words or counts break a rule above; the message says which word and which rule.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts(["b", "the", "a"], [2, 5, 2])
    >>> vocabulary.words, vocabulary.counts.tolist()
    (('the', 'a', 'b'), [5, 2, 2])
    >>> vocabulary.index(["a", "zebra"]).tolist()
    [1, -1]
    """

    def __init__(
        self,
        words: Sequence[str],
        counts: npt.ArrayLike,
        *,
        ids: npt.ArrayLike | None = None,
        text: TextOptions | None = None,
        source: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.__dict__["words"] = listed = tuple(words)
        self._settle(EncodedWords.from_words(listed), counts, ids, text, source, parameters)

    @classmethod
    def from_bytes(
        cls,
        encoded: bytes,
        offsets: npt.NDArray[np.int64],
        counts: npt.ArrayLike,
        *,
        ids: npt.ArrayLike | None = None,
        text: TextOptions | None = None,
        source: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Vocabulary:
        """Return the vocabulary of words that are UTF-8 bytes already, in rank order; no word is made a string.

        Parameters
        ----------
        encoded : bytes
            The words, end to end.
        offsets : ndarray of int64, shape (V + 1,)
            Where each begins, and the end.
        counts, ids, text, source, parameters
            As for the class.

        Raises
        ------
        InputError
            If the offsets do not divide the bytes, a word is not UTF-8, or a rule of the class is broken.

        Examples
        --------
        >>> Vocabulary.from_bytes(b"theab", np.array([0, 3, 4, 5]), [5, 2, 2]).words
        ('the', 'a', 'b')
        """
        held = EncodedWords(encoded, offsets.copy())
        held.check_utf8()
        vocabulary = cls.__new__(cls)
        vocabulary._settle(held, counts, ids, text, source, parameters)
        return vocabulary

    def _settle(
        self,
        held: EncodedWords,
        counts: npt.ArrayLike,
        ids: npt.ArrayLike | None,
        text: TextOptions | None,
        source: Mapping[str, Any] | None,
        parameters: Mapping[str, Any] | None,
    ) -> None:
        """Check what the vocabulary shall hold, and keep it."""
        self._held = held
        self.counts: npt.NDArray[np.int64] = _as_counts(counts, held.size)
        self.ids: npt.NDArray[np.int64] | None = None if ids is None else _as_ids(ids, held.size)
        self.text = text
        self.source = plain_json(source or {}, "source")
        self.parameters = plain_json(parameters or {}, "parameters")
        held.check_distinct()
        falls = -np.diff(self.counts)
        if (falls < 0).any():
            rank = int(np.argmax(falls < 0)) + 1
            raise InputError(
                f"counts must descend, but rank {rank} has more than rank {rank - 1}; see Vocabulary.from_counts"
            )
        held.check_ties(falls == 0)

    @classmethod
    def from_counts(
        cls,
        words: Iterable[str],
        counts: npt.ArrayLike,
        *,
        ids: npt.ArrayLike | None = None,
        text: TextOptions | None = None,
        source: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Vocabulary:
        """Sort `words` by `counts` (descending), ties by UTF-8 bytes, and return the vocabulary.

        Time O(V log V).

        Parameters
        ----------
        words : iterable of str, length V
            Distinct, not empty, encodable as UTF-8, in any order.
        counts : array_like of int, shape (V,)
            Occurrences of each word, 0 to 2**62, together below 2**63.
        ids : array_like of int, shape (V,), optional
            The foreign token id of each word.
        text, source, parameters : optional
            As for the class.

        Raises
        ------
        InputError
            If words and counts do not make a vocabulary; the message says which word and which rule.

        Examples
        --------
        >>> Vocabulary.from_counts(["to", "be", "or"], [2, 2, 1]).words
        ('be', 'to', 'or')
        """
        listed = list(words)
        array = _as_counts(counts, len(listed))
        foreign = None if ids is None else _as_ids(ids, len(listed))
        order = _rank_order(listed, array)
        return cls(
            [listed[i] for i in order.tolist()],
            array[order],
            ids=None if foreign is None else foreign[order],
            text=text,
            source=source,
            parameters=parameters,
        )

    @property
    def size(self) -> int:
        """V, the number of words."""
        return self._held.size

    def __len__(self) -> int:
        return self.size

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All words, in rank order."""
        return tuple(map(bytes.decode, self._held.pieces()))

    def words_at(self, ranks: Iterable[int]) -> list[str]:
        """Return the words of some ranks, without making strings of all.

        Parameters
        ----------
        ranks : iterable of int
            Each from 0 to V - 1.

        Examples
        --------
        >>> Vocabulary.from_counts(["be", "to", "or"], [3, 2, 1]).words_at([2, 0])
        ['or', 'be']
        """
        return self._held.at(ranks)

    def __repr__(self) -> str:
        first = zip(self.words_at(range(min(3, self.size))), self.counts[:3], strict=True)
        head = ", ".join(f"{word!r}: {count}" for word, count in first)
        return f"Vocabulary({{{head}{', …' if self.size > 3 else ''}}}, size={self.size})"

    @cached_property
    def total(self) -> int:
        """The sum of all counts."""
        return int(self.counts.sum())

    @cached_property
    def ranks(self) -> dict[str, int]:
        """Rank of every word."""
        return {word: rank for rank, word in enumerate(self.words)}

    def has_words_of(self, other: Vocabulary) -> bool:
        """Tell whether two vocabularies have the same words at the same ranks.

        Parameters
        ----------
        other : Vocabulary
            The other one.
        """
        return self._held.text == other._held.text and np.array_equal(self._held.offsets, other._held.offsets)

    @cached_property
    def unk_rank(self) -> int | None:
        """Rank of the unknown word, or None where there is none."""
        return self.rank_of(self.text.unk if self.text else TextOptions.unk)

    @cached_property
    def eos_rank(self) -> int | None:
        """Rank of ``<eos>``, or None where lines do not end in it."""
        return self.rank_of(EOS) if self.text is None or self.text.eos else None

    def rank_of(self, word: str) -> int | None:
        """Return the rank of one word, or None where it is absent; without making a table of all, as `index` does.

        Parameters
        ----------
        word : str
            Encodable as UTF-8.

        Examples
        --------
        >>> vocabulary = Vocabulary.from_counts(["be", "to"], [2, 1])
        >>> vocabulary.rank_of("to"), vocabulary.rank_of("not")
        (1, None)
        """
        return self._held.rank_of(word)

    def index(self, words: Iterable[str]) -> npt.NDArray[np.int64]:
        """Return the rank of each word.

        Parameters
        ----------
        words : iterable of str, length n
            Known ones and others, in any order.

        Returns
        -------
        ndarray of int64, shape (n,)
            -1 where a word is not in the vocabulary.

        Examples
        --------
        >>> Vocabulary.from_counts(["be", "to"], [2, 1]).index(["to", "not", "to"]).tolist()
        [1, -1, 1]
        """
        ranks = self.ranks
        return np.array([ranks.get(word, -1) for word in words], dtype=np.int64)

    @property
    def encoded(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """All words as UTF-8 bytes, end to end, and the V + 1 offsets where each begins."""
        return self._held.array, self._held.offsets

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of words, counts and foreign ids: equal exactly where all of these are."""
        digest = hashlib.sha256()
        for array in (*self.encoded, self.counts, self.ids):
            # The length keeps the end of one part from passing for the beginning of the next.
            digest.update(b"absent;" if array is None else b"%d;" % array.size + array.tobytes())
        return digest.hexdigest()


def _rank_order(words: Sequence[str], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the places of the words in rank order: a sort by count, then one by word among equal counts."""
    order = np.argsort(-counts, kind="stable")
    ends = np.flatnonzero(np.diff(counts[order], append=-1)) + 1
    places = order.tolist()
    try:
        for start, end in itertools.pairwise([0, *ends.tolist()]):
            if end - start > 1:
                # Code points sort as UTF-8 bytes do.
                places[start:end] = sorted(places[start:end], key=words.__getitem__)
    except TypeError:
        encode(words)  # says which word is not a string
        raise
    return np.array(places, dtype=np.int64)


def _as_counts(counts: npt.ArrayLike, size: int) -> npt.NDArray[np.int64]:
    array = _as_int64(counts, size, "counts")
    if array.size and (array.min() < 0 or array.max() > MAX_COUNT):
        wrong = int(np.argmax((array < 0) | (array > MAX_COUNT)))
        raise InputError(f"counts must lie between 0 and 2**62, but entry {wrong} is {int(array[wrong])}")
    check_total(exact_sum(array))
    return array


def check_total(total: int, where: str = "") -> None:
    """Refuse counts whose sum does not fit 64 bits.

    Parameters
    ----------
    total : int
        Their sum.
    where : str
        What the message begins with: the file that they are from.

    Raises
    ------
    InputError
        If it exceeds 2**63 - 1.
    """
    if total > MAX_TOTAL:
        raise InputError(f"{where}counts must sum to less than 2**63, but these sum to {total}; scale them all down")


def _as_ids(ids: npt.ArrayLike, size: int) -> npt.NDArray[np.int64]:
    array = _as_int64(ids, size, "ids")
    if array.size and array.min() < 0:
        raise InputError(f"token ids must not be negative, but entry {int(np.argmin(array))} is {int(array.min())}")
    ordered = np.sort(array)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if repeated.size:
        raise InputError(f"token ids must be distinct, but {int(repeated[0])} appears twice")
    return array


def _as_int64(values: npt.ArrayLike, size: int, name: str) -> npt.NDArray[np.int64]:
    array = whole_numbers(values, name)
    if array.shape != (size,):
        raise InputError(f"{name} must have one entry a word: expected shape ({size},), got {array.shape}")
    return array
