"""Rows of single trainings become lines of a comparison."""

from __future__ import annotations

import csv
import io
import json

import pytest

from wordalloc.pipelines.comparison_table import compared, from_json, perplexity_to_reach, to_csv, to_json


def row(perplexity: float, curve: list[tuple[float, float]], **measured: float) -> dict:
    """What one training comes to; `curve` holds seconds and perplexities."""
    figures = {"training_tokens_per_second": 10.0, "scoring_tokens_per_second": 20.0, "query_seconds": 0.5}
    return {
        "perplexity": perplexity,
        "tokens": 100,
        "unknown_share": 0.0,
        "parameters": 1000,
        "bytes": 4000,
        "curve": [{"tokens": 0, "perplexity": found} for _, found in curve],
        "measured": {**figures, "peak_memory_bytes": 7, "curve_seconds": [s for s, _ in curve], **measured},
    }


FULL = compared("full", [row(100, [(1, 400), (2, 200), (3, 110)]), row(110, [(1, 300), (2, 150), (3, 90)])])


def test_a_mean_over_seeds_and_its_spread():
    (line,) = to_json([FULL], None)
    assert (line["perplexity"], line["perplexity_least"], line["perplexity_greatest"]) == (105, 100, 110)
    assert line["perplexities"] == [100, 110] and line["perplexity_to_full"] == 1


def test_seconds_to_a_perplexity_on_straight_lines():
    # 200 is where the first seed is after 2 s; the second falls from 300 to 150 in a second, so it takes 1 2/3.
    assert FULL.seconds_to(200) == pytest.approx((2 + 5 / 3) / 2)
    assert FULL.seconds_to(500) == 1  # both are there at their first point
    assert FULL.seconds_to(100) is None  # the first seed never is
    assert perplexity_to_reach([FULL]) == 110  # where the curves end: 110 and 90, so that both get there
    assert FULL.seconds_to(110) == pytest.approx((3 + 2 + 2 / 3) / 2)
    other = compared("nce", [row(130, [(1, 500), (2, 120)])])
    assert perplexity_to_reach([other, FULL]) == 110 and perplexity_to_reach([other]) == 120
    assert perplexity_to_reach([]) is None


def test_a_curve_that_rises_again_counts_from_its_first_fall():
    wavy = compared("x", [row(1, [(1, 30), (2, 10), (3, 25), (4, 9)])])
    assert wavy.seconds_to(20) == pytest.approx(1.5)


def test_ratios_to_the_full_softmax_and_none_without_it():
    fast = compared("nce", [row(126, [(1, 500)], training_tokens_per_second=50.0)])
    line = to_json([fast, FULL], 100)[0]
    assert line["perplexity_to_full"] == pytest.approx(1.2) and line["measured"]["training_speed_to_full"] == 5
    assert line["measured"]["seconds_to_reach"] is None
    alone = to_json([fast], 100)[0]
    assert alone["perplexity_to_full"] is None and alone["measured"]["training_speed_to_full"] is None


def test_csv_holds_what_json_holds():
    lines = list(csv.DictReader(io.StringIO(to_csv([FULL], 200))))
    (flat,), (line,) = lines, json.loads(json.dumps(to_json([FULL], 200)))
    measured = line.pop("measured")
    for name, value in {**line, **measured}.items():
        if not isinstance(value, list):
            assert flat[name] == str(value), name
    assert to_csv([], None) == "\n"


def test_the_table_is_read_as_it_was_written():
    other = compared("nce", [row(130, [(1, 500), (2, 120)])])
    lines = to_json([other, FULL], 100)
    assert from_json(json.loads(json.dumps(lines))) == [other, FULL]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("perplexities", [float("nan")]),
        ("method", 3),
        ("curve_perplexities", []),
        ("parameters", "many"),
        ("measured", {}),
    ],
)
def test_a_table_that_is_none_is_refused(place, value):
    (line,) = to_json([FULL], 100)
    with pytest.raises((ValueError, TypeError, LookupError)):
        from_json([{**line, place: value}])
