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

import itertools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.errors import FormatError, InputError, OutputError
from wordalloc.files import atomic_path
from wordalloc.vocabulary import TextOptions, Vocabulary

FORMAT_VERSION = 1
METADATA_KEY = "wordalloc"
MAX_HEADER = 100_000_000  # the limit of the safetensors library
_VOCABULARY_ARRAYS = {"words.bytes": np.uint8, "words.offsets": np.int64, "counts": np.int64, "ids": np.int64}

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Record:
    """What a file holds, before the kind's own class has judged it."""

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
    """Read and check one allocation file.

    Raises
    ------
    FormatError
        If the file is missing, cut short, damaged, foreign, or of a later format version. The message names
        the file and what is wrong.
    """
    file = Path(path)
    tensors, metadata = _read_tensors(file)
    header = _parse_metadata(file, metadata)
    try:
        parameters = dict(header["parameters"])
        vocabulary = _vocabulary(file, tensors, header, parameters.pop("vocabulary", {}))
    except FormatError:
        raise
    except (InputError, KeyError, TypeError, ValueError, UnicodeDecodeError) as error:
        raise FormatError(f"{file}: damaged allocation file: {_one_line(error)}; make it again") from error
    arrays = {name: array for name, array in tensors.items() if name not in _VOCABULARY_ARRAYS}
    return Record(header["kind"], vocabulary, arrays, parameters)


def is_allocation_file(path: str | os.PathLike[str]) -> bool:
    """Tell from the first bytes whether `path` is a ``.safetensors`` file, of ours or foreign."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(9)
            size = os.fstat(file.fileno()).st_size
    except OSError:
        return False
    return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") <= min(size - 8, MAX_HEADER)


def take(path_or_kind: str, arrays: Arrays, name: str, dtype: type, ndim: int = 1) -> npt.NDArray[Any]:
    """Return the array `name`, refusing one that is absent or has another dtype or number of axes."""
    array = arrays.get(name)
    if array is None:
        raise FormatError(f"{path_or_kind}: the array {name!r} is missing; it has {sorted(arrays)}")
    if array.dtype != dtype or array.ndim != ndim:
        raise FormatError(
            f"{path_or_kind}: the array {name!r} must be {np.dtype(dtype)} with {ndim} axes, "
            f"not {array.dtype} with shape {array.shape}"
        )
    return array


def _read_tensors(file: Path) -> tuple[Arrays, dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    if not file.exists():
        raise FormatError(f"{file}: no such file")
    if not file.is_file():
        raise FormatError(f"{file}: not a file; give a .safetensors file written by wordalloc")
    if not is_allocation_file(file):
        raise FormatError(f"{file}: not a .safetensors file, or cut short")
    try:
        # The library holds offsets, shapes and dtypes against the real file size before it maps anything.
        with safe_open(file, framework="numpy") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}, opened.metadata() or {}  # noqa: SIM118
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise FormatError(f"{file}: damaged .safetensors file: {_one_line(error)}") from error
    except OSError as error:
        raise FormatError(f"{file}: cannot be read: {_one_line(error)}") from error


def _parse_metadata(file: Path, metadata: dict[str, str]) -> dict[str, Any]:
    text = metadata.get(METADATA_KEY)
    if text is None:
        raise FormatError(f"{file}: a foreign .safetensors file: it was not written by wordalloc")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{file}: damaged metadata: {_one_line(error)}") from error
    if not isinstance(header, dict) or not isinstance(header.get("kind"), str):
        raise FormatError(f"{file}: damaged metadata: no kind is named")
    found = header.get("format_version")
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise FormatError(f"{file}: damaged metadata: format_version must be a positive integer, not {found!r}")
    if found > FORMAT_VERSION:
        raise FormatError(f"{file}: written in format version {found}, but this wordalloc reads up to {FORMAT_VERSION}")
    for key in ("parameters", "source"):
        if not isinstance(header.get(key), dict):
            raise FormatError(f"{file}: damaged metadata: {key!r} must be an object")
    return header


def _vocabulary(file: Path, tensors: Arrays, header: dict[str, Any], parameters: Any) -> Vocabulary:
    name = str(file)
    offsets = take(name, tensors, "words.offsets", np.int64)
    blob = take(name, tensors, "words.bytes", np.uint8)
    if offsets.size < 2 or offsets[0] != 0 or offsets[-1] != blob.size or (np.diff(offsets) < 0).any():
        raise FormatError(f"{file}: damaged: 'words.offsets' does not divide the {blob.size} bytes of the words")
    joined = blob.tobytes()
    ends = offsets.tolist()
    text = header.get("text")
    if not isinstance(parameters, dict):
        raise FormatError(f"{file}: damaged metadata: the vocabulary's parameters must be an object")
    return Vocabulary(
        [joined[start:end].decode("utf-8") for start, end in itertools.pairwise(ends)],
        take(name, tensors, "counts", np.int64),
        ids=take(name, tensors, "ids", np.int64) if "ids" in tensors else None,
        text=None if text is None else _text_options(text),
        source=header["source"],
        parameters=parameters,
    )


def _text_options(text: Any) -> TextOptions:
    kinds = {"lowercase": bool, "unk": str, "eos": bool, "errors": str}
    if not isinstance(text, dict) or set(text) != set(kinds):
        raise InputError(f"'text' must hold exactly {sorted(kinds)}")
    for key, kind in kinds.items():
        if not isinstance(text[key], kind):
            raise InputError(f"'text' holds {text[key]!r} for {key}, expected {kind.__name__}")
    return TextOptions(**text)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
