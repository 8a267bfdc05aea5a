"""Reallocation: equal to other people's solvers, within its certificate, on costs of every kind."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import best_cells
from wordalloc import digit_descent, reallocate, reallocate_rows
from wordalloc.algorithms import assignment_solvers
from wordalloc.algorithms.auction import Auction
from wordalloc.algorithms.reallocation import columns_in_rows
from wordalloc.algorithms.row_transport import RowTransport
from wordalloc.allocations.costs import total_cost
from wordalloc.errors import InputError

KINDS = {
    "uniform": lambda rng, v, n: rng.random((v, n)),
    "whole": lambda rng, v, n: rng.integers(0, 8, (v, n)),
    "ties": lambda rng, v, n: rng.integers(0, 2, (v, n)),
    "negative": lambda rng, v, n: rng.integers(-3, 3, (v, n)),
    "equal": lambda rng, v, n: np.full((v, n), 7.0),
    "unseen": lambda rng, v, n: np.where(np.arange(v)[:, None] < max(1, v // 8), rng.random((v, n)), 0.0),
    "decades": lambda rng, v, n: 10 ** rng.uniform(0, 6, (v, 1)) * rng.random((v, n)),
    "rank one": lambda rng, v, n: 10 ** rng.uniform(0, 3, (v, 1)) * rng.random((1, n)),
    "near rank one": lambda rng, v, n: 10 ** rng.uniform(0, 2, (v, 1)) * (rng.random(n) + 0.01 * rng.random((v, n))),
    "huge": lambda rng, v, n: 1e30 * rng.random((v, n)),
    "tiny": lambda rng, v, n: 1e-30 * rng.standard_normal((v, n)),
    "far from zero": lambda rng, v, n: 1e6 + rng.random((v, n)),
}
WHOLE = ("whole", "ties", "negative", "equal")


def problem(kind: str, seed: int, most: int = 7):
    """Costs of a table up to `most` a side; every second time with empty cells."""
    rng = np.random.default_rng((list(KINDS).index(kind), seed))
    n_rows, n_columns = rng.integers(1, most + 1, 2)
    size = n_rows * n_columns if seed % 2 else int(rng.integers(1, n_rows * n_columns + 1))
    rows, columns = KINDS[kind](rng, size, n_rows), KINDS[kind](rng, size, n_columns)
    extra = None
    if seed % 3 == 0:
        extra = rng.integers(0, 9, (n_rows, n_columns)) * (float(np.abs(rows).mean()) if kind not in WHOLE else 1.0)
    return rows, columns, extra


def rounding(rows, columns) -> float:
    """What double precision may lose in a sum of such costs."""
    return 1e-12 * float(np.abs(rows).max() + np.abs(columns).max()) * len(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_the_auction_agrees_with_scipy_and_ortools_on_hundreds_of_instances(kind) -> None:
    for seed in range(30):
        rows, columns, extra = problem(kind, seed)
        found = reallocate(rows, columns, extra, gap=1e-9)
        exact = reallocate(rows, columns, extra, solver="scipy")
        whole = reallocate(rows, columns, extra, solver="ortools")
        small = rounding(rows, columns)
        assert np.unique(found.cell).size == len(rows)
        assert found.lower_bound - small <= exact.objective <= found.objective + small
        assert whole.lower_bound - small <= exact.objective <= whole.objective + small
        if kind in WHOLE and extra is None:
            assert found.objective == exact.objective == whole.objective == whole.lower_bound
        assert found.objective - exact.objective <= 1e-9 * abs(exact.objective) + small
        if found.gap > 1e-9:  # as near as the rounding allows
            assert found.objective - found.lower_bound <= small * len(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_agree_with_a_minimum_cost_flow(kind) -> None:
    for seed in range(30):
        rows, columns, _ = problem(kind, seed)
        capacity = columns.shape[1]
        found = reallocate_rows(rows, capacity, gap=1e-9)
        flow = reallocate_rows(rows, capacity, solver="ortools")
        small = rounding(rows, rows)
        assert np.bincount(found.row).max() <= capacity
        assert found.objective == pytest.approx(rows[np.arange(len(rows)), found.row].sum(), rel=1e-12)
        assert found.lower_bound <= flow.objective + small
        assert flow.lower_bound <= found.objective + small
        assert found.objective - flow.objective <= 1e-9 * abs(flow.objective) + small


@given(st.integers(1, 3), st.integers(1, 3), st.data())
@settings(max_examples=60)
def test_the_optimum_of_all_permutations(n_rows, n_columns, data) -> None:
    size = data.draw(st.integers(1, min(5, n_rows * n_columns)))
    number = st.integers(-9, 9)

    def matrix(height: int, width: int) -> np.ndarray:
        rows = st.lists(st.lists(number, min_size=width, max_size=width), min_size=height, max_size=height)
        return np.array(data.draw(rows))

    rows, columns, extra = matrix(size, n_rows), matrix(size, n_columns), matrix(n_rows, n_columns)
    best = best_cells(rows.tolist(), columns.tolist(), extra.tolist())
    for solver in ("auction", "scipy", "ortools"):
        assert reallocate(rows, columns, extra, gap=0, solver=solver).objective == best
    assert reallocate(rows, columns, extra, solver="greedy").objective >= best


@pytest.mark.parametrize("kind", KINDS)
def test_the_certificate_is_that_of_the_prices(kind) -> None:
    """The dual, computed from the prices by brute force: every word's least over all cells, all dummies at 0."""
    rows, columns, extra = problem(kind, seed=3, most=12)
    auction = Auction(np.asarray(rows, float), np.asarray(columns, float), extra)
    auction.run(1e-7, None)
    prices, size = auction.prices, len(rows)
    assert (prices >= 0).all()
    costs = rows[:, :, None] + columns[:, None, :] + extra + prices
    dual = costs.reshape(size, -1).min(axis=1).sum() - np.sort(prices.ravel())[-size:].sum()
    # The bound is the best of all phases, so at least this one's.
    slack = rounding(rows, columns) + 1e-12 * prices.max() * size
    assert auction.lower_bound >= min(dual, auction.objective) - slack
    optimum = reallocate(rows, columns, extra, solver="scipy").objective
    assert dual <= optimum + slack and auction.lower_bound <= optimum + slack


def test_the_certificate_of_the_rows_is_that_of_the_prices() -> None:
    rng = np.random.default_rng(5)
    rows = rng.random((50, 8))
    transport = RowTransport(rows, 8)
    transport.run(1e-7, None)
    assert (transport.price >= 0).all()
    greatest = np.sort(np.repeat(transport.price, 8))[-50:].sum()
    dual = (rows + transport.price).min(axis=1).sum() - greatest
    assert transport.lower_bound == pytest.approx(dual, rel=1e-9)


@pytest.mark.parametrize("size", [900, 700])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_table_of_hundreds_of_words(size, dtype) -> None:
    rng = np.random.default_rng(size)
    counts = 1 / np.arange(1, size + 1)[:, None]
    rows, columns = ((counts * rng.random((size, 30)) ** 2).astype(dtype) for _ in range(2))
    found = reallocate(rows, columns)
    exact = reallocate(rows, columns, solver="scipy")
    assert found.gap <= 1e-6
    assert found.lower_bound <= exact.objective <= found.objective <= exact.objective * (1 + 1e-6)
    greedy = reallocate(rows, columns, solver="greedy")
    assert greedy.objective > exact.objective and greedy.lower_bound <= exact.objective


def test_threads_and_repetition_give_the_same_cells() -> None:
    rng = np.random.default_rng(0)
    rows, columns = rng.random((880, 30), np.float32), rng.random((880, 30), np.float32)
    results = [reallocate(rows, columns, threads=threads).cell.tolist() for threads in (1, 2, 3, 1)]
    assert all(cells == results[0] for cells in results)


@pytest.mark.parametrize("solver", ["auction", "greedy"])
def test_inputs_are_left_alone(solver) -> None:
    rng = np.random.default_rng(0)
    rows, columns = rng.random((30, 6)), rng.random((30, 6))
    before = rows.copy(), columns.copy()
    result = reallocate(rows, columns, solver=solver)
    assert (rows == before[0]).all() and (columns == before[1]).all()
    with pytest.raises(ValueError, match="read-only"):
        result.cell[0] = 1


@pytest.mark.parametrize("limit", [0, 0.02])
@pytest.mark.parametrize("size", [900, 700])
@pytest.mark.parametrize("with_cell_cost", [False, True])
def test_a_time_limit_still_gives_every_word_a_cell(limit, size, with_cell_cost) -> None:
    rng = np.random.default_rng(1)
    counts = 10 ** rng.uniform(0, 3, (size, 1))
    rows, columns = (counts * (rng.random(30) + 0.01 * rng.random((size, 30))) for _ in range(2))
    extra = rng.random((30, 30)) if with_cell_cost else None
    found = reallocate(rows, columns, extra, gap=0, time_limit=limit)
    assert np.unique(found.cell).size == size
    assert found.objective == pytest.approx(total_cost(rows, columns, extra, found.cell))
    assert 0 <= found.gap == pytest.approx((found.objective - found.lower_bound) / found.objective)
    by_rows = reallocate_rows(rows, 30, gap=0, time_limit=limit)
    assert np.bincount(by_rows.row, minlength=30).max() <= 30 and by_rows.gap >= 0


def test_progress_tells_the_gap_of_every_phase() -> None:
    rng = np.random.default_rng(0)
    gaps: list[float] = []
    result = reallocate(rng.random((90, 10)), rng.random((90, 10)), progress=gaps.append)
    assert gaps == sorted(gaps, reverse=True) and gaps[-1] == pytest.approx(result.gap, abs=1e-12)


def test_columns_in_rows_are_the_best_of_each_row_and_kept_ones_stay() -> None:
    rng = np.random.default_rng(2)
    costs, row = rng.random((14, 4)), np.repeat([0, 1, 2, 3], [4, 3, 4, 3])
    column = columns_in_rows(costs, row, 4)
    for number in range(4):
        words = np.flatnonzero(row == number)
        best = min(
            sum(costs[word, place] for word, place in zip(words, order, strict=True))
            for order in itertools.permutations(range(4), words.size)
        )
        assert costs[words, column[words]].sum() == pytest.approx(best)
    keep = np.where(np.arange(14) % 2, -1, column)
    moved = columns_in_rows(costs, row, 4, keep=keep)
    assert (moved[keep >= 0] == keep[keep >= 0]).all()
    assert np.unique(row * 4 + moved).size == 14
    with pytest.raises(InputError, match="holds 14 words, but the table has 4 columns"):
        columns_in_rows(costs, np.zeros(14, int), 1)


def test_digit_descent_ends_where_neither_digit_can_gain() -> None:
    rng = np.random.default_rng(3)
    rows, columns = rng.random((24, 5)), rng.random((24, 5))
    start = rng.permutation(25)[:24]
    found = digit_descent(rows, columns, start)
    assert np.unique(found.cell).size == 24
    optimum = reallocate(rows, columns, solver="scipy").objective
    assert found.lower_bound <= optimum <= found.objective < total_cost(rows, columns, None, start)
    assert found.objective == pytest.approx(total_cost(rows, columns, None, found.cell))
    assert digit_descent(rows, columns, found.cell).cell.tolist() == found.cell.tolist()
    for column in range(5):  # no exchange inside a column is worth it
        words = np.flatnonzero(found.cell % 5 == column)
        places = found.cell[words] // 5
        best = min(
            sum(rows[word, place] for word, place in zip(words, order, strict=True))
            for order in itertools.permutations(range(5), words.size)
        )
        assert rows[words, places].sum() == pytest.approx(best)


GOOD = np.zeros((4, 2))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((np.full((4, 2), np.nan), GOOD), {}, "row_nll must be finite, but that of word 0 is not"),
        ((GOOD, np.where(np.arange(8).reshape(4, 2) == 5, np.inf, 0)), {}, "col_nll must be finite.*word 2"),
        ((GOOD, np.zeros((3, 2))), {}, "row_nll is of 4 words, col_nll of 3"),
        ((np.zeros((5, 2)), np.zeros((5, 2))), {}, "a table of 2 × 2 has 4 cells, too few for 5 words"),
        ((GOOD, np.zeros(4)), {}, "col_nll must be a matrix"),
        ((GOOD, [[1, 2], [3]]), {}, "col_nll must be a matrix"),
        ((GOOD, GOOD, np.zeros((3, 2))), {}, r"cell_cost must have one cost a cell: expected shape \(2, 2\)"),
        ((GOOD, GOOD, np.full((2, 2), np.inf)), {}, "cell_cost must be finite"),
        ((GOOD, GOOD), {"gap": -1}, "gap must be a finite number of at least 0"),
        ((GOOD, GOOD), {"gap": "small"}, "gap must be a finite number"),
        ((GOOD, GOOD), {"time_limit": np.nan}, "time_limit must be a finite number"),
        ((GOOD, GOOD), {"solver": "magic"}, "auto, auction, ortools, scipy, greedy, not 'magic'"),
        ((GOOD, GOOD), {"threads": 0}, "threads must be a whole number of at least 1"),
    ],
)
def test_what_is_refused(arguments, options, message) -> None:
    with pytest.raises(InputError, match=message):
        reallocate(*arguments, **options)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((np.full((4, 2), np.nan), 2), {}, "row_nll must be finite"),
        ((GOOD, 1), {}, "too few for 4 words"),
        ((GOOD, 0), {}, "n_columns must be a whole number of at least 1"),
        ((GOOD, 2), {"solver": "scipy"}, "rows alone are solved by one of auto, auction, ortools, not 'scipy'"),
        ((GOOD, 2), {"gap": -1}, "gap must be"),
        ((GOOD, 2), {"time_limit": -1}, "time_limit must be"),
    ],
)
def test_what_is_refused_of_rows(arguments, options, message) -> None:
    with pytest.raises(InputError, match=message):
        reallocate_rows(*arguments, **options)


@pytest.mark.parametrize("solver", ["scipy", "ortools"])
def test_a_solver_says_how_much_it_takes(solver) -> None:
    rows = np.zeros((40_000, 200), np.float32)
    with pytest.raises(InputError, match=f"the solver {solver} takes up to .* not 1,600,000,000; use auction"):
        reallocate(rows, rows, solver=solver)


@pytest.mark.parametrize("cell", [[0, 0, 1, 2], [0, 1, 2, 4], [0, 1, 2]])
def test_digit_descent_refuses_tables_that_are_none(cell) -> None:
    with pytest.raises(InputError, match="cell"):
        digit_descent(GOOD, GOOD, cell)


def test_the_flow_serves_as_assignment_too() -> None:
    rng = np.random.default_rng(9)
    cost = rng.random((20, 20))
    place, bound = assignment_solvers.by_ortools_flow(cost)
    other, other_bound = assignment_solvers.by_ortools_assignment(cost)
    exact, optimum = assignment_solvers.by_scipy(cost)
    assert place.tolist() == other.tolist() == exact.tolist()
    assert max(bound, other_bound) <= optimum
