"""What lies at a path, told apart by its content: a file of wordalloc, a run, or a comparison."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wordalloc.allocations import Stored, load
from wordalloc.errors import FormatError, InputError
from wordalloc.interrupts import deferred_interrupts
from wordalloc.pipelines.comparison_table import ComparedMethod, from_json
from wordalloc.vocabulary import Vocabulary

Curve = tuple[list[int], list[float]]  # tokens trained on, and nats a token


@dataclass(frozen=True)
class RunCurves:
    """How a training went.

    Attributes
    ----------
    training, validation, part : Curve
        Loss of the training, of the validation text, and of a part of it; empty where there was none.
    tables : list of (int, int)
        Tokens, and the number of the table that was made then.
    """

    training: Curve
    validation: Curve
    part: Curve
    tables: list[tuple[int, int]]


@dataclass(frozen=True)
class ComparedMethods:
    """What a comparison found.

    Attributes
    ----------
    methods : list of ComparedMethod
        In their order, at least one.
    vocab_size : int
        V.
    reach : float or None
        The perplexity, of a part of the validation text, whose time is told.
    """

    methods: list[ComparedMethod]
    vocab_size: int
    reach: float | None


def read_result(path: str | os.PathLike[str]) -> Vocabulary | Stored | RunCurves | ComparedMethods:
    """Read a file of any kind, the curves of a run directory, or the table of a comparison's folder.

    Parameters
    ----------
    path : path-like
        A file or a folder.

    Raises
    ------
    FormatError
        If it is missing, damaged or foreign.
    InputError
        If a folder is neither a run nor a comparison, or one that has not ended.

    Examples
    --------
    >>> import tempfile
    >>> from wordalloc import save
    >>> vocabulary = Vocabulary.from_counts("abc", [3, 2, 1])
    >>> with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
    ...     save(vocabulary, file.name)
    ...     read_result(file.name).words
    ('a', 'b', 'c')
    """
    folder = Path(path)
    if not folder.is_dir():
        return load(path)
    config = _read_object(folder / "config.json") if (folder / "config.json").exists() else {}
    if "methods" in config:
        return _read_comparison(folder)
    if "train" in config:
        return _read_run(folder)
    raise InputError(f"{folder}: this folder is neither a run (wordalloc train) nor a comparison (wordalloc compare)")


def _read_comparison(folder: Path) -> ComparedMethods:
    file = folder / "comparison.json"
    if not file.exists():
        raise InputError(f"{folder}: the comparison has not ended: go on with wordalloc compare … --resume")
    table = _read_object(file)
    try:
        vocab_size, reach = table["vocab_size"], table["reach"]
        methods = from_json(table["methods"])
        if not (_is_whole(vocab_size) and (reach is None or _is_number(reach))):
            raise ValueError("vocab_size or reach is no number")
    except (ValueError, TypeError, LookupError) as error:
        raise FormatError(f"{file}: damaged: {error}; remove it and go on with wordalloc compare … --resume") from error
    if not methods:
        raise InputError(f"{folder}: no method of this comparison ended well")
    return ComparedMethods(methods, vocab_size, reach)


def _read_run(folder: Path) -> RunCurves:
    with deferred_interrupts():
        from wordalloc.training.run_directory import RunDirectory

    directory = RunDirectory(folder)
    entries = directory.read_lines(directory.metrics)
    for entry in entries:
        for figure in {"tokens", "nll", "valid_nll", "part_nll", "table"} & entry.keys():
            if not _is_number(entry[figure]):
                raise FormatError(f"{directory.metrics}: damaged: {figure} is {str(entry[figure])[:40]!r}, no number")
    entries = [entry for entry in entries if "tokens" in entry]
    stands = [entry for entry in entries if "judged" not in entry]  # what a judged table had may have been taken back
    tables = [(entry["tokens"], entry["table"]) for entry in entries if "moved" in entry]
    return RunCurves(_curve(entries, "nll"), _curve(stands, "valid_nll"), _curve(entries, "part_nll"), tables)


def _curve(entries: Sequence[dict[str, Any]], figure: str) -> Curve:
    """Return one figure over the tokens, the last where there are several after the same number of them."""
    found = {entry["tokens"]: float(entry[figure]) for entry in entries if figure in entry}
    return list(found), list(found.values())


def _read_object(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"{file}: damaged: {error}") from error
    if not isinstance(content, dict):
        raise FormatError(f"{file}: damaged: it holds no JSON object")
    return content


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))
