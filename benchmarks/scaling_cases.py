"""What `scaling.py` measures: for each algorithm an input of any size, and the powers that its docstring states.

A case's `prepare` makes the input and returns the call to be measured. Where a docstring states more than one size, all
but the one that grows are held: `fixed` says at what.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zipf_text

import wordalloc
from wordalloc.algorithms.baseline_trees import balanced_tree, random_tree
from wordalloc.algorithms.brown import windowed_classes
from wordalloc.algorithms.zipf_mandelbrot import fit_zipf_mandelbrot
from wordalloc.corpus import encode

Work = Callable[[], object]
TEXT_WORDS = 1_000_000  # the law's V in texts
PAIR_WORDS = 30_000  # and in ready bigrams
DIM = 50
CLASSES = 100


@dataclass(frozen=True)
class Case:
    """One row of the benchmark.

    `time` and `memory` are the exponents that the docstring states for the size that grows, `unit`; a factor log n is
    left to the tolerance.
    """

    name: str
    unit: str  # words, tokens or classes
    prepare: Callable[[int, Path], Work]
    time: float
    memory: float
    fixed: str = ""
    first: int = 10_000
    last: int = 10_000_000


@dataclass(frozen=True)
class Point:
    """One measurement; seconds and peak are None where it was broken off, `outcome` says why."""

    algorithm: str
    n: int
    outcome: str  # done, time, memory or failed
    seconds: float | None = None
    peak: int | None = None  # bytes
    base: int | None = None  # bytes of the warmed-up process before it had an input
    work: float | None = None  # seconds of the processors in the program's own code, all threads together


def vocabulary(size: int, folder: Path) -> wordalloc.Vocabulary:
    """Words and counts by the law, a hundred tokens a word; made once, then loaded."""
    path = folder / f"vocabulary-{size}.safetensors"
    if not path.exists():
        made = wordalloc.Vocabulary.from_counts(zipf_text.words(size), zipf_text.counts(size, 100 * size))
        wordalloc.save(made, path)
    return wordalloc.load(path)  # type: ignore[return-value]


def text(n_tokens: int, folder: Path) -> Path:
    """A text by the law, made once."""
    path = folder / f"text-{n_tokens}.txt"
    if not path.exists():
        zipf_text.write_text(path.with_suffix(".tmp"), TEXT_WORDS, n_tokens)
        path.with_suffix(".tmp").rename(path)
    return path


def counted(n_tokens: int, folder: Path) -> wordalloc.Vocabulary:
    """The vocabulary of `text`, counted once."""
    path = folder / f"text-{n_tokens}.vocabulary.safetensors"
    if not path.exists():
        wordalloc.save(wordalloc.count(text(n_tokens, folder)), path)
    return wordalloc.load(path)  # type: ignore[return-value]


def bigrams(n_tokens: int, folder: Path) -> wordalloc.Bigrams:
    """The pairs of a text over few words, which so take most of the bigrams there can be."""
    pairs, count = zipf_text.pairs(PAIR_WORDS, n_tokens)
    left, right = np.divmod(pairs, PAIR_WORDS)
    return wordalloc.Bigrams(vocabulary(PAIR_WORDS, folder), left, right, count)


def side(size: int) -> int:
    """Rows, and columns, of a square table."""
    return math.isqrt(size - 1) + 1


def costs(size: int, n: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Costs (V, n) of words in rows: proportional to their counts, and most alike for words of a kind."""
    rng = np.random.default_rng(seed)
    kinds = rng.gamma(4.0, 2.0, (64, n)).astype(np.float32)
    drawn = rng.random((size, n), dtype=np.float32)
    drawn += kinds[np.arange(size) % 64]
    drawn *= zipf_text.counts(size, 100 * size).astype(np.float32)[:, None]
    return drawn


# -- cases ------------------------------------------------------------------------------------------------------------


def of_vocabulary(name: str, run: Callable[[wordalloc.Vocabulary], object], **options: Any) -> Case:
    def prepare(n: int, folder: Path) -> Work:
        words = vocabulary(n, folder)
        return lambda: run(words)

    return Case(name, "words", prepare, **{"time": 1, "memory": 1, **options})


def of_bigrams(name: str, run: Callable[[wordalloc.Bigrams], object], **options: Any) -> Case:
    def prepare(n: int, folder: Path) -> Work:
        pairs = bigrams(n, folder)
        return lambda: run(pairs)

    fixed = f"V = {PAIR_WORDS:,}"
    settings = {"time": 1, "memory": 1, "fixed": fixed, "first": 100_000, "last": 100_000_000}
    return Case(name, "tokens", prepare, **{**settings, **options})


def of_text(name: str, prepare: Callable[[int, Path], Work]) -> Case:
    fixed = f"V = {TEXT_WORDS:,}"
    return Case(name, "tokens", prepare, time=1, memory=1, fixed=fixed, first=1_000_000, last=100_000_000)


def of_vectors(name: str, run: Callable[[wordalloc.Vocabulary, Any], object], **options: Any) -> Case:
    def prepare(n: int, folder: Path) -> Work:
        words, vectors = vocabulary(n, folder), zipf_text.vectors(n, DIM)
        return lambda: run(words, vectors)

    return Case(name, "words", prepare, **{"time": 1, "memory": 1, "fixed": f"dim = {DIM}", **options})


def of_costs(name: str, run: Callable[[Any, Any], object], **options: Any) -> Case:
    def prepare(n: int, folder: Path) -> Work:
        row, column = costs(n, side(n)), costs(n, side(n), seed=1)
        return lambda: run(row, column)

    return Case(
        name,
        "words",
        prepare,
        **{"memory": 1.5, "fixed": "table √V × √V", "first": 1_000, "last": 1_000_000, **options},
    )


def of_file(kind: str, make: Callable[[int, Path], Any], **options: Any) -> list[Case]:
    """Saving and loading a kind of file."""

    def saving(n: int, folder: Path) -> Work:
        content = make(n, folder)
        return lambda: wordalloc.save(content, folder / f"saved-{kind}.safetensors")

    def loading(n: int, folder: Path) -> Work:
        path = folder / f"{kind}-{n}.safetensors"
        if not path.exists():
            wordalloc.save(make(n, folder), path)
        return lambda: wordalloc.load(path)

    options = {"time": 1, "memory": 1, **options}
    unit = options.pop("unit", "words")
    return [Case(f"save {kind}", unit, saving, **options), Case(f"load {kind}", unit, loading, **options)]


def counting(n: int, folder: Path) -> Work:
    path = text(n, folder)
    return lambda: wordalloc.count(path)


def encoding(n: int, folder: Path) -> Work:
    words, path = counted(n, folder), text(n, folder)
    shutil.rmtree(folder / "cache" / "ids", ignore_errors=True)
    return lambda: encode(path, words)


def pairing(n: int, folder: Path) -> Work:
    words, path = counted(n, folder), text(n, folder)
    shutil.rmtree(folder / "cache" / "ids", ignore_errors=True)
    return lambda: wordalloc.count_bigrams(path, words)


def merging(n: int, folder: Path) -> Work:
    pairs = bigrams(1_000_000, folder)
    classes = wordalloc.frequency_classes(pairs.vocabulary, n)
    return lambda: wordalloc.merge_classes(pairs, classes)


def scoring(n: int, folder: Path) -> Work:
    pairs = bigrams(n, folder)
    classes = wordalloc.frequency_classes(pairs.vocabulary, CLASSES)
    return lambda: wordalloc.score(classes, pairs, pairs.vocabulary.counts)


def frontier(n: int, folder: Path) -> Work:
    optimum = wordalloc.adaptive_cutoffs(vocabulary(n, folder))
    return lambda: wordalloc.cutoff_frontier(optimum)


def masses(n: int, folder: Path) -> Work:
    optimum = wordalloc.adaptive_cutoffs(vocabulary(n, folder))
    return lambda: wordalloc.head_mass_frontier(optimum)


def bounded(words: wordalloc.Vocabulary) -> object:
    return wordalloc.adaptive_cutoffs(words, max_params=400 * words.size)


def from_codes(n: int, folder: Path) -> Work:
    words = vocabulary(n, folder)
    codes = [f"{rank % 256:08b}" for rank in range(n)]
    return lambda: wordalloc.tree_from_codes(words, codes)


def concepts(n: int, folder: Path) -> Work:
    words = vocabulary(n, folder)
    hierarchy = {rank: tuple(str(rank % 10**depth) for depth in range(1, 5)) for rank in range(0, n, 2)}
    return lambda: wordalloc.wordnet_tree(words, hierarchy)


def saved_costs(n: int, folder: Path) -> wordalloc.Costs:
    row, column = costs(n, side(n)), costs(n, side(n), seed=1)
    return wordalloc.Costs(vocabulary(n, folder), row, column, np.arange(n))


def digits(row: Any, column: Any) -> object:
    cell = np.random.default_rng(0).permutation(row.shape[0])
    return wordalloc.digit_descent(row, column, cell, turns=2)


CASES = [
    of_text("counting", counting),
    of_text("bigrams", pairing),
    of_text("encoding", encoding),
    of_vocabulary("buckets by mass", lambda words: wordalloc.zipf_buckets(words, 10)),
    of_vocabulary("Zipf–Mandelbrot fit", fit_zipf_mandelbrot),
    of_vocabulary("adaptive cutoffs", wordalloc.adaptive_cutoffs, fixed="J ≤ 5"),
    of_vocabulary("cutoffs of bounded size", bounded, fixed="J ≤ 5"),
    Case("cutoff frontier", "words", frontier, 1, 1, "30 points, J ≤ 5"),
    Case("head mass frontier", "words", masses, 1, 1, "11 points, J ≤ 5"),
    of_vocabulary("frequency classes", wordalloc.frequency_classes),
    of_vocabulary("cost classes", wordalloc.cost_classes),
    of_vocabulary("Huffman binary", wordalloc.huffman),
    of_vocabulary("Huffman 16-ary", lambda words: wordalloc.huffman(words, arity=16)),
    of_vocabulary("balanced tree", balanced_tree),
    of_vocabulary("random tree", random_tree),
    Case("tree from codes", "words", from_codes, 1, 1, "256 codes"),
    Case("concept tree", "words", concepts, 1, 1, "depth 4"),
    of_vocabulary("first table", lambda words: wordalloc.initial_table(words, by="frequency")),
    of_bigrams("exchange classes", lambda pairs: wordalloc.exchange_classes(pairs, CLASSES), fixed="K = 100"),
    of_bigrams("predictive exchange", lambda pairs: wordalloc.predictive_classes(pairs, CLASSES), fixed="K = 100"),
    of_bigrams("Brown tree by exchange", lambda pairs: wordalloc.brown_tree(pairs, CLASSES), fixed="K = 100"),
    of_bigrams("windowed Brown classes", lambda pairs: windowed_classes(pairs, CLASSES), fixed="K = 100"),
    Case("merging classes", "classes", merging, 3, 2, "10⁶ tokens", first=100, last=10_000),
    of_bigrams("PPMI vectors", lambda pairs: wordalloc.ppmi_vectors(pairs, DIM), fixed="dim = 50"),
    Case("scoring", "tokens", scoring, 1, 1, f"V = {PAIR_WORDS:,}", first=100_000, last=100_000_000),
    of_vectors("k-means classes", lambda words, vectors: wordalloc.kmeans_classes(words, vectors, CLASSES)),
    of_vectors(
        "k-means of equal sizes", lambda words, vectors: wordalloc.kmeans_classes(words, vectors, 100, equal_sizes=True)
    ),
    of_vectors("clustering tree", wordalloc.clustering_tree),
    of_costs("reallocation of cells", wordalloc.reallocate, time=2),
    of_costs("reallocation of rows", lambda row, _: wordalloc.reallocate_rows(row, row.shape[1]), time=1.5),
    of_costs("greedy reallocation", lambda row, col: wordalloc.reallocate(row, col, solver="greedy"), time=2),
    of_costs("digit descent", digits, time=2, fixed="√V × √V, 2 turns"),
    *of_file("vocabulary", vocabulary),
    *of_file("cutoffs", lambda n, folder: wordalloc.adaptive_cutoffs(vocabulary(n, folder))),
    *of_file("classes", lambda n, folder: wordalloc.frequency_classes(vocabulary(n, folder))),
    *of_file("tree", lambda n, folder: wordalloc.huffman(vocabulary(n, folder))),
    *of_file("table", lambda n, folder: wordalloc.initial_table(vocabulary(n, folder), by="frequency")),
    *of_file("costs", saved_costs, memory=1.5, time=1.5, first=1_000, last=316_228),
    *of_file("bigrams", bigrams, unit="tokens", first=100_000, last=100_000_000),
]
