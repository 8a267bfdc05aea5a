"""Rounds: training interrupted by reallocations of the words in their table.

With n rounds the tokens are divided into n + 2 stretches; after each of the first n the words are reallocated by the
costs that the model has then, weights are kept, and training goes on. At the end of the next stretch a round is judged:
where the held-out nll is worse than before it, though the model has learnt for a stretch more, weights and table
are taken back to where they were. Reallocation ends early once it moves hardly any word. Of several processes all take
costs, and the first one reallocates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wordalloc.allocations import Costs, Table
from wordalloc.errors import InputError
from wordalloc.training.checkpoint import damage_reported, pack, save_checkpoint, shared_checkpoint, unpack
from wordalloc.training.data import Batch
from wordalloc.training.distributed import allocation_from_first, is_first, json_from_first
from wordalloc.training.evaluation import perplexity
from wordalloc.training.table_costs import table_costs
from wordalloc.training.table_model import move_words, place_words
from wordalloc.training.trainer import Trainer

COST_TOKENS = 1_000_000  # of the text, for the costs of a round


@dataclass(frozen=True)
class Rounds:
    """When and how words are reallocated.

    Attributes
    ----------
    n : int
        Reallocations, at least 1.
    reallocate : callable
        ``reallocate(table, costs)`` returns the next table and what is to be told of it: plain JSON values, among them
        ``objective_before``, ``objective`` and ``gap``.
    options : dict
        What `reallocate` depends on, as plain JSON: a run can be continued only with the same.
    least_moved : float
        Reallocate no more once a round moves less than this share of the words.

    Raises
    ------
    InputError
        If `n` or `least_moved` is impossible.
    """

    n: int
    reallocate: Callable[[Table, Costs], tuple[Table, dict[str, Any]]]
    options: dict[str, Any]
    least_moved: float = 0.01

    def __post_init__(self) -> None:
        if isinstance(self.n, bool) or not isinstance(self.n, int) or self.n < 1:
            raise InputError(f"the number of rounds must be a whole number of at least 1, not {self.n!r}")
        if not 0 <= self.least_moved <= 1:
            raise InputError(f"least_moved must be a share from 0 to 1, not {self.least_moved!r}")

    def to_json(self) -> dict[str, Any]:
        """Return what the result depends on."""
        return {"n_rounds": self.n, "least_moved": self.least_moved, **self.options}


class RoundTrainer(Trainer):
    """A `Trainer` that reallocates words on its way.

    Parameters
    ----------
    *parts
        As of `Trainer`; the allocation is a table.
    rounds : Rounds
        When and how.
    """

    def __init__(self, *parts: Any, rounds: Rounds) -> None:
        super().__init__(*parts)
        self.rounds = rounds

    def _place_words(self) -> None:
        place_words(self.model, self.standing_table())

    def _step(self, batch: Batch) -> None:
        super()._step(batch)
        stretch = self.total_tokens / (self.rounds.n + 2)
        if self.at.boundary <= self.rounds.n and self.at.tokens >= stretch * (self.at.boundary + 1):
            self._report()
            self.at.boundary += 1
            self._end_stretch()
            self._start_window()

    def _end_stretch(self) -> None:
        """Judge the last round, reallocate if one more is due, and make that last."""
        at, valid = self.at, self.valid
        nll = None if valid is None else self._validate(valid)
        if at.table != at.table_before:
            nll = self._judge(nll)
        at.table_before, at.nll_before = at.table, nll
        if at.boundary <= self.rounds.n and not at.settled:
            self._reallocate(nll)
        self._save()
        for number in range(at.tables):
            if number != at.table or at.table == at.table_before:
                self._forget(number)

    def _judge(self, nll: float | None) -> float | None:
        """Take the last round back if it did harm; return the held-out nll of what stands."""
        at = self.at
        worse = nll is not None and at.nll_before is not None and nll > at.nll_before
        entry: dict[str, Any] = {"step": at.step, "tokens": at.tokens, "judged": at.table, "taken_back": worse}
        if nll is not None:
            entry["valid_nll"] = nll
        self.directory.append(self.directory.metrics, entry)
        if not worse:
            return nll
        file = self.directory.before_round(at.table)
        found = shared_checkpoint(file)
        at.table = at.table_before
        self._place_words()
        with damage_reported(file):
            if found is None:
                raise FileNotFoundError("it is missing")
            tensors, _ = found
            self.state = unpack(tensors, self.model, self.optimizer, self.device)
        return at.nll_before

    def _reallocate(self, nll: float | None) -> None:
        at, directory = self.at, self.directory
        table = self.standing_table()
        parts = (self.model, table, self.text, self.config, self.device)
        costs = table_costs(*parts, max_tokens=COST_TOKENS, progress=self.show_costs)
        if is_first():
            costs.save(directory.costs(at.table))
        made, told = self._next_table(table, costs)
        moved = float((made.cell != table.cell).mean())
        number = at.tables
        before = pack(self.model, self.optimizer, self.state, self.device)
        if is_first():
            save_checkpoint(directory.before_round(number), before, {"table": at.table})
            made.save(directory.table(number))
        move_words(self.model, made)
        at.table, at.tables = number, number + 1
        at.settled = moved < self.rounds.least_moved
        entry = {"step": at.step, "tokens": at.tokens, "table": number, "moved": moved, **told}
        if nll is not None and math.isfinite(nll):
            entry |= {"valid_nll": nll, "valid_perplexity": perplexity(nll)}
        directory.append(directory.metrics, entry)

    def _next_table(self, table: Table, costs: Costs) -> tuple[Table, dict[str, Any]]:
        """Return the table that the first process makes, and what is to be told of it."""
        told: dict[str, Any] = {}

        def reallocated() -> Table:
            made, figures = self.rounds.reallocate(table, costs)
            told.update(figures)
            return made

        return allocation_from_first(reallocated), json_from_first(lambda: told)

    def _forget(self, number: int) -> None:
        """Remove the weights kept for a round that has been judged."""
        if is_first():
            self.directory.before_round(number).unlink(missing_ok=True)
