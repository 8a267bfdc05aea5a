"""Word vectors in word2vec's binary format, and the binary formats of others that are refused.

A line ``V d`` of text; then V times a word, a space, d numbers as little-endian float32 and, from most writers, a line
feed. What is not text in the first vector tells it from the text format, which begins with the same line.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from wordalloc.corpus.compressed import MAGICS, chunks
from wordalloc.corpus.reading import Input
from wordalloc.errors import FormatError, InputError
from wordalloc.vocabulary import Vocabulary

_HEADER = re.compile(rb"(\d{1,15}) (\d{1,9})[ \t\r]*\n")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_FASTTEXT = (793712314).to_bytes(4, "little")
_WIDEST = 1 << 16
_GRANTED = 1 << 24  # bytes asked for without a look at the size of the file
_PACKED = 1100  # times what a compressed file may hold: beyond the most of gzip, and far beyond what vectors come to
_LONGEST = 1 << 16  # bytes of a word
_CHUNK = 1 << 20


def refuse_foreign(file: Input, start: bytes) -> None:
    """Refuse files that cannot be read safely, or as what they are.

    Parameters
    ----------
    file : Input
        Open already.
    start : bytes
        What it begins with, decompressed.

    Raises
    ------
    FormatError
        Saying what to save instead.
    """
    if start[:1] == b"\x80" and start[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        raise FormatError(
            f"{file.name}: is a pickle, as gensim's own files are, which is never opened; "
            "save the vectors with save_word2vec_format"
        )
    if start.startswith(_FASTTEXT):
        raise FormatError(
            f"{file.name}: is a model of fastText's, whose words are sums over pieces of words; "
            "give the .vec file that it was written with"
        )


def is_binary(start: bytes) -> bool:
    """Tell word2vec's binary format from the text that begins as it does.

    >>> [is_binary(b"2 1\\nthe " + vector) for vector in (b"\\0\\0\\x80?", b"1.5\\n")]
    [True, False]
    """
    header = _HEADER.match(start)
    if header is None:
        return False
    vector = start[header.end() :].partition(b" ")[2][: 4 * max(1, int(header[2]))]
    try:
        codecs.getincrementaldecoder("utf-8")().decode(vector)  # a character may be cut off at the end
    except UnicodeDecodeError:
        return True
    return _CONTROL.search(vector) is not None


def blank_vectors(file: Input, vocabulary: Vocabulary, width: int, row_bytes: int) -> npt.NDArray[np.float32]:
    """Return zeros for each word of the vocabulary, once it is known that the file may hold half of the vectors.

    Parameters
    ----------
    file : Input
        Perhaps compressed.
    vocabulary : Vocabulary
        V words.
    width : int
        Numbers a word.
    row_bytes : int
        The least that a word and its vector take in the file.

    Raises
    ------
    FormatError
        If vectors are too wide.
    InputError
        If the file is too small: memory is asked for by what is there, not by what one line says.
    """
    if width > _WIDEST:
        raise FormatError(f"{file.name}: has {width:,} numbers a word, expected 1 to {_WIDEST:,}")
    most = 2 * file.size * (_PACKED if _is_packed(file) else 1)
    if vocabulary.size * row_bytes > max(most, _GRANTED):
        raise InputError(
            f"{file.name}: is too small for vectors of {width:,} numbers for half of the {vocabulary.size:,} words; "
            "take vectors of this vocabulary"
        )
    return np.zeros((vocabulary.size, width), dtype=np.float32)


def _is_packed(file: Input) -> bool:
    with file.open() as raw:
        return raw.read(4).startswith(MAGICS)


def read_binary(file: Input, vocabulary: Vocabulary) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return a vector for each word of the vocabulary, zeros for one that the file lacks, and which it has.

    Parameters
    ----------
    file : Input
        In the binary format, perhaps compressed.
    vocabulary : Vocabulary
        V words.

    Raises
    ------
    FormatError
        If the file is cut short, or is not what its first line says.
    InputError
        If a vector holds nan or infinity.
    """
    pieces = (chunk for chunk, _ in chunks(file, _CHUNK))
    start = next(pieces, b"")
    header = _HEADER.match(start)
    n_words, width = (int(header[1]), int(header[2])) if header else (0, 0)
    if header is None or not 1 <= width <= _WIDEST:
        raise FormatError(f"{file.name}: its first line says {width} numbers a word, expected 1 to {_WIDEST:,}")
    if not _is_packed(file) and file.size < n_words * (4 * width + 1):
        raise FormatError(
            f"{file.name}: is shorter than {n_words:,} vectors of {width} numbers, so it is cut short; fetch it again"
        )
    vectors = blank_vectors(file, vocabulary, width, 4 * width + 1)
    found = np.zeros(vocabulary.size, dtype=bool)
    for word, vector in _entries(file, start[header.end() :], pieces, n_words, width):
        rank = vocabulary.ranks.get(word)
        if rank is None or found[rank]:
            continue
        if not np.isfinite(vector).all():
            raise InputError(f"{file.name}: the vector of {word!r} holds nan or infinity; leave the word out")
        vectors[rank], found[rank] = vector, True
    return vectors, found


def _entries(
    file: Input, waiting: bytes, pieces: Iterator[bytes], n_words: int, width: int
) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    place = 0
    for number in range(n_words):
        while (space := waiting.find(b" ", place, place + _LONGEST)) < 0 or len(waiting) < space + 1 + 4 * width:
            piece = next(pieces, b"")
            if not piece or (space < 0 and len(waiting) - place >= _LONGEST):
                raise FormatError(
                    f"{file.name}: is cut short or damaged after {number:,} of {n_words:,} vectors; fetch it again"
                )
            waiting, place = waiting[place:] + piece, 0
        word = waiting[place:space].lstrip(b"\n").decode("utf-8", "replace")
        yield word, np.frombuffer(waiting, "<f4", width, space + 1)
        place = space + 1 + 4 * width
