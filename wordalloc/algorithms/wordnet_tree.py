"""A hierarchy of concepts made a binary tree over words (Morin & Bengio 2005, section 4).

The hierarchy is restricted to the concepts above words of the vocabulary. A word that has concepts below its own is a
leaf beside them, and a concept with one child is left out for the child. Where more than two children stand below
one concept, they are split in two again and again: by the mean vectors of their words (as clustering trees are, see
`wordalloc.algorithms._gaussian_splits`), or, without vectors, by Huffman's merging of their counts. A word outside
the hierarchy joins the word inside whose vector is nearest in angle; the two, and all others who come there, are split
in the same way. Words outside without a vector form a Huffman tree beside the hierarchy's root.

Heuristic; the paper chooses among the senses of a word as well, here the caller has chosen one. Time O(V depth) and,
with vectors, O(dim · (V log V + words inside × words outside)); memory O(V (depth + dim)).
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._arguments import whole_number
from wordalloc.algorithms._gaussian_splits import LEAST_SHARE, split_recursively
from wordalloc.algorithms._tree_nodes import tree_from_children
from wordalloc.algorithms._vectors import Vectors, directions, nearest, word_directions
from wordalloc.allocations import Tree
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary

Groups = list[list[int]]


def wordnet_tree(
    vocabulary: Vocabulary,
    hierarchy: Mapping[int, Sequence[Hashable]],
    vectors: npt.ArrayLike | None = None,
    *,
    seed: int = 0,
) -> Tree:
    """Return the binary tree that a hierarchy of concepts gives.

    Parameters
    ----------
    vocabulary : Vocabulary
        V words and counts.
    hierarchy : mapping of int to sequence of hashable
        Of the words in the hierarchy, by rank: the concepts from the top to the word's own, such as
        `wordalloc.corpus.wordnet.WordNet.hierarchy` returns. Concepts are the same where all above are the same.
    vectors : array_like of float, shape (V, dim), optional
        A vector for each rank, such as `ppmi_vectors` or a trained model's embeddings. Only directions matter.
    seed : int
        Of the splits by vectors.

    Returns
    -------
    Tree
        Its parameters hold how many words the hierarchy held, how many were placed by their vectors, and how many
        stand beside it.

    Raises
    ------
    InputError
        If no word is in the hierarchy, a key is no rank or a path is empty, or there is not one vector of finite
        numbers a word.

    References
    ----------
    F. Morin and Y. Bengio, Hierarchical probabilistic neural network language model, AISTATS 2005.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts(["the", "dog", "cat", "oak"], [9, 3, 2, 1])
    >>> hierarchy = {1: ("thing", "animal"), 2: ("thing", "animal", "feline"), 3: ("thing", "plant", "tree")}
    >>> tree = wordnet_tree(vocabulary, hierarchy)
    >>> dict(zip(tree.codes, vocabulary.words))
    {'1': 'the', '000': 'dog', '001': 'cat', '01': 'oak'}
    """
    seed = whole_number("seed", seed, 0)
    points = None if vectors is None else word_directions(vocabulary, vectors)
    groups, own = _concepts(vocabulary, hierarchy)
    inside = np.array(sorted(own), dtype=np.int64)
    outside = np.setdiff1d(np.arange(vocabulary.size), inside)
    near = outside[:0]
    if points is not None and (hosts := inside[points[inside].any(axis=1)]).size:
        near = outside[points[outside].any(axis=1)]
        _join_nearest(groups, own, points, hosts, near)
    beside = np.setdiff1d(outside, near)
    children, root = _binary(vocabulary, groups, points, seed)
    if beside.size:
        children.append([root, _merge(children, (-1 - beside).tolist(), vocabulary.counts[beside].tolist())])
        root = len(children) - 1
    parameters = {
        "algorithm": "wordnet_tree",
        "seed": seed,
        "vectors": None if points is None else points.shape[1],
        "words_inside": inside.size,
        "words_by_vector": near.size,
        "words_beside": beside.size,
    }
    return tree_from_children(vocabulary, children, root=root, parameters=parameters)


def _concepts(vocabulary: Vocabulary, hierarchy: Mapping[int, Sequence[Hashable]]) -> tuple[Groups, dict[int, int]]:
    """Return what stands below each concept, a concept by its number > 0 or rank r as -1 - r, and each word's concept.

    Concept 0 is above all others; each one has a greater number than the one above it.
    """
    groups: Groups = [[]]
    own: dict[int, int] = {}
    places: dict[tuple[int, Hashable], int] = {}
    if not hierarchy:
        raise InputError("no word of the vocabulary is in the hierarchy; are its words of another language?")
    for rank in sorted(whole_number("a rank in the hierarchy", key, 0, vocabulary.size - 1) for key in hierarchy):
        path = hierarchy[rank]
        if not path:
            raise InputError(f"the hierarchy gives the word of rank {rank} an empty path; leave the word out")
        concept = 0
        for name in path:
            below = places.setdefault((concept, name), len(groups))
            if below == len(groups):
                groups.append([])
                groups[concept].append(below)
            concept = below
        groups[concept].append(-1 - rank)
        own[rank] = concept
    return groups, own


def _join_nearest(
    groups: Groups, own: dict[int, int], points: Vectors, hosts: npt.NDArray[np.int64], outside: npt.NDArray[np.int64]
) -> None:
    """Put each outside word into one group with the nearest of the hosts, in the host's place."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # sums that several threads share differ from run to run
        chosen = hosts[nearest(points[outside], points[hosts])]
    shared: dict[int, int] = {}
    for word, host in zip(outside.tolist(), chosen.tolist(), strict=True):
        if host not in shared:
            shared[host] = len(groups)
            siblings = groups[own[host]]
            siblings[siblings.index(-1 - host)] = len(groups)
            groups.append([-1 - host])
        groups[shared[host]].append(-1 - word)


def _binary(vocabulary: Vocabulary, groups: Groups, points: Vectors | None, seed: int) -> tuple[Groups, int]:
    """Return the children of the nodes of a binary tree over all that stands in the groups, and its root."""
    dim = 0 if points is None else points.shape[1]
    weights = np.sqrt(vocabulary.counts + 1.0)
    sums, masses = np.zeros((len(groups), dim)), np.zeros(len(groups), dtype=np.int64)
    children: Groups = []
    place = np.zeros(len(groups), dtype=np.int64)  # of each group: a node of the tree, or the one word that it holds
    for group in reversed(range(len(groups))):
        members = np.array(groups[group])
        words, below = -1 - members[members < 0], members[members >= 0]
        mass = np.concatenate((vocabulary.counts[words], masses[below]))
        masses[group] = mass.sum()
        found = np.concatenate((-1 - words, place[below])).tolist()
        if points is None:
            place[group] = _merge(children, found, mass.tolist())
            continue
        vectors = np.concatenate((points[words] * weights[words, None], sums[below]))
        sums[group] = vectors.sum(axis=0)
        place[group] = _split(children, found, directions(vectors), np.sqrt(mass + 1.0), seed)
    return children, int(place[0])


def _split(children: Groups, members: list[int], points: Vectors, weights: npt.NDArray[np.float64], seed: int) -> int:
    """Add a binary tree over members by their vectors, and return its root."""
    if len(members) == 1:
        return members[0]
    first = len(children)
    for pair in split_recursively(points, weights, LEAST_SHARE, seed).tolist():
        children.append([first + child if child >= 0 else members[-1 - child] for child in pair])
    return first


def _merge(children: Groups, members: list[int], masses: list[int]) -> int:
    """Add Huffman's tree over members by their counts, and return its root."""
    heap = [(mass, order, member) for order, (mass, member) in enumerate(zip(masses, members, strict=True))]
    heapq.heapify(heap)
    while len(heap) > 1:
        low, high = heapq.heappop(heap), heapq.heappop(heap)
        children.append([high[2], low[2]])
        heapq.heappush(heap, (low[0] + high[0], len(members) + len(children), len(children) - 1))
    return heap[0][2]
