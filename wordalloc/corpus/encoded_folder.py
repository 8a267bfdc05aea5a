"""A text as ids in a folder of Parquet files, for texts that many machines encode: the layout, and reading it.

Layout (format version 1)
-------------------------
``meta.json`` and Parquet files of one column, ``ids`` (a list of int32): a row is a line, ``<eos>`` included where
lines end in it. ``meta.json`` has sorted keys: ``files``, for each file of the text the names of its parts in order;
``lines``, ``tokens``, ``unknown``, their numbers; ``source``, ``text`` and ``vocabulary``, what the text was and what
it was read with (the vocabulary's fingerprint); ``format_version`` and ``kind``. It is written last.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.corpus.engine import connect, load_duckdb
from wordalloc.corpus.parquet import ROWS, literal, quoted
from wordalloc.errors import FormatError, InputError
from wordalloc.files import unreadable
from wordalloc.vocabulary import TextOptions, Vocabulary

META = "meta.json"
_KEYS = {"files": list, "lines": int, "tokens": int, "unknown": int, "source": dict, "text": dict, "vocabulary": str}


def meta_json(
    files: list[list[str]], numbers: Mapping[str, int], source: Mapping[str, Any], vocabulary: Vocabulary
) -> str:
    """Return what ``meta.json`` holds.

    Parameters
    ----------
    files : list of list of str
        The names of the parts of each file of the text.
    numbers : mapping of str to int
        How many ``lines``, ``tokens`` and ``unknown`` tokens there are.
    source : mapping
        Names and sizes of the files, as an allocation file has them.
    vocabulary : Vocabulary
        What gave the ids.
    """
    content = {
        "format_version": 1,
        "kind": "ids",
        "files": files,
        **numbers,
        "source": dict(source),
        "text": (vocabulary.text or TextOptions()).to_json(),
        "vocabulary": vocabulary.fingerprint,
    }
    return json.dumps(content, sort_keys=True, indent=1)


def is_meta(content: bytes) -> bool:
    """Tell whether what a ``meta.json`` holds says that its folder is one of ids.

    Parameters
    ----------
    content : bytes
        Of a file that may be anybody's.

    Examples
    --------
    >>> is_meta(b'{"kind": "ids"}'), is_meta(b"{}"), is_meta(b"[1]"), is_meta(b"{")
    (True, False, False, False)
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("kind") == "ids"


def read_meta(folder: Path, vocabulary: Vocabulary) -> dict[str, Any]:
    """Return what ``meta.json`` says.

    Parameters
    ----------
    folder : Path
        A folder of encoded text.
    vocabulary : Vocabulary
        What its ids must have been given by.

    Raises
    ------
    FormatError
        If the file is damaged, or of a later version.
    InputError
        If the text was encoded by another vocabulary, or read with other options.
    """
    try:
        content = json.loads((folder / META).read_text(encoding="utf-8"))
        known = content["kind"] == "ids" and content["format_version"] == 1
        whole = all(isinstance(content[key], kind) for key, kind in _KEYS.items()) and all(
            Path(name).name == name and name != META for parts in content["files"] for name in parts
        )
    except OSError as error:
        raise FormatError(f"{folder}: its {META} cannot be read: {unreadable(folder / META, error)}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FormatError(f"{folder}: its {META} is damaged: encode the text again") from error
    if not known:
        raise FormatError(
            f"{folder}: its {META} is of another kind, or of a later version of wordalloc; encode the text again"
        )
    if not whole:
        raise FormatError(f"{folder}: its {META} is damaged: encode the text again")
    if content["vocabulary"] != vocabulary.fingerprint:
        raise InputError(f"{folder}: was encoded by another vocabulary; encode the text again by this one")
    if content["text"] != (vocabulary.text or TextOptions()).to_json():
        raise InputError(f"{folder}: was encoded with other text options than the vocabulary's; encode it again")
    return content


def read_part(folder: Path, name: str, size: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the ids of a part, and where in them each line ends.

    Parameters
    ----------
    folder : Path
        A folder of encoded text.
    name : str
        The part's.
    size : int
        Of the vocabulary.

    Raises
    ------
    FormatError
        If the part is missing or damaged.
    """
    duckdb = load_duckdb()
    path, ids = [literal(folder / name)], quoted("ids")
    try:
        with connect() as connection:
            # Cast to what they must be, so that a list of anything else is refused here.
            query = f"SELECT coalesce(len({ids}::INTEGER[]), -1)::BIGINT AS n FROM {ROWS}"
            lengths = connection.execute(query, path).fetchnumpy()["n"]
            query = f"SELECT coalesce(id, -1) AS id FROM (SELECT unnest({ids}::INTEGER[]) AS id FROM {ROWS})"
            flat = np.asarray(connection.execute(query, path).fetchnumpy()["id"], dtype=np.int32)
    except duckdb.Error as error:
        raise FormatError(
            f"{folder}: the part {name} is damaged: {str(error).splitlines()[0]}; encode the text again"
        ) from error
    if (lengths < 0).any() or (flat.size and (flat.min() < 0 or flat.max() >= size)):
        raise FormatError(
            f"{folder}: the part {name} holds ids that are none of the vocabulary's; encode the text again"
        )
    return flat, np.cumsum(lengths, dtype=np.int64)
