"""The allocation file: one ``.safetensors`` file that holds a vocabulary and the arrays of one kind.

Layout (format version 1)
-------------------------
Tensors: ``words.bytes`` (uint8), ``words.offsets`` (int64, V + 1), ``counts`` (int64, V), optionally ``ids``
(int64, V), and the arrays of the kind. ``__metadata__`` has the one key ``wordalloc``: a JSON object with
sorted keys ``format_version``, ``kind``, ``wordalloc_version``, ``text``, ``source``, ``parameters``.

Reading trusts nothing: the header's claims are held against the file's real size before an array is made,
every dtype and shape against what the kind declares, every value against the vocabulary's rules. There is no
pickle. Writing is atomic, and the same content gives the same bytes.
"""

from __future__ import annotations

import errno
import json
import os
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.errors import FormatError, InputError, OutputError
from wordalloc.files import atomic_path, unreadable
from wordalloc.vocabulary import TextOptions, Vocabulary

FORMAT_VERSION = 1
METADATA_KEY = "wordalloc"
MAX_HEADER = 100_000_000  # the limit of the safetensors library
_VOCABULARY_ARRAYS = {"words.bytes": np.uint8, "words.offsets": np.int64, "counts": np.int64, "ids": np.int64}
# Every key of the header that is read, and what it must be. The version is judged before them.
_HEADER = {
    "kind": (str, "a string"),
    "parameters": (dict, "an object"),
    "source": (dict, "an object"),
    "text": (dict | None, "an object or null"),
}

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Record:
    """What a file holds, before the kind's own class has judged it.

    Attributes
    ----------
    kind : str
        What the file says it holds.
    vocabulary : Vocabulary
        The words, already checked.
    arrays : dict of str to ndarray
        All arrays but the vocabulary's, unchecked.
    parameters : dict
        Those of the kind.
    """

    kind: str
    vocabulary: Vocabulary
    arrays: Arrays
    parameters: dict[str, Any]


def write(
    path: str | os.PathLike[str],
    kind: str,
    vocabulary: Vocabulary,
    arrays: Mapping[str, npt.NDArray[Any]],
    parameters: Mapping[str, Any],
) -> None:
    """Write one allocation file, whole or not at all.

    Parameters
    ----------
    path : path-like
        The file to make or to replace.
    kind : str
        What the file says it holds.
    vocabulary : Vocabulary
        The words, with their text options, source and parameters.
    arrays : mapping of str to ndarray
        The arrays of the kind.
    parameters : mapping
        Those of the kind: plain JSON values.

    Raises
    ------
    OutputError
        If the target cannot be written; it is then left as it was.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    words, offsets = vocabulary.encoded
    tensors = {"words.bytes": words, "words.offsets": offsets, "counts": vocabulary.counts, **arrays}
    if vocabulary.ids is not None:
        tensors["ids"] = vocabulary.ids
    header = {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "wordalloc_version": version("wordalloc"),
        "text": vocabulary.text.to_json() if vocabulary.text else None,
        "source": vocabulary.source,
        "parameters": {**parameters, "vocabulary": vocabulary.parameters},
    }
    text = json.dumps(header, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        try:
            save_file(
                {name: np.ascontiguousarray(array) for name, array in tensors.items()},
                temporary,
                metadata={METADATA_KEY: text},
            )
        except SafetensorError as error:
            raise OutputError(f"cannot write {path}: {error}; the file is left as it was") from error


def read(path: str | os.PathLike[str]) -> Record:
    """Read and check one allocation file; the arrays of the kind are left for its class to judge.

    Parameters
    ----------
    path : path-like
        A file that `write` wrote, or that claims so.

    Raises
    ------
    FormatError
        If the file is missing, cut short, damaged, foreign, or of a later format version. The message names
        the file and what is wrong.
    """
    file = Path(path)
    header, tensors = _read_checked(file)
    parameters = dict(header["parameters"])
    try:
        vocabulary = _vocabulary(file, tensors, header, parameters.pop("vocabulary", None))
    except FormatError:
        raise
    except InputError as error:
        raise FormatError(f"{file}: damaged allocation file: {_one_line(error)}; make it again") from error
    arrays = {name: array for name, array in tensors.items() if name not in _VOCABULARY_ARRAYS}
    return Record(header["kind"], vocabulary, arrays, parameters)


def is_allocation_file(path: str | os.PathLike[str]) -> bool:
    """Tell from the first bytes whether `path` is a ``.safetensors`` file, of ours or foreign.

    Parameters
    ----------
    path : path-like
        Any name. What is not a regular file is never opened, for the bytes of a pipe can be read only once.
    """
    try:
        return _starts_as_safetensors(Path(path))
    except OSError:
        return False


def take(path_or_kind: str, arrays: Arrays, name: str, dtype: type, ndim: int = 1) -> npt.NDArray[Any]:
    """Return the array `name`, refusing one that is absent or has another dtype or number of axes.

    Parameters
    ----------
    path_or_kind : str
        Where the array was looked for, for the message of an error.
    arrays : dict of str to ndarray
        What the file holds.
    name : str
        The array that is wanted.
    dtype : type
        Its element type.
    ndim : int
        Its number of axes.

    Raises
    ------
    FormatError
        If the array is not what was asked for.
    """
    array = arrays.get(name)
    if array is None:
        raise FormatError(f"{path_or_kind}: the array {name!r} is missing; it has {reprlib.repr(sorted(arrays))}")
    if array.dtype != dtype or array.ndim != ndim:
        raise FormatError(
            f"{path_or_kind}: the array {name!r} must be {np.dtype(dtype)} with {ndim} axes, "
            f"not {array.dtype} with shape {array.shape}"
        )
    return array


def begins_as_safetensors(start: bytes) -> bool:
    """Tell whether a ``.safetensors`` file begins so.

    Parameters
    ----------
    start : bytes
        The first nine at least.
    """
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= MAX_HEADER


def _starts_as_safetensors(file: Path) -> bool:
    if not file.is_file():  # the first bytes of a pipe are gone once they are read
        return False
    with file.open("rb") as opened:
        start = opened.read(9)
        size = os.fstat(opened.fileno()).st_size
    return begins_as_safetensors(start) and int.from_bytes(start[:8], "little") <= size - 8


def _read_checked(file: Path) -> tuple[dict[str, Any], Arrays]:
    """Return the parsed header and the tensors; a foreign file is refused before its tensors are read."""
    from safetensors import SafetensorError, safe_open

    try:
        if not file.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if not file.is_file():
            raise FormatError(f"{file}: not a file; give a .safetensors file written by wordalloc")
        if not _starts_as_safetensors(file):
            raise FormatError(f"{file}: not a .safetensors file, or cut short or compressed; give one of wordalloc's")
        # The library holds offsets, shapes and dtypes against the real file size before it maps anything.
        with safe_open(file, framework="numpy") as opened:
            header = _parse_metadata(file, opened.metadata() or {})
            return header, {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except FormatError:
        raise
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise FormatError(f"{file}: damaged .safetensors file: {_one_line(error)}; make it again") from error
    except OSError as error:
        raise FormatError(f"{file}: {unreadable(file, error)}") from error


def _parse_metadata(file: Path, metadata: dict[str, str]) -> dict[str, Any]:
    text = metadata.get(METADATA_KEY)
    if text is None:
        raise FormatError(f"{file}: a foreign .safetensors file: it was not written by wordalloc; give one that was")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{file}: damaged metadata: {_one_line(error)}; make it again") from error
    if not isinstance(header, dict):
        raise FormatError(f"{file}: damaged metadata: it must be an object; make it again")
    found = header.get("format_version")
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise FormatError(
            f"{file}: damaged metadata: format_version must be a positive integer, not {reprlib.repr(found)}; "
            "make it again"
        )
    if found > FORMAT_VERSION:
        raise FormatError(
            f"{file}: written in format version {reprlib.repr(found)}, "
            f"but this wordalloc reads up to {FORMAT_VERSION}; upgrade it"
        )
    for key, (kind, name) in _HEADER.items():
        if not isinstance(header.get(key, ...), kind):
            raise FormatError(f"{file}: damaged metadata: {key!r} must be {name}; make it again")
    return header


def _vocabulary(file: Path, tensors: Arrays, header: dict[str, Any], parameters: Any) -> Vocabulary:
    name = str(file)
    if not isinstance(parameters, dict):
        raise FormatError(f"{file}: damaged metadata: the vocabulary's parameters must be an object; make it again")
    text = header["text"]
    return Vocabulary.from_bytes(
        take(name, tensors, "words.bytes", np.uint8).tobytes(),
        take(name, tensors, "words.offsets", np.int64),
        take(name, tensors, "counts", np.int64),
        ids=take(name, tensors, "ids", np.int64) if "ids" in tensors else None,
        text=None if text is None else text_options(text),
        source=header["source"],
        parameters=parameters,
    )


def text_options(text: dict[str, Any]) -> TextOptions:
    """Return the text options that a file holds.

    Parameters
    ----------
    text : dict
        As `TextOptions.to_json` gives them.

    Raises
    ------
    InputError
        If it holds other options, or impossible values.
    """
    names = [field.name for field in fields(TextOptions)]
    if sorted(text) != sorted(names):
        raise InputError(f"'text' must hold exactly {names}")
    return TextOptions(**text)


def _one_line(error: BaseException) -> str:
    """Return an error's text in one line of readable length: it may quote what a hostile file holds."""
    line = " ".join(str(error).split()) or type(error).__name__
    return line if len(line) <= 160 else line[:159] + "…"
