"""The exact dynamic programme over cutoffs for one number of tail clusters, with a price on the layer's parameters.

Minimises, over feasible cutoffs 0 < c₁ < … < c_J < V, the time of `wordalloc.algorithms.cost_model` (Grave et al.
2017, section 4): the head's, and each tail cluster's at its mass and size. With Sᵢ(a) the least cost of clusters
i … J over the ranks from a on,

    S_J(a) = w_J(a, V),    Sᵢ(a) = min over b > a of wᵢ(a, b) + Sᵢ₊₁(b),    answer: min over c₁ of head(c₁) + S₁(c₁).

wᵢ obeys the quadrangle inequality, so a layer takes O(V log V) (`wordalloc.algorithms.monge`); the last cluster and
the head's extra entries depend on J, so each J has its own J - 1 layers. Exact; time O(V J log V), memory O(V J).
Among several optima the lexicographically smallest cutoffs are returned.

The layer has d·(c₁ + J) + Σ (d·dᵢ + kᵢ·dᵢ) parameters, and the cost model's `weight` is a time for each of them. So
the same programme with a weight dearer by μ minimises time + μ · parameters, exactly: the Lagrangian of a bound on
the parameters (`wordalloc.algorithms.parameter_bound`), and a direction in which the frontier of the two is looked
at (`wordalloc.algorithms.cutoff_frontier`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms.constraints import Constraints
from wordalloc.algorithms.cost_model import CostModel, LayerShape, head_cost, tail_coefficients
from wordalloc.algorithms.monge import band_cost, best_next


def layer_parameters(shape: LayerShape, sizes: Sequence[int] | npt.NDArray[np.int64]) -> int:
    """Return how many weights an adaptive softmax has; of a full softmax, d·V.

    Parameters
    ----------
    shape : LayerShape
        The layer.
    sizes : sequence of int, shape (J + 1,)
        Words in each cluster, the head first.

    Examples
    --------
    >>> layer_parameters(LayerShape(dim=4, div_value=2), [3, 20])  # 4·(3 + 1) + (4·2 + 20·2)
    64
    """
    head, *tails = map(int, sizes)
    parameters = shape.dim * (head + len(tails))
    for cluster, size in enumerate(tails, start=1):
        parameters += (shape.dim + size) * shape.width(cluster)
    return parameters


@dataclass(frozen=True)
class Solution:
    """Cutoffs, their expected seconds a step, and the parameters of their layer."""

    cutoffs: tuple[int, ...]
    cost: float
    n_parameters: int

    def priced(self, price: float) -> float:
        """Return time + price · parameters."""
        return self.cost + price * self.n_parameters


@dataclass(frozen=True, eq=False)
class CutoffProgramme:
    """Everything an optimum depends on but the number of tail clusters.

    Attributes
    ----------
    prefix : ndarray of float64, shape (V + 1,)
        Share of tokens before each rank.
    constraints : Constraints
        What the cutoffs must meet.
    model : CostModel
        The device.
    shape : LayerShape
        The layer.
    first : int
        The least size of the head.
    earliest : ndarray of int64, shape (V + 1,)
        The least end of a tail cluster but the last, for each first rank.

    Examples
    --------
    >>> model = CostModel(overhead=0, multiply_add=1, softmax=0, saturation=0, weight=0)
    >>> prefix = np.array([0, 0.6, 0.8, 0.9, 0.95, 1])
    >>> programme = CutoffProgramme(prefix, Constraints(0, 1, 0), model, LayerShape(4, 100, 4))
    >>> programme.solve(1)  # head 4·100·(1 + 1); tail 40·(4·1 + 1·4); 4·2 + (4 + 4)·1 weights
    Solution(cutoffs=(1,), cost=1120.0, n_parameters=16)
    """

    prefix: npt.NDArray[np.float64]
    constraints: Constraints
    model: CostModel
    shape: LayerShape
    first: int = field(init=False)
    earliest: npt.NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "first", self.constraints.smallest_head(self.prefix))
        object.__setattr__(self, "earliest", self.constraints.earliest_ends(self.prefix))

    def smallest(self, n_clusters: int) -> Solution:
        """Return the smallest layer with so many tail clusters, which fit, and its smallest cutoffs.

        Widths never grow from one cluster to the next, so a word moved back never adds a parameter.
        """
        return self.solution(self.constraints.shortest(self.prefix, n_clusters))

    def solution(self, cutoffs: Sequence[int]) -> Solution:
        """Return given cutoffs with their cost, summed in the order in which `solve` sums it."""
        n_clusters = len(cutoffs)
        bounds = (0, *cutoffs, self.prefix.size - 1)
        bands = itertools.pairwise(bounds)
        head, *tails = (self.cluster_time(i, start, end, n_clusters) for i, (start, end) in enumerate(bands))
        cost = float(sum(reversed(tails[:-1]), start=tails[-1])) if tails else 0.0
        return Solution(tuple(cutoffs), float(head + cost), layer_parameters(self.shape, np.diff(bounds)))

    def cluster_time(self, cluster: int, start: Any, end: Any, n_clusters: int) -> Any:
        """Return the seconds of a cluster, 0 for the head, over the ranks [start, end): numbers, or one an array."""
        if cluster == 0:
            return head_cost(self.model, self.shape, end, n_clusters)
        return band_cost(
            tail_coefficients(self.model, self.shape, cluster), self.prefix[end] - self.prefix[start], end - start
        )

    def solve(self, n_clusters: int, price: float = 0.0) -> Solution:
        """Return the least of time + price · parameters for `n_clusters` tail clusters, which fit.

        Parameters
        ----------
        n_clusters : int
            J.
        price : float
            μ, seconds for each parameter on top of its time.
        """
        if n_clusters == 0:
            return self.solution(())
        values, choices = self._layers(n_clusters, price)
        totals = self._heads(n_clusters, price) + values[0]
        cutoffs = [self.first + int(np.argmin(totals[self.first :]))]
        for choice in choices:
            cutoffs.append(int(choice[cutoffs[-1]]))
        return self.solution(cutoffs)

    def within(self, n_clusters: int, price: float, limit: float, effort: int) -> list[Solution] | None:
        """Return all cutoffs whose time + price · parameters is at most a limit, or None where that is too much work.

        Built from the head on: a beginning is kept where the best completion, which the dynamic programme knows,
        stays within the limit, so none is kept in vain.

        Parameters
        ----------
        n_clusters : int
            J ≥ 1 tail clusters, which fit.
        price : float
            μ, seconds for each parameter.
        limit : float
            Seconds.
        effort : int
            Most costs to compute; to keep a beginning counts as much as a thousand.
        """
        values, _ = self._layers(n_clusters, price)
        model, heads = self._priced_model(price), self._heads(n_clusters, price)
        first = self.first + np.flatnonzero((heads + values[0])[self.first :] <= limit)
        begun: list[tuple[tuple[int, ...], float]] = [((int(head),), float(heads[head])) for head in first]
        for cluster in range(1, n_clusters):
            coefficients = tail_coefficients(model, self.shape, cluster)
            longer: list[tuple[tuple[int, ...], float]] = []
            for cutoffs, spent in begun:
                start = cutoffs[-1]
                ends = np.arange(self.earliest[start], self.prefix.size - 1)
                costs = spent + band_cost(coefficients, self.prefix[ends] - self.prefix[start], ends - start)
                kept = np.flatnonzero(costs + values[cluster][ends] <= limit)
                effort -= ends.size + 1000 * kept.size
                if effort < 0:
                    return None
                longer += [((*cutoffs, int(ends[i])), float(costs[i])) for i in kept]
            begun = longer
        return [self.solution(cutoffs) for cutoffs, _ in begun]

    def _priced_model(self, price: float) -> CostModel:
        return replace(self.model, weight=self.model.weight + price)

    def _heads(self, n_clusters: int, price: float) -> npt.NDArray[np.float64]:
        """Return the cost of a head of each size."""
        return head_cost(self._priced_model(price), self.shape, np.arange(self.prefix.size), n_clusters)

    def _layers(
        self, n_clusters: int, price: float
    ) -> tuple[list[npt.NDArray[np.float64]], list[npt.NDArray[np.int64]]]:
        """Return S₁ … S_J, each over all first ranks, and the ends that the clusters before the last one choose."""
        model, size = self._priced_model(price), self.prefix.size - 1
        last = tail_coefficients(model, self.shape, n_clusters)
        following = band_cost(last, self.prefix[-1] - self.prefix, size - np.arange(size + 1))
        following[size] = np.inf  # no cluster is empty
        values, choices = [following], []
        for cluster in range(n_clusters - 1, 0, -1):
            value, choice = np.full(size + 1, np.inf), np.full(size + 1, size)
            coefficients = tail_coefficients(model, self.shape, cluster)
            best_next(self.prefix, coefficients, values[-1], self.earliest, self.first, size - 1, value, choice)
            values.append(value)
            choices.append(choice)
        return values[::-1], choices[::-1]
