"""One small layer of each kind, for the tests of what is exported and compiled."""

from __future__ import annotations

import numpy as np
import torch

import wordalloc
from wordalloc.nn import (
    AdaptiveSoftmax,
    ClassSoftmax,
    FullSoftmax,
    OutputLayer,
    SampledSoftmax,
    TableSoftmax,
    TreeSoftmax,
)

SIZE, DIM = 14, 6
WORD_CLASS = [0, 1, 2, 2, 1, 3, 3, 3, 3, 4, 4, 4, 4, 4]  # 1, 2, 2, 4 and 5 words
VOCABULARY = wordalloc.Vocabulary.from_counts([f"w{n:02}" for n in range(SIZE)], 2 ** np.arange(SIZE, 0, -1))
# A root of two, a word and a node of four: so there are logistic regressions and a softmax.
TREE = [0, 2, 4, 8], [1, -1, 2, -2, *range(-3, -7, -1)]

MAKERS = {
    "full": lambda: FullSoftmax(SIZE, DIM, bias=True),
    "sampled": lambda: SampledSoftmax(SIZE, DIM, samples=3, noise="uniform").eval(),
    "adaptive-0": lambda: AdaptiveSoftmax(SIZE, DIM, [], head_bias=True),
    "adaptive-1": lambda: AdaptiveSoftmax(SIZE, DIM, [13]),
    "adaptive-2": lambda: AdaptiveSoftmax(SIZE, DIM, [3, 8], div_value=2, head_bias=True),
    "adaptive-3": lambda: AdaptiveSoftmax(SIZE, DIM, [3, 4, 12], div_value=2),
    "classes": lambda: ClassSoftmax(SIZE, DIM, WORD_CLASS, bias=True),
    "classes-alike": lambda: ClassSoftmax(SIZE, DIM, np.arange(SIZE) % 7),
    "classes-one": lambda: ClassSoftmax(SIZE, DIM, [0] * SIZE),
    "classes-unigram": lambda: ClassSoftmax(SIZE, DIM, WORD_CLASS, within="unigram", counts=VOCABULARY.counts),
    "tree": lambda: TreeSoftmax(6, DIM, *TREE, bias=True),
    "tree-huffman": lambda: TreeSoftmax.from_allocation(wordalloc.huffman(VOCABULARY), DIM, flatten_levels=3),
    "table": lambda: TableSoftmax(SIZE, DIM, [15, *range(1, SIZE)], (4, 4), counts=VOCABULARY.counts).eval(),
    "table-training": lambda: TableSoftmax(SIZE, DIM, range(SIZE), (4, 5)),
}


def make(kind: str) -> OutputLayer:
    """Return the layer of a kind, always with the same weights."""
    torch.manual_seed(0)
    return MAKERS[kind]()
