"""Vocabulary: words and their counts, most frequent first. Everything else in this package starts here.

Words are held as UTF-8 bytes, end to end, and become strings when somebody asks for them: ten million of them take a
gigabyte as strings, but 0.2 as bytes with their offsets and counts, and what bands, trees and tables are computed from
are the counts. Checking V words takes O(bytes + V log V) time and, beside them, O(V) memory.
"""

from __future__ import annotations

import hashlib
import itertools
import operator
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.checks import Frozen, exact_sum, plain_json, read_only, whole_numbers
from wordalloc.errors import InputError

EOS = "<eos>"
MAX_COUNT = 2**62
MAX_TOTAL = 2**63 - 1  # so that no sum of counts exceeds 64 bits, whatever words it is of
_BLOCK = 1 << 16  # words that are Python objects at a time


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
        _encode([self.unk])
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
        self._settle(*_joined(listed), counts, ids, text, source, parameters)

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
        # Offsets are compared, not subtracted: the difference of two hostile ones can overflow.
        ascending = offsets.size > 1 and (offsets[:-1] <= offsets[1:]).all()
        if not ascending or offsets[0] != 0 or offsets[-1] != len(encoded):
            raise InputError(f"'words.offsets' does not divide the {len(encoded)} bytes of the words")
        _check_utf8(encoded, offsets)
        vocabulary = cls.__new__(cls)
        vocabulary._settle(encoded, offsets.copy(), counts, ids, text, source, parameters)
        return vocabulary

    def _settle(
        self,
        encoded: bytes,
        offsets: npt.NDArray[np.int64],
        counts: npt.ArrayLike,
        ids: npt.ArrayLike | None,
        text: TextOptions | None,
        source: Mapping[str, Any] | None,
        parameters: Mapping[str, Any] | None,
    ) -> None:
        """Check what the vocabulary shall hold, and keep it."""
        size = offsets.size - 1
        self._bytes = encoded
        self._offsets = read_only(offsets)
        self.counts: npt.NDArray[np.int64] = _as_counts(counts, size)
        self.ids: npt.NDArray[np.int64] | None = None if ids is None else _as_ids(ids, size)
        self.text = text
        self.source = plain_json(source or {}, "source")
        self.parameters = plain_json(parameters or {}, "parameters")
        self._check()

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
        return self._offsets.size - 1

    def __len__(self) -> int:
        return self.size

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All words, in rank order."""
        return tuple(map(bytes.decode, self._pieces()))

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
        places = np.fromiter(ranks, np.int64)
        bounds = zip(self._offsets[places].tolist(), self._offsets[places + 1].tolist(), strict=True)
        return [self._bytes[start:end].decode() for start, end in bounds]

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
        return self._bytes == other._bytes and np.array_equal(self._offsets, other._offsets)

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
        wanted, blob = word.encode(), self.encoded[0]
        ranks = np.flatnonzero(np.diff(self._offsets) == len(wanted))
        for place, byte in enumerate(wanted):
            ranks = ranks[blob[self._offsets[ranks] + place] == byte]
        return int(ranks[0]) if ranks.size else None

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
        return np.frombuffer(self._bytes, dtype=np.uint8), self._offsets

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of words, counts and foreign ids: equal exactly where all of these are."""
        digest = hashlib.sha256()
        for array in (*self.encoded, self.counts, self.ids):
            # The length keeps the end of one part from passing for the beginning of the next.
            digest.update(b"absent;" if array is None else b"%d;" % array.size + array.tobytes())
        return digest.hexdigest()

    def _pieces(self) -> Iterator[bytes]:
        """Go through the bytes of every word, few of them objects at a time."""
        return itertools.chain.from_iterable(
            _cut(self._bytes, self._offsets[first : first + _BLOCK + 1]) for first in range(0, self.size, _BLOCK)
        )

    def _check(self) -> None:
        if not self.size:
            raise InputError("a vocabulary needs at least one word")
        lengths = np.diff(self._offsets)
        if not lengths.all():
            raise InputError(f"the word at rank {int(np.argmin(lengths))} is empty; leave it out")
        self._check_distinct()
        falls = -np.diff(self.counts)
        if (falls < 0).any():
            rank = int(np.argmax(falls < 0)) + 1
            raise InputError(f"counts must descend, but rank {rank} has more than rank {rank - 1}")
        self._check_ties(falls == 0)

    def _check_distinct(self) -> None:
        """Refuse equal words: sorted hash values put them side by side, in a tenth of the memory of a set."""
        hashes = np.fromiter(map(hash, self._pieces()), np.int64, self.size)
        ordered = np.sort(hashes)
        shared = ordered[1:][ordered[1:] == ordered[:-1]]
        if not shared.size:
            return
        seen: set[str] = set()
        for word in self.words_at(np.flatnonzero(np.isin(hashes, shared)).tolist()):
            if word in seen:
                raise InputError(f"the word {word!r} appears twice; add its counts into one entry")
            seen.add(word)

    def _check_ties(self, tied: npt.NDArray[np.bool_]) -> None:
        """Refuse words of equal count that are not sorted; `tied` says of each rank but the last whether it ties."""
        before, after = itertools.tee(self._pieces())
        next(after)
        wrong = map(operator.gt, itertools.compress(before, tied), itertools.compress(after, tied))
        place = next((place for place, is_wrong in enumerate(wrong) if is_wrong), None)
        if place is not None:
            rank = int(np.flatnonzero(tied)[place])
            first, second = self.words_at([rank, rank + 1])
            raise InputError(
                f"words of equal count must be sorted by their bytes, but {first!r} stands before {second!r} "
                f"at rank {rank}"
            )


def _check_utf8(encoded: bytes, offsets: npt.NDArray[np.int64]) -> None:
    """Refuse words that are not UTF-8: what they make together is, and none begins inside a character."""
    blob = np.frombuffer(encoded, np.uint8)
    for first in range(0, offsets.size - 1, _BLOCK):
        bounds = offsets[first : first + _BLOCK + 1]
        starts = bounds[:-1][bounds[:-1] < blob.size]  # an empty word may begin at the end
        if (blob[starts] & 0xC0 == 0x80).any() or not _is_utf8(encoded[bounds[0] : bounds[-1]]):
            wrong = next(word for word in _cut(encoded, bounds) if not _is_utf8(word))
            raise InputError(f"the word {reprlib.repr(wrong)} is not UTF-8")


def _cut(encoded: bytes, bounds: npt.NDArray[np.int64]) -> list[bytes]:
    return [encoded[start:end] for start, end in itertools.pairwise(bounds.tolist())]


def _is_utf8(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True


def _joined(words: tuple[str, ...]) -> tuple[bytes, npt.NDArray[np.int64]]:
    """Return words as bytes, end to end, and where each begins; few of them are bytes of their own at a time."""
    joined, offsets = bytearray(), np.zeros(len(words) + 1, dtype=np.int64)
    for first in range(0, len(words), _BLOCK):
        pieces = _encode(words[first : first + _BLOCK])
        joined += b"".join(pieces)
        offsets[first + 1 : first + 1 + len(pieces)] = np.fromiter(map(len, pieces), np.int64, len(pieces))
    return bytes(joined), np.cumsum(offsets)


def _encode(words: Sequence[str]) -> list[bytes]:
    try:
        return list(map(str.encode, words))
    except TypeError as error:
        wrong = next(word for word in words if not isinstance(word, str))
        raise InputError(f"a word must be a string, not {wrong!r}") from error
    except UnicodeEncodeError as error:
        raise InputError(f"a word holds a lone surrogate, which UTF-8 cannot write: {error.object!r}") from error


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
        _encode(words)  # says which word is not a string
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
