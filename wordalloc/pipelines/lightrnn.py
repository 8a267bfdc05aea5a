"""LightRNN in rounds: train, reallocate by the model's own costs, train on.

What makes a reallocation help on held-out text was measured (benchmarks/RESULTS.md, "Tables"): rows by a transportation
problem, not all cells at once, which moves too much; early, and with time to recover; a nat in favour of staying,
without which words that were never seen move for nothing; and a look at held-out text afterwards that takes a harmful
round back. A table made from classes is hardly bettered by any; of one made by chance, every early round helps.
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
GAP = 1e-6


def train_in_rounds(
    paths: Paths,
    table: Table,
    *,
    rounds: int = 1,
    digits: str = "auto",
    stay: float = STAY,
    valid: Paths | None = None,
    run: str | os.PathLike[str] = "wordalloc-run",
    config: TrainConfig | None = None,
    resume: bool = False,
    costs: bool = False,
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
        Reallocations; 0 trains with the table as it is.
    digits : {"auto", "both", "rows", "columns"}
        What is reallocated. auto: columns where the rows were made from classes, which training seldom betters, else
        rows.
    stay : float
        Nats by which each digit that a word keeps is favoured.
    valid, run, config, resume, costs, progress
        Of `wordalloc.training.train`; the configuration's `table_model` is "lightrnn" by default.

    Returns
    -------
    TrainResult
        With `rounds`.
    """
    config = config or TrainConfig(table_model="lightrnn")
    if digits == "auto":
        digits = "columns" if table.parameters.get("by") == "classes" else "rows"

    def reallocated(old: Table, taken: Costs) -> tuple[Table, dict[str, Any]]:
        made = reallocate_table(old, taken, digits=digits, stay=stay, gap=GAP)
        return made.table, made.told()

    plan = Rounds(rounds, reallocated, {"digits": digits, "stay": stay}) if rounds else None
    return train(
        paths,
        valid=valid,
        allocation=table,
        run=run,
        config=config,
        resume=resume,
        rounds=plan,
        costs=costs,
        progress=progress,
    )
