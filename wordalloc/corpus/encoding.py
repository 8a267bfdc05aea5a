"""Encoding text as token ids: once, into memory-mapped files that later runs use again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wordalloc.corpus.engine import Progress
from wordalloc.corpus.reading import Input, Paths, open_inputs, read_blocks
from wordalloc.errors import InputError, RunError
from wordalloc.files import cache_directory, temporary_folder
from wordalloc.vocabulary import EOS, TextOptions, Vocabulary

_LAYOUT = 2  # part of the key: a change of the layout makes new entries


@dataclass(frozen=True)
class EncodedText:
    """A text as token ids.

    Attributes
    ----------
    ids : ndarray of int32, shape (T,)
        Ranks in the vocabulary; read-only, mapped from disk.
    line_ends : ndarray of int64, shape (L,)
        Where each line ends in `ids` (exclusive); a line's ``<eos>`` belongs to it.
    file_ends : ndarray of int64, shape (F,)
        Where each file ends in `ids` (exclusive).
    n_unknown : int
        How many tokens were out of the vocabulary and read as the unknown word.
    """

    ids: npt.NDArray[np.int32]
    line_ends: npt.NDArray[np.int64]
    file_ends: npt.NDArray[np.int64]
    n_unknown: int


def encode(paths: Paths, vocabulary: Vocabulary, *, progress: Progress | None = None) -> EncodedText:
    """Encode text files by a vocabulary, read as the vocabulary's own text was.

    The result is kept in the cache (``WORDALLOC_CACHE``) under a key of the sources' content, the vocabulary and
    the text options, and used again. Time O(bytes), memory bounded.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        As in `wordalloc.count`.
    vocabulary : Vocabulary
        Gives the ids. Words outside it are read as its unknown word.
    progress : callable, optional
        Called as ``progress(bytes done, bytes in all)``.

    Raises
    ------
    InputError
        If a source cannot be read, holds no token, or holds unknown words and the vocabulary no word for them.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> vocabulary = Vocabulary.from_counts(["to", "be", "<unk>", "<eos>"], [9, 8, 7, 6])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "text.txt"
    ...     _ = path.write_text("to be\\nor to\\n")
    ...     encoded = encode(path, vocabulary)
    >>> encoded.ids.tolist(), encoded.line_ends.tolist(), encoded.n_unknown
    ([0, 1, 3, 2, 0, 3], [3, 6], 1)
    """
    with open_inputs(paths) as files:
        return encode_inputs(files, vocabulary, progress=progress)


def encode_inputs(files: list[Input], vocabulary: Vocabulary, *, progress: Progress | None = None) -> EncodedText:
    """Encode files that are open already; see `encode`."""
    text = vocabulary.text or TextOptions()
    cache = cache_directory("ids")
    entry = cache / _key(files, vocabulary, text)
    encoded = _load(entry)
    if encoded is None:
        _write(entry, files, vocabulary, text, progress)
        encoded = _load(entry)
    if encoded is None:
        raise RunError(f"the cache folder {cache} was taken away while it was written; run the command again")
    return encoded


@contextlib.contextmanager
def _cache_errors(cache: Path) -> Iterator[None]:
    """Say in one sentence why the cache could not be written."""
    try:
        yield
    except OSError as error:
        if not cache.exists():
            return  # said by whoever looks for the entry
        # The error of an array that does not fit names no reason.
        reason = (error.strerror or f"no space left ({error})").lower()
        raise RunError(
            f"the token ids cannot be written to the cache folder {cache}: {reason}; "
            "make room, or name another folder with WORDALLOC_CACHE"
        ) from error


def _key(files: list[Input], vocabulary: Vocabulary, text: TextOptions) -> str:
    digest = hashlib.sha256(f"{_LAYOUT} {vocabulary.fingerprint} {text}".encode())
    for file in files:
        with file.path.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _load(entry: Path) -> EncodedText | None:
    """Map an entry; None where it is missing or not whole."""
    try:
        meta = json.loads((entry / "meta.json").read_text())
        ids = np.memmap(entry / "ids.int32", np.int32, "r")
        line_ends = np.fromfile(entry / "line_ends.int64", np.int64)
        file_ends = np.array(meta["file_ends"], dtype=np.int64)
        whole = ids.size == file_ends[-1] and line_ends.size == meta["lines"]
        return EncodedText(ids, line_ends, file_ends, meta["unknown"]) if whole else None
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _write(
    entry: Path, files: list[Input], vocabulary: Vocabulary, text: TextOptions, progress: Progress | None
) -> None:
    """Write an entry in a folder of its own, which gets its final name when it is whole."""
    with _cache_errors(entry.parent), temporary_folder("new-", entry.parent) as folder:
        lookup = _Lookup(vocabulary, text)
        tokens = lines = unknown = finished = 0
        total, file_ends = sum(file.size for file in files), []
        with (folder / "ids.int32").open("wb") as id_file, (folder / "line_ends.int64").open("wb") as end_file:
            for file in files:
                for block, position in _whole_lines(file, text):
                    ids, ends, n_unknown = lookup.encode(block)
                    ids.tofile(id_file)
                    (ends + tokens).tofile(end_file)
                    tokens, lines, unknown = tokens + ids.size, lines + ends.size, unknown + n_unknown
                    if progress is not None:
                        progress(finished + position, total)
                file_ends.append(tokens)
                finished += file.size
        if not tokens:
            raise InputError(f"{', '.join(file.name for file in files)}: there is no word to encode")
        meta = {"file_ends": file_ends, "lines": lines, "unknown": unknown}
        (folder / "meta.json").write_text(json.dumps(meta))
        if entry.exists():
            shutil.rmtree(entry, ignore_errors=True)  # damaged, or another process was as fast
        with contextlib.suppress(OSError):
            folder.rename(entry)


def _whole_lines(file: Input, text: TextOptions) -> Iterator[tuple[str, int]]:
    """Yield the blocks of a file; its last line ends in a line feed even where the file does not."""
    block, position = "\n", 0
    for block, position in read_blocks(file, text.errors):
        yield block, position
    if not block.endswith("\n"):
        yield "\n", position


class _Lookup(dict[str, int]):
    """Rank of every word as it is spelt in the text; lower-cased spellings are learnt when they are met."""

    _NOTHING, _LINE_END, _UNKNOWN = -1, -2, -3
    _MAX_LEARNT = 1_000_000  # spellings; a bound on memory where a text has no end of odd ones

    def __init__(self, vocabulary: Vocabulary, text: TextOptions) -> None:
        super().__init__({} if text.lowercase else vocabulary.ranks)
        self._ranks = vocabulary.ranks
        self._lowercase = text.lowercase
        self._eos = vocabulary.ranks.get(EOS) if text.eos else None
        self._unk = vocabulary.ranks.get(text.unk)
        self._full = len(self) + self._MAX_LEARNT
        self.update({"": self._NOTHING, "\n": self._LINE_END})

    def __missing__(self, word: str) -> int:
        rank = self._ranks.get(word.lower(), self._UNKNOWN) if self._lowercase else self._UNKNOWN
        if rank == self._UNKNOWN and self._unk is None:
            raise InputError(
                f"the word {word!r} is not in the vocabulary, which has no word for unknown ones; "
                "count the vocabulary from this text, or limit it with --min-count so that it gets <unk>"
            )
        if len(self) < self._full:
            self[word] = rank
        return rank

    def encode(self, block: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], int]:
        """Return the ids of a block, where its lines end in them, and how many were unknown."""
        pieces = block.replace("\n", " \n ").split(" ")
        codes = np.fromiter(map(self.__getitem__, pieces), np.int32, len(pieces))
        codes = codes[codes != self._NOTHING]
        is_end = codes == self._LINE_END
        if self._eos is None:
            ends = np.cumsum(~is_end)[is_end]
            codes = codes[~is_end]
        else:
            ends = np.flatnonzero(is_end) + 1
            codes[is_end] = self._eos
        unknown = codes == self._UNKNOWN
        if self._unk is not None:
            codes[unknown] = self._unk
        return codes, ends.astype(np.int64), int(unknown.sum())
