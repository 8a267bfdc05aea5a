"""wordalloc: vocabulary clustering and word allocation.

Every cheap softmax over a large vocabulary gives each word an address. This package computes the addresses
from counts, by exact optimisation where that is possible, keeps them in one safe file, and ships the PyTorch
layers (`wordalloc.nn`) and the trainer (`wordalloc.training`) that load the file.

The names below are loaded when they are first used, so importing the package costs little.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # not typing's, which takes longer to load than all else here

_HOMES = {
    "Allocation": "wordalloc.allocations",
    "Bigrams": "wordalloc.allocations",
    "Classes": "wordalloc.allocations",
    "Costs": "wordalloc.allocations",
    "Cutoffs": "wordalloc.allocations",
    "Table": "wordalloc.allocations",
    "Tree": "wordalloc.allocations",
    "load": "wordalloc.allocations",
    "save": "wordalloc.allocations",
    "count": "wordalloc.corpus",
    "count_bigrams": "wordalloc.corpus",
    "WordallocError": "wordalloc.errors",
    "TextOptions": "wordalloc.vocabulary",
    "Vocabulary": "wordalloc.vocabulary",
    "adaptive_cutoffs": "wordalloc.algorithms.adaptive_cutoffs",
    "balanced_tree": "wordalloc.algorithms.baseline_trees",
    "random_tree": "wordalloc.algorithms.baseline_trees",
    "brown_tree": "wordalloc.algorithms.brown",
    "merge_classes": "wordalloc.algorithms.brown",
    "clustering_tree": "wordalloc.algorithms.clustering_tree",
    "tree_from_codes": "wordalloc.algorithms.code_tree",
    "cost_classes": "wordalloc.algorithms.cost_classes",
    "CostModel": "wordalloc.algorithms.cost_model",
    "cutoff_frontier": "wordalloc.algorithms.cutoff_frontier",
    "head_mass_frontier": "wordalloc.algorithms.cutoff_frontier",
    "knee": "wordalloc.algorithms.cutoff_frontier",
    "exchange_classes": "wordalloc.algorithms.exchange",
    "frequency_classes": "wordalloc.algorithms.frequency_classes",
    "digit_descent": "wordalloc.algorithms.digit_descent",
    "huffman": "wordalloc.algorithms.huffman",
    "initial_table": "wordalloc.algorithms.initial_table",
    "kmeans_classes": "wordalloc.algorithms.kmeans_classes",
    "ppmi_vectors": "wordalloc.algorithms.ppmi_vectors",
    "predictive_classes": "wordalloc.algorithms.predictive_exchange",
    "reallocate": "wordalloc.algorithms.reallocation",
    "reallocate_rows": "wordalloc.algorithms.reallocation",
    "score": "wordalloc.algorithms.scoring",
    "wordnet_tree": "wordalloc.algorithms.wordnet_tree",
    "zipf_buckets": "wordalloc.algorithms.zipf_buckets",
}

__all__ = [
    "Allocation",
    "Bigrams",
    "Classes",
    "CostModel",
    "Costs",
    "Cutoffs",
    "Table",
    "TextOptions",
    "Tree",
    "Vocabulary",
    "WordallocError",
    "__version__",
    "adaptive_cutoffs",
    "balanced_tree",
    "brown_tree",
    "clustering_tree",
    "cost_classes",
    "count",
    "count_bigrams",
    "cutoff_frontier",
    "digit_descent",
    "exchange_classes",
    "frequency_classes",
    "head_mass_frontier",
    "huffman",
    "initial_table",
    "kmeans_classes",
    "knee",
    "load",
    "merge_classes",
    "ppmi_vectors",
    "predictive_classes",
    "random_tree",
    "reallocate",
    "reallocate_rows",
    "save",
    "score",
    "tree_from_codes",
    "wordnet_tree",
    "zipf_buckets",
]

if TYPE_CHECKING:
    from wordalloc.algorithms.adaptive_cutoffs import adaptive_cutoffs
    from wordalloc.algorithms.baseline_trees import balanced_tree, random_tree
    from wordalloc.algorithms.brown import brown_tree, merge_classes
    from wordalloc.algorithms.clustering_tree import clustering_tree
    from wordalloc.algorithms.code_tree import tree_from_codes
    from wordalloc.algorithms.cost_classes import cost_classes
    from wordalloc.algorithms.cost_model import CostModel
    from wordalloc.algorithms.cutoff_frontier import cutoff_frontier, head_mass_frontier, knee
    from wordalloc.algorithms.digit_descent import digit_descent
    from wordalloc.algorithms.exchange import exchange_classes
    from wordalloc.algorithms.frequency_classes import frequency_classes
    from wordalloc.algorithms.huffman import huffman
    from wordalloc.algorithms.initial_table import initial_table
    from wordalloc.algorithms.kmeans_classes import kmeans_classes
    from wordalloc.algorithms.ppmi_vectors import ppmi_vectors
    from wordalloc.algorithms.predictive_exchange import predictive_classes
    from wordalloc.algorithms.reallocation import reallocate, reallocate_rows
    from wordalloc.algorithms.scoring import score
    from wordalloc.algorithms.wordnet_tree import wordnet_tree
    from wordalloc.algorithms.zipf_buckets import zipf_buckets
    from wordalloc.allocations import Allocation, Bigrams, Classes, Costs, Cutoffs, Table, Tree, load, save
    from wordalloc.corpus import count, count_bigrams
    from wordalloc.errors import WordallocError
    from wordalloc.vocabulary import TextOptions, Vocabulary


def __getattr__(name: str) -> object:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("wordalloc")
    if name not in _HOMES:
        raise AttributeError(f"module 'wordalloc' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value  # the next use finds it without this detour
    return value


def __dir__() -> list[str]:
    return __all__
