"""What runs and comparisons left in their folders, for a page. Needs no torch: only lines of JSON are read."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from wordalloc.errors import FormatError
from wordalloc.pipelines.comparison_table import check_perplexities, from_json
from wordalloc.report.page_parts import ComparisonPart, Curve, RunPart


def read_folder(folder: Path, name: str) -> RunPart | ComparisonPart:
    """Return what a run or a comparison left in its folder, told apart by the files in it.

    Parameters
    ----------
    folder : Path
        Of either.
    name : str
        What it is called.

    Raises
    ------
    FormatError
        If it is of neither, or damaged.
    """
    if (folder / "comparison.json").exists():
        return read_comparison(folder, name)
    if (folder / "metrics.jsonl").exists():
        return read_run(folder, name)
    raise FormatError(
        f"{folder}: a folder without metrics.jsonl or comparison.json: neither a run nor a comparison; "
        "name a folder that train, lightrnn or compare has written, or the files in it"
    )


def read_run(folder: Path, name: str) -> RunPart:
    """Return the curves of a run.

    Parameters
    ----------
    folder : Path
        A run directory, finished or not.
    name : str
        What it is called.

    Raises
    ------
    FormatError
        If a line of metrics or timings is damaged.
    """
    metrics = _lines(folder / "metrics.jsonl")
    timings = folder / "timings.jsonl"
    measured = _lines(timings) if timings.exists() else []
    try:
        seconds = _seconds(measured)
        return RunPart(
            name,
            _curve(metrics, "nll", seconds),
            _curve(metrics, "part_perplexity", seconds),
            _curve(metrics, "valid_perplexity", seconds),
            [(int(entry["tokens"]), int(entry["table"])) for entry in metrics if "moved" in entry],
        )
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"{folder}: metrics.jsonl or timings.jsonl is damaged: {error}") from error


def read_comparison(folder: Path, name: str) -> ComparisonPart:
    """Return what a comparison found.

    Parameters
    ----------
    folder : Path
        That `wordalloc compare` has written.
    name : str
        What it is called.

    Raises
    ------
    FormatError
        If ``comparison.json`` is damaged.
    """
    file = folder / "comparison.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        for method in found["methods"]:
            _check(method)
        reach, unigram = found["reach"], found["unigram_perplexity"]
        check_perplexities([unigram] if reach is None else [unigram, reach])
        return ComparisonPart(name, found["methods"], int(found["vocab_size"]), unigram, reach)
    except (OSError, ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise FormatError(f"{file}: damaged: {error}; write it anew with: wordalloc compare ... --resume") from error


def _check(method: dict[str, Any]) -> None:
    """Raise an error where a line of the table is none: every figure that is shown is a number or null."""
    (line,) = from_json([method])
    for curve in line.curves:
        if any(later <= earlier for earlier, later in itertools.pairwise([0.0, *(seconds for seconds, _ in curve)])):
            raise ValueError(f"the seconds of {line.label[:40]!r} do not increase from above 0")
    measured = method["measured"]
    ratios = [method["perplexity_to_full"], measured["training_speed_to_full"], measured["seconds_to_reach"]]
    check_perplexities(method[key] for key in ("perplexity", "perplexity_least", "perplexity_greatest"))
    for figure in [ratio for ratio in ratios if ratio is not None]:
        if not isinstance(figure, int | float) or not np.isfinite(figure):
            raise ValueError(f"{str(figure)[:40]!r} is no such figure")


def _lines(file: Path) -> list[dict[str, Any]]:
    """Return the objects of a file, one a line; the last line may be cut short: the run may go on."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")[:-1]
        entries = [json.loads(line) for line in lines if line]
        if not all(isinstance(entry, dict) for entry in entries):
            raise ValueError("a line holds no object")
        return entries
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"{file}: damaged: {error}") from error


def _seconds(timings: Iterable[dict[str, Any]]) -> dict[float, float]:
    """Return the seconds of training before some steps; what a run that went on did again is told by its last line."""
    known = {0.0: 0.0}
    for entry in timings:
        for key in ("seconds_so_far", "seconds_at_checkpoint"):
            if key in entry:
                known[float(entry["step"])] = float(entry[key])
    if not np.isfinite([*known, *known.values()]).all():
        raise ValueError("a figure of the timings is not finite")
    return known if len(known) > 1 else {}


def _curve(metrics: list[dict[str, Any]], key: str, seconds: dict[float, float]) -> Curve:
    """Return a figure over tokens; between the steps whose seconds are known they are interpolated."""
    entries = [entry for entry in metrics if key in entry]
    steps, tokens, values = (
        np.array([float(entry[name]) for entry in entries], dtype=np.float64) for name in ("step", "tokens", key)
    )
    if not (np.isfinite(tokens).all() and np.isfinite(values).all() and np.isfinite(steps).all()):
        raise ValueError(f"a figure of {key} is not finite")
    if key.endswith("perplexity"):
        check_perplexities(values.tolist())
    anchors = sorted(seconds.items())
    if not anchors:
        return Curve(tokens, np.full(tokens.size, np.nan), values)
    at, elapsed = np.array(anchors).T
    return Curve(tokens, np.where(steps <= at[-1], np.interp(steps, at, elapsed), np.nan), values)
