"""What a reallocation needs of a model over a table: what words would cost elsewhere, and moving them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from wordalloc.allocations import Table
from wordalloc.errors import InputError
from wordalloc.nn import LightRNN, TableSoftmax
from wordalloc.nn.table_layout import TableLayout
from wordalloc.training.model import LanguageModel, LightRNNModel, State

TableModel = LanguageModel | LightRNNModel


def over_table(model: TableModel) -> TableSoftmax | LightRNN:
    """Return the part of a model that knows the table."""
    output = model.output
    if not isinstance(output, TableSoftmax | LightRNN):
        raise InputError(
            f"costs and reallocation need a model over a table, not one with a {type(output).__name__}; "
            "give a table as the allocation"
        )
    return output


def digit_scores(model: TableModel, inputs: Tensor, targets: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
    """Return the scores of all rows and, without the words' biases, of all columns, each (B · T, …), and the state.

    Columns are those after the targets' own rows.
    """
    if isinstance(model, LightRNNModel):
        before_row, before_column, state = model.output.states(inputs, targets, state)
        rows, columns = model.output.row_scores(before_row), F.linear(before_column, model.output.column_output)
        return rows.flatten(0, 1), columns.flatten(0, 1), state
    layer = over_table(model)
    assert isinstance(layer, TableSoftmax)  # of a LanguageModel it is the output layer
    hidden, state = model.hidden(inputs, state)
    hidden = hidden.flatten(0, 1)
    column_state = layer.column_state(hidden, layer.layout.row[targets.flatten()])
    return layer.row_scores(hidden), F.linear(column_state, layer.columns), state


def digit_nll(model: TableModel, rows: Tensor, columns: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return what each target would cost in every row and, in its own row, in every column: (N, rows), (N, columns).

    A word takes its own log share along. In another column it changes places with the word there, so the sum over the
    row has the two of them anew:

        -log P(j) = -log(p'ⱼ / (1 - pⱼ - p_c + p'ⱼ + p'_c))

    where p are the shares of the columns as they are, c the target's column, p' the shares after the exchange.

    Parameters
    ----------
    model : LanguageModel or LightRNNModel
        Over a table.
    rows, columns : Tensor, shapes (N, rows) and (N, columns)
        Of `digit_scores`.
    target : Tensor of int, shape (N,)
        Ranks.
    """
    layout = over_table(model).layout
    bias = layout.word_log_share[layout.row[target]]
    own_column = layout.column[target][:, None]
    own_bias = bias.gather(1, own_column)
    total = (columns + bias).logsumexp(1, keepdim=True)
    share = (columns + bias - total).exp()
    own_share = share.gather(1, own_column)
    there = (columns + own_bias - total).exp()  # the target's share in column j
    back = (columns.gather(1, own_column) + bias - total).exp()  # the other one's in the target's
    others = (1 - share - own_share).clamp(min=0)
    exchanged = total + torch.log(others + there + back) - (columns + own_bias)
    stays = total - columns.gather(1, own_column) - own_bias
    by_column = exchanged.scatter(1, own_column, stays)
    return (-F.log_softmax(rows, 1)).clamp(min=0), by_column.clamp(min=0)


@torch.no_grad()
def move_words(model: TableModel, table: Table) -> None:
    """Put the words of a model into the cells of another table; rows' biases follow their shares of the counts."""
    layout, row_bias = over_table(model).layout, over_table(model).row_bias
    before = layout.row_log_share
    place_words(model, table)
    row_bias.add_(layout.row_log_share - before)


def place_words(model: TableModel, table: Table) -> None:
    """Tell every part of a model where the words stand."""
    for layout in model.modules():
        if isinstance(layout, TableLayout):
            layout.place(table.cell)
