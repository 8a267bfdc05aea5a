"""Slow, obvious versions of the fast paths. Tests hold the package against them.

Everything here works on Python numbers, so that it is exact where it is given whole numbers or fractions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

# --- adaptive softmax: the expected time of a step (Grave et al. 2017, section 4) and its optimum ---------------


def product_time(model: Any, rows: Any, width: Any, columns: Any, softmax: bool) -> Any:
    """Seconds of a (rows × width) · (width × columns) product, with or without a softmax over its outputs."""
    per_output = model.multiply_add * width + (model.softmax if softmax else 0)
    return max(
        model.overhead + per_output * model.saturation,
        model.overhead + per_output * rows * columns,
    )


def head_time(model: Any, shape: Any, size: int, n_clusters: int) -> Any:
    """Seconds of a head of `size` words and one entry for each tail cluster."""
    columns = size + n_clusters
    return product_time(model, shape.batch, shape.dim, columns, True) + model.weight * shape.dim * columns


def tail_time(model: Any, shape: Any, cluster: int, mass: Any, size: int) -> Any:
    """Seconds of tail cluster `cluster`, counted from 1: its projection, its output, its weights."""
    width = max(1, math.floor(Fraction(shape.dim) / Fraction(shape.div_value) ** cluster))
    tokens = shape.batch * mass
    projection = product_time(model, tokens, shape.dim, width, False)
    output = product_time(model, tokens, width, size, True)
    return projection + output + model.weight * (shape.dim * width + width * size)


def layer_time(model: Any, shape: Any, counts: Sequence[int], cutoffs: Sequence[int], exact: bool = False) -> Any:
    """Seconds of a layer with these cutoffs."""
    total = sum(counts)
    bounds = [0, *cutoffs, len(counts)]
    time = head_time(model, shape, bounds[1], len(cutoffs))
    for cluster, (start, end) in enumerate(itertools.pairwise(bounds[1:]), start=1):
        mass = Fraction(sum(counts[start:end]), total)
        time += tail_time(model, shape, cluster, mass if exact else float(mass), end - start)
    return time


def is_feasible(constraints: Any, counts: Sequence[int], cutoffs: Sequence[int]) -> bool:
    """Whether the cutoffs meet the three constraints, decided in fractions."""
    if not cutoffs:
        return True
    total = sum(counts)
    if cutoffs[0] < constraints.min_head:
        return False
    if Fraction(sum(counts[: cutoffs[0]]), total) < Fraction(constraints.min_head_mass):
        return False
    return all(
        sum(counts[start:end]) >= Fraction(constraints.min_tail_share) * sum(counts[start:])
        for start, end in itertools.pairwise(cutoffs)
    )


def every_cutoffs(constraints: Any, counts: Sequence[int], n_clusters: int) -> Iterator[tuple[int, ...]]:
    """All feasible cutoffs with `n_clusters` tail clusters, in lexicographic order: O(V^J) of them."""
    for cutoffs in itertools.combinations(range(1, len(counts)), n_clusters):
        if is_feasible(constraints, counts, cutoffs):
            yield cutoffs


def best_cutoffs(model: Any, shape: Any, constraints: Any, counts: Sequence[int], n_clusters: int) -> tuple[Any, Any]:
    """Least time and the lexicographically smallest cutoffs that attain it, by the plain O(J V²) recurrence.

    Infinite and None where no cutoffs are feasible. Masses are floats: exact where the counts' sum is a power of 2.
    """
    size, total = len(counts), sum(counts)
    if n_clusters == 0:
        return head_time(model, shape, size, 0), ()
    before = [0, *itertools.accumulate(counts)]

    def time(cluster: int, start: int, end: int) -> Any:
        return tail_time(model, shape, cluster, (before[end] - before[start]) / total, end - start)

    best: list[tuple[Any, Any]] = [(time(n_clusters, start, size), ()) for start in range(size)]
    for cluster in range(n_clusters - 1, 0, -1):
        following, best = best, []
        for start in range(size):
            needed = Fraction(constraints.min_tail_share) * (total - before[start])
            ends = (end for end in range(start + 1, size) if before[end] - before[start] >= needed)
            options = [(time(cluster, start, end) + following[end][0], (end, *following[end][1])) for end in ends]
            best.append(min(options, default=(math.inf, ()), key=lambda option: option[0]))
    answers = [
        (head_time(model, shape, head, n_clusters) + best[head][0], (head, *best[head][1]))
        for head in range(constraints.min_head, size)
        if before[head] >= Fraction(constraints.min_head_mass) * total and best[head][0] < math.inf
    ]
    return min(answers, default=(math.inf, None), key=lambda answer: answer[0])


# --- Zipf ---------------------------------------------------------------------------------------------------------


def nearest_rank(counts: Sequence[int], share: Fraction) -> int:
    """The rank before which the mass is nearest to `share` of the whole; the lowest of several."""
    total = sum(counts)
    sums = [0, *itertools.accumulate(counts)]
    return min(range(len(sums)), key=lambda rank: (abs(sums[rank] - share * total), rank))


def zipf_mandelbrot_log_likelihood(counts: Sequence[int], q: float, s: float) -> float:
    """Log-likelihood of counts under p(r) ∝ (r + q)^-s, term by term."""
    normaliser = math.fsum((rank + q) ** -s for rank in range(1, len(counts) + 1))
    return math.fsum(
        count * (-s * math.log(rank + q) - math.log(normaliser)) for rank, count in enumerate(counts, start=1)
    )
