"""Clustering trees: words split in two again and again by their vectors (Mnih & Hinton 2009, section 5).

At each node a mixture of two Gaussians is fitted to the vectors of the words below it, and the words go to the
likelier one (`adaptive`), or the half of them with the higher odds goes to the right (`balanced`). Vectors are scaled
to length 1 first, so that neither a word's frequency, which the length of its vector follows, nor the scale decides.
Time O(V dim log V), memory O(V dim).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._arguments import shown, whole_number
from wordalloc.algorithms._gaussian_splits import LEAST_SHARE, split_recursively
from wordalloc.algorithms._tree_nodes import tree_from_children
from wordalloc.algorithms._vectors import word_directions
from wordalloc.allocations import Tree
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary

LEAST_SHARES = {"adaptive": LEAST_SHARE, "balanced": 1 / 2}


def clustering_tree(
    vocabulary: Vocabulary,
    vectors: npt.ArrayLike,
    *,
    split: str = "adaptive",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Tree:
    """Return a binary tree in which words with similar vectors are near each other.

    A heuristic of O(V dim log V) time; see `wordalloc.algorithms._gaussian_splits`.

    Parameters
    ----------
    vocabulary : Vocabulary
        V words and counts.
    vectors : array_like of float, shape (V, dim)
        A vector for each rank, such as `ppmi_vectors` or a trained model's embeddings.
    split : {"adaptive", "balanced"}
        ``adaptive``: words go to the likelier Gaussian, but at least an eighth of a node's words to either side, so
        that no code is longer than 1 + log(V / 2) / log(8 / 7), about 5.2 log₂ V. ``balanced``: one half of a node's
        words to either side, so that no code is longer than ⌈log₂ V⌉.
    seed : int
        Of the search for principal components.
    progress : callable, optional
        Called as ``progress(inner nodes made, inner nodes in all)``.

    Returns
    -------
    Tree

    Raises
    ------
    InputError
        If there is not one vector of finite numbers a word, or `split` is unknown.

    References
    ----------
    A. Mnih and G. Hinton, A scalable hierarchical distributed language model, NIPS 2009, section 5.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts(["one", "he", "two", "she"], [4, 3, 2, 1])
    >>> vectors = [[1.0, 0.1], [0.1, 1.0], [1.0, 0.2], [0.2, 1.0]]
    >>> tree = clustering_tree(vocabulary, vectors)
    >>> below = tree.word_parent.tolist()
    >>> below[0] == below[2], below[1] == below[3], below[0] == below[1]
    (True, True, False)
    """
    if split not in LEAST_SHARES:
        raise InputError(f"nodes are split 'adaptive' or 'balanced', not {shown(split)}")
    seed = whole_number("seed", seed, 0)
    points = word_directions(vocabulary, vectors)
    weights = np.sqrt(vocabulary.counts + 1.0)
    children = split_recursively(points, weights, LEAST_SHARES[split], seed, progress)
    return tree_from_children(
        vocabulary,
        children.tolist(),
        root=0 if len(children) else -1,
        parameters={"algorithm": "clustering_tree", "split": split, "seed": seed, "dim": points.shape[1]},
    )
