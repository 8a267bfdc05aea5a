"""From the rows of single trainings to a comparison: medians, spreads, ratios to the full softmax, JSON and CSV."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

BASE = "full"  # what ratios are to


@dataclass(frozen=True)
class ComparedMethod:
    """One method's line in the table.

    Attributes
    ----------
    label : str
    perplexities : list of float
        Of the whole validation text, one a seed.
    parameters, bytes : int
        Of input and output layers; the bytes with the words' addresses.
    tokens : list of int
        Trained on, one a seed.
    curves : list of list of (float, float)
        Seconds of training and perplexity of a part of the validation text, one list a seed.
    training_tokens_per_second, scoring_tokens_per_second, query_seconds : float
        Medians over the seeds; a query is for the ten best words at one position.
    peak_memory_bytes : int
        The greatest of the training processes.
    """

    label: str
    perplexities: list[float]
    parameters: int
    bytes: int
    tokens: list[int]
    curves: list[list[tuple[float, float]]]
    training_tokens_per_second: float
    scoring_tokens_per_second: float
    query_seconds: float
    peak_memory_bytes: int

    def check(self) -> None:
        """Raise ValueError where a figure is none that a training can have."""
        figures: list[float] = [self.parameters, self.bytes, *self.tokens, self.peak_memory_bytes]
        figures += [self.training_tokens_per_second, self.scoring_tokens_per_second, self.query_seconds]
        for curve in self.curves:
            figures += [1 + seconds for seconds, _ in curve]
            check_perplexities([curve[-1][1], *(found for _, found in curve)])
        check_perplexities(self.perplexities)
        for figure in figures:
            if isinstance(figure, bool) or not isinstance(figure, int | float) or not 0 < figure < 2**63:
                raise ValueError(f"{str(figure)[:40]!r} is no such figure")

    @property
    def perplexity(self) -> float:
        """The mean over the seeds."""
        return statistics.fmean(self.perplexities)

    def seconds_to(self, perplexity: float) -> float | None:
        """Return the median seconds of training to reach a perplexity of the part; None where a seed never does."""
        reached = [_first(curve, perplexity) for curve in self.curves]
        known = [seconds for seconds in reached if seconds is not None]
        return statistics.median(known) if known and len(known) == len(reached) else None


def check_perplexities(values: Iterable[Any]) -> None:
    """Raise ValueError where a value is no perplexity, which is 1 or more, by rounding perhaps a little less."""
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.5 <= value < 1e100:
            raise ValueError(f"{str(value)[:40]!r} is no perplexity")


def compared(label: str, rows: Sequence[dict[str, Any]]) -> ComparedMethod:
    """Return a method's line from the rows of its seeds, as `wordalloc.pipelines.comparison_run` gives them."""
    measured = [row["measured"] for row in rows]
    return ComparedMethod(
        label=label,
        perplexities=[row["perplexity"] for row in rows],
        parameters=rows[0]["parameters"],
        bytes=rows[0]["bytes"],
        tokens=[row["tokens"] for row in rows],
        curves=[
            list(zip(own["curve_seconds"], (point["perplexity"] for point in row["curve"]), strict=True))
            for row, own in zip(rows, measured, strict=True)
        ],
        training_tokens_per_second=statistics.median(own["training_tokens_per_second"] for own in measured),
        scoring_tokens_per_second=statistics.median(own["scoring_tokens_per_second"] for own in measured),
        query_seconds=statistics.median(own["query_seconds"] for own in measured),
        peak_memory_bytes=max(own["peak_memory_bytes"] for own in measured),
    )


def perplexity_to_reach(methods: Sequence[ComparedMethod]) -> float | None:
    """Return what the full softmax, or else the worst method, ends with in its worst seed: all its seeds reach it."""
    ends = {method.label: max(curve[-1][1] for curve in method.curves) for method in methods}
    return ends.get(BASE, max(ends.values())) if ends else None


def to_json(methods: Sequence[ComparedMethod], reach: float | None) -> list[dict[str, Any]]:
    """Return the table as plain values; what differs from run to run is under ``measured``."""
    return [_line(method, methods, reach) for method in methods]


def from_json(lines: Sequence[dict[str, Any]]) -> list[ComparedMethod]:
    """Return the methods of a table that `to_json` made.

    Parameters
    ----------
    lines : sequence of dict
        A method each.

    Raises
    ------
    ValueError, TypeError, LookupError
        If that is not what they are.
    """
    methods = [
        ComparedMethod(
            label=line["method"],
            perplexities=line["perplexities"],
            parameters=line["parameters"],
            bytes=line["bytes"],
            tokens=line["tokens"],
            curves=[
                list(zip(seconds, perplexities, strict=True))
                for seconds, perplexities in zip(
                    line["measured"]["curve_seconds"], line["curve_perplexities"], strict=True
                )
            ],
            training_tokens_per_second=line["measured"]["training_tokens_per_second"],
            scoring_tokens_per_second=line["measured"]["scoring_tokens_per_second"],
            query_seconds=line["measured"]["top10_milliseconds"] / 1000,
            peak_memory_bytes=line["measured"]["peak_memory_bytes"],
        )
        for line in lines
    ]
    for method in methods:
        if not isinstance(method.label, str):
            raise TypeError(f"{str(method.label)[:40]!r} is no name of a method")
        method.check()
    return methods


def to_csv(methods: Sequence[ComparedMethod], reach: float | None) -> str:
    """Return the table with a head line; empty cells where there is no figure."""
    lines = []
    for line in to_json(methods, reach):
        flat = {name: value for name, value in line.items() if not isinstance(value, dict | list)}
        lines.append({**flat, **{name: v for name, v in line["measured"].items() if not isinstance(v, list)}})
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(lines[0]) if lines else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _line(method: ComparedMethod, methods: Sequence[ComparedMethod], reach: float | None) -> dict[str, Any]:
    base = next((other for other in methods if other.label == BASE), None)
    return {
        "method": method.label,
        "perplexity": method.perplexity,
        "perplexity_least": min(method.perplexities),
        "perplexity_greatest": max(method.perplexities),
        "perplexity_to_full": None if base is None else method.perplexity / base.perplexity,
        "parameters": method.parameters,
        "parameters_to_full": None if base is None else method.parameters / base.parameters,
        "bytes": method.bytes,
        "perplexities": method.perplexities,
        "tokens": method.tokens,
        "curve_perplexities": [[perplexity for _, perplexity in curve] for curve in method.curves],
        "measured": {
            "training_tokens_per_second": method.training_tokens_per_second,
            "training_speed_to_full": None
            if base is None
            else method.training_tokens_per_second / base.training_tokens_per_second,
            "scoring_tokens_per_second": method.scoring_tokens_per_second,
            "top10_milliseconds": 1000 * method.query_seconds,
            "peak_memory_bytes": method.peak_memory_bytes,
            "seconds_to_reach": None if reach is None else method.seconds_to(reach),
            "curve_seconds": [[seconds for seconds, _ in curve] for curve in method.curves],
        },
    }


def _first(curve: Sequence[tuple[float, float]], perplexity: float) -> float | None:
    """Return when a curve first comes down to a perplexity, on straight lines between its points."""
    for number, (seconds, found) in enumerate(curve):
        if found <= perplexity:
            if number == 0:
                return seconds
            before, higher = curve[number - 1]
            return float(np.interp(perplexity, [found, higher], [seconds, before]))
    return None
