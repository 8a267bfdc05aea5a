"""Other people's exact solvers for the same problems, to hold ours against: SciPy and OR-tools.

They need every cost in memory, so they serve small tables. SciPy's is the shortest augmenting path algorithm of Crouse
(2016), exact in double precision. OR-tools' are a push-relabel assignment and a cost-scaling minimum-cost flow
(Goldberg 1997) over whole numbers: costs that are not whole are multiplied and rounded, and the lower bound allows for
that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.errors import InputError, RunError

SCIPY_COSTS = 250_000_000  # V · rows · columns: 2 GB, and a minute
ORTOOLS_COSTS = 110_000_000  # 4 GB for the assignment, 9 GB for the flow, and minutes
_RANGE = 2.0**61  # of a whole cost times the nodes

Solution = tuple[npt.NDArray[np.int64], float]  # where each word stands, and a lower bound of all costs


def dense_costs(
    row_cost: npt.NDArray[Any], col_cost: npt.NDArray[Any], cell_cost: npt.NDArray[np.float64] | None
) -> npt.NDArray[np.float64]:
    """Return the costs of all words in all cells, (V, rows · columns)."""
    cost = row_cost[:, :, None].astype(np.float64) + col_cost[:, None, :]
    if cell_cost is not None:
        cost += cell_cost
    return cost.reshape(len(row_cost), -1)


def check_size(solver: str, n_costs: int, limit: int) -> None:
    """Refuse a problem that a solver has no chance with."""
    if n_costs > limit:
        raise InputError(
            f"the solver {solver} takes up to {limit:,} costs (V · rows · columns), not {n_costs:,}; use auction"
        )


def by_scipy(cost: npt.NDArray[np.float64]) -> Solution:
    """Assign by ``scipy.optimize.linear_sum_assignment``."""
    from scipy.optimize import linear_sum_assignment

    every, place = linear_sum_assignment(cost)
    return place.astype(np.int64), float(cost[every, place].sum())


def by_ortools_assignment(cost: npt.NDArray[np.float64]) -> Solution:
    """Assign by OR-tools' linear assignment, which wants as many words as cells: dummies fill up."""
    from ortools.graph.python import linear_sum_assignment

    size, n_cells = cost.shape
    whole, scale, shift = _whole(cost, 2 * n_cells)
    solver = linear_sum_assignment.SimpleLinearSumAssignment()
    cells = np.arange(n_cells)
    for word in range(n_cells):
        costs = whole[word] if word < size else np.zeros(n_cells, np.int64)
        solver.add_arcs_with_cost(np.full(n_cells, word), cells, costs)
    status = solver.solve()
    if status != solver.OPTIMAL:
        raise RunError(f"OR-tools' assignment ended with the status {status}; use the solver auction")
    place = np.array([solver.right_mate(word) for word in range(size)], dtype=np.int64)
    return place, _lower_bound(cost, whole, place, scale, shift)


def by_ortools_flow(cost: npt.NDArray[np.float64], capacity: int = 1) -> Solution:
    """Assign by OR-tools' minimum-cost flow: from words to places that take `capacity` words each."""
    from ortools.graph.python import min_cost_flow

    size, n_places = cost.shape
    whole, scale, shift = _whole(cost, size + n_places + 2)
    flow = min_cost_flow.SimpleMinCostFlow()
    words, places, sink = np.arange(size), np.arange(size, size + n_places), size + n_places
    for word in range(size):
        heads = np.full(n_places, word)
        flow.add_arcs_with_capacity_and_unit_cost(heads, places, np.ones(n_places, np.int64), whole[word])
    flow.add_arcs_with_capacity_and_unit_cost(
        places, np.full(n_places, sink), np.full(n_places, capacity), np.zeros(n_places, np.int64)
    )
    flow.set_nodes_supplies(np.append(words, sink), np.append(np.ones(size, np.int64), -size))
    status = flow.solve()
    if status != flow.OPTIMAL:
        raise RunError(f"OR-tools' minimum-cost flow ended with the status {status}; use the solver auction")
    carried = flow.flows(np.arange(size * n_places)).reshape(size, n_places)
    place = carried.argmax(axis=1).astype(np.int64)
    return place, _lower_bound(cost, whole, place, scale, shift)


def _whole(cost: npt.NDArray[np.float64], n_nodes: int) -> tuple[npt.NDArray[np.int64], float, npt.NDArray[np.float64]]:
    """Return the costs above each word's least as whole numbers, what they were multiplied by, and the least."""
    shift = cost.min(axis=1)
    above = cost - shift[:, None]
    greatest = float(above.max())
    if not greatest:
        return np.zeros(cost.shape, np.int64), 1.0, shift
    scale = 2.0 ** np.floor(np.log2(_RANGE / (n_nodes * n_nodes) / greatest))
    if scale >= 1 and (above == np.rint(above)).all():
        scale = 1.0
    return np.rint(above * scale).astype(np.int64), scale, shift


def _lower_bound(
    cost: npt.NDArray[np.float64],
    whole: npt.NDArray[np.int64],
    place: npt.NDArray[np.int64],
    scale: float,
    shift: npt.NDArray[np.float64],
) -> float:
    """Return what the optimum of the whole numbers says of the costs, each within 1/2 of its multiple."""
    every = np.arange(len(cost))
    optimum = float(whole[every, place].sum())
    exact = scale == 1.0 and (cost[every, place] - shift == whole[every, place]).all()
    rounding = 0.0 if exact else 0.5 * len(cost)
    return (optimum - rounding) / scale + float(shift.sum())
