r"""What classes tell about their neighbours: the average mutual information of adjacent classes.

.. math:: AMI = \sum_{cd} p(c, d) \log_2 \frac{p(c, d)}{p(c, \cdot)\, p(\cdot, d)}

(Brown et al. 1992, section 3). With the entropy of a word given its class it gives the cross-entropy of the class
bigram model p(w | v) = p(c(w) | c(v)) p(w | c(w)) on the text that was counted: H(w) - AMI, where H(w) is the
entropy of the words as second of a pair.
Time and memory O(distinct pairs of words + K²) for K classes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wordalloc.allocations import Bigrams, Classes
from wordalloc.checks import sums_of_groups
from wordalloc.errors import InputError


def average_mutual_information(joint: npt.ArrayLike) -> float:
    """Return the AMI in bits of counts of adjacent classes: O(K²).

    Parameters
    ----------
    joint : array_like, shape (K, K)
        joint[c, d]: how often class d follows class c. Not all 0.

    Examples
    --------
    >>> average_mutual_information([[0, 5], [5, 0]]), average_mutual_information([[1, 1], [1, 1]])
    (1.0, 0.0)
    """
    counts = np.asarray(joint, dtype=np.float64)
    total = counts.sum()
    return float((_h(counts) - _h(counts.sum(1)) - _h(counts.sum(0))) / total + np.log2(total))


def class_bigrams(bigrams: Bigrams, classes: Classes) -> npt.NDArray[np.float64]:
    """Return how often each class follows each other one, (K, K): counted in whole numbers, then rounded once.

    Raises
    ------
    InputError
        If the two have different vocabularies.
    """
    if bigrams.vocabulary.fingerprint != classes.vocabulary.fingerprint:
        raise InputError("the bigrams and the classes have different vocabularies; count the bigrams by the classes'")
    n_classes = classes.n_classes
    pairs = classes.word_class[bigrams.left].astype(np.int64) * n_classes + classes.word_class[bigrams.right]
    joint = sums_of_groups(pairs, bigrams.count, n_classes**2)
    return joint.astype(np.float64).reshape(n_classes, n_classes)


def entropy_bits(counts: npt.ArrayLike) -> float:
    """Return the entropy in bits of the distribution that counts give.

    Examples
    --------
    >>> entropy_bits([2, 1, 1, 0])
    1.5
    """
    array = np.asarray(counts, dtype=np.float64)
    total = array.sum()
    return float(np.log2(total) - _h(array) / total)


def _h(x: npt.NDArray[np.float64]) -> float:
    present = x[x > 0]
    return float((present * np.log2(present)).sum())
