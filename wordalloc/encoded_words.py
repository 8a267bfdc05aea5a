"""Words as UTF-8 bytes, end to end: how a vocabulary holds them, and what it refuses.

Ten million words take a gigabyte as Python strings, but 0.15 GB as bytes and offsets. Whatever looks at all of them
goes block by block, so that few are Python objects at a time: O(bytes + V log V) time for the checks, and O(V) memory
beside the words.
"""

from __future__ import annotations

import itertools
import operator
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wordalloc.checks import read_only
from wordalloc.errors import InputError

_BLOCK = 1 << 16  # words that are Python objects at a time


@dataclass(frozen=True)
class EncodedWords:
    """V words as bytes.

    Attributes
    ----------
    text : bytes
        The words, end to end.
    offsets : ndarray of int64, shape (V + 1,)
        Where each begins, and the end; read-only.

    Raises
    ------
    InputError
        If the offsets do not divide the text.

    Examples
    --------
    >>> words = EncodedWords(b"bea", np.array([0, 2, 3]))
    >>> list(words.pieces()), words.at([1]), words.rank_of("be")
    ([b'be', b'a'], ['a'], 0)
    """

    text: bytes
    offsets: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        # Offsets are compared, not subtracted: the difference of two hostile ones can overflow.
        ascending = self.offsets.size > 0 and (self.offsets[:-1] <= self.offsets[1:]).all()
        if not ascending or self.offsets[0] != 0 or self.offsets[-1] != len(self.text):
            raise InputError(f"'words.offsets' does not divide the {len(self.text)} bytes of the words")
        read_only(self.offsets)

    @classmethod
    def from_words(cls, words: Sequence[str]) -> EncodedWords:
        """Encode words; a word that is no string, or that UTF-8 cannot write, is an InputError.

        Parameters
        ----------
        words : sequence of str, length V
            In rank order.
        """
        joined, offsets = bytearray(), np.zeros(len(words) + 1, dtype=np.int64)
        for first in range(0, len(words), _BLOCK):
            pieces = encode(words[first : first + _BLOCK])
            joined += b"".join(pieces)
            offsets[first + 1 : first + 1 + len(pieces)] = np.fromiter(map(len, pieces), np.int64, len(pieces))
        return cls(bytes(joined), np.cumsum(offsets))

    @property
    def size(self) -> int:
        """V, the number of words."""
        return self.offsets.size - 1

    @property
    def array(self) -> npt.NDArray[np.uint8]:
        """The text as an array, read-only."""
        return np.frombuffer(self.text, dtype=np.uint8)

    def pieces(self) -> Iterator[bytes]:
        """Go through the words, one after the other."""
        return itertools.chain.from_iterable(map(self._block, range(0, self.size, _BLOCK)))

    def at(self, ranks: Iterable[int]) -> list[str]:
        """Return the words of some ranks.

        Parameters
        ----------
        ranks : iterable of int
            Each from 0 to V - 1.
        """
        places = np.fromiter(ranks, np.int64)
        bounds = zip(self.offsets[places].tolist(), self.offsets[places + 1].tolist(), strict=True)
        return [self.text[start:end].decode() for start, end in bounds]

    def rank_of(self, word: str) -> int | None:
        """Return the first rank of a word, None where it is absent: it is looked for among those of its length.

        Parameters
        ----------
        word : str
            Encodable as UTF-8.
        """
        wanted = word.encode()
        ranks = np.flatnonzero(np.diff(self.offsets) == len(wanted))
        for place, byte in enumerate(wanted):
            ranks = ranks[self.array[self.offsets[ranks] + place] == byte]
        return int(ranks[0]) if ranks.size else None

    def check_utf8(self) -> None:
        """Refuse words that are not UTF-8: what they make together is, and none begins inside a character."""
        for first in range(0, self.size, _BLOCK):
            bounds = self.offsets[first : first + _BLOCK + 1]
            starts = bounds[:-1][bounds[:-1] < len(self.text)]  # an empty word may begin at the end
            inside = (self.array[starts] & 0xC0 == 0x80).any()
            if inside or not _is_utf8(self.text[bounds[0] : bounds[-1]]):
                wrong = next(word for word in self._block(first) if not _is_utf8(word))
                raise InputError(f"the word {reprlib.repr(wrong)} is not UTF-8")

    def check_distinct(self) -> None:
        """Refuse empty words and equal ones: sorted hash values put these side by side, in less memory than a set."""
        if not self.size:
            raise InputError("a vocabulary needs at least one word")
        lengths = np.diff(self.offsets)
        if not lengths.all():
            raise InputError(f"the word at rank {int(np.argmin(lengths))} is empty; leave it out")
        hashes = np.fromiter(map(hash, self.pieces()), np.int64, self.size)
        ordered = np.sort(hashes)
        shared = ordered[1:][ordered[1:] == ordered[:-1]]
        if not shared.size:
            return
        seen: set[str] = set()
        for word in self.at(np.flatnonzero(np.isin(hashes, shared)).tolist()):
            if word in seen:
                raise InputError(f"the word {word!r} appears twice; add its counts into one entry")
            seen.add(word)

    def check_ties(self, tied: npt.NDArray[np.bool_]) -> None:
        """Refuse words of equal count that are not sorted by their bytes.

        Parameters
        ----------
        tied : ndarray of bool, shape (V - 1,)
            Whether each word has the count of the next one.
        """
        before, after = itertools.tee(self.pieces())
        next(after)
        wrong = map(operator.gt, itertools.compress(before, tied), itertools.compress(after, tied))
        place = next((place for place, is_wrong in enumerate(wrong) if is_wrong), None)
        if place is not None:
            rank = int(np.flatnonzero(tied)[place])
            first, second = self.at([rank, rank + 1])
            raise InputError(
                f"words of equal count must be sorted by their bytes, but {first!r} stands before {second!r} "
                f"at rank {rank}"
            )

    def _block(self, first: int) -> list[bytes]:
        bounds = self.offsets[first : first + _BLOCK + 1].tolist()
        return [self.text[start:end] for start, end in itertools.pairwise(bounds)]


def encode(words: Sequence[str]) -> list[bytes]:
    """Return words as UTF-8, or say which one is none.

    Parameters
    ----------
    words : sequence of str
        What shall be words.

    Raises
    ------
    InputError
        If one is not a string, or holds a lone surrogate.
    """
    try:
        return list(map(str.encode, words))
    except TypeError as error:
        wrong = next(word for word in words if not isinstance(word, str))
        raise InputError(f"a word must be a string, not {wrong!r}") from error
    except UnicodeEncodeError as error:
        raise InputError(f"a word holds a lone surrogate, which UTF-8 cannot write: {error.object!r}") from error


def _is_utf8(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True
