"""The cutoffs people copy from each other's scripts, scaled to another vocabulary: what an optimum is held against.

Time and memory O(V).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from wordalloc.algorithms.adaptive_cutoffs import layer_cost, problem_of
from wordalloc.allocations import Cutoffs
from wordalloc.vocabulary import Vocabulary

WIKITEXT_103 = 267_735  # the vocabulary that both were made for
CONSTANTS = ((20_000, 60_000), (20_000, 40_000, 200_000))


@dataclass(frozen=True)
class Alternative:
    """Copied cutoffs, judged as the optimum beside them was.

    Attributes
    ----------
    name : str
        The cutoffs as they are known, for WikiText-103.
    cutoffs : Cutoffs
        In proportion to this vocabulary.
    cost : float
        Expected seconds of a training step, by the optimum's cost model and layer.
    feasible : bool
        Whether they meet the optimum's constraints; only then can they not be cheaper than it.
    """

    name: str
    cutoffs: Cutoffs
    cost: float
    feasible: bool


def alternatives(optimum: Cutoffs) -> list[Alternative]:
    """Return the copied constants with their costs, to print beside what `adaptive_cutoffs` found.

    Parameters
    ----------
    optimum : Cutoffs
        A result of `adaptive_cutoffs`: its parameters name the profile, the layer and the constraints.

    Raises
    ------
    InputError
        If the cutoffs come from elsewhere.

    Examples
    --------
    >>> from wordalloc.algorithms.adaptive_cutoffs import adaptive_cutoffs
    >>> vocabulary = Vocabulary.from_counts([f"w{i:03}" for i in range(1000)], [10**6 // (i + 1) for i in range(1000)])
    >>> for other in alternatives(adaptive_cutoffs(vocabulary, min_head_mass=0.5, min_tail_share=0.4)):
    ...     print(other.name, other.cutoffs.cutoffs.tolist(), other.feasible)
    20000,60000 [75, 224] True
    20000,40000,200000 [75, 149, 747] False
    """
    model, shape, constraints = problem_of(optimum)
    return [
        Alternative(name, cutoffs, layer_cost(cutoffs, model, shape), constraints.met_by(cutoffs))
        for name, cutoffs in copied_constants(optimum.vocabulary).items()
    ]


def copied_constants(vocabulary: Vocabulary) -> dict[str, Cutoffs]:
    """Return the copied cutoffs in proportion to V, by the name they are known under.

    Rounded to whole ranks; those that no longer increase strictly are left out.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts([f"w{i}" for i in range(100)], [1] * 100)
    >>> {name: constant.cutoffs.tolist() for name, constant in copied_constants(vocabulary).items()}
    {'20000,60000': [7, 22], '20000,40000,200000': [7, 15, 75]}
    """
    scaled = {}
    for constant in CONSTANTS:
        cutoffs = [round(cutoff * vocabulary.size / WIKITEXT_103) for cutoff in constant]
        bounds = [0, *cutoffs, vocabulary.size]
        if all(low < high for low, high in itertools.pairwise(bounds)):
            scaled[",".join(map(str, constant))] = Cutoffs(vocabulary, cutoffs)
    return scaled
