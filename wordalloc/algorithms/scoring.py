"""What a class or tree allocation is worth on a text: mutual information, code length, and expected time.

Exact; time and memory O(V + distinct pairs of words + K²) for K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms.cost_model import CostModel, LayerShape, class_cost, full_cost, tree_cost
from wordalloc.algorithms.mutual_information import average_mutual_information, class_bigrams, entropy_bits
from wordalloc.allocations import Allocation, Bigrams, Classes, Tree
from wordalloc.checks import exact_sum
from wordalloc.errors import InputError


@dataclass(frozen=True)
class Score:
    """What an allocation is worth on a text. All exact for the text that was counted.

    Attributes
    ----------
    n_classes : int or None
        K; None for a tree that names no classes, as the next three are.
    ami_bits, ami_nats : float or None
        Average mutual information of adjacent classes (Brown et al. 1992, section 3).
    class_bigram_perplexity : float or None
        Of p(w | v) = p(c(w) | c(v)) p(w | c(w)), its probabilities taken from this very text.
    unigram_entropy_bits : float
        Of the text's words: the least possible code length that looks at no context.
    mean_code_length_bits : float or None
        Of a tree: the sum of log₂ m over the nodes of m children on a token's way; None for classes.
    expected_cost, full_cost : float
        Seconds of a training step of the allocation's layer and of a full softmax, under the cost model.
    """

    n_classes: int | None
    ami_bits: float | None
    ami_nats: float | None
    class_bigram_perplexity: float | None
    unigram_entropy_bits: float
    mean_code_length_bits: float | None
    expected_cost: float
    full_cost: float


def score(
    allocation: Allocation,
    bigrams: Bigrams,
    counts: npt.NDArray[np.int64],
    *,
    dim: int = 512,
    batch: int = 4096,
    cost_model: CostModel | None = None,
) -> Score:
    """Score classes or a tree on a text.

    Parameters
    ----------
    allocation : Classes or Tree
        Over V words.
    bigrams : Bigrams
        Adjacent words of the text, of the same vocabulary.
    counts : ndarray of int64, shape (V,)
        Words of the text.
    dim, batch : int
        Width of the hidden state, and tokens in a step.
    cost_model : CostModel, optional
        The device's profile. Default: two CPU cores.

    Raises
    ------
    InputError
        If `allocation` is neither, or the vocabularies differ.

    Examples
    --------
    >>> from wordalloc.vocabulary import Vocabulary
    >>> vocabulary = Vocabulary.from_counts("ab", [3, 2])  # a b a b a
    >>> scored = score(Classes(vocabulary, [0, 1]), Bigrams(vocabulary, [0, 1], [1, 0], [2, 2]), np.array([3, 2]))
    >>> scored.ami_bits, scored.class_bigram_perplexity, round(scored.unigram_entropy_bits, 3)
    (1.0, 1.0, 0.971)
    """
    if not isinstance(allocation, Classes | Tree):
        raise InputError(f"score takes classes or a tree, not {allocation.kind}; cutoffs print their own cost")
    model, shape = cost_model or CostModel(), LayerShape(dim, batch)
    shares = counts / max(1, exact_sum(counts))
    length = None
    classes = allocation if isinstance(allocation, Classes) else None
    if isinstance(allocation, Tree):
        sizes, visits = allocation.node_sizes, _visits(allocation, shares)
        length = float((visits * np.log2(sizes)).sum())
        outputs = np.where(sizes == 2, 1, sizes)
        cost = tree_cost(model, shape, float((visits * outputs).sum()), int(outputs.sum()))
        classes = None if allocation.class_depth is None else allocation.cut()
    else:
        masses = np.bincount(allocation.word_class, shares, minlength=allocation.n_classes)
        cost = class_cost(model, shape, allocation.sizes, masses)
    ami = None if classes is None else average_mutual_information(class_bigrams(bigrams, classes))
    return Score(
        n_classes=None if classes is None else classes.n_classes,
        ami_bits=ami,
        ami_nats=None if ami is None else ami * float(np.log(2)),
        class_bigram_perplexity=None if ami is None else float(2 ** (entropy_bits(bigrams.right_counts) - ami)),
        unigram_entropy_bits=entropy_bits(counts),
        mean_code_length_bits=length,
        expected_cost=cost,
        full_cost=full_cost(model, shape, allocation.vocabulary.size),
    )


def _visits(tree: Tree, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return how often a token's way leads through each inner node: its words' share of the tokens."""
    visits = np.zeros(tree.n_nodes)
    if not tree.n_nodes:
        return visits
    np.add.at(visits, tree.word_parent, shares)
    order = np.argsort(-tree.node_depth, kind="stable")  # the deepest first
    for level in np.split(order, np.flatnonzero(np.diff(tree.node_depth[order])) + 1):
        below = level[tree.node_parent[level] >= 0]
        np.add.at(visits, tree.node_parent[below], visits[below])
    return visits
