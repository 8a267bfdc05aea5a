"""LightRNN in rounds: train, reallocate by the model's own costs, train on.

What makes a reallocation help on held-out text was measured (benchmarks/RESULTS.md, "Tables"): a first table that
knows nothing, as one of chance or by frequency; several rounds, early, with time to recover; rows by a transportation
problem; a nat in favour of staying, without which words that were never seen move for nothing; and a look at held-out
text afterwards that takes a harmful round back. A table made from classes is worth more than all of that, and none of
it betters one: there the default is to leave the words where they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from wordalloc.allocations import Costs, Table
from wordalloc.corpus.reading import Paths
from wordalloc.pipelines.tables import reallocate_table
from wordalloc.training import TrainConfig, TrainProgress, TrainResult, train
from wordalloc.training.rounds import Rounds

STAY = 1.0  # nats a digit
COLUMN_WEIGHT = 0.25  # while cells are chosen: a column's cost is known only after the row that the word has now
ROUNDS = 6  # of a first table that knows nothing of the text's contexts
GAP = 1e-6


def train_in_rounds(
    paths: Paths,
    table: Table,
    *,
    rounds: int | None = None,
    digits: str = "rows",
    stay: float = STAY,
    valid: Paths | None = None,
    run: str | os.PathLike[str] = "wordalloc-run",
    config: TrainConfig | None = None,
    resume: bool = False,
    costs: bool = False,
    column: str | None = None,
    progress: Callable[[TrainProgress], None] | None = None,
) -> TrainResult:
    """Train a model over a table, and reallocate its words on the way.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        The training text.
    table : Table
        The first one.
    rounds : int
        Reallocations; 0 trains with the table as it is. Default: 6 where the first table was made by chance or by
        frequency, else 0.
    digits : {"rows", "columns", "both"}
        What is reallocated.
    stay : float
        Nats by which each digit that a word keeps is favoured.
    valid, run, config, resume, costs, column, progress
        Of `wordalloc.training.train`; the configuration's `table_model` is "lightrnn" by default.

    Returns
    -------
    TrainResult
        With `rounds`.
    """
    config = config or TrainConfig(table_model="lightrnn")
    if rounds is None:
        rounds = ROUNDS if table.parameters.get("by") in ("random", "frequency") else 0

    weight = COLUMN_WEIGHT if digits == "both" else 1.0

    def reallocated(old: Table, taken: Costs) -> tuple[Table, dict[str, Any]]:
        made = reallocate_table(old, taken, digits=digits, stay=stay, column_weight=weight, gap=GAP)
        return made.table, made.told()

    plan = Rounds(rounds, reallocated, {"digits": digits, "stay": stay, "column_weight": weight}) if rounds else None
    return train(
        paths,
        valid=valid,
        allocation=table,
        run=run,
        config=config,
        resume=resume,
        rounds=plan,
        costs=costs,
        column=column,
        progress=progress,
    )
