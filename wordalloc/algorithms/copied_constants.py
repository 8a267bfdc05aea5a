"""The cutoffs people copy from each other's scripts, scaled to another vocabulary: what the optimum is held against."""

from __future__ import annotations

import itertools

from wordalloc.allocations import Cutoffs
from wordalloc.vocabulary import Vocabulary

WIKITEXT_103 = 267_735  # the vocabulary that both were made for
CONSTANTS = ((20_000, 60_000), (20_000, 40_000, 200_000))


def copied_constants(vocabulary: Vocabulary) -> dict[str, Cutoffs]:
    """Return the copied cutoffs in proportion to V, by the name they are known under.

    Rounded to whole ranks; one that no longer increases strictly is left out.

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
