r"""Exchange clustering, word by word: where would each be best, and moving it there.

With N[c, d] the number of times a word of class d follows one of class c, L and R its row and column sums, T its
total and h(x) = x log₂ x, the average mutual information of adjacent classes is

.. math:: AMI = \frac{1}{T} \Big( \sum_{cd} h(N_{cd}) - \sum_c h(L_c) - \sum_d h(R_d) \Big) + \log_2 T

bits (Martin, Liermann & Ney 1998, eq. 5 and section 3). What a word w gains by joining class b is a sum of
h(N + n) - h(N) over the classes d beside it. For all K classes b at once it is a sum of whole rows of N and of its
transpose, so a word is evaluated against every class in contiguous, vectorised passes: O(K) for each distinct class
beside it. Where n = 1, as for most, the differences stand ready in a matrix of their own.

Proposals are made by several threads on counts that stay as they are; then the words move one after the other. A
greedy move is made only if its gain, recomputed in double precision on the counts of that moment, is positive: so
AMI never falls. With a temperature t the class is drawn with probability ∝ exp(gain / (t · fᵖ)), where f is the
word's frequency: the gain of a move grows with it, and one temperature would freeze the frequent words and melt the
rare ones.

Words of class -1 are not placed yet: they count nowhere.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._compiled import njit
from wordalloc.allocations import Bigrams

UNPLACED = -1
POWER = 0.7  # of a word's frequency, in its temperature
TIE = 1e-6  # gains below this share of the terms they are the difference of are rounding

Floats = npt.NDArray[np.float32]


class Graph(NamedTuple):
    """Who stands beside whom: the bigram counts by left word and by right word."""

    right_offsets: npt.NDArray[np.int64]
    right_words: npt.NDArray[np.int32]
    right_counts: npt.NDArray[np.int64]
    left_offsets: npt.NDArray[np.int64]
    left_words: npt.NDArray[np.int32]
    left_counts: npt.NDArray[np.int64]


class Partition(NamedTuple):
    """Classes of the words and what is counted between them: exactly, and rounded for the vectorised passes."""

    word_class: npt.NDArray[np.int32]  # (V,)
    sizes: npt.NDArray[np.int64]  # (K,)
    exact: npt.NDArray[np.int64]  # (K, K)
    left: npt.NDArray[np.int64]  # (K,) row sums
    right: npt.NDArray[np.int64]  # (K,) column sums
    joint: Floats  # (K, K) rounded
    joint_t: Floats  # its transpose
    step: Floats  # h(N + 1) - h(N)
    step_t: Floats


class Scratch(NamedTuple):
    """A thread's own: counts by class to the right and left of one word, which of them are not 0, and scores."""

    right: npt.NDArray[np.int64]
    left: npt.NDArray[np.int64]
    right_classes: npt.NDArray[np.int32]
    left_classes: npt.NDArray[np.int32]
    score: Floats
    row: Floats


def make_graph(bigrams: Bigrams) -> Graph:
    """Return the bigrams sorted both ways."""
    size = bigrams.vocabulary.size
    count = bigrams.count
    by_right = np.argsort(bigrams.right, kind="stable")  # stable, so the left words stay in order
    offsets = [
        np.concatenate(([0], np.cumsum(np.bincount(side, minlength=size)))).astype(np.int64)
        for side in (bigrams.left, bigrams.right)
    ]
    return Graph(offsets[0], bigrams.right, count, offsets[1], bigrams.left[by_right], count[by_right])


def make_scratch(n_classes: int) -> Scratch:
    """Return what a thread needs."""
    counts, ids, floats = (np.zeros((2, n_classes), dtype) for dtype in (np.int64, np.int32, np.float32))
    return Scratch(*counts, *ids, *floats)


# --- h(N + n) - h(N) in single precision, without a branch -----------------------------------------------------------


def _fit(function: Any, low: float, high: float, degree: int) -> tuple[Any, ...]:
    """Return the coefficients of the polynomial through Chebyshev's points, the constant first."""
    places = low + (high - low) * (np.cos(np.pi * (np.arange(200) + 0.5) / 200) + 1) / 2
    fitted = np.polynomial.Chebyshev.fit(places, function(places), degree, domain=[low, high])
    return tuple(np.float32(c) for c in fitted.convert(kind=np.polynomial.Polynomial).coef)


# log₂(1 + x) / x, and -(1 - s) log₂(1 - s) / s.
A0, A1, A2, A3, A4, A5, A6, A7 = _fit(lambda x: np.log1p(x) / x / np.log(2), -1 / 3, 1 / 3, 7)
B0, B1, B2, B3, B4, B5, B6 = _fit(lambda s: -(1 - s) * np.log1p(-s) / s / np.log(2), 1e-9, 0.5, 6)
_TWO_THIRDS = np.int32(0x3F2AAAAB)  # as the bits of a float


def _log2(x: Any) -> Any:
    """log₂ x of x ≥ 0, finite at 0: the exponent's bits, and a polynomial on [2/3, 4/3)."""
    bits = np.float32(x).view(np.int32)
    exponent = np.int32(np.int32(bits - _TWO_THIRDS) >> np.int32(23))
    m = np.int32(bits - np.int32(exponent << np.int32(23))).view(np.float32) - np.float32(1)
    return np.float32(exponent) + m * (((((((A7 * m + A6) * m + A5) * m + A4) * m + A3) * m + A2) * m + A1) * m + A0)


def _gain(before: Any, n: Any) -> Any:
    """h(before + n) - h(before) for n > 0; relative error about 1e-7.

    n log₂(M) + N log₂(M / N) with M = N + n: where n is the smaller part the second term is a polynomial in n / M
    times n, for the difference of two large logarithms would be lost in rounding.
    """
    after = before + n
    log_after = _log2(after)
    s = n / after
    near = n * (log_after + ((((((B6 * s + B5) * s + B4) * s + B3) * s + B2) * s + B1) * s + B0))
    far = after * log_after - before * _log2(before)
    return far if before < n else near


_log2 = njit(_log2, fast=True)
_gain = njit(_gain, fast=True)


def _add_gains(score: Any, row: Any, n: Any) -> None:
    for b in range(score.shape[0]):
        score[b] += _gain(row[b], n)


def _subtract_gains(score: Any, row: Any, n: Any) -> None:
    for b in range(score.shape[0]):
        score[b] -= _gain(np.float32(row[b]), n)


def _add(score: Any, row: Any) -> None:
    for b in range(score.shape[0]):
        score[b] += row[b]


_add_gains = njit(_add_gains, fast=True)
_subtract_gains = njit(_subtract_gains, fast=True)
_add = njit(_add, fast=True)


# --- one word --------------------------------------------------------------------------------------------------------


@njit
def _look_around(w, graph, word_class, scratch):  # type: ignore[no-untyped-def]
    """Count the classes beside w; return how many are right and left of it, and how often it follows itself."""
    n_right, n_left, itself = 0, 0, 0
    for p in range(graph.right_offsets[w], graph.right_offsets[w + 1]):
        v = graph.right_words[p]
        c = word_class[v]
        if v == w:
            itself = graph.right_counts[p]
        elif c >= 0:
            if scratch.right[c] == 0:
                scratch.right_classes[n_right] = c
                n_right += 1
            scratch.right[c] += graph.right_counts[p]
    for p in range(graph.left_offsets[w], graph.left_offsets[w + 1]):
        v = graph.left_words[p]
        c = word_class[v]
        if v != w and c >= 0:
            if scratch.left[c] == 0:
                scratch.left_classes[n_left] = c
                n_left += 1
            scratch.left[c] += graph.left_counts[p]
    return n_right, n_left, itself


@njit
def _totals(n_right, n_left, itself, scratch):  # type: ignore[no-untyped-def]
    as_left, as_right = itself, itself
    for i in range(n_right):
        as_left += scratch.right[scratch.right_classes[i]]
    for i in range(n_left):
        as_right += scratch.left[scratch.left_classes[i]]
    return as_left, as_right


@njit
def _forget(n_right, n_left, scratch):  # type: ignore[no-untyped-def]
    for i in range(n_right):
        scratch.right[scratch.right_classes[i]] = 0
    for i in range(n_left):
        scratch.left[scratch.left_classes[i]] = 0


@njit
def _rise(before, n):  # type: ignore[no-untyped-def]
    """h(before + n) - h(before) of whole numbers, in double precision."""
    after = before + n
    if n == 0 or after <= 0:
        return 0.0
    if before <= 0:
        return after * np.log2(after)
    return after * np.log2(after) - before * np.log2(before)


@njit
def _exact_gain(t, a, n_right, n_left, itself, parts, scratch):  # type: ignore[no-untyped-def]
    """Return what w, taken out of its class a, gains by joining t, in double precision and O(classes beside w)."""
    right, left, exact = scratch.right, scratch.left, parts.exact
    as_left, as_right = _totals(n_right, n_left, itself, scratch)
    gain = 0.0
    for i in range(n_right):
        d = scratch.right_classes[i]
        if d != t:
            taken = right[d] if t == a else (left[t] if d == a else 0)
            gain += _rise(exact[t, d] - taken, right[d])
    for i in range(n_left):
        d = scratch.left_classes[i]
        if d != t:
            taken = left[d] if t == a else (right[t] if d == a else 0)
            gain += _rise(exact[d, t] - taken, left[d])
    own = right[t] + left[t] + itself
    gain += _rise(exact[t, t] - (own if t == a else 0), own)
    gain -= _rise(parts.left[t] - (as_left if t == a else 0), as_left)
    gain -= _rise(parts.right[t] - (as_right if t == a else 0), as_right)
    return gain


@njit
def _score(a, n_right, n_left, itself, parts, scratch):  # type: ignore[no-untyped-def]
    """Set score[b] to what w, taken out of its class a, gains by joining b."""
    score, right, left = scratch.score, scratch.right, scratch.left
    as_left, as_right = _totals(n_right, n_left, itself, scratch)
    score[:] = 0
    if as_left > 0:
        _subtract_gains(score, parts.left, np.float32(as_left))
    if as_right > 0:
        _subtract_gains(score, parts.right, np.float32(as_right))
    for i in range(n_right):
        d = scratch.right_classes[i]
        if d == a:  # w itself is still counted in this row
            for b in range(score.shape[0]):
                scratch.row[b] = parts.joint_t[d, b] - np.float32(left[b])
            _add_gains(score, scratch.row, np.float32(right[d]))
        elif right[d] == 1:
            _add(score, parts.step_t[d])
        else:
            _add_gains(score, parts.joint_t[d], np.float32(right[d]))
    for i in range(n_left):
        d = scratch.left_classes[i]
        if d == a:
            for b in range(score.shape[0]):
                scratch.row[b] = parts.joint[d, b] - np.float32(right[b])
            _add_gains(score, scratch.row, np.float32(left[d]))
        elif left[d] == 1:
            _add(score, parts.step[d])
        else:
            _add_gains(score, parts.joint[d], np.float32(left[d]))
    # Where w joins a class beside itself, left, right and itself fall into one cell of N.
    for i in range(n_right):
        d = scratch.right_classes[i]
        cell = parts.joint[d, d]
        score[d] += _gain(cell, np.float32(right[d] + left[d] + itself)) - _gain(cell, np.float32(right[d]))
        if left[d] > 0:
            score[d] -= _gain(cell, np.float32(left[d]))
    for i in range(n_left):
        d = scratch.left_classes[i]
        if right[d] == 0:
            cell = parts.joint[d, d]
            score[d] += _gain(cell, np.float32(left[d] + itself)) - _gain(cell, np.float32(left[d]))
    if itself > 0:
        for b in range(score.shape[0]):
            if right[b] == 0 and left[b] == 0:
                score[b] += _gain(parts.joint[b, b], np.float32(itself))
    if a >= 0:
        score[a] = _exact_gain(a, a, n_right, n_left, itself, parts, scratch)


@njit
def _uniform(seed, word):  # type: ignore[no-untyped-def]
    """Return a number in [0, 1) that depends on nothing else (splitmix64)."""
    x = np.uint64(seed) + np.uint64(word + 1) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


@njit
def _best(score):  # type: ignore[no-untyped-def]
    best = 0
    for b in range(1, score.shape[0]):
        if score[b] > score[best]:
            best = b
    return best


@njit
def _draw(score, best, temperature, uniform):  # type: ignore[no-untyped-def]
    """Return a class drawn with probability ∝ exp(score / temperature)."""
    least = score[best] - 16 * temperature
    total = 0.0
    for b in range(score.shape[0]):
        if score[b] > least:
            total += np.exp((score[b] - score[best]) / temperature)
    rest = uniform * total
    chosen = best
    for b in range(score.shape[0]):
        if score[b] > least:
            rest -= np.exp((score[b] - score[best]) / temperature)
            chosen = b
            if rest < 0:
                break
    return chosen


@njit
def propose(words, first, stride, graph, parts, scratch, temperature, seed, proposals):  # type: ignore[no-untyped-def]
    """Set the proposals of words first, first + stride, ...: the best class, or one drawn by temperature."""
    for i in range(first, words.shape[0], stride):
        w = words[i]
        a = parts.word_class[w]
        n_right, n_left, itself = _look_around(w, graph, parts.word_class, scratch)
        _score(a, n_right, n_left, itself, parts, scratch)
        best = _best(scratch.score)
        if temperature > 0:
            as_left, as_right = _totals(n_right, n_left, itself, scratch)
            heat = temperature * max(1.0, as_left, as_right) ** POWER
            best = _draw(scratch.score, best, heat, _uniform(seed, w))
        elif a >= 0 and scratch.score[best] <= scratch.score[a] + TIE * (1 + abs(scratch.score[best])):
            best = a
        proposals[i] = best
        _forget(n_right, n_left, scratch)


# --- moving ----------------------------------------------------------------------------------------------------------


@njit
def _add_to_cell(c, d, n, parts):  # type: ignore[no-untyped-def]
    parts.exact[c, d] += n
    count = np.float32(parts.exact[c, d])
    step = _gain(count, np.float32(1))
    parts.joint[c, d] = count
    parts.joint_t[d, c] = count
    parts.step[c, d] = step
    parts.step_t[d, c] = step


@njit
def _count_in(c, sign, n_right, n_left, itself, parts, scratch):  # type: ignore[no-untyped-def]
    """Add w's counts to class c, or take them out (sign -1)."""
    for i in range(n_right):
        d = scratch.right_classes[i]
        _add_to_cell(c, d, sign * scratch.right[d], parts)
        parts.right[d] += sign * scratch.right[d]
        parts.left[c] += sign * scratch.right[d]
    for i in range(n_left):
        d = scratch.left_classes[i]
        _add_to_cell(d, c, sign * scratch.left[d], parts)
        parts.left[d] += sign * scratch.left[d]
        parts.right[c] += sign * scratch.left[d]
    if itself > 0:
        _add_to_cell(c, c, sign * itself, parts)
        parts.left[c] += sign * itself
        parts.right[c] += sign * itself
    parts.sizes[c] += sign


@njit
def move(words, proposals, must_gain, graph, parts, scratch):  # type: ignore[no-untyped-def]
    """Move the words, one after the other, to the classes proposed; return how many moved."""
    moved = 0
    for i in range(words.shape[0]):
        w, b = words[i], proposals[i]
        a = parts.word_class[w]
        if a == b or (a >= 0 and parts.sizes[a] == 1):  # no class is ever emptied
            continue
        n_right, n_left, itself = _look_around(w, graph, parts.word_class, scratch)
        worth = True
        if must_gain and a >= 0:
            gain = _exact_gain(b, a, n_right, n_left, itself, parts, scratch)
            worth = gain > _exact_gain(a, a, n_right, n_left, itself, parts, scratch)
        if worth:
            if a >= 0:
                _count_in(a, -1, n_right, n_left, itself, parts, scratch)
            parts.word_class[w] = b
            _count_in(b, 1, n_right, n_left, itself, parts, scratch)
            moved += 1
        _forget(n_right, n_left, scratch)
    return moved


@njit
def _fill(graph, parts):  # type: ignore[no-untyped-def]
    """Count between the classes from scratch."""
    for w in range(parts.word_class.shape[0]):
        c = parts.word_class[w]
        if c < 0:
            continue
        parts.sizes[c] += 1
        for p in range(graph.right_offsets[w], graph.right_offsets[w + 1]):
            d = parts.word_class[graph.right_words[p]]
            if d >= 0:
                parts.exact[c, d] += graph.right_counts[p]
                parts.left[c] += graph.right_counts[p]
                parts.right[d] += graph.right_counts[p]
    for c in range(parts.sizes.shape[0]):
        for d in range(parts.sizes.shape[0]):
            _add_to_cell(c, d, 0, parts)


def make_partition(graph: Graph, word_class: npt.NDArray[np.int32], n_classes: int) -> Partition:
    """Return the partition with everything counted: O(bigrams + K²)."""
    square = (n_classes, n_classes)
    parts = Partition(
        word_class.astype(np.int32),
        np.zeros(n_classes, np.int64),
        np.zeros(square, np.int64),
        np.zeros(n_classes, np.int64),
        np.zeros(n_classes, np.int64),
        *(np.zeros(square, np.float32) for _ in range(4)),
    )
    _fill(graph, parts)
    return parts
