"""The rules of every kind of allocation, said once more and slowly: what a damaged file that loads must still keep."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np

from wordalloc import Bigrams, Classes, Costs, Cutoffs, Table, Tree, Vocabulary


def check(content: Any) -> None:
    """Raise AssertionError where `content` breaks a rule of its kind."""
    vocabulary = content if isinstance(content, Vocabulary) else content.vocabulary
    _check_vocabulary(vocabulary)
    if content is not vocabulary:
        _CHECKS[type(content)](content, vocabulary.size)


def same(one: Any, other: Any) -> None:
    """Raise AssertionError where two contents differ."""
    assert type(one) is type(other)
    if not isinstance(one, Vocabulary):
        assert one.parameters == other.parameters
        arrays, others = one.arrays(), other.arrays()
        assert arrays.keys() == others.keys()
        assert all(np.array_equal(arrays[name], others[name]) for name in arrays)
        one, other = one.vocabulary, other.vocabulary
    assert (one.words, one.text, one.source) == (other.words, other.text, other.source)
    assert (one.fingerprint, one.parameters) == (other.fingerprint, other.parameters)


def _check_vocabulary(vocabulary: Vocabulary) -> None:
    words, counts = vocabulary.words, vocabulary.counts.tolist()
    assert 0 < len(words) == len(counts) == len(set(words))
    assert all(words) and all(0 <= count <= 2**62 for count in counts)
    ranked = sorted(zip(words, counts, strict=True), key=lambda pair: (-pair[1], pair[0].encode()))
    assert ranked == list(zip(words, counts, strict=True))
    if vocabulary.ids is not None:
        assert len(set(vocabulary.ids.tolist())) == len(words) and vocabulary.ids.min() >= 0


def _check_bigrams(bigrams: Bigrams, size: int) -> None:
    pairs = list(zip(bigrams.left.tolist(), bigrams.right.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    assert all(0 <= rank < size for pair in pairs for rank in pair)
    assert all(count >= 1 for count in bigrams.count.tolist()) and sum(bigrams.count.tolist()) <= 2**62


def _check_cutoffs(cutoffs: Cutoffs, size: int) -> None:
    bounds = [0, *cutoffs.cutoffs.tolist(), size]
    assert all(first < second for first, second in itertools.pairwise(bounds))


def _check_classes(classes: Classes, size: int) -> None:
    numbers = classes.word_class.tolist()
    assert len(numbers) == size and set(numbers) == set(range(max(numbers) + 1))


def _check_tree(tree: Tree, size: int) -> None:
    offsets, nodes, digits = tree.path_offsets.tolist(), tree.path_nodes.tolist(), tree.path_digits.tolist()
    paths = [list(zip(nodes[a:b], digits[a:b], strict=True)) for a, b in itertools.pairwise(offsets)]
    assert len(paths) == size
    below: dict[int, set[int]] = {}
    leads_to: dict[tuple[int, int], object] = {}
    for rank, path in enumerate(paths):
        assert not path or path[0][0] == 0
        ends: list[object] = [node for node, _ in path[1:]] + [f"word {rank}"]
        for step, end in zip(path, ends, strict=True):
            below.setdefault(step[0], set()).add(step[1])
            assert leads_to.setdefault(step, end) == end
    assert all(used == set(range(len(used))) and 2 <= len(used) <= tree.arity for used in below.values())
    shares = [np.prod([Fraction(1, len(below[node])) for node, _ in path], initial=Fraction(1)) for path in paths]
    assert sum(shares) == 1
    if tree.class_depth is not None:
        assert all(0 <= depth <= len(path) for depth, path in zip(tree.class_depth.tolist(), paths, strict=True))


def _check_table(table: Table, size: int) -> None:
    _check_cells(table.cell.tolist(), table.shape, size)


def _check_costs(costs: Costs, size: int) -> None:
    _check_cells(costs.cell.tolist(), costs.shape, size)
    assert costs.row_nll.shape == (size, costs.shape[0]) and costs.col_nll.shape == (size, costs.shape[1])
    assert all(np.isfinite(nll).all() and (nll >= 0).all() for nll in (costs.row_nll, costs.col_nll))


def _check_cells(cells: list[int], shape: tuple[int, int], size: int) -> None:
    assert len(cells) == len(set(cells)) == size
    assert all(0 <= cell < shape[0] * shape[1] for cell in cells)


_CHECKS: dict[type, Any] = {
    Bigrams: _check_bigrams,
    Cutoffs: _check_cutoffs,
    Classes: _check_classes,
    Tree: _check_tree,
    Table: _check_table,
    Costs: _check_costs,
}
