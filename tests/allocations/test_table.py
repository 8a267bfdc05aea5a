"""Tables and costs: places, masses, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.allocations import raw
from wordalloc import Costs, Table, Vocabulary, load
from wordalloc.errors import FormatError, InputError

ABCDE = Vocabulary.from_counts("abcde", [5, 2, 1, 1, 1])
ZEROS = np.zeros((5, 2), np.float32), np.zeros((5, 3), np.float32)


def test_a_table_by_hand() -> None:
    table = Table(ABCDE, [4, 0, 2, 5, 1], (2, 3))
    assert (table.n_rows, table.n_columns) == (2, 3)
    assert table.row.tolist() == [1, 0, 0, 1, 0]
    assert table.column.tolist() == [1, 0, 2, 2, 1]
    assert table.word_at.tolist() == [1, 4, 2, -1, 0, 3]
    assert table.row_masses.tolist() == [0.4, 0.6]
    assert table.words_in_row(0).tolist() == [1, 2, 4]
    assert table.words_in_row(1).tolist() == [0, 3]
    assert {name: array.tolist() for name, array in table.addresses().items()} == {
        "row": [1, 0, 0, 1, 0],
        "column": [1, 0, 2, 2, 1],
    }
    assert repr(table) == "Table(2 × 3, vocabulary of 5 words)"


@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 30), st.randoms(use_true_random=False))
def test_every_placement_is_found_again(size, n_rows, spare, random) -> None:
    n_columns = -(-(size + spare) // n_rows)
    cells = random.sample(range(n_rows * n_columns), size)
    table = Table(Vocabulary([f"w{rank:02}" for rank in range(size)], [0] * size), cells, (n_rows, n_columns))
    assert (table.row * n_columns + table.column).tolist() == cells
    assert [table.word_at[cell] for cell in cells] == [*range(size)]
    assert (table.word_at == -1).sum() == n_rows * n_columns - size
    assert sorted(word for row in range(n_rows) for word in table.words_in_row(row).tolist()) == [*range(size)]


@pytest.mark.parametrize(
    ("cell", "shape", "message"),
    [
        ([0, 1, 2, 3], (2, 3), r"expected shape \(5,\), got \(4,\)"),
        ([0, 1, 2, 3, 6], (2, 3), "must lie between 0 and 5"),
        ([0, 1, 2, 3, -1], (2, 3), "must lie between 0 and 5"),
        ([0, 1, 2, 3, 3], (2, 3), "cell 3 holds two words, 'd' and 'e'"),
        ([0, 1, 2, 3, 4], (2, 2), "a table of 2 × 2 has 4 cells, too few for 5 words"),
        ([0, 1, 2, 3, 4], (0, 9), "two numbers of at least 1"),
        ([0, 1, 2, 3, 4], (2, 3, 1), "two numbers of at least 1"),
        ([0, 1, 2, 3, 4], (2**20 + 1, 1), "at most 1,048,576 rows or columns, not \\[1048577, 1\\]"),
        ([0.0, 1, 2, 3, 4], (2, 3), "cell must be whole numbers"),
        ([0, 1, 2, 3, 4], (2.0, 3), "shape must be whole numbers"),
    ],
)
def test_tables_that_are_refused(cell, shape, message) -> None:
    with pytest.raises(InputError, match=message):
        Table(ABCDE, cell, shape)


@pytest.mark.parametrize("row", [-1, 2])
def test_a_row_that_is_not_there(row: int) -> None:
    with pytest.raises(InputError, match=f"the rows 0 to 1, not {row}"):
        Table(ABCDE, range(5), (2, 3)).words_in_row(row)


def test_costs_by_hand(tmp_path) -> None:
    rows, columns = np.arange(10.0).reshape(5, 2), np.arange(15.0).reshape(5, 3)
    costs = Costs(ABCDE, rows, columns, [4, 0, 2, 5, 1], {"tokens": 9})
    assert costs.shape == (2, 3)
    assert costs.objective(costs.cell) == (1 + 1) + (2 + 3) + (4 + 8) + (7 + 11) + (8 + 13)
    costs.save(tmp_path / "costs")
    found = load(tmp_path / "costs")
    assert isinstance(found, Costs)
    assert found.row_nll.tolist() == rows.tolist() and found.col_nll.tolist() == columns.tolist()
    assert found.parameters == {"tokens": 9}
    found.check_table(Table(ABCDE, [4, 0, 2, 5, 1], (2, 3)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e-30])
@pytest.mark.parametrize("side", [0, 1])
def test_a_cost_that_no_likelihood_has(value, side, tmp_path) -> None:
    matrices = [matrix.copy() for matrix in ZEROS]
    matrices[side][3, 1] = value
    with pytest.raises(InputError, match=r"(finite, but that of|at least 0, but) word 3"):
        Costs(ABCDE, *matrices, range(5))
    Costs(ABCDE, *ZEROS, range(5)).save(tmp_path / "costs")
    content = (tmp_path / "costs").read_bytes()
    arrays, name = raw.tensors(content), ("row_nll", "col_nll")[side]
    arrays[name] = matrices[side]
    raw.write(tmp_path / "costs", raw.pack(arrays, raw.metadata(content)))
    with pytest.raises(FormatError, match=f"damaged costs file: {name}"):
        load(tmp_path / "costs")


@pytest.mark.parametrize(
    ("rows", "columns", "cell", "message"),
    [
        (np.zeros((4, 2)), ZEROS[1], range(5), r"row_nll must have one row of costs a word: expected \(5, …\)"),
        (ZEROS[0], np.zeros(5), range(5), "col_nll must have one row"),
        (ZEROS[0], np.zeros((5, 0)), range(5), "col_nll must have one row"),
        (ZEROS[0], ZEROS[0], range(5), "too few cells for 5 words"),
        (*ZEROS, [0, 0, 1, 2, 3], "holds two words"),
        ([[0], [0, 1], [], [], []], ZEROS[1], range(5), "row_nll must be a matrix of numbers"),
    ],
)
def test_costs_that_are_refused(rows, columns, cell, message) -> None:
    with pytest.raises(InputError, match=message):
        Costs(ABCDE, rows, columns, cell)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (Table(Vocabulary.from_counts("abcdx", [5, 2, 1, 1, 1]), range(5), (2, 3)), "another vocabulary"),
        (Table(ABCDE, range(5), (3, 2)), "of a table of 2 × 3, but this one has 3 × 2"),
        (Table(ABCDE, [1, 0, 2, 3, 4], (2, 3)), "another table: 2 words stand elsewhere"),
    ],
)
def test_costs_of_another_table(table, message) -> None:
    with pytest.raises(InputError, match=message):
        Costs(ABCDE, *ZEROS, range(5)).check_table(table)
