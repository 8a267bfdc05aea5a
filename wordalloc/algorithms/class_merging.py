r"""Greedy merging of classes by least loss of average mutual information: exact at every step.

With N[c, d] the count of class d after class c, h(x) = x log₂ x and u(a, b) = h(a + b) - h(a) - h(b), merging classes
i and j loses

.. math:: u(L_i, L_j) + u(R_i, R_j) + b_{ij}
          - \sum_{d \ne i, j} \big( u(N_{id}, N_{jd}) + u(N_{di}, N_{dj}) \big)

bits times tokens, where b is the change of the four cells between i and j (Brown et al. 1992, section 3, eqs. 13 to
17). `shared` keeps the sum over all d, i and j included, for every pair. u(a, 0) = 0, so when class q is merged into p
only the pairs with a class beside q change, by terms of the columns p and q alone, and those of p by terms of the
classes beside q: a class of few neighbours is merged in O(neighbours · K) vectorised steps, not O(K²). That makes the
windowed algorithm of Liang (2005, section 4.2) fast, where nearly all classes merged are single rare words; merging K
classes down to one takes O(K³).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._compiled import njit

Square = npt.NDArray[np.float64]


class Merging(NamedTuple):
    """Classes in slots, their counts, and what merging each pair would lose. Slots from `size` on are empty."""

    joint: Square  # (C, C)
    joint_t: Square
    left: npt.NDArray[np.float64]  # (C,) L
    right: npt.NDArray[np.float64]  # (C,) R
    shared: Square  # (C, C) symmetric
    loss: Square  # (C, C) symmetric


def empty_merging(slots: int) -> Merging:
    """Return room for so many classes."""
    joint, joint_t, shared, loss = (np.zeros((slots, slots)) for _ in range(4))
    return Merging(joint, joint_t, np.zeros(slots), np.zeros(slots), shared, loss)


# --- h in double precision, vectorisable -----------------------------------------------------------------------------


def _fit(degree: int) -> tuple[float, ...]:
    """Return the polynomial for log₂(1 + x) / x on [-1/3, 1/3] through Chebyshev's points."""
    places = (np.cos(np.pi * (np.arange(200) + 0.5) / 200)) / 3
    fitted = np.polynomial.Chebyshev.fit(places, np.log1p(places) / places / np.log(2), degree, domain=[-1 / 3, 1 / 3])
    return tuple(float(c) for c in fitted.convert(kind=np.polynomial.Polynomial).coef)


A0, A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11, A12, A13, A14, A15 = _fit(15)
_TWO_THIRDS = np.int64(0x3FE5555555555555)  # as the bits of a float


def _h(x: Any) -> Any:
    """x log₂ x of x ≥ 0, 0 at 0: the exponent's bits, and a polynomial on [2/3, 4/3); relative error about 1e-14."""
    bits = np.float64(x).view(np.int64)
    exponent = (bits - _TWO_THIRDS) >> np.int64(52)
    m = np.int64(bits - (exponent << np.int64(52))).view(np.float64) - 1.0
    p = A15
    p = p * m + A14
    p = p * m + A13
    p = p * m + A12
    p = p * m + A11
    p = p * m + A10
    p = p * m + A9
    p = p * m + A8
    p = p * m + A7
    p = p * m + A6
    p = p * m + A5
    p = p * m + A4
    p = p * m + A3
    p = p * m + A2
    p = p * m + A1
    p = p * m + A0
    return x * (np.float64(exponent) + m * p)


_h = njit(_h, fast=True)


def _shared_with(total: Any, a: Any, row: Any, h_row: Any) -> None:
    """total[j] += u(a, row[j]), where h_row[j] is h(row[j])."""
    own = _h(a)
    for j in range(total.shape[0]):
        total[j] += _h(a + row[j]) - h_row[j] - own


def _all_h(row: Any, out: Any) -> Any:
    """out[j] = h(row[j])."""
    for j in range(out.shape[0]):
        out[j] = _h(row[j])
    return out


def _joined(total: Any, a1: Any, a2: Any, row1: Any, row2: Any, apart: Any) -> None:
    """total[j] += u(a1 + a2, row1[j] + row2[j]) - u(a1, row1[j]) - u(a2, row2[j]), where apart[j] is u(row1, row2)."""
    own = _h(a1 + a2) - _h(a1) - _h(a2)
    for j in range(total.shape[0]):
        b1, b2 = row1[j], row2[j]
        total[j] += _h(a1 + a2 + b1 + b2) - _h(a1 + b1) - _h(a2 + b2) - own - apart[j]


def _apart(row1: Any, row2: Any, out: Any) -> None:
    """out[j] = u(row1[j], row2[j])."""
    for j in range(out.shape[0]):
        out[j] = _h(row1[j] + row2[j]) - _h(row1[j]) - _h(row2[j])


def _grown(total: Any, a: Any, more: Any, row: Any) -> None:
    """total[j] += u(a + more, row[j]) - u(a, row[j])."""
    own = _h(a + more) - _h(a)
    for j in range(total.shape[0]):
        total[j] += _h(a + more + row[j]) - _h(a + row[j]) - own


def _grow_margins(change: Any, now: Any, before: Any, all_now: Any, all_before: Any) -> None:
    """change[j] -= h(now + all_now[j]) - h(before + all_before[j])."""
    for j in range(change.shape[0]):
        change[j] -= _h(now + all_now[j]) - _h(before + all_before[j])


def _set_losses(loss: Any, shared: Any, out: Any, back: Any, diagonal: Any, left: Any, right: Any, i: Any) -> None:
    """Set loss[j] of merging i with every j, from row and column i of the counts."""
    ii, li, ri = diagonal[i], left[i], right[i]
    own = _h(ii)
    for j in range(loss.shape[0]):
        ij, ji, jj = out[j], back[j], diagonal[j]
        # Terms of `shared` with d = i or j, which are no losses, ...
        inside = _h(ii + ji) + _h(ij + jj) + _h(ii + ij) + _h(ji + jj) - 2 * (own + _h(ij) + _h(ji) + _h(jj))
        # ... and the four cells that become one.
        block = own + _h(ij) + _h(ji) + _h(jj) - _h(ii + ij + ji + jj)
        margins = _h(li + left[j]) - _h(li) - _h(left[j]) + _h(ri + right[j]) - _h(ri) - _h(right[j])
        loss[j] = block + inside + margins - shared[j]


_shared_with, _all_h = njit(_shared_with, fast=True), njit(_all_h, fast=True)
_joined, _apart = njit(_joined, fast=True), njit(_apart, fast=True)
_grown, _grow_margins = njit(_grown, fast=True), njit(_grow_margins, fast=True)
_set_losses = njit(_set_losses, fast=True)


# --- classes ---------------------------------------------------------------------------------------------------------


@njit
def _refresh(i, size, merging):  # type: ignore[no-untyped-def]
    """Set the losses of class i from its counts and `shared`, in its row and its column."""
    diagonal = np.empty(size)
    for j in range(size):
        diagonal[j] = merging.joint[j, j]
    loss = merging.loss[i, :size]
    out, back = merging.joint[i, :size], merging.joint_t[i, :size]
    _set_losses(loss, merging.shared[i, :size], out, back, diagonal, merging.left[:size], merging.right[:size], i)
    for j in range(size):
        merging.loss[j, i] = loss[j]
        merging.shared[j, i] = merging.shared[i, j]


@njit
def insert(size, to_right, to_left, itself, merging):  # type: ignore[no-untyped-def]
    """Put a class into slot `size`, given how often it stands before and after those present, and before itself."""
    joint, joint_t, left, right = merging.joint, merging.joint_t, merging.left, merging.right
    joint[size, :size], joint_t[size, :size] = to_right[:size], to_left[:size]
    joint[:size, size], joint_t[:size, size] = to_left[:size], to_right[:size]
    joint[size, size] = joint_t[size, size] = itself
    was_left, was_right = left[:size].copy(), right[:size].copy()
    left[:size] += to_left[:size]
    right[:size] += to_right[:size]
    left[size], right[size] = to_right[:size].sum() + itself, to_left[:size].sum() + itself
    _insert_beside(size, to_right[:size], to_left[:size], was_left, was_right, merging)
    own, buffer = merging.shared[size, : size + 1], np.empty(size + 1)
    own[:] = 0
    for d in range(size + 1):
        if joint[size, d] > 0:
            _shared_with(own, joint[size, d], joint_t[d, : size + 1], _all_h(joint_t[d, : size + 1], buffer))
        if joint_t[size, d] > 0:
            _shared_with(own, joint_t[size, d], joint[d, : size + 1], _all_h(joint[d, : size + 1], buffer))
    _refresh(size, size + 1, merging)


@njit
def _insert_beside(size, to_right, to_left, was_left, was_right, merging):  # type: ignore[no-untyped-def]
    """Update the pairs with a class beside the new one: a column more, and larger row and column sums."""
    shared, loss = merging.shared, merging.loss
    left, right = merging.left[:size], merging.right[:size]
    change, margins = np.empty(size), np.zeros(size)
    h_right, h_left = _all_h(to_right, np.empty(size)), _all_h(to_left, np.empty(size))
    for sums, sign in ((left, -1.0), (right, -1.0), (was_left, 1.0), (was_right, 1.0)):
        margins += sign * _all_h(sums, np.empty(size))  # the change of -h(L) - h(R)
    beside = (to_right > 0) | (to_left > 0)
    for i in range(size):
        if not beside[i]:
            continue
        change[:] = 0
        if to_left[i] > 0:
            _shared_with(change, to_left[i], to_left, h_left)
        if to_right[i] > 0:
            _shared_with(change, to_right[i], to_right, h_right)
        for j in range(size):
            shared[i, j] += change[j]
        _grow_margins(change, left[i], was_left[i], left, was_left)
        _grow_margins(change, right[i], was_right[i], right, was_right)
        for j in range(size):
            loss[i, j] += margins[i] + margins[j] - change[j]
    for j in range(size):
        if not beside[j]:
            for i in range(size):
                if beside[i]:
                    loss[j, i] = loss[i, j]


@njit
def fill(joint, left, right, merging):  # type: ignore[no-untyped-def]
    """Put all classes in at once."""
    size = left.shape[0]
    h_joint, h_joint_t = np.empty((size, size)), np.empty((size, size))
    merging.joint[:size, :size], merging.joint_t[:size, :size] = joint, joint.T
    merging.left[:size], merging.right[:size] = left, right
    for d in range(size):
        _all_h(merging.joint[d, :size], h_joint[d])
        _all_h(merging.joint_t[d, :size], h_joint_t[d])
    for i in range(size):
        own = merging.shared[i, :size]
        for d in range(size):
            if joint[i, d] > 0:
                _shared_with(own, joint[i, d], merging.joint_t[d, :size], h_joint_t[d])
            if joint[d, i] > 0:
                _shared_with(own, joint[d, i], merging.joint[d, :size], h_joint[d])
    for i in range(size):
        _refresh(i, size, merging)


@njit
def best_pair(size, merging):  # type: ignore[no-untyped-def]
    """Return the pair p < q of least loss; of several, the first."""
    best, p, q = np.inf, 0, 1
    for i in range(size - 1):
        row = merging.loss[i, i + 1 : size]
        least = row.min()
        if least < best:
            best, p, q = least, i, i + 1 + int(np.argmin(row))
    return p, q


@njit
def merge(p, q, size, merging):  # type: ignore[no-untyped-def]
    """Merge the class in slot q into that in slot p; the last slot's class moves to slot q."""
    _merge_beside(p, q, size, merging)
    _merge_into(p, q, size, merging)
    joint, joint_t = merging.joint, merging.joint_t
    for matrix in (joint, joint_t):
        matrix[p, :size] += matrix[q, :size]
        matrix[:size, p] += matrix[:size, q]
    merging.left[p] += merging.left[q]
    merging.right[p] += merging.right[q]
    last = size - 1
    if q != last:
        for matrix in (joint, joint_t, merging.shared, merging.loss):
            matrix[q, :size] = matrix[last, :size]
            matrix[:size, q] = matrix[:size, last]
        merging.left[q], merging.right[q] = merging.left[last], merging.right[last]
    _refresh(p, last, merging)


@njit
def _merge_beside(p, q, size, merging):  # type: ignore[no-untyped-def]
    """Update the pairs of other classes for the merger of q into p, of which the counts are still apart."""
    joint, joint_t, shared, loss = merging.joint, merging.joint_t, merging.shared, merging.loss
    apart_back, apart_out, change = np.empty(size), np.empty(size), np.empty(size)
    _apart(joint_t[p, :size], joint_t[q, :size], apart_back)
    _apart(joint[p, :size], joint[q, :size], apart_out)
    beside = np.zeros(size, np.bool_)
    for i in range(size):
        beside[i] = i != p and i != q and (joint[i, q] > 0 or joint[q, i] > 0)
        if not beside[i]:
            continue
        change[:] = 0
        if joint[i, q] > 0 or joint[i, p] > 0:
            _joined(change, joint[i, p], joint[i, q], joint_t[p, :size], joint_t[q, :size], apart_back)
        if joint[q, i] > 0 or joint[p, i] > 0:
            _joined(change, joint[p, i], joint[q, i], joint[p, :size], joint[q, :size], apart_out)
        for j in range(size):
            shared[i, j] += change[j]
            loss[i, j] -= change[j]
    for j in range(size):
        if not beside[j] and j != p:  # what p shares is yet to be updated
            for i in range(size):
                if beside[i]:
                    shared[j, i], loss[j, i] = shared[i, j], loss[i, j]


@njit
def _merge_into(p, q, size, merging):  # type: ignore[no-untyped-def]
    """Update what p shares with every class for the merger of q into it."""
    joint, joint_t = merging.joint, merging.joint_t
    own = merging.shared[p, :size]
    for d in range(size):
        if d in (p, q):
            continue
        if joint[q, d] > 0:
            _grown(own, joint[p, d], joint[q, d], joint_t[d, :size])
        if joint[d, q] > 0:
            _grown(own, joint[d, p], joint[d, q], joint[d, :size])
    # Columns p and q become one, for p and q as for all others.
    both = joint[p, p] + joint[p, q] + joint[q, p] + joint[q, q]
    buffer = np.empty(size)
    for matrix in (joint_t, joint):
        to_p, to_q = matrix[p, :size], matrix[q, :size]
        together = to_p + to_q
        _shared_with(own, both, together, _all_h(together, buffer))
        taken = np.zeros(size)
        _shared_with(taken, matrix[p, p], to_p, _all_h(to_p, buffer))
        _shared_with(taken, matrix[q, p], to_q, _all_h(to_q, buffer))
        for j in range(size):
            own[j] -= taken[j]


# --- the window ------------------------------------------------------------------------------------------------------


@njit
def place_words(first, last, n_classes, graph, root, slot_of, name, merging):  # type: ignore[no-untyped-def]
    """Give each of the words first … last - 1 a class of its own, and keep to `n_classes` by the best mergers.

    A class is named by one of its words: `name` of each slot; `slot_of` finds the slot again. `root` leads from a word
    to its class's name, over those that were merged into it.
    """
    to_right, to_left = np.empty(n_classes + 1), np.empty(n_classes + 1)
    for word in range(first, last):
        size = min(word, n_classes)
        to_right[:], to_left[:] = 0, 0
        itself = 0.0
        for place in range(graph.right_offsets[word], graph.right_offsets[word + 1]):
            other = graph.right_words[place]
            if other == word:
                itself = graph.right_counts[place]
            elif other < word:
                to_right[slot_of[_find(root, other)]] += graph.right_counts[place]
        for place in range(graph.left_offsets[word], graph.left_offsets[word + 1]):
            other = graph.left_words[place]
            if other < word:
                to_left[slot_of[_find(root, other)]] += graph.left_counts[place]
        insert(size, to_right, to_left, itself, merging)
        name[size], slot_of[word] = word, size
        if size == n_classes:
            p, q = best_pair(size + 1, merging)
            merge(p, q, size + 1, merging)
            root[name[q]] = name[p]
            name[q] = name[size]
            slot_of[name[q]] = q


@njit
def _find(root, word):  # type: ignore[no-untyped-def]
    while root[word] != word:
        root[word] = root[root[word]]  # halves the way for the next time
        word = root[word]
    return word
