"""Classes of adjacent ranks: by frequency, by hand; of least cost, against all partitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracles
from tests.algorithms.vocabularies import dyadic_counts, from_counts, zipf
from wordalloc import CostModel, cost_classes, frequency_classes
from wordalloc.algorithms.cost_model import LayerShape, class_cost
from wordalloc.errors import InputError


@pytest.mark.parametrize(
    ("counts", "n_classes", "by", "sizes"),
    [
        ([8, 4, 2, 1, 1], 2, "frequency", [1, 4]),
        ([8, 4, 2, 1, 1], 4, "frequency", [1, 1, 1, 2]),  # half before the first boundary already: moved up
        ([1] * 8, 4, "frequency", [2, 2, 2, 2]),
        ([16, 4, 4, 1, 1, 1, 1], 2, "sqrt-frequency", [2, 5]),  # roots 4 2 2 1 1 1 1: half is 6
        ([5, 4, 3, 2, 1], 3, "equal-size", [2, 2, 1]),
        ([0, 0, 0], 2, "equal-size", [2, 1]),
        ([7], 1, "frequency", [1]),
        ([3, 2, 1], 3, "frequency", [1, 1, 1]),
        ([10, 0, 0], 3, "frequency", [1, 1, 1]),
    ],
)
def test_by_hand(counts, n_classes, by, sizes):
    classes = frequency_classes(from_counts(counts), n_classes, by)
    assert classes.sizes.tolist() == sizes
    assert (np.diff(classes.word_class) >= 0).all()


@settings(max_examples=100, deadline=None)
@given(dyadic_counts(max_size=30), st.data())
def test_boundaries_are_the_nearest_and_no_class_is_empty(counts, data):
    n_classes = data.draw(st.integers(1, len(counts)))
    classes = frequency_classes(from_counts(counts), n_classes)
    assert classes.n_classes == n_classes
    before = list(itertools.accumulate(sorted(counts, reverse=True), initial=0))
    bounds = np.cumsum(classes.sizes)[:-1].tolist()
    wanted = [1024 * part / n_classes for part in range(1, n_classes)]
    nearest = [min(abs(mass - goal) for mass in before) for goal in wanted]
    for place, bound in enumerate(bounds):
        touched = place > 0 and bound == bounds[place - 1] + 1  # moved up by the one before
        touched |= bound == len(counts) - (n_classes - 1 - place) or bound == place + 1
        assert touched or abs(before[bound] - wanted[place]) == pytest.approx(nearest[place])


def test_the_default_is_about_the_root_of_the_vocabulary():
    assert frequency_classes(zipf(30_624)).n_classes == 175
    assert frequency_classes(zipf(1)).n_classes == 1


MODELS = [
    CostModel(overhead=0, multiply_add=1, softmax=0, saturation=0, weight=0),
    CostModel(overhead=3, multiply_add=1, softmax=0.5, saturation=0, weight=0.1),
    CostModel(),
]


@settings(max_examples=80, deadline=None)
@given(dyadic_counts(max_size=10), st.sampled_from(MODELS), st.integers(1, 4), st.integers(1, 2000))
def test_cost_classes_are_the_best_of_all_partitions(counts, model, dim, batch):
    vocabulary = from_counts(counts)
    classes = cost_classes(vocabulary, dim=dim, batch=batch, cost_model=model)
    shares = np.array(sorted(counts, reverse=True)) / 1024

    def cost(sizes: list[int]) -> float:
        outputs = len(sizes) + sum(
            size * shares[end - size : end].sum() for size, end in zip(sizes, itertools.accumulate(sizes), strict=True)
        )
        per_output = (model.multiply_add * dim + model.softmax) * batch
        return 2 * model.overhead + per_output * outputs + model.weight * dim * (len(shares) + len(sizes))

    best = min(map(cost, oracles.every_bands(len(counts))))
    assert classes.parameters["objective"] == pytest.approx(best, rel=1e-12)
    assert cost(classes.sizes.tolist()) == pytest.approx(best, rel=1e-12)


def test_no_number_of_frequency_classes_is_cheaper():
    vocabulary, shape, model = zipf(5000), LayerShape(512, 4096), CostModel()
    best = cost_classes(vocabulary).parameters["objective"]
    for by, n_classes in itertools.product(["frequency", "sqrt-frequency", "equal-size"], [2, 10, 50, 70, 100, 500]):
        classes = frequency_classes(vocabulary, n_classes, by)
        assert class_cost(model, shape, classes.sizes, classes.masses) >= best


def test_what_cannot_be_is_refused():
    vocabulary = from_counts([0, 0])
    for by in ("frequency", "sqrt-frequency"):
        with pytest.raises(InputError, match="all counts are"):
            frequency_classes(vocabulary, 2, by)
    with pytest.raises(InputError, match="all counts are"):
        cost_classes(vocabulary)
    with pytest.raises(InputError, match="from 1 to 2, not 3"):
        frequency_classes(vocabulary, 3)
    with pytest.raises(InputError, match="'roots'"):
        frequency_classes(vocabulary, 2, "roots")
