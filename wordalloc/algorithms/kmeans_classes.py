"""Classes of words with similar vectors: k-means, or k-means with classes of equal size.

Minimises the mean over the tokens of the squared distance between a word's vector, scaled to length 1, and the mean of
its class. A word counts as often as it occurs: with one vote a word, rare words, whose vectors are noise, take nearly
all of the classes and the frequent ones share what is left (at 100 classes of the benchmarks' training text the
classes' mutual information falls from 1.34 to 0.50 bits, means of three seeds).

k-means++ and Lloyd's iterations are scikit-learn's: a local optimum, O(iterations V K dim). With equal sizes Lloyd's
assignment is replaced by one in which classes differ in size by at most one
(`wordalloc.algorithms._balanced_assignment`, provably near the optimum for given centres), from k-means' centres on.
Memory O((V + K) dim).
"""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._arguments import whole_number
from wordalloc.algorithms._balanced_assignment import balanced_assignment
from wordalloc.algorithms._vectors import Vectors, word_directions
from wordalloc.allocations import Classes
from wordalloc.vocabulary import Vocabulary

BALANCED_ITERATIONS = 3  # the first ones bring nearly all that there is
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def kmeans_classes(
    vocabulary: Vocabulary,
    vectors: npt.ArrayLike,
    n_classes: int,
    *,
    equal_sizes: bool = False,
    seed: int = 0,
    iterations: int = 100,
) -> Classes:
    """Return classes of words whose vectors point in similar directions.

    Parameters
    ----------
    vocabulary : Vocabulary
        V words and counts.
    vectors : array_like of float, shape (V, dim)
        A vector for each rank, such as `ppmi_vectors` or a trained model's embeddings. Only directions matter.
    n_classes : int
        K, 1 … V.
    equal_sizes : bool
        Whether all classes get ⌊V / K⌋ or ⌈V / K⌉ words.
    seed : int
        Of the choice of the first centres.
    iterations : int
        Most iterations of k-means.

    Returns
    -------
    Classes
        Numbered by their most frequent words. The parameters hold the objective, from 0 to 1.

    Raises
    ------
    InputError
        If `n_classes` is not from 1 to V, or there is not one vector of finite numbers a word.

    References
    ----------
    D. Arthur and S. Vassilvitskii, k-means++: the advantages of careful seeding, SODA 2007.
    D. P. Bertsekas and D. A. Castañon, The auction algorithm for the transportation problem, Annals of Operations
    Research 20, 1989.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts(["one", "he", "two", "she", "six"], [5, 4, 3, 2, 1])
    >>> vectors = [[1.0, 0.1], [0.1, 1.0], [2.0, 0.2], [0.2, 2.0], [9.0, 0.9]]
    >>> kmeans_classes(vocabulary, vectors, 2).word_class.tolist()
    [0, 1, 0, 1, 0]
    """
    from sklearn.cluster import KMeans  # before the limit: it holds for what is loaded when it is set
    from threadpoolctl import threadpool_limits

    n_classes = whole_number("the number of classes", n_classes, 1, vocabulary.size)
    seed = whole_number("seed", seed, 0, 2**32 - 1)
    iterations = whole_number("iterations", iterations, 1)
    points = word_directions(vocabulary, vectors)
    weights = np.maximum(vocabulary.counts, 1).astype(np.float64)
    weights /= weights.mean()
    with threadpool_limits(1):  # sums that several threads share differ from run to run
        kmeans = KMeans(n_classes, n_init=1, max_iter=iterations, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there are fewer distinct vectors than classes
            word_class = kmeans.fit(points, sample_weight=weights).labels_.astype(np.int64)
        if equal_sizes:
            word_class = _balanced(points, weights, word_class, n_classes)
    _fill_empty(points, weights, word_class, n_classes)
    parameters = {
        "algorithm": "kmeans_classes",
        "n_classes": n_classes,
        "equal_sizes": bool(equal_sizes),
        "seed": seed,
        "iterations": iterations,
        "dim": points.shape[1],
        "objective": _mean_squared_distance(points, weights, word_class, n_classes),
    }
    return Classes(vocabulary, _numbered_by_rank(word_class, n_classes), parameters)


def _balanced(points: Vectors, weights: Floats, word_class: Ints, n_classes: int) -> Ints:
    """Return the best of a few rounds of balanced assignment and new means; the largest classes get the odd words."""
    size = len(points)
    capacity = np.full(n_classes, size // n_classes)
    capacity[np.argsort(-np.bincount(word_class, minlength=n_classes), kind="stable")[: size % n_classes]] += 1
    best, least = word_class, np.inf
    for _ in range(BALANCED_ITERATIONS):
        word_class = balanced_assignment(points, weights, _means(points, weights, word_class, n_classes), capacity)
        found = _mean_squared_distance(points, weights, word_class, n_classes)
        if found >= least:
            break
        best, least = word_class, found
    return best


def _fill_empty(points: Vectors, weights: Floats, word_class: Ints, n_classes: int) -> None:
    """Give each class without words, where vectors coincide, the word that costs most where it is."""
    sizes = np.bincount(word_class, minlength=n_classes)
    empty = np.flatnonzero(sizes == 0).tolist()
    if not empty:
        return
    cost = weights * _squared_distances(points, _means(points, weights, word_class, n_classes), word_class)
    for word in np.argsort(-cost, kind="stable").tolist():
        if empty and sizes[word_class[word]] > 1:
            sizes[word_class[word]] -= 1
            word_class[word] = empty.pop(0)


def _means(points: Vectors, weights: Floats, word_class: Ints, n_classes: int) -> Vectors:
    """Return the weighted means of the classes, (K, dim); an empty one is at the origin."""
    from scipy.sparse import csr_matrix

    membership = csr_matrix((weights, (word_class, np.arange(len(points)))), shape=(n_classes, len(points)))
    masses = np.bincount(word_class, weights, minlength=n_classes)
    return (membership @ points / np.maximum(masses, 1e-300)[:, None]).astype(np.float32)


def _squared_distances(points: Vectors, means: Vectors, word_class: Ints) -> Floats:
    difference = points - means[word_class]
    return np.einsum("nd,nd->n", difference, difference, dtype=np.float64)


def _mean_squared_distance(points: Vectors, weights: Floats, word_class: Ints, n_classes: int) -> float:
    means = _means(points, weights, word_class, n_classes)
    return float((weights * _squared_distances(points, means, word_class)).sum() / weights.sum())


def _numbered_by_rank(word_class: Ints, n_classes: int) -> Ints:
    """Number the classes in the order of their first words."""
    _, first = np.unique(word_class, return_index=True)
    number = np.empty(n_classes, dtype=np.int64)
    number[np.argsort(first)] = np.arange(n_classes)
    return number[word_class]
