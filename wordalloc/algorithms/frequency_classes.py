"""Classes by frequency: contiguous bands of ranks of equal mass, equal root mass, or equal size.

The cheapest allocation for a two-level softmax, and the baseline for all that look at the text: equal unigram mass
(Goodman 2001; Mikolov et al. 2011, section 4.3), equal mass of the square roots of the counts, which makes the classes
of frequent words larger (Mikolov's RNNLM toolkit), or equal sizes of about √V, which decomposes the softmax into two
products of about √V. Each boundary lies at the rank before which the mass is nearest to its share, moved up as little
as keeps every class from being empty. Exact by this definition; time and memory O(V).
"""

from __future__ import annotations

import numpy as np

from wordalloc.algorithms._arguments import shown, whole_number
from wordalloc.algorithms.bands import nearest_boundaries, spread
from wordalloc.algorithms.prefix_sums import prefix_sums
from wordalloc.allocations import Classes
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary


def frequency_classes(vocabulary: Vocabulary, n_classes: int | None = None, by: str = "frequency") -> Classes:
    """Divide a vocabulary into classes of adjacent ranks.

    Parameters
    ----------
    vocabulary : Vocabulary
        V words and counts.
    n_classes : int, optional
        K, 1 … V. Default: ⌈√V⌉.
    by : {"frequency", "sqrt-frequency", "equal-size"}
        What is equal among the classes: unigram mass, mass of the counts' square roots, or number of words (the first
        V mod K classes have one more).

    Returns
    -------
    Classes
        Class 0 holds the most frequent words.

    Raises
    ------
    InputError
        If `n_classes` is not from 1 to V, `by` is unknown, or all counts are 0 where they are asked for.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts("abcdef", [9, 4, 1, 1, 1, 0])
    >>> frequency_classes(vocabulary, 2).sizes.tolist()
    [1, 5]
    >>> frequency_classes(vocabulary, 2, by="sqrt-frequency").sizes.tolist()  # 3, 2, 1, 1, 1, 0: half is 4
    [1, 5]
    >>> frequency_classes(vocabulary, 4, by="equal-size").sizes.tolist()
    [2, 2, 1, 1]
    """
    size = vocabulary.size
    n_classes = default_number(size) if n_classes is None else whole_number("n_classes", n_classes, 1, size)
    if by == "frequency":
        boundaries = nearest_boundaries(prefix_sums(vocabulary), n_classes)
    elif by == "sqrt-frequency":
        roots = np.sqrt(vocabulary.counts.astype(np.float64))
        if not vocabulary.total:
            raise InputError("all counts are 0, so there is no mass to divide; count a text first")
        boundaries = nearest_boundaries(np.concatenate(([0.0], np.cumsum(roots))), n_classes)
    elif by == "equal-size":
        boundaries = np.cumsum(np.full(n_classes, size // n_classes) + (np.arange(n_classes) < size % n_classes))[:-1]
    else:
        raise InputError(f"classes are made by 'frequency', 'sqrt-frequency' or 'equal-size', not {shown(by)}")
    sizes = np.diff(np.concatenate(([0], spread(boundaries), [size])))
    parameters = {"algorithm": "frequency_classes", "by": by, "n_classes": n_classes}
    return Classes(vocabulary, np.repeat(np.arange(n_classes), sizes), parameters)


def default_number(size: int) -> int:
    """Return ⌈√V⌉, the number of classes with which classes and words in a class are about as many."""
    return int(np.ceil(np.sqrt(size)))
