"""When to strike: moments spread evenly over a command's unbroken duration, and their histogram."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

BINS = 10
WIDTH = 40  # characters of the longest bar


@dataclass(frozen=True)
class Duration:
    """How long a command takes unbroken, and when its first checkpoint stands, both in seconds."""

    seconds: float
    checkpoint: float | None = None


@dataclass(frozen=True)
class Moment:
    """A share of the unbroken duration; one after the first checkpoint is waited for from there on."""

    share: float
    after_checkpoint: bool = False


def moments(n: int, duration: Duration, rng: random.Random) -> list[Moment]:
    """Return `n` moments, one drawn from each of `n` equal strata of the duration.

    Where there are checkpoints, at least half of the moments, rounded up, lie after the first: if that stands later
    than half-way, one half of the strata divides what is before it, and the other what is after.
    """
    if duration.checkpoint is None:
        return [Moment(share) for share in _strata(n, 0.0, 1.0, rng)]
    first = min(0.99, duration.checkpoint / duration.seconds)
    n_after = max(math.ceil(n / 2), round(n * (1 - first)))
    return [
        *(Moment(share) for share in _strata(n - n_after, 0.0, first, rng)),
        *(Moment(share, True) for share in _strata(n_after, first, 1.0, rng)),
    ]


def _strata(n: int, low: float, high: float, rng: random.Random) -> list[float]:
    return [low + (high - low) * (stratum + rng.random()) / n for stratum in range(n)]


def histogram(title: str, struck: Sequence[Moment]) -> str:
    """Return the moments of the kills done as lines of text: tenths of the unbroken duration."""
    counts = [0] * BINS
    for moment in struck:
        counts[min(BINS - 1, int(moment.share * BINS))] += 1
    lines = [f"{title}: {len(struck)} kills over the unbroken duration"]
    for place, count in enumerate(counts):
        bar = "#" * round(WIDTH * count / max(1, *counts))
        lines.append(f"  {place / BINS:.1f} – {(place + 1) / BINS:.1f} {count:4d} {bar}")
    return "\n".join(lines)
