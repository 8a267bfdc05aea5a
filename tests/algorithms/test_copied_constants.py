"""The copied constants: scaled, judged by the optimum's own cost and constraints."""

from __future__ import annotations

import numpy as np
import pytest

from tests import oracles
from tests.algorithms.vocabularies import from_counts, zipf
from wordalloc import CostModel, Cutoffs, adaptive_cutoffs
from wordalloc.algorithms.constraints import Constraints
from wordalloc.algorithms.copied_constants import alternatives, copied_constants
from wordalloc.algorithms.cost_model import LayerShape
from wordalloc.errors import InputError


def test_at_their_own_size_they_are_what_people_copy():
    scaled = copied_constants(zipf(267_735))
    assert {name: cutoffs.cutoffs.tolist() for name, cutoffs in scaled.items()} == {
        "20000,60000": [20_000, 60_000],
        "20000,40000,200000": [20_000, 40_000, 200_000],
    }


@pytest.mark.parametrize(("size", "names"), [(1, 0), (6, 0), (7, 1), (20, 2)])
def test_those_that_no_longer_increase_are_left_out(size, names):
    assert len(copied_constants(from_counts([1] * size))) == names


@pytest.mark.parametrize("min_head_mass", [0.5, 0.9, 0.99])
def test_the_same_cost_and_constraints_judge_them(min_head_mass):
    vocabulary = zipf(5000)
    model = CostModel(name="other", weight=1e-8)
    best = adaptive_cutoffs(
        vocabulary, dim=64, batch=32, div_value=2, cost_model=model, min_head_mass=min_head_mass, min_tail_share=0.1
    )
    shape, limits = LayerShape(64, 32, 2), Constraints(min_head_mass, 1, 0.1)
    counts = vocabulary.counts.tolist()
    others = alternatives(best)
    assert [other.name for other in others] == ["20000,60000", "20000,40000,200000"]
    for other in others:
        cutoffs = other.cutoffs.cutoffs.tolist()
        assert other.cost == pytest.approx(oracles.layer_time(model, shape, counts, cutoffs), rel=1e-12)
        assert other.feasible == oracles.is_feasible(limits, counts, cutoffs)
        if other.feasible:
            assert other.cost >= best.parameters["objective"]
    assert any(other.feasible for other in others) == (min_head_mass < 0.9)


def test_cutoffs_of_unknown_origin_have_nothing_to_be_judged_by():
    with pytest.raises(InputError, match="made by adaptive_cutoffs"):
        alternatives(Cutoffs(from_counts([2, 1]), np.array([1])))
