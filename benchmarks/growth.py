"""How a measured quantity grows: a power of the size fitted to the largest measurements, and what it foretells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_DECADES = 2.0  # fitted: below, what is constant hides how the rest grows


@dataclass(frozen=True)
class PowerLaw:
    """y = floor + factor · n ** exponent."""

    factor: float
    exponent: float
    floor: float = 0.0

    def at(self, n: float) -> float:
        """Return y at the size n."""
        return self.floor + self.factor * n**self.exponent

    def no_slower(self, power: float, n: float, y: float) -> PowerLaw:
        """Return the law through (n, y) that grows by at least `power`: small sizes hide how large ones grow."""
        exponent = max(self.exponent, power)
        return PowerLaw((y - self.floor) / n**exponent, exponent, self.floor)

    def largest(self, limit: float) -> float:
        """Return the greatest n at which y is at most `limit`: 0 where there is none, infinity where all are."""
        if limit <= self.floor:
            return 0.0
        if self.exponent <= 0:
            return math.inf if self.at(1) <= limit else 0.0
        return math.exp(math.log((limit - self.floor) / self.factor) / self.exponent)


def fit(sizes: Sequence[float], values: Sequence[float], floor: float = 0.0) -> PowerLaw | None:
    """Fit values - floor by least squares of their logarithms, over the sizes of the last two decades.

    None where fewer than two measurements stand above the floor: how they grow is then not known.
    """
    upper = max(sizes, default=0.0) / 10**_DECADES * 0.999  # a size two decades down counts, whatever was rounded
    points = [
        (math.log(n), math.log(y - floor)) for n, y in zip(sizes, values, strict=True) if n >= upper and y > floor
    ]
    if len({x for x, _ in points}) < 2:
        return None
    mean_x = math.fsum(x for x, _ in points) / len(points)
    mean_y = math.fsum(y for _, y in points) / len(points)
    spread = math.fsum((x - mean_x) ** 2 for x, _ in points)
    exponent = math.fsum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return PowerLaw(math.exp(mean_y - exponent * mean_x), exponent, floor)
