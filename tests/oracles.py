"""Slow, obvious versions of the fast paths. Tests hold the package against them.

Everything here works on Python numbers, so that it is exact where it is given whole numbers or fractions.
"""

from __future__ import annotations

import heapq
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


def layer_weights(shape: Any, size: int, cutoffs: Sequence[int]) -> int:
    """Weights of a layer over `size` words with these cutoffs, matrix by matrix."""
    bounds = [0, *cutoffs, size]
    weights = shape.dim * (bounds[1] + len(cutoffs))
    for cluster, (start, end) in enumerate(itertools.pairwise(bounds[1:]), start=1):
        width = max(1, math.floor(Fraction(shape.dim) / Fraction(shape.div_value) ** cluster))
        weights += shape.dim * width + width * (end - start)
    return weights


def lower_hull(points: Sequence[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """The points that some weighted sum with positive weights singles out, or is best among the best in one axis.

    Of all pairs around a point, none may have it on or above the line between them.
    """
    efficient = sorted(
        {(x, y) for x, y in points if not any(a <= x and b <= y and (a, b) != (x, y) for a, b in points)}
    )
    return [
        (x, y)
        for x, y in efficient
        if not any(a < x < c and (y - b) * (c - a) >= (d - b) * (x - a) for a, b in efficient for c, d in efficient)
    ]


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


# --- classes and trees: mutual information (Brown et al. 1992, section 3), mergers, Huffman codes ----------------


def mutual_information(joint: Sequence[Sequence[float]]) -> float:
    """AMI in bits of counts of adjacent classes, from its definition."""
    total = sum(map(sum, joint))
    rows, columns = [sum(row) for row in joint], [sum(column) for column in zip(*joint, strict=True)]
    return sum(
        n / total * math.log2(n * total / (rows[c] * columns[d]))
        for c, row in enumerate(joint)
        for d, n in enumerate(row)
        if n
    )


def class_counts(pairs: Sequence[tuple[int, int, int]], word_class: Sequence[int]) -> list[list[int]]:
    """How often each class follows each other one, from (left, right, count)."""
    n_classes = max(word_class) + 1
    joint = [[0] * n_classes for _ in range(n_classes)]
    for left, right, count in pairs:
        joint[word_class[left]][word_class[right]] += count
    return joint


def merged(word_class: Sequence[int], one: int, other: int) -> list[int]:
    """The classes after two of them became one, numbered without a gap."""
    joined = [one if c == other else c for c in word_class]
    number = {c: place for place, c in enumerate(sorted(set(joined)))}
    return [number[c] for c in joined]


def windowed_brown(pairs: Sequence[tuple[int, int, int]], size: int, n_classes: int) -> list[set[int]]:
    """Classes by Liang's algorithm: each next word becomes a class, and the pair that loses least is merged.

    The mutual information is that of the words placed so far.
    """
    classes: list[set[int]] = []

    def ami(these: list[set[int]]) -> float:
        label = {word: number for number, words in enumerate(these) for word in words}
        joint = [[0] * len(these) for _ in these]
        for left, right, count in pairs:
            if left in label and right in label:
                joint[label[left]][label[right]] += count
        if not any(map(any, joint)):
            return 0.0
        # Undivided by the total, which is the same for all choices.
        return mutual_information(joint) * sum(map(sum, joint))

    for word in range(size):
        classes.append({word})
        if len(classes) > n_classes:
            options = []
            for one, other in itertools.combinations(range(len(classes)), 2):
                kept = [words for number, words in enumerate(classes) if number not in (one, other)]
                options.append((ami([*kept, classes[one] | classes[other]]), (one, other)))
            best = max(value for value, _ in options)
            one, other = next(pair for value, pair in options if value > best - 1e-7)
            classes[one] |= classes.pop(other)
    return classes


def huffman_cost(counts: Sequence[int], arity: int) -> int:
    """Σ count · code length of an optimal code, by a heap; dummies of count 0 fill the last node."""
    heap = list(counts)
    if len(heap) == 1:
        return 0
    heap += [0] * (-(len(heap) - 1) % (arity - 1))
    heapq.heapify(heap)
    cost = 0
    while len(heap) > 1:
        together = sum(heapq.heappop(heap) for _ in range(arity))
        cost += together
        heapq.heappush(heap, together)
    return cost


def every_bands(size: int) -> Iterator[list[int]]:
    """All sequences of positive sizes that sum to `size`: 2^(size - 1) of them."""
    for n_cuts in range(size):
        for cuts in itertools.combinations(range(1, size), n_cuts):
            bounds = [0, *cuts, size]
            yield [end - start for start, end in itertools.pairwise(bounds)]


# --- tables ---------------------------------------------------------------------------------------------------------


def best_cells(
    row_cost: Sequence[Sequence[int]], col_cost: Sequence[Sequence[int]], cell_cost: Sequence[Sequence[int]]
) -> int:
    """The least cost of all ways to give words different cells."""
    cells = [(row, column) for row in range(len(cell_cost)) for column in range(len(cell_cost[0]))]
    return min(
        sum(row_cost[w][i] + col_cost[w][j] + cell_cost[i][j] for w, (i, j) in enumerate(chosen))
        for chosen in itertools.permutations(cells, len(row_cost))
    )
