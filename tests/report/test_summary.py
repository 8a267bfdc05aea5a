"""What is drawn of several seeds, and the front, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordalloc.errors import InputError
from wordalloc.report._summary import curve_of_seeds, finite_curves, finite_points, pareto_front

small = st.integers(1, 5)
perplexities = st.floats(1, 1e6)


@given(st.lists(st.tuples(small, small), min_size=1, max_size=12))
def test_the_front_is_what_no_other_beats(points):
    parameters, values = zip(*points, strict=True)
    front = pareto_front(parameters, values)
    unbeaten = {
        (p, v) for p, v in points if not any(q <= p and w <= v and (q, w) != (p, v) for q, w in points)
    }  # fmt: skip
    assert [points[i] for i in front] == sorted(unbeaten)


@st.composite
def seeds(draw: st.DrawFn) -> list[tuple[np.ndarray, np.ndarray]]:
    result = []
    for _ in range(draw(st.integers(1, 4))):
        times = sorted(draw(st.sets(st.integers(1, 60), min_size=1, max_size=6)))
        values = draw(st.lists(perplexities, min_size=len(times), max_size=len(times)))
        result.append((np.array(times, dtype=float), np.array(values)))
    return result


def at(time: float, seconds: np.ndarray, values: np.ndarray) -> float:
    """A line on logarithmic axes, read off by hand."""
    for (s, p), (t, q) in zip(
        zip(seconds, values, strict=True), zip(seconds[1:], values[1:], strict=True), strict=False
    ):
        if s <= time <= t:
            return p * (q / p) ** (np.log(time / s) / np.log(t / s))
    return values[list(seconds).index(time)]


@given(seeds(), st.floats(0, 1))
def test_the_band_covers_every_seed_where_all_have_been(seeds, share):
    curve = curve_of_seeds(seeds)
    start, end = max(s[0] for s, _ in seeds), min(s[-1] for s, _ in seeds)
    if start > end:
        last = [p[-1] for _, p in seeds]
        assert (curve.low, curve.middle, curve.high) == (min(last), np.median(last), max(last))
        assert curve.seconds == np.median([s[-1] for s, _ in seeds])
        return
    assert (curve.seconds[0], curve.seconds[-1]) == (start, end)
    time = min(max(start * (end / start) ** share, start), end)
    low, high = at(time, curve.seconds, curve.low), at(time, curve.seconds, curve.high)
    for s, p in seeds:
        assert low * (1 - 1e-9) <= at(time, s, p) <= high * (1 + 1e-9)
    knot = curve.seconds[int(share * (len(curve.seconds) - 1))]
    values = [at(knot, s, p) for s, p in seeds]
    index = list(curve.seconds).index(knot)
    np.testing.assert_allclose(
        [curve.low[index], curve.middle[index], curve.high[index]],
        [min(values), np.median(values), max(values)],
        rtol=1e-9,
    )


def test_what_is_not_finite_is_left_out_and_named():
    nan, inf = float("nan"), float("inf")
    kept, lost = finite_curves({"a": [([1, 2, 3], [9, inf, 4])], "b": [([1], [nan])], "c": [([1], [5]), ([2], [inf])]})
    assert lost == ["b", "c (1 of 2 seeds)"]
    assert list(kept) == ["a", "c"]
    assert kept["a"].seconds.tolist() == [1, 3]
    np.testing.assert_allclose(kept["a"].middle, [9, 4])

    points, lost = finite_points({"a": (10, [nan, 5, 7, 6]), "b": (20, []), "c": (5, [3])})
    assert lost == ["a (1 of 4 seeds)", "b"]
    assert [(p.parameters, p.low, p.middle, p.high) for p in points.values()] == [(10, 5, 6, 7), (5, 3, 3, 3)]


@pytest.mark.parametrize(
    ("seed", "message"),
    [
        (([1, 2], [5]), "each perplexity of 'm' needs its seconds: got 2 times for 1"),
        (([2, 1], [5, 6]), "the seconds of 'm' must be finite, above 0 and increasing"),
        (([0, 1], [5, 6]), "the seconds of 'm' must be finite, above 0 and increasing"),
        (([1, float("nan")], [5, 6]), "the seconds of 'm' must be finite, above 0 and increasing"),
        (([1, 2], [5, -1]), "the perplexities of 'm' must be above 0, but one is -1"),
        (([1, 2], [[3, 4]]), "the perplexities of 'm' must be a list of numbers, not of shape (1, 2)"),
        (([1, 2], ["x", 3]), "the perplexities of 'm' must be a list of numbers: could not convert string"),
        (([[1]], [[2]]), "the seconds of 'm' must be a list of numbers, not of shape (1, 1)"),
        (([], []), "there is nothing to draw: no method has a finite perplexity"),
    ],
)
def test_curves_that_cannot_be_drawn(seed, message):
    with pytest.raises(InputError) as raised:
        finite_curves({"m": [seed]})
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("parameters", [0, -1, float("nan"), float("inf")])
def test_parameters_that_cannot_be_drawn(parameters):
    with pytest.raises(InputError, match=f"the parameters of 'm' must be a number above 0, not {parameters}"):
        finite_points({"m": (parameters, [3])})


@pytest.mark.parametrize("read", [finite_curves, finite_points])
def test_nothing_to_draw(read):
    with pytest.raises(InputError, match="there is nothing to draw"):
        read({})
