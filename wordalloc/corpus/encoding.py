"""Encoding text as token ids: once, into memory-mapped files that later runs use again."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.corpus.encoded_folder import META, read_meta, read_part
from wordalloc.corpus.engine import Progress
from wordalloc.corpus.kinds import texts
from wordalloc.corpus.ranks import Ranks
from wordalloc.corpus.reading import Input, Paths, names_of, open_inputs, read_blocks
from wordalloc.errors import FormatError, InputError, RunError
from wordalloc.files import cache_directory, temporary_folder, unreadable
from wordalloc.vocabulary import EOS, TextOptions, Vocabulary

_LAYOUT = 2  # part of the key: a change of the layout makes new entries


_Block = tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], int]  # ids, line ends, how many are unknown


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


def encode(
    paths: Paths, vocabulary: Vocabulary, *, column: str | None = None, progress: Progress | None = None
) -> EncodedText:
    """Encode text files by a vocabulary, read as the vocabulary's own text was.

    The result is kept in the cache (``WORDALLOC_CACHE``) under a key of the sources' content, the vocabulary and
    the text options, and used again. Time O(bytes), memory bounded.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        As in `wordalloc.count`; or one folder that ``wordalloc encode`` wrote by the same vocabulary.
    vocabulary : Vocabulary
        Gives the ids. Words outside it are read as its unknown word.
    column : str, optional
        As in `wordalloc.count`.
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
    names = names_of(paths)
    if len(names) == 1 and (Path(names[0]) / META).is_file():
        return _encode_folder(Path(names[0]), vocabulary, progress)
    with open_inputs(names) as files:
        return encode_inputs(texts(files, column), vocabulary, progress=progress)


def encode_inputs(files: list[Input], vocabulary: Vocabulary, *, progress: Progress | None = None) -> EncodedText:
    """Encode files that are open already; see `encode`."""
    text = text_options_of(vocabulary)
    names = ", ".join(file.name for file in files)
    return _cached(_key(files, vocabulary, text), names, lambda: _encoded(files, vocabulary, text, progress))


def _encode_folder(folder: Path, vocabulary: Vocabulary, progress: Progress | None) -> EncodedText:
    """Read a text that is encoded already; see `wordalloc.corpus.encoded_folder`."""
    meta = read_meta(folder, vocabulary)
    paths = [folder / name for name in (META, *itertools.chain.from_iterable(meta["files"]))]
    try:
        key = _digest(f"{_LAYOUT} ids", paths)
    except OSError as error:
        raise FormatError(f"{error.filename}: cannot be read: {unreadable(str(error.filename), error)}") from error
    except ValueError as error:  # of a name that no file can have
        raise FormatError(f"{folder}: its {META} is damaged: encode the text again") from error
    text = _cached(key, str(folder), lambda: _read_parts(folder, meta, vocabulary.size, progress))
    if (text.ids.size, text.line_ends.size) != (meta["tokens"], meta["lines"]):
        raise FormatError(
            f"{folder}: damaged: it holds other numbers of lines and tokens than its {META} says; encode the text again"
        )
    return text


def _cached(key: str, name: str, blocks: Callable[[], Iterable[Iterable[_Block]]]) -> EncodedText:
    """Return a text from the cache, written there first if need be, from the blocks of each of its files."""
    cache = cache_directory("ids")
    entry = cache / key
    encoded = _load(entry)
    if encoded is None:
        _write(entry, name, blocks())
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


def _encoded(
    files: list[Input], vocabulary: Vocabulary, text: TextOptions, progress: Progress | None
) -> Iterator[Iterator[_Block]]:
    lookup, total, finished = Lookup(vocabulary, text), sum(file.size for file in files), 0

    def blocks(file: Input) -> Iterator[_Block]:
        for block, position in whole_lines(file, text):
            yield lookup.encode(block)
            if progress is not None:
                progress(finished + position, total)

    for file in files:
        yield blocks(file)
        finished += file.size


def _read_parts(folder: Path, meta: dict[str, Any], size: int, progress: Progress | None) -> Iterator[Iterator[_Block]]:
    unknown, done = meta["unknown"], 0

    def blocks(names: list[str]) -> Iterator[_Block]:
        nonlocal unknown, done
        for name in names:
            ids, ends = read_part(folder, name, size)
            yield ids, ends, unknown
            unknown, done = 0, done + ids.size  # of all parts together, so it is said once
            if progress is not None:
                progress(done, meta["tokens"])

    return map(blocks, meta["files"])


def _key(files: list[Input], vocabulary: Vocabulary, text: TextOptions) -> str:
    columns = "".join(f" {file.column!r}" for file in files if file.column is not None)
    return _digest(f"{_LAYOUT} {vocabulary.fingerprint} {text}{columns}", [file.path for file in files])


def _digest(start: str, paths: list[Path]) -> str:
    digest = hashlib.sha256(start.encode())
    for path in paths:
        with path.open("rb") as opened:
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


def _write(entry: Path, name: str, files: Iterable[Iterable[_Block]]) -> None:
    """Write an entry in a folder of its own, which gets its final name when it is whole."""
    with _cache_errors(entry.parent), temporary_folder("new-", entry.parent) as folder:
        tokens = lines = unknown = 0
        file_ends = []
        with (folder / "ids.int32").open("wb") as id_file, (folder / "line_ends.int64").open("wb") as end_file:
            for blocks in files:
                for ids, ends, n_unknown in blocks:
                    ids.tofile(id_file)
                    (ends + tokens).tofile(end_file)
                    tokens, lines, unknown = tokens + ids.size, lines + ends.size, unknown + n_unknown
                file_ends.append(tokens)
        if not tokens:
            raise no_word_error(name)
        meta = {"file_ends": file_ends, "lines": lines, "unknown": unknown}
        (folder / "meta.json").write_text(json.dumps(meta))
        if entry.exists() and _load(entry) is None:  # damaged; a whole one is by another process, which may read it now
            shutil.rmtree(entry, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.rename(entry)


def text_options_of(vocabulary: Vocabulary) -> TextOptions:
    """Return how text is read for a vocabulary.

    Parameters
    ----------
    vocabulary : Vocabulary
        Refused where it is one of a tokenizer's tokens, between which no space stands.
    """
    if vocabulary.ids is not None and vocabulary.text is None:
        raise InputError(
            "the vocabulary holds a tokenizer's tokens, but text is cut at spaces here; "
            "use wordalloc.nn.huggingface.replace_lm_head, or count the words of the text"
        )
    return vocabulary.text or TextOptions()


def whole_lines(file: Input, text: TextOptions) -> Iterator[tuple[str, int]]:
    """Yield the blocks of a file; its last line ends in a line feed even where the file does not."""
    block, position = "\n", 0
    for block, position in read_blocks(file, text.errors):
        yield block, position
    if not block.endswith("\n"):
        yield "\n", position


def no_word_error(name: str) -> InputError:
    """Return the error of a text that has no token."""
    return InputError(f"{name}: there is no word to encode; name a text that holds some")


def stranger_error(word: str) -> InputError:
    """Return the error of a word that is out of a vocabulary which has no word for unknown ones."""
    return InputError(
        f"the word {word!r} is not in the vocabulary, which has no word for unknown ones; "
        "count the vocabulary from this text, or limit it with --min-count so that it gets <unk>"
    )


class Lookup(Ranks):
    """Encodes blocks of text by a vocabulary."""

    _NOTHING, _LINE_END = -2, -3

    def __init__(self, vocabulary: Vocabulary, text: TextOptions) -> None:
        super().__init__(vocabulary.ranks, text.lowercase)
        self._eos = vocabulary.ranks.get(EOS) if text.eos else None
        self._unk = vocabulary.ranks.get(text.unk)
        self.update({"": self._NOTHING, "\n": self._LINE_END})

    def __missing__(self, word: str) -> int:
        rank = super().__missing__(word)
        if rank == self.UNKNOWN and self._unk is None:
            raise stranger_error(word)
        return rank

    def encode(self, block: str) -> _Block:
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
        unknown = codes == self.UNKNOWN
        if self._unk is not None:
            codes[unknown] = self._unk
        return codes, ends.astype(np.int64), int(unknown.sum())
