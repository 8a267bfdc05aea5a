"""From a method's name to its allocation: classes and trees, by whatever the method looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._arguments import shown
from wordalloc.allocations import Allocation, Bigrams, Classes, Cutoffs, Tree
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary

Progress = Callable[[int, int], None]

# What a method looks at: counts of words, adjacent words, or vectors (which come from adjacent words by default).
CLASS_METHODS = {
    "frequency": "counts",
    "sqrt-frequency": "counts",
    "equal-size": "counts",
    "cost": "counts",
    "exchange": "bigrams",
    "kmeans": "vectors",
}
TREE_METHODS = {
    "huffman": "counts",
    "brown": "bigrams",
    "clustering": "vectors",
    "wordnet": "vectors",
    "balanced": "counts",
    "random": "counts",
}


@dataclass
class Text:
    """What is known of a text; each part is read when a method first asks for it.

    Attributes
    ----------
    read_vocabulary : callable
        Returns the vocabulary.
    read_bigrams : callable
        Returns the bigrams, with a vocabulary of their own.
    vectors_path : path-like, optional
        Where word vectors are; default: they are made from the bigrams.
    seed : int
        Of the vectors made.
    """

    read_vocabulary: Callable[[], Vocabulary]
    read_bigrams: Callable[[], Bigrams]
    vectors_path: str | None = None
    seed: int = 0

    @cached_property
    def bigrams(self) -> Bigrams:
        """Counts of adjacent words."""
        bigrams = self.read_bigrams()
        _check_words(bigrams.vocabulary)
        return bigrams

    @cached_property
    def counted(self) -> Vocabulary:
        """The vocabulary, where no bigrams are asked for."""
        vocabulary = self.read_vocabulary()
        _check_words(vocabulary)
        return vocabulary

    @cached_property
    def vectors(self) -> tuple[Vocabulary, npt.NDArray[np.float32]]:
        """The vocabulary and a vector for each word."""
        if self.vectors_path is not None:
            from wordalloc.corpus.word_vectors import read_vectors

            return self.counted, read_vectors(self.vectors_path, self.counted)
        from wordalloc.algorithms.ppmi_vectors import ppmi_vectors

        return self.bigrams.vocabulary, ppmi_vectors(self.bigrams, seed=self.seed)


def make_classes(
    text: Text,
    method: str,
    n_classes: int | None = None,
    *,
    model: str = "two-sided",
    seed: int = 0,
    effort: str = "normal",
    iterations: int = 5,
    init: Allocation | None = None,
    equal_sizes: bool = False,
    progress: Progress | None = None,
    **shape: Any,
) -> Classes:
    """Return the classes that a method makes of a text.

    Parameters
    ----------
    text : Text
        What the method may look at.
    method : str
        One of `CLASS_METHODS`.
    n_classes : int, optional
        K. Default: ⌈√V⌉; the method "cost" finds its own.
    model : {"two-sided", "predictive", "bidirectional"}
        Of exchange: what the moves raise, the mutual information of classes or the likelihood of the predictive model.
    seed, effort, iterations, init, progress
        Of `wordalloc.exchange_classes`.
    equal_sizes : bool
        Of `wordalloc.kmeans_classes`.
    **shape
        `dim`, `batch` and `cost_model` of `wordalloc.cost_classes`.

    Raises
    ------
    InputError
        If an option does not go with the method.
    """
    from wordalloc.algorithms.frequency_classes import default_number, frequency_classes

    _refuse(method, "--init", init is not None, ("exchange",))
    _refuse(method, "--model", model != "two-sided", ("exchange",))
    _refuse(method, "--equal-sizes", equal_sizes, ("kmeans",))
    if method == "cost":
        from wordalloc.algorithms.cost_classes import cost_classes

        if n_classes is not None:
            raise InputError("the method cost finds the number of classes itself; leave out -k")
        return cost_classes(text.counted, **shape)
    if CLASS_METHODS[method] == "counts":
        return frequency_classes(text.counted, n_classes, by=method)
    if method == "exchange":
        from wordalloc.algorithms.exchange import exchange_classes
        from wordalloc.algorithms.predictive_exchange import predictive_classes

        bigrams, start = text.bigrams, None if init is None else as_classes(init)
        number = n_classes or (start.n_classes if start is not None else default_number(bigrams.vocabulary.size))
        if model != "two-sided":
            if init is not None:
                raise InputError("--init goes with the two-sided model; leave out --model")
            sweeps = 3 * iterations  # nothing is annealed, so greedy sweeps are all there is
            return predictive_classes(bigrams, number, direction=model, iterations=sweeps, progress=progress)
        return exchange_classes(
            bigrams, number, seed, effort=effort, iterations=iterations, init=start, progress=progress
        )
    from wordalloc.algorithms.kmeans_classes import kmeans_classes

    vocabulary, vectors = text.vectors
    number = n_classes or default_number(vocabulary.size)
    return kmeans_classes(vocabulary, vectors, number, equal_sizes=equal_sizes, seed=seed)


def make_tree(
    text: Text,
    method: str,
    *,
    arity: int = 2,
    n_classes: int | None = None,
    seed: int = 0,
    leaves: str = "exchange",
    effort: str = "normal",
    split: str = "adaptive",
    wordnet: str | None = None,
    progress: Progress | None = None,
) -> Tree:
    """Return the tree that a method makes of a text.

    Parameters
    ----------
    text : Text
        What the method may look at.
    method : str
        One of `TREE_METHODS`.
    arity : int
        Of "huffman", "balanced" and "random".
    n_classes : int, optional
        K of "brown". Default: ⌈√V⌉.
    seed : int
        Where chance enters.
    leaves, effort, progress
        Of `wordalloc.brown_tree`.
    split : {"adaptive", "balanced"}
        Of `wordalloc.clustering_tree`.
    wordnet : path-like, optional
        The folder of a WordNet database, for "wordnet".

    Raises
    ------
    InputError
        If an option does not go with the method, or one that it needs is missing.
    """
    _refuse(method, "--arity", arity != 2, ("huffman", "balanced", "random"))
    _refuse(method, "-k", n_classes is not None, ("brown",))
    _refuse(method, "--wordnet", wordnet is not None, ("wordnet",))
    if method == "huffman":
        from wordalloc.algorithms.huffman import huffman

        return huffman(text.counted, arity)
    if method == "brown":
        from wordalloc.algorithms.brown import brown_tree
        from wordalloc.algorithms.frequency_classes import default_number

        number = n_classes or default_number(text.bigrams.vocabulary.size)
        return brown_tree(text.bigrams, number, seed, leaves=leaves, effort=effort, progress=progress)
    if method == "clustering":
        from wordalloc.algorithms.clustering_tree import clustering_tree

        return clustering_tree(*text.vectors, split=split, seed=seed)
    if method == "wordnet":
        return _wordnet_tree(text, wordnet, seed)
    from wordalloc.algorithms.baseline_trees import balanced_tree, random_tree

    return balanced_tree(text.counted, arity) if method == "balanced" else random_tree(text.counted, arity, seed)


def as_classes(allocation: Allocation) -> Classes:
    """Return classes, the classes that a tree names, or a cutoffs' bands as classes.

    Raises
    ------
    InputError
        If the tree names none.
    """
    if isinstance(allocation, Classes):
        return allocation
    if isinstance(allocation, Cutoffs):
        return Classes(allocation.vocabulary, allocation.addresses()["cluster"], allocation.parameters)
    if isinstance(allocation, Tree):
        return allocation.cut()
    raise InputError("classes are taken from classes, cutoffs or a tree; give one of them")


def _check_words(vocabulary: Vocabulary) -> None:
    """Refuse a text of one word: there is nothing to divide."""
    marks = {vocabulary.eos_rank, vocabulary.unk_rank}
    if sum(rank not in marks for rank in range(min(vocabulary.size, 4))) < 2:
        word = next((word for rank, word in enumerate(vocabulary.words) if rank not in marks), vocabulary.words[0])
        raise InputError(f"the source holds one word, {shown(word)}: there is nothing to divide; give a longer text")


def _wordnet_tree(text: Text, wordnet: str | None, seed: int) -> Tree:
    from wordalloc.algorithms.wordnet_tree import wordnet_tree
    from wordalloc.corpus.wordnet import read_wordnet

    if wordnet is None:
        raise InputError(
            "the method wordnet needs --wordnet DIR, the folder with data.noun (Debian: /usr/share/wordnet)"
        )
    database = read_wordnet(wordnet)  # before the text is counted: a wrong folder is told at once
    vocabulary, vectors = text.vectors
    return wordnet_tree(vocabulary, database.hierarchy(vocabulary), vectors, seed=seed)


def _refuse(method: str, option: str, given: bool, allowed: tuple[str, ...]) -> None:
    if given and method not in allowed:
        raise InputError(f"{option} goes with the method {' or '.join(allowed)}, not with {method}; leave it out")
