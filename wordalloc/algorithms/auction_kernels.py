"""The auction's compiled loops: finding a word's best cells among all, and bidding for them.

Cells lie in rows of a padded width, so that every row is a whole number of blocks. Costs are those above each word's
least row and least column, times a power of two that brings their mean near 1; prices are in the same unit, contain the
costs of the cells themselves, and are infinite for all purposes (`NO_CELL`) where a cell is only padding.

A search visits the rows that can still hold one of the K best cells, the most promising first, and of their blocks
those that can. A loop that *counts* a block's cells below the limit is vectorised, which a running minimum is not, so
only blocks with such a cell are gone through one by one. The counting is in single precision on prices rounded down,
with a limit rounded up: no cell is missed. What is kept is exact in double precision.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms._compiled import njit

BLOCK = 64  # cells that are looked at together
N_BUCKETS = 64  # for the order of the rows
NO_CELL = 1e30  # the price of padding
DUMMIES = -2  # owner of a cell that is left empty
NOBODY = -1
_DOWN = 2e-7  # more than the rounding of a float32
_UP = 1e-6  # more than that of the sums it is compared with

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]


class Words(NamedTuple):
    """Costs of the words, and the best cells that each remembers."""

    row_cost: npt.NDArray[Any]  # (V, rows)
    col_cost: npt.NDArray[Any]  # (V, columns)
    row_least: Floats  # (V,)
    col_least: Floats  # (V,)
    scale: float
    cells: Ints  # (V, K): places in the padded table; the first is -1 before the first search
    costs: Floats  # (V, K) of those cells, without prices
    bound: Floats  # (V,): no other cell is cheaper, price and all


class Cells(NamedTuple):
    """Prices and owners of the cells."""

    price: Floats  # (rows, width)
    floor: Singles  # (rows, width): the same rounded down
    block_floor: Singles  # (rows, width / BLOCK): at most the least of each block
    row_floor: Singles  # (rows,): at most the least of a row
    offset: Floats  # (rows, width): the cost of the cell itself, part of the price
    owner: Ints  # (rows · width,)


class Queue(NamedTuple):
    """Words without a cell, in a ring; those that must search first; and the cells without a dummy, by price."""

    words: Ints  # (V,)
    stale: Ints  # (batch,)
    heap_price: Floats  # (rows · width,): at most the price there is now
    heap_cell: Ints
    state: npt.NDArray[np.int64]  # head, count, stale words, bids, size of the heap


HEAD, COUNT, STALE, BIDS, HEAP = range(5)


@njit
def _sift(value, cell, size):  # type: ignore[no-untyped-def]
    """Let the first entry of a heap with the greatest on top sink to its place."""
    place, moved_value, moved_cell = 0, value[0], cell[0]
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and value[child + 1] > value[child]:
            child += 1
        if value[child] <= moved_value:
            break
        value[place], cell[place] = value[child], cell[child]
        place = child
    value[place], cell[place] = moved_value, moved_cell


@njit
def _n_below(floor, column_cost, begin, limit):  # type: ignore[no-untyped-def]
    """Count the cells of a block below the limit. Slices and a narrow sum, or the loop would not be vectorised."""
    block, costs = floor[begin : begin + BLOCK], column_cost[begin : begin + BLOCK]
    count = np.int32(0)
    for place in range(BLOCK):
        count = np.int32(count + np.int32(block[place] + costs[place] < limit))
    return count


@njit
def _order_rows(row_bound, bits, order, places):  # type: ignore[no-untyped-def]
    """Sort rows roughly by their bounds, the least first: into buckets, eight an octave above the least.

    `bits` is `row_bound` as whole numbers, which rise with the floats that they stand for.
    """
    n_rows, least = len(bits), bits[0]
    for row in range(1, n_rows):
        least = min(least, bits[row])
    places[:] = 0
    for row in range(n_rows):
        places[min((bits[row] - least) >> 20, N_BUCKETS - 1) + 1] += 1
    for bucket in range(N_BUCKETS):
        places[bucket + 1] += places[bucket]
    for row in range(n_rows):
        bucket = min((bits[row] - least) >> 20, N_BUCKETS - 1)
        order[places[bucket]] = row
        places[bucket] += 1


@njit
def _search(word, words, cells, own):  # type: ignore[no-untyped-def]
    """Find the K best cells of a word, in a thread's own memory."""
    value, cell, column_cost, exact_cost, block_cost, row_bound, bits, order, places = own
    n_rows, width = cells.price.shape
    n_columns, n_kept = words.col_cost.shape[1], words.cells.shape[1]
    least, scale = words.col_least[word], words.scale
    for column in range(n_columns):
        exact = (words.col_cost[word, column] - least) * scale
        exact_cost[column] = exact
        column_cost[column] = np.float32(exact)
    for block in range(width // BLOCK):
        cheapest = np.float32(np.inf)
        for column in range(block * BLOCK, min((block + 1) * BLOCK, n_columns)):
            cheapest = min(cheapest, column_cost[column])
        block_cost[block] = cheapest
    for row in range(n_rows):
        row_bound[row] = np.float32((words.row_cost[word, row] - words.row_least[word]) * scale) + cells.row_floor[row]
    _order_rows(row_bound, bits, order, places)
    # What the remembered cells cost now is a first limit: K cells are below it, to be found again.
    limit = np.inf
    if words.cells[word, 0] >= 0:
        limit = -np.inf
        for kept in range(n_kept):
            where = words.cells[word, kept]
            limit = max(limit, words.costs[word, kept] + cells.price[where // width, where % width])
        limit += 1e-9 * abs(limit) + 1e-300
    for kept in range(n_kept):
        value[kept], cell[kept] = limit, -1
    for row in order:
        if row_bound[row] >= value[0] * (1 + _UP) + 1e-36:
            continue
        row_part = (words.row_cost[word, row] - words.row_least[word]) * scale
        price, floor, block_floor = cells.price[row], cells.floor[row], cells.block_floor[row]
        below = value[0] - row_part
        single = np.float32(min(below + _UP * abs(below) + 1e-36, 0.1 * NO_CELL))
        for block in range(width // BLOCK):
            begin = block * BLOCK
            if block_floor[block] + block_cost[block] >= single or _n_below(floor, column_cost, begin, single) == 0:
                continue
            for column in range(begin, begin + BLOCK):
                if floor[column] + column_cost[column] < single:
                    found = row_part + exact_cost[column] + price[column]
                    if found < value[0]:
                        value[0], cell[0] = found, row * width + column
                        _sift(value, cell, n_kept)
            below = value[0] - row_part
            single = np.float32(min(below + _UP * abs(below) + 1e-36, 0.1 * NO_CELL))
    words.bound[word] = value[0]
    for kept in range(n_kept):
        where = cell[kept]
        row, column = where // width, where % width
        words.cells[word, kept] = where
        row_part = (words.row_cost[word, row] - words.row_least[word]) * scale
        words.costs[word, kept] = row_part + (words.col_cost[word, column] - least) * scale


@njit
def _own_memory(words, cells):  # type: ignore[no-untyped-def]
    """Return what one thread's searches write to."""
    n_kept, (n_rows, width) = words.cells.shape[1], cells.price.shape
    row_bound = np.empty(n_rows, np.float32)
    return (
        np.empty(n_kept),
        np.empty(n_kept, np.int32),
        np.zeros(width, np.float32),
        np.zeros(width),
        np.empty(width // BLOCK, np.float32),
        row_bound,
        row_bound.view(np.int32),
        np.empty(n_rows, np.int32),
        np.empty(N_BUCKETS + 1, np.int64),
    )


@njit
def search(chosen, first, step, words, cells):  # type: ignore[no-untyped-def]
    """Search for every `step`-th of the chosen words: a thread's share. Prices stay as they are meanwhile."""
    own = _own_memory(words, cells)
    for place in range(first, len(chosen), step):
        _search(chosen[place], words, cells, own)


@njit
def refresh_floors(cells):  # type: ignore[no-untyped-def]
    """Take the least prices of blocks and rows anew."""
    for row in range(cells.floor.shape[0]):
        lowest = np.float32(np.inf)
        for block in range(cells.block_floor.shape[1]):
            floor, least = cells.floor[row, block * BLOCK : (block + 1) * BLOCK], np.float32(np.inf)
            for place in range(BLOCK):
                least = min(least, floor[place])
            cells.block_floor[row, block] = least
            lowest = min(lowest, least)
        cells.row_floor[row] = lowest


@njit
def _raise(cells, where, price):  # type: ignore[no-untyped-def]
    row, column = where // cells.price.shape[1], where % cells.price.shape[1]
    cells.price[row, column] = price
    cells.floor[row, column] = np.float32(price - _DOWN * abs(price))


@njit
def _true_price(cells, where):  # type: ignore[no-untyped-def]
    """Price without the cost of the cell: an empty cell costs nothing."""
    row, column = where // cells.price.shape[1], where % cells.price.shape[1]
    return cells.price[row, column] - cells.offset[row, column]


@njit
def _sink(queue, cells, place):  # type: ignore[no-untyped-def]
    """Let an entry of the heap of cells, the cheapest on top, sink to its place."""
    price, cell, size = queue.heap_price, queue.heap_cell, queue.state[HEAP]
    moved_price, moved_cell = price[place], cell[place]
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and price[child + 1] < price[child]:
            child += 1
        if price[child] >= moved_price:
            break
        price[place], cell[place] = price[child], cell[child]
        place = child
    price[place], cell[place] = moved_price, moved_cell


@njit
def _cheapest(queue, cells):  # type: ignore[no-untyped-def]
    """Return the cheapest cell without a dummy, the top of the heap once its price is that of now."""
    while True:
        price = _true_price(cells, queue.heap_cell[0])
        if queue.heap_price[0] >= price:
            return queue.heap_cell[0]
        queue.heap_price[0] = price
        _sink(queue, cells, 0)


@njit
def _push(queue, cells, where):  # type: ignore[no-untyped-def]
    """Add a cell that a word took from the dummies."""
    place, added = queue.state[HEAP], _true_price(cells, where)
    queue.state[HEAP] += 1
    while place > 0 and queue.heap_price[(place - 1) // 2] > added:
        above = (place - 1) // 2
        queue.heap_price[place], queue.heap_cell[place] = queue.heap_price[above], queue.heap_cell[above]
        place = above
    queue.heap_price[place], queue.heap_cell[place] = added, where


@njit
def _place_dummy(queue, words, cells, epsilon):  # type: ignore[no-untyped-def]
    """Give a dummy the cheapest cell that none of its kind has, at the price of the next cheapest and ε more."""
    where = _cheapest(queue, cells)
    last = queue.state[HEAP] - 1
    queue.state[HEAP] = last
    queue.heap_price[0], queue.heap_cell[0] = queue.heap_price[last], queue.heap_cell[last]
    if last > 0:
        _sink(queue, cells, 0)
        row, column = where // cells.price.shape[1], where % cells.price.shape[1]
        bid = _true_price(cells, _cheapest(queue, cells)) + epsilon + cells.offset[row, column]
        _raise(cells, where, max(bid, cells.price[row, column]))
    return where


@njit
def start_heap(queue, cells):  # type: ignore[no-untyped-def]
    """Put all cells that are neither the dummies' nor padding into the heap."""
    size, width = 0, cells.price.shape[1]
    for where in range(len(cells.owner)):
        if cells.owner[where] != DUMMIES and cells.price[where // width, where % width] < 0.1 * NO_CELL:
            queue.heap_price[size], queue.heap_cell[size] = _true_price(cells, where), where
            size += 1
    queue.state[HEAP] = size
    for place in range(size // 2 - 1, -1, -1):
        _sink(queue, cells, place)


@njit
def _enqueue(queue, word):  # type: ignore[no-untyped-def]
    place = queue.state[HEAD] + queue.state[COUNT]
    if place >= len(queue.words):
        place -= len(queue.words)
    queue.words[place] = word
    queue.state[COUNT] += 1


@njit
def _requeue_stale(queue):  # type: ignore[no-untyped-def]
    """Put the words that have searched back at the head of the queue, in their order."""
    for place in range(queue.state[STALE] - 1, -1, -1):
        queue.state[HEAD] -= 1
        if queue.state[HEAD] < 0:
            queue.state[HEAD] = len(queue.words) - 1
        queue.words[queue.state[HEAD]] = queue.stale[place]
    queue.state[COUNT] += queue.state[STALE]
    queue.state[STALE] = 0


@njit
def bid(queue, words, cells, mate, epsilon, few, most):  # type: ignore[no-untyped-def]
    """Let the words of the queue bid, one after the other, until none is left or many must search first.

    Fewer than `few` searches are done here; with more this returns, so that they can be shared among threads. It
    returns also after `most` bids.
    """
    width, n_kept, state = cells.price.shape[1], words.cells.shape[1], queue.state
    own = _own_memory(words, cells)
    _requeue_stale(queue)
    last = state[BIDS] + most
    while state[BIDS] < last:
        if state[COUNT] == 0 or state[STALE] == len(queue.stale):
            if state[STALE] == 0 or state[STALE] >= few:
                return
            for place in range(state[STALE]):
                _search(queue.stale[place], words, cells, own)
            _requeue_stale(queue)
        word = queue.words[state[HEAD]]
        state[HEAD] += 1
        if state[HEAD] == len(queue.words):
            state[HEAD] = 0
        state[COUNT] -= 1
        best, second, where = np.inf, np.inf, -1
        for kept in range(n_kept):
            at = words.cells[word, kept]
            found = words.costs[word, kept] + cells.price[at // width, at % width]
            if found < best:
                second, best, where = best, found, at
            elif found < second:
                second = found
        if (second > words.bound[word] and n_kept > 1) or best > words.bound[word]:
            queue.stale[state[STALE]] = word
            state[STALE] += 1
            continue
        rise = second - best if n_kept > 1 else 0.0
        _raise(cells, where, cells.price[where // width, where % width] + rise + epsilon)
        before = cells.owner[where]
        cells.owner[where], mate[word] = word, where
        state[BIDS] += 1
        if before == DUMMIES:
            _push(queue, cells, where)
            taken = _place_dummy(queue, words, cells, epsilon)
            before, cells.owner[taken] = cells.owner[taken], DUMMIES
        if before >= 0:
            mate[before] = -1
            _enqueue(queue, before)


@njit
def least_values(words, cells, least):  # type: ignore[no-untyped-def]
    """Take what each word's cheapest cell costs, price and all; nan where the word must search for it."""
    width = cells.price.shape[1]
    for word in range(len(least)):
        best = np.inf
        for kept in range(words.cells.shape[1]):
            at = words.cells[word, kept]
            best = min(best, words.costs[word, kept] + cells.price[at // width, at % width])
        least[word] = best if best <= words.bound[word] else np.nan


@njit
def free_unhappy(queue, words, cells, mate, least, epsilon):  # type: ignore[no-untyped-def]
    """Queue the words without a cell, and those whose cell costs more than ε above their least."""
    width = cells.price.shape[1]
    queue.state[:] = 0
    for word in range(len(mate)):
        where = mate[word]
        if where >= 0:
            row, column = where // width, where % width
            cost = (words.row_cost[word, row] - words.row_least[word]) * words.scale
            cost += (words.col_cost[word, column] - words.col_least[word]) * words.scale
            if cost + cells.price[row, column] <= least[word] + epsilon * (1 + 1e-7):
                continue
            mate[word] = -1
            cells.owner[where] = NOBODY
        _enqueue(queue, word)
