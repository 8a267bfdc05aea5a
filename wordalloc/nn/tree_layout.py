"""The shape of a tree as its softmax uses it: nodes level by level, rows of weights, the path to each word."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wordalloc.checks import whole_numbers
from wordalloc.errors import InputError
from wordalloc.nn.equal_groups import Ints, spans


class TreeLayout(NamedTuple):
    """Nodes are numbered level by level, the root 0, and so are the steps from a node to its children.

    Attributes
    ----------
    step_offsets : array of int64, shape (n + 1,)
        Where each node's steps begin, one a child.
    step_child : array of int64, shape (n - 1 + V,)
        Where a step leads: a node, or the word of rank r as -1 - r.
    node_step : array of int64, shape (n,)
        The step that leads to each node, -1 for the root.
    word_step : array of int64, shape (V,)
        The step that leads to each word; -1 where there is one word and no node.
    levels : list of int
        Where each level's nodes begin, and n.
    row_offsets : array of int64, shape (n + 1,)
        Where each node's rows of weights begin: one row for two children, else one a child.
    """

    step_offsets: Ints
    step_child: Ints
    node_step: Ints
    word_step: Ints
    levels: list[int]
    row_offsets: Ints

    @property
    def step_node(self) -> Ints:
        """The node that each step leaves."""
        sizes = np.diff(self.step_offsets)
        return np.repeat(np.arange(sizes.size), sizes)

    def log_odds(self, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return a bias for each row of weights, such that every node's steps are as probable as the words below.

        Parameters
        ----------
        shares : ndarray of float64, shape (V,)
            Of the words; positive.
        """
        below = np.zeros(self.step_child.size)  # the mass that each step leads to
        below[self.word_step[self.word_step >= 0]] = shares[self.word_step >= 0]
        for first, end in reversed(list(itertools.pairwise(self.levels))[1:]):
            begin, stop = self.step_offsets[first], self.step_offsets[end]
            below[self.node_step[first:end]] = np.add.reduceat(below[begin:stop], self.step_offsets[first:end] - begin)
        logs, two = np.log(below), np.diff(self.step_offsets) == 2
        biases = np.empty(int(self.row_offsets[-1]))
        first = self.step_offsets[:-1][two]
        biases[self.row_offsets[:-1][two]] = logs[first + 1] - logs[first]
        biases[np.repeat(~two, np.diff(self.row_offsets))] = logs[np.repeat(~two, np.diff(self.step_offsets))]
        return biases

    def paths(self) -> dict[str, npt.NDArray[np.integer]]:
        """Return the packed paths of the words, under the names of `Paths`."""
        rows, step_node = np.diff(self.row_offsets), self.step_node
        depth = np.repeat(np.arange(1, len(self.levels)), np.diff(self.levels))
        lengths = depth[step_node[self.word_step]] if rows.size else np.zeros(1, np.int64)
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        nodes = np.empty(int(offsets[-1]), dtype=np.int32)
        slots, areas = np.empty_like(nodes), np.zeros(lengths.size, dtype=np.int64)
        word, place, step = np.arange(lengths.size), offsets[1:] - 1, self.word_step
        while (climbing := step >= 0).any():
            word, place, step = word[climbing], place[climbing], step[climbing]
            node = step_node[step]
            nodes[place], slots[place] = node, step - self.step_offsets[node]
            areas[word] += rows[node]
            place, step = place - 1, self.node_step[node]
        return {"offsets": offsets, "nodes": nodes, "slots": slots, "areas": areas, "node_offsets": self.row_offsets}


def lay_out(vocab_size: int, offsets: npt.ArrayLike, children: npt.ArrayLike, flatten_levels: int) -> TreeLayout:
    """Check a tree given by its children, join its top levels, and number it level by level.

    Parameters
    ----------
    vocab_size : int
        V.
    offsets : array_like of int, shape (n + 1,)
        Where each node's children begin in `children`; node 0 is the root.
    children : array_like of int, shape (n - 1 + V,)
        A node by its number, the word of rank r as -1 - r.
    flatten_levels : int
        How many steps down the new root takes at once: 1 leaves the tree as it is.

    Raises
    ------
    InputError
        If the nodes and words do not make one tree in which each node has two children or more.

    Examples
    --------
    >>> layout = lay_out(4, [0, 2, 4, 6], [1, 2, -1, -2, -3, -4], 2)
    >>> layout.step_child.tolist(), layout.row_offsets.tolist()
    ([-1, -2, -3, -4], [0, 4])
    """
    starts, below = _checked(vocab_size, whole_numbers(offsets, "offsets"), whole_numbers(children, "children"))
    if isinstance(flatten_levels, bool) or not isinstance(flatten_levels, int) or flatten_levels < 1:
        raise InputError(f"flatten_levels must be a whole number of at least 1, not {flatten_levels!r}")
    frontiers: list[Ints] = []
    steps: list[Ints] = []
    sizes: list[Ints] = []
    frontier = np.arange(min(1, starts.size - 1))
    while frontier.size:
        reached = below[spans(starts, frontier)]
        size = np.diff(starts)[frontier]
        if not frontiers:
            reached = _joined(reached, starts, below, flatten_levels)
            size = np.array([reached.size])
        frontiers.append(frontier)
        steps.append(reached)
        sizes.append(size)
        frontier = reached[reached >= 0]
    empty = np.zeros(0, np.int64)
    step_child, size = np.concatenate([empty, *steps]), np.concatenate([empty, *sizes])
    if (step_child < 0).sum() < vocab_size and size.size:
        lost = np.setdiff1d(np.arange(vocab_size), -1 - step_child[step_child < 0])[0]
        raise InputError(f"the word of rank {lost} cannot be reached from the root")
    # The steps to nodes come in the order of the nodes, so they are numbered as they come.
    to_node = np.flatnonzero(step_child >= 0)
    step_child[to_node] = np.arange(1, to_node.size + 1)
    word_step = np.full(vocab_size, -1)
    word_step[-1 - step_child[step_child < 0]] = np.flatnonzero(step_child < 0)
    return TreeLayout(
        np.concatenate(([0], np.cumsum(size))),
        step_child,
        np.concatenate(([-1], to_node))[: size.size],
        word_step,
        np.concatenate(([0], np.cumsum([frontier.size for frontier in frontiers]))).astype(int).tolist(),
        np.concatenate(([0], np.cumsum(np.where(size == 2, 1, size)))),
    )


def _checked(vocab_size: int, starts: Ints, below: Ints) -> tuple[Ints, Ints]:
    if starts.ndim != 1 or below.ndim != 1 or not starts.size or starts[0] or starts[-1] != below.size:
        raise InputError(f"offsets must rise from 0 to {below.size}, the number of children")
    n_nodes = starts.size - 1
    if n_nodes and np.diff(starts).min() < 2:
        node = int(np.argmin(np.diff(starts)))
        raise InputError(f"inner node {node} has {int(np.diff(starts)[node])} children; it needs at least 2")
    expected = np.concatenate((np.arange(-vocab_size, 0), np.arange(1, n_nodes)))
    if n_nodes == 0 and vocab_size > 1:
        raise InputError(f"a tree over {vocab_size} words needs a root")
    if n_nodes and not np.array_equal(np.sort(below), expected):
        raise InputError(
            f"children must hold each inner node from 1 to {n_nodes - 1} once and each of {vocab_size} words once, "
            "the word of rank r as -1 - r"
        )
    return starts, below


def _joined(reached: Ints, starts: Ints, below: Ints, levels: int) -> Ints:
    """Put the children of nodes into their places, level after level."""
    for _ in range(levels - 1):
        nodes = reached >= 0
        if not nodes.any():
            break
        sizes = np.ones(reached.size, dtype=np.int64)
        sizes[nodes] = np.diff(starts)[reached[nodes]]
        deeper = np.repeat(reached, sizes)
        deeper[np.repeat(nodes, sizes)] = below[spans(starts, reached[nodes])]
        reached = deeper
    return reached
