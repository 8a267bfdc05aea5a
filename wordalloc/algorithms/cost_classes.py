r"""Classes of least expected time for a two-level softmax: an exact optimum by dynamic programming.

K classes and, for every token, the words of its class: two products of B × d by K, and by the size of the class. Over
classes of sizes k and masses m the second takes B Σ m k outputs (the layer groups tokens by class and multiplies all
groups in one pass), so under the cost model of `wordalloc.algorithms.cost_model` a step takes, with λ the time of one
output and of its share of a softmax,

.. math:: 2 c + \lambda B \Big( K + \sum m k \Big) + \text{weight} \cdot d (V + K)

seconds: the model of the cutoffs, for batches large enough to saturate the device. For a given number of words the
cheapest class is that of the rarest ones, so an optimum has classes of adjacent ranks, and the cost of a class from
rank a to b obeys the quadrangle inequality (see `wordalloc.algorithms.monge`). The best partition of the first j
words,

.. math:: S(j) = \min_{i < j} S(i) + \lambda B\, m(i, j) (j - i) + \lambda B + \text{weight} \cdot d

is then found for all j in O(V log V) time and O(V) memory: of two starts i < i' the later one, once better, stays
better as j grows, so a queue of the starts that will be best, with the first j for which each is, is kept sorted
(Galil & Park 1990). Exact.
"""

from __future__ import annotations

import numpy as np

from wordalloc.algorithms._compiled import njit
from wordalloc.algorithms.cost_model import CostModel, LayerShape, class_cost
from wordalloc.algorithms.prefix_sums import prefix_sums
from wordalloc.allocations import Classes
from wordalloc.vocabulary import Vocabulary


def cost_classes(
    vocabulary: Vocabulary, *, dim: int = 512, batch: int = 4096, cost_model: CostModel | None = None
) -> Classes:
    """Return the classes, their number and sizes, of least expected time of a training step: the exact optimum.

    Parameters
    ----------
    vocabulary : Vocabulary
        V words and counts.
    dim : int
        d, width of the hidden state.
    batch : int
        Tokens in a step.
    cost_model : CostModel, optional
        The device's profile. Default: two CPU cores.

    Returns
    -------
    Classes
        Bands of ranks. The parameters hold the objective (seconds, equal to its lower bound).

    Raises
    ------
    InputError
        If all counts are zero, or a value is impossible.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts("abcdefgh", [60, 20, 10, 5, 2, 1, 1, 1])
    >>> model = CostModel(overhead=0, multiply_add=1, softmax=0, saturation=0, weight=0)
    >>> best = cost_classes(vocabulary, dim=1, batch=1, cost_model=model)
    >>> best.sizes.tolist(), round(best.parameters["objective"], 6)  # 3 + 0.6 · 1 + 0.3 · 2 + 0.1 · 5
    ([1, 2, 5], 4.7)
    """
    model, shape = cost_model or CostModel(), LayerShape(dim, batch)
    prefix = prefix_sums(vocabulary) / float(vocabulary.total)
    per_output = model.output_time(shape.dim, True) * shape.batch
    choice = np.zeros(prefix.size, np.int64)
    _best_starts(prefix, per_output, per_output + model.weight * shape.dim, choice)
    bounds = [vocabulary.size]
    while bounds[-1]:
        bounds.append(int(choice[bounds[-1]]))
    sizes = np.diff(bounds[::-1])
    classes = Classes(vocabulary, np.repeat(np.arange(sizes.size), sizes))
    cost = class_cost(model, shape, classes.sizes, classes.masses)
    parameters = {
        "algorithm": "cost_classes",
        "n_classes": classes.n_classes,
        "dim": shape.dim,
        "batch": shape.batch,
        "profile": model.to_json(),
        "objective": cost,
        "lower_bound": cost,
        "exact": True,
    }
    return Classes(vocabulary, classes.word_class, parameters)


@njit
def _through(start, end, best, prefix, per_output, per_class):  # type: ignore[no-untyped-def]
    """The cost of the first `end` words with a last class from `start`."""
    return best[start] + per_output * (prefix[end] - prefix[start]) * (end - start) + per_class


@njit
def _best_starts(prefix, per_output, per_class, choice):  # type: ignore[no-untyped-def]
    """Set choice[j] to where the last class of the best partition of the first j words starts."""
    size = prefix.shape[0] - 1
    best = np.zeros(size + 1)
    starts, since = np.empty(size + 1, np.int64), np.empty(size + 1, np.int64)
    starts[0], since[0] = 0, 1
    head, tail = 0, 0  # of the queue: its first and last entry
    for end in range(1, size + 1):
        while head < tail and since[head + 1] <= end:
            head += 1
        choice[end] = starts[head]
        best[end] = _through(starts[head], end, best, prefix, per_output, per_class)
        if end == size:
            break
        # An entry that the new start beats already where the entry would begin is never the best.
        while tail > head and _through(end, since[tail], best, prefix, per_output, per_class) < _through(
            starts[tail], since[tail], best, prefix, per_output, per_class
        ):
            tail -= 1
        low, high = max(since[tail], end + 1), size + 1  # the first place where the new start is better, if any
        while low < high:
            middle = (low + high) // 2
            if _through(end, middle, best, prefix, per_output, per_class) < _through(
                starts[tail], middle, best, prefix, per_output, per_class
            ):
                high = middle
            else:
                low = middle + 1
        if low <= size:
            tail += 1
            starts[tail], since[tail] = end, low
