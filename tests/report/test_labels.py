"""Names get places of their own; axes get few round numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordalloc.report._labels import place, place_some, spread
from wordalloc.report._round_numbers import round_numbers


@settings(max_examples=40)
@given(st.lists(st.integers(-3, 12), min_size=1, max_size=4))
def test_no_column_of_names_is_nearer_to_the_wanted_heights(wanted):
    heights = spread(wanted, 2, 0, 8)
    order = np.argsort(wanted, kind="stable")
    assert np.all(np.diff(heights[order]) >= 2 - 1e-9)
    assert heights.min() >= -1e-9
    assert heights.max() <= 8 + 1e-9
    columns = [c for c in itertools.combinations(range(9), len(wanted)) if min(np.diff(c), default=2) >= 2]
    sums = [sum((h - w) ** 2 for h, w in zip(c, sorted(wanted), strict=True)) for c in columns]
    assert np.sum((heights - wanted) ** 2) <= min(sums) + 1e-9


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 200)), min_size=1, max_size=8),
    st.lists(st.integers(5, 90), min_size=8, max_size=8),
)
def test_names_touch_neither_each_other_nor_points_and_stay_inside(anchors, widths):
    points = np.array(anchors, dtype=float)
    sizes = np.column_stack([widths[: len(points)], np.full(len(points), 10)]).astype(float)
    obstacles = np.hstack([points - 3, points + 3])
    boxes = place(sizes, points, obstacles, points, np.array([0.0, 0, 300, 200]))
    np.testing.assert_allclose(boxes[:, 2:] - boxes[:, :2], sizes)
    assert boxes[:, :2].min() >= 0
    assert np.all(boxes[:, 2:] <= [300, 200])
    for (i, a), b in itertools.product(enumerate(boxes), [*obstacles, *boxes]):
        overlap = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
        assert b is boxes[i] or overlap.min() <= 1e-9 or np.array_equal(a, b)


def test_a_name_alone_stands_right_beside_its_point():
    def placed(x: float, line: np.ndarray) -> list[float]:
        point, frame = np.array([[x, 50]]), np.array([0.0, 0, 300, 200])
        (box,) = place(np.array([[40.0, 10]]), point, np.hstack([point - 5, point + 5]), line, frame)
        return box.tolist()

    assert placed(100, np.empty((0, 2))) == [107, 45, 147, 55]
    assert placed(280, np.empty((0, 2))) == [233, 45, 273, 55]  # the frame ends on the right
    _, bottom, _, _ = placed(100, np.column_stack([np.arange(100, 150, 8.0), np.full(7, 50)]))
    assert 55 <= bottom <= 58  # a line leads to the right: above it


@given(st.floats(1e-3, 1e9), st.floats(1.02, 1e12))
def test_few_round_numbers(low, ratio):
    ticks = round_numbers(low, low * ratio)
    assert 4 <= len(ticks) <= 8
    assert np.all(np.diff(ticks) > 0)
    assert low <= ticks[0] < ticks[-1] <= low * ratio
    assert ticks == [float(f"{tick:.6g}") for tick in ticks]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (260, 280, [260, 265, 270, 275, 280]),
        (0.51, 0.58, [0.51, 0.52, 0.53, 0.54, 0.55, 0.56, 0.57, 0.58]),
        (0.1, 1, [0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1]),
        (3, 7, [3, 4, 5, 6]),
    ],
)
def test_round_numbers_by_hand(low, high, ticks):
    assert round_numbers(low, high) == ticks


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 80)), min_size=1, max_size=10),
    st.lists(st.integers(5, 60), min_size=10, max_size=10),
)
def test_names_that_have_no_room_are_left_out_and_the_others_are_in_nobodys_way(anchors, widths):
    points = np.array(anchors, dtype=float)
    sizes = np.array([[(width, 6.0), (width / 2, 6.0)] for width in widths[: len(points)]])
    placed = place_some(sizes, points, 2.0, np.array([0.0, 0, 120, 80]))
    boxes = np.array([box for _, box in placed.values()]).reshape(-1, 4)
    for index, (form, box) in placed.items():
        np.testing.assert_allclose(box[2:] - box[:2], sizes[index, form])
        gaps = np.maximum(np.maximum(box[:2] - points, points - box[2:]), 0)
        distances = np.hypot(*gaps.T)
        assert distances.min() >= 2  # on no marker
        assert distances.argmin() == index  # and nearest to its own
    assert np.all(boxes[:, :2] >= 0)
    assert np.all(boxes[:, 2:] <= [120, 80])
    for one, other in itertools.combinations(boxes, 2):
        assert (one[:2] >= other[2:] - 1e-9).any() or (other[:2] >= one[2:] - 1e-9).any()
