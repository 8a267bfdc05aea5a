r"""Predictive exchange clustering: classes that a word, not its class, predicts.

In the predictive class bigram model, p(w | v) = p(c(w) | v) p(w | c(w)) (Uszkoreit & Brants 2008, section 3), the
likelihood of a text depends on the classes by

.. math:: F = \sum_{v, c} h(N_{vc}) - \sum_c h(N_c), \qquad h(x) = x \log_2 x

where N[v, c] is how often class c follows word v. Moving w changes the cells of its own neighbours alone. The
bidirectional variant adds the same for the word that follows, p(c(w) | v) with v behind w (after Dehdari, Tan & van
Genabith 2016, who alternate between the two). Heuristic: greedy moves of single words from a start by rank; F never
falls. The average mutual information that it reaches is below that of `wordalloc.exchange_classes`, which raises it
directly; the classes suit a model whose history is words.

Time O(K) for each distinct neighbour of each word and sweep. Memory O(V K): 4 bytes, 8 where a word is counted 2³¹
times or more, for every class of every word that has several successors (bidirectional: and of every word that has
several predecessors).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._arguments import shown, whole_number
from wordalloc.algorithms._compiled import njit
from wordalloc.algorithms.exchange import by_first_word
from wordalloc.algorithms.exchange_kernels import make_graph
from wordalloc.algorithms.mutual_information import average_mutual_information, class_bigrams
from wordalloc.allocations import Bigrams, Classes
from wordalloc.errors import InputError

MAX_BYTES = 8 << 30
TABLE = 1 << 16  # values of h kept ready
LEAST_GAIN = 1e-9  # of F, relative: less is rounding


def predictive_classes(
    bigrams: Bigrams,
    n_classes: int,
    *,
    direction: str = "predictive",
    iterations: int = 15,
    progress: Callable[[int, int], None] | None = None,
) -> Classes:
    """Return classes of high likelihood under the predictive class bigram model: a local optimum.

    Parameters
    ----------
    bigrams : Bigrams
        Counts of adjacent words.
    n_classes : int
        K, 1 … V.
    direction : {"predictive", "bidirectional"}
        Classes are predicted by the word before; or by the words on both sides.
    iterations : int
        The most sweeps over all words, which stop when none moves.
    progress : callable, optional
        Called as ``progress(sweeps done, sweeps at most)``.

    Returns
    -------
    Classes
        Numbered by their most frequent words. The parameters hold ``objective``, the AMI of adjacent classes in bits
        as for `wordalloc.exchange_classes`, and ``sweeps``, with the gain in F of each.

    Raises
    ------
    InputError
        If `n_classes` is not from 1 to V, or the counts between words and classes would need more than 8 GiB.

    Examples
    --------
    >>> from wordalloc.vocabulary import Vocabulary
    >>> vocabulary = Vocabulary.from_counts(["cat", "dog", "runs", "sits"], [4, 4, 4, 4])
    >>> left, right = zip((0, 2), (0, 3), (1, 2), (1, 3), (2, 0), (2, 1), (3, 0), (3, 1))
    >>> predictive_classes(Bigrams(vocabulary, left, right, [2] * 8), 2).word_class.tolist()
    [0, 0, 1, 1]
    """
    size = bigrams.vocabulary.size
    n_classes = whole_number("n_classes", n_classes, 1, size)
    iterations = whole_number("iterations", iterations, 1)
    if direction not in ("predictive", "bidirectional"):
        raise InputError(f"direction must be 'predictive' or 'bidirectional', not {shown(direction)}")
    graph = make_graph(bigrams)
    # Of each side: the neighbours of each word, and how often each class stands on the neighbour's other side.
    sides = [(graph.left_offsets, graph.left_words, graph.left_counts, np.diff(graph.right_offsets))]
    if direction == "bidirectional":
        sides.append((graph.right_offsets, graph.right_words, graph.right_counts, np.diff(graph.left_offsets)))
    rows = [np.where(several > 1, np.cumsum(several > 1) - 1, -1) for *_, several in sides]
    most = max(int(side.max()) for side in (bigrams.left_counts, bigrams.right_counts))
    cell_type = np.dtype(np.int32 if most < 2**31 else np.int64)  # of how often one word stands beside one class
    if cell_type.itemsize * n_classes * sum(int(row.max()) + 1 for row in rows) > MAX_BYTES:
        raise InputError(f"{n_classes} classes of {size} words need more than 8 GiB here; use exchange without --model")
    word_class = (np.arange(size) % n_classes).astype(np.int32)
    cells = [np.zeros((int(row.max()) + 1, n_classes), cell_type) for row in rows]
    totals = [np.zeros(n_classes) for _ in sides]
    sweeps: list[dict[str, Any]] = []
    table = _h_table()
    state = [(*side[:3], row, cell, total) for side, row, cell, total in zip(sides, rows, cells, totals, strict=True)]
    for part in state:
        _fill(word_class, *part)
    sizes = np.bincount(word_class, minlength=n_classes)
    for done in range(1, iterations + 1):
        moved, gain = _sweep(word_class, sizes, table, state[0], state[-1], len(state))
        ami = average_mutual_information(class_bigrams(bigrams, Classes(bigrams.vocabulary, word_class)))
        sweeps.append({"stage": direction, "ami_bits": ami, "moved": int(moved), "gain": float(gain)})
        if progress is not None:
            progress(done, iterations)
        if not moved:
            break
    parameters = {
        "algorithm": "predictive_exchange",
        "n_classes": n_classes,
        "direction": direction,
        "iterations": iterations,
        "objective": sweeps[-1]["ami_bits"],
        "exact": False,
        "sweeps": sweeps,
    }
    return Classes(bigrams.vocabulary, by_first_word(word_class), parameters)


def _h_table() -> npt.NDArray[np.float64]:
    x = np.arange(TABLE, dtype=np.float64)
    return x * np.log2(np.maximum(x, 1))


@njit
def _h(x, table):  # type: ignore[no-untyped-def]
    return table[int(x)] if x < table.shape[0] else x * np.log2(x)


@njit
def _fill(word_class, offsets, words, counts, row, cells, totals):  # type: ignore[no-untyped-def]
    for w in range(word_class.shape[0]):
        _count(w, word_class[w], 1, offsets, words, counts, row, cells, totals)


@njit
def _count(w, c, sign, offsets, words, counts, row, cells, totals):  # type: ignore[no-untyped-def]
    """Add w to class c, or take it out (sign -1): in the rows of its neighbours, and in all."""
    for place in range(offsets[w], offsets[w + 1]):
        totals[c] += sign * counts[place]
        r = row[words[place]]
        if r >= 0:
            cells[r, c] += sign * counts[place]


@njit
def _add_scores(w, score, table, side):  # type: ignore[no-untyped-def]
    """Add to score[b] what F gains, up to a constant, when w, which is in no class now, joins b."""
    offsets, words, counts, row, cells, totals = side
    total = 0.0
    for place in range(offsets[w], offsets[w + 1]):
        n = counts[place]
        total += n
        r = row[words[place]]
        if r < 0:  # a word with one neighbour: the same for every class
            continue
        own = _h(n, table)
        for b in range(score.shape[0]):
            before = cells[r, b]
            if before > 0:
                score[b] += _h(before + n, table) - _h(before, table) - own
    if total > 0:
        for b in range(score.shape[0]):
            score[b] -= _h(totals[b] + total, table) - _h(totals[b], table)


@njit
def _sweep(word_class, sizes, table, one, other, n_sides):  # type: ignore[no-untyped-def]
    """Move every word once to the class of most gain; return how many moved and what F gained."""
    score = np.empty(sizes.shape[0])
    moved, gained = 0, 0.0
    for w in range(word_class.shape[0]):
        a = word_class[w]
        if sizes[a] == 1:  # no class is ever emptied
            continue
        score[:] = 0
        _count(w, a, -1, *one)
        _add_scores(w, score, table, one)
        if n_sides == 2:
            _count(w, a, -1, *other)
            _add_scores(w, score, table, other)
        b = np.argmax(score)
        if score[b] - score[a] > LEAST_GAIN * (1 + abs(score[b])):
            gained += score[b] - score[a]
            word_class[w] = b
            sizes[a] -= 1
            sizes[b] += 1
            moved += 1
        _count(w, word_class[w], 1, *one)
        if n_sides == 2:
            _count(w, word_class[w], 1, *other)
    return moved, gained
