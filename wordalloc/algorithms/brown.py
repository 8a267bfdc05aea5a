"""Brown clustering: a binary tree over K classes of words, by greedy merging of the least loss of mutual information.

Brown, Della Pietra, deSouza, Della Pietra & Mercer (1992), "Class-based n-gram models of natural language", section
3. Two ways to the K classes:

* ``exchange``: the classes of `wordalloc.algorithms.exchange`, of higher mutual information in less time;
* ``windowed``: Liang (2005), "Semi-supervised learning for natural language", section 4.2: the K most frequent words
  begin as classes of their own; each next word becomes one more, and the two whose merger loses least are merged.

Each merger is the best one (exact at every step, greedy over all). Then the K classes are merged down to one, which
makes the tree, and the words of each class are put below it by Huffman. Windowed: O(V K) vectorised operations times
the classes beside a word; merging K classes: O(K³). Memory O(bigrams + K²).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._arguments import shown, whole_number
from wordalloc.algorithms.class_merging import best_pair, empty_merging, fill, merge, place_words
from wordalloc.algorithms.exchange import by_first_word, exchange_classes
from wordalloc.algorithms.exchange_kernels import make_graph
from wordalloc.algorithms.huffman import Places, with_huffman_below
from wordalloc.algorithms.mutual_information import average_mutual_information, class_bigrams
from wordalloc.allocations import Bigrams, Classes, Tree
from wordalloc.errors import InputError

Progress = Callable[[int, int], None]
REPORT_STEPS = 64


def brown_tree(
    bigrams: Bigrams,
    n_classes: int,
    seed: int = 0,
    *,
    leaves: str = "exchange",
    effort: str = "normal",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Tree:
    """Return a Brown tree: bit strings over K classes, and Huffman codes over the words of each below.

    Parameters
    ----------
    bigrams : Bigrams
        Counts of adjacent words.
    n_classes : int
        K, 1 … V.
    seed, effort, threads
        Of `wordalloc.exchange_classes`; the windowed algorithm has no use for them.
    leaves : {"exchange", "windowed"}
        How the K classes are found.
    progress : callable, optional
        Called as ``progress(steps done, steps expected)``.

    Returns
    -------
    Tree
        `class_depth` names the classes; `Tree.cut` returns them. The parameters hold ``objective``, the AMI of the
        classes in bits, and ``losses``, what each merger lost, in order.

    Raises
    ------
    InputError
        If `n_classes` is not from 1 to V.

    Examples
    --------
    >>> from wordalloc.vocabulary import Vocabulary
    >>> vocabulary = Vocabulary.from_counts(["cat", "dog", "runs", "sits"], [4, 4, 4, 4])
    >>> left, right = zip((0, 2), (0, 3), (1, 2), (1, 3), (2, 0), (2, 1), (3, 0), (3, 1))
    >>> tree = brown_tree(Bigrams(vocabulary, left, right, [2] * 8), 2)
    >>> tree.codes, tree.class_depth.tolist()
    (['00', '01', '10', '11'], [1, 1, 1, 1])
    """
    n_classes = whole_number("n_classes", n_classes, 1, bigrams.vocabulary.size)
    if leaves == "exchange":
        classes = exchange_classes(bigrams, n_classes, seed, effort=effort, threads=threads, progress=progress)
    elif leaves == "windowed":
        classes = windowed_classes(bigrams, n_classes, progress=progress)
    else:
        raise InputError(f"leaves must be 'exchange' or 'windowed', not {shown(leaves)}")
    return merge_classes(bigrams, classes, progress=progress)


def windowed_classes(bigrams: Bigrams, n_classes: int, *, progress: Progress | None = None) -> Classes:
    """Return the K classes of Liang's windowed algorithm.

    Parameters
    ----------
    bigrams : Bigrams
        Counts of adjacent words.
    n_classes : int
        K, 1 … V.
    progress : callable, optional
        Called as ``progress(words placed, V)``.
    """
    size = bigrams.vocabulary.size
    n_classes = whole_number("n_classes", n_classes, 1, size)
    graph, merging = make_graph(bigrams), empty_merging(n_classes + 1)
    root, slot_of, name = np.arange(size), np.zeros(size, np.int64), np.zeros(n_classes + 1, np.int64)
    for first in range(0, size, REPORT_STEPS):
        last = min(first + REPORT_STEPS, size)
        place_words(first, last, n_classes, graph, root, slot_of, name, merging)
        if progress is not None:
            progress(last, size)
    while (root[root] != root).any():
        root = root[root]
    word_class = by_first_word(root)
    joint = class_bigrams(bigrams, Classes(bigrams.vocabulary, word_class))
    parameters = {
        "algorithm": "brown-windowed",
        "n_classes": n_classes,
        "objective": average_mutual_information(joint),
        "exact": False,
    }
    return Classes(bigrams.vocabulary, word_class, parameters)


def merge_classes(bigrams: Bigrams, classes: Classes, *, progress: Progress | None = None) -> Tree:
    """Return the tree of greedily merging given classes down to one, their words below by Huffman.

    Parameters
    ----------
    bigrams : Bigrams
        Counts of adjacent words, of the same vocabulary.
    classes : Classes
        K of them.
    progress : callable, optional
        Called as ``progress(mergers done, K - 1)``.

    Returns
    -------
    Tree
        As of `brown_tree`.
    """
    joint = class_bigrams(bigrams, classes)
    mergers = _merge_all(joint, progress)
    places, class_depth = with_huffman_below(classes, _as_tree(mergers, classes.n_classes))
    total = max(1.0, joint.sum())
    parameters = {
        "algorithm": "brown",
        "classes": {name: value for name, value in classes.parameters.items() if name != "sweeps"},
        "objective": average_mutual_information(joint),
        "exact": False,
        "losses": [merger.loss / total for merger in mergers],
    }
    return Tree.from_nodes(classes.vocabulary, *places, class_depth=class_depth, parameters=parameters)


@dataclass(frozen=True)
class _Merger:
    """Two classes become one. Classes are named 0 … K - 1, what the t-th merger makes K + t."""

    first: int
    second: int
    loss: float


def _merge_all(joint: npt.NDArray[np.float64], progress: Progress | None) -> list[_Merger]:
    n_classes = joint.shape[0]
    merging = empty_merging(n_classes)
    fill(joint, joint.sum(1), joint.sum(0), merging)
    names = list(range(n_classes))  # of the class in each slot
    mergers: list[_Merger] = []
    for size in range(n_classes, 1, -1):
        p, q = best_pair(size, merging)
        mergers.append(_Merger(names[p], names[q], float(merging.loss[p, q])))
        merge(p, q, size, merging)
        names[p] = n_classes + len(mergers) - 1
        names[q] = names[size - 1]
        if progress is not None:
            progress(len(mergers), n_classes - 1)
    return mergers


def _as_tree(mergers: list[_Merger], n_classes: int) -> Places:
    """Return the places of the mergers, the last of them node 0, and of the classes; of two, the one that holds the
    most frequent word has digit 0."""
    n_nodes = len(mergers)
    parent, digit, foremost = (np.zeros(n_classes + n_nodes, np.int64) for _ in range(3))
    foremost[:n_classes] = np.arange(n_classes)  # classes are numbered by their most frequent words
    for number, merger in enumerate(mergers):
        children = sorted((merger.first, merger.second), key=lambda child: int(foremost[child]))
        parent[children], digit[children] = n_nodes - 1 - number, [0, 1]
        foremost[n_classes + number] = foremost[children[0]]
    parent[-1] = -1
    of_nodes = slice(n_classes, None), slice(None, None, -1)  # the last made is number 0
    return parent[of_nodes[0]][of_nodes[1]], digit[of_nodes[0]][of_nodes[1]], parent[:n_classes], digit[:n_classes]
