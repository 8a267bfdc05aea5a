"""Costs: one pass of a trained model over a text, adding up what every word would cost in each row and column.

The model is held; a word's nll is taken in all rows after the state before it, and in all columns after its own row
(Li et al., NIPS 2016, section 3.3, whose l(w, i, j) is a sum of both). Sums are made in double precision on the device,
for a stretch of the vocabulary at a time if all of it would take more than `SUMS_BYTES`, with a pass for each. Of
several processes each reads its rows, and all have the sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from wordalloc.allocations import Costs, Table
from wordalloc.corpus import EncodedText
from wordalloc.memory import check_memory
from wordalloc.training.config import TrainConfig
from wordalloc.training.data import IGNORED, Batch, Sentences, Streams
from wordalloc.training.distributed import sum_tensor
from wordalloc.training.evaluation import initial_state
from wordalloc.training.model import State
from wordalloc.training.table_model import TableModel, digit_nll, digit_scores

SUMS_BYTES = 2 << 30
STREAMS = 32  # of the text, side by side: context is lost where one begins


@torch.no_grad()
def table_costs(
    model: TableModel,
    table: Table,
    text: EncodedText,
    config: TrainConfig,
    device: torch.device,
    *,
    max_tokens: int | None = None,
    sums_bytes: int = SUMS_BYTES,
    progress: Callable[[int, int], None] | None = None,
) -> Costs:
    """Return what each word of a table would cost in all of its rows and columns, summed over a text.

    Parameters
    ----------
    model : LanguageModel or LightRNNModel
        Its words stand as in `table`.
    table : Table
        Of V words.
    text : EncodedText
        In the ranks of the table's vocabulary.
    config : TrainConfig
        How the text is read.
    device : torch.device
        Where the model is.
    max_tokens : int, optional
        Take this much of the text's beginning.
    sums_bytes : int
        Memory for the sums; a larger table takes several passes.
    progress : callable, optional
        Called as ``progress(tokens done, tokens in all)``.

    Returns
    -------
    Costs
        Of words that the text does not hold: zeros.

    Raises
    ------
    InputError
        If the costs would not fit into the machine's memory.
    """
    size, (n_rows, n_columns) = table.vocabulary.size, table.shape
    width = n_rows + n_columns
    at_once = max(1, min(size, sums_bytes // (8 * width)))
    check_memory(
        f"costs of {size:,} words in {n_rows} rows and {n_columns} columns",
        4 * size * width + 8 * at_once * width,
        "give the table fewer rows and columns: leave rare words out of the vocabulary (--max-size)",
    )
    text = _beginning(text, max_tokens)
    kind, start = Sentences if config.by_sentence else Streams, table.vocabulary.eos_rank or 0
    sums = np.zeros((size, n_rows), np.float32), np.zeros((size, n_columns), np.float32)
    was_training = model.training
    model.eval()
    n_passes = -(-size // at_once)
    place = torch.device("cpu") if device.type == "mps" else device  # which has no double precision
    for number in range(n_passes):
        first, end = number * at_once, min((number + 1) * at_once, size)
        added = [torch.zeros(end - first, n, dtype=torch.float64, device=place) for n in (n_rows, n_columns)]
        batches = kind(text, STREAMS, config.bptt, start)
        state, done = None, 0
        for batch in batches.steps():
            own = batch.own()
            if own.n_rows:
                state = _add(added, own, initial_state(state, batch.fresh), model, first)
            done += batch.n_tokens
            if progress is not None:
                progress(number * batches.n_tokens + done, n_passes * batches.n_tokens)
        for whole, total in zip(sums, added, strict=True):
            sum_tensor(total)
            whole[first:end] = total.cpu().numpy()
    model.train(was_training)
    return Costs(table.vocabulary, *sums, table.cell, {"tokens": int(text.ids.size)})


def _add(added: list[Tensor], batch: Batch, state: State, model: TableModel, first: int) -> State:
    """Add a batch's costs, of the words from `first` on that have sums; return the recurrent state after it."""
    device, place, end = next(model.parameters()).device, added[0].device, first + len(added[0])
    inputs, targets = batch.inputs.to(device).clamp(min=0), batch.targets.to(device)
    rows, columns, state = digit_scores(model, inputs, targets.clamp(min=0), state)
    flat = targets.flatten()
    chosen = ((flat != IGNORED) & (flat >= first) & (flat < end)).nonzero().squeeze(1)
    target = flat[chosen]
    for total, nll in zip(added, digit_nll(model, rows[chosen], columns[chosen], target), strict=True):
        total.index_add_(0, (target - first).to(place), nll.to(place).double())
    return state


def _beginning(text: EncodedText, max_tokens: int | None) -> EncodedText:
    """Return the first tokens of a text, up to the end of a line where there is one."""
    if max_tokens is None or text.ids.size <= max_tokens:
        return text
    n_lines = int(np.searchsorted(text.line_ends, max_tokens, side="right"))
    if not n_lines:
        return replace(text, ids=text.ids[:max_tokens], line_ends=np.array([max_tokens]))
    return replace(text, ids=text.ids[: text.line_ends[n_lines - 1]], line_ends=text.line_ends[:n_lines])
