"""The powers that benchmarks/scaling.py fits and projects, and the text that it generates."""

import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def load(name: str):
    """A script of the benchmarks, which are no package."""
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="an sdist holds no benchmarks")
if BENCHMARKS.is_dir():
    growth, zipf_text = load("growth"), load("zipf_text")


def test_a_projection_grows_no_slower_than_is_stated():
    law = growth.PowerLaw(2.0, 0.5, 3.0)
    assert law.no_slower(2, 10, 103) == growth.PowerLaw(1.0, 2, 3.0)  # 3 + 1 · 10²
    assert law.no_slower(0.25, 4, 7).at(16) == 3 + 8.0


def test_exact_powers_are_found_and_projected():
    law = growth.fit([10, 100, 1000], [5 * 10**1.5, 5 * 100**1.5, 5 * 1000**1.5])
    assert law.exponent == pytest.approx(1.5) and law.factor == pytest.approx(5)
    assert law.at(10_000) == pytest.approx(5e6)
    assert law.largest(5e6) == pytest.approx(10_000)


def test_a_floor_is_taken_off_before_and_added_after():
    law = growth.fit([100, 1000], [100 + 2 * 100, 100 + 2 * 1000], floor=100)
    assert (law.exponent, law.factor) == (pytest.approx(1), pytest.approx(2))
    assert law.at(10_000) == pytest.approx(20_100)
    assert law.largest(20_100) == pytest.approx(10_000)
    assert law.largest(100) == 0


def test_the_line_is_that_of_least_squares():
    # log10: (0, 0), (1, 2), (2, 1): slope (-1 · -1 + 1 · 0) / 2 = 1/2, through the mean (1, 1).
    law = growth.fit([1, 10, 100], [1, 100, 10])
    assert law.exponent == pytest.approx(0.5) and law.at(10) == pytest.approx(10)


def test_only_the_last_two_decades_count():
    sizes = [10, 1000, 31_623, 100_000]
    law = growth.fit(sizes, [7, *(3 * n for n in sizes[1:])])
    assert law.exponent == pytest.approx(1)


@pytest.mark.parametrize(("sizes", "values"), [([], []), ([10], [1]), ([10, 10], [1, 2]), ([10, 100], [5, 9])])
def test_too_little_is_no_law(sizes, values):
    assert growth.fit(sizes, values, floor=5) is None


def test_what_does_not_grow_fits_at_any_size():
    assert growth.PowerLaw(3.0, 0.0).largest(4) == math.inf
    assert growth.PowerLaw(5.0, 0.0).largest(4) == 0


def test_spellings_are_distinct_words_of_letters():
    words = zipf_text.words(70_000)
    assert words[:3] == ["a", "b", "c"] and words[15:18] == ["p", "ba", "bb"] and words[-1] == "bbbgp"
    assert len(set(words)) == 70_000 and all(word.isalpha() for word in words)


def test_text_is_by_its_seed_and_its_law(tmp_path):
    n_bytes = zipf_text.write_text(tmp_path / "text", 1000, 300_000, seed=1)
    text = (tmp_path / "text").read_text()
    assert n_bytes == len(text) and len(text.split()) == 300_000
    assert {len(line.split()) for line in text.splitlines()} == {zipf_text.LINE}
    ranks = np.concatenate(list(zipf_text.tokens(1000, 300_000, seed=1)))
    words = zipf_text.words(1000)
    assert text.split() == [words[rank] for rank in ranks.tolist()]
    # Blocks of eight ranks keep the law's mass: within five standard deviations.
    expected = np.add.reduceat(zipf_text.probabilities(1000), range(0, 1000, 8))
    observed = np.bincount(ranks // 8) / ranks.size
    assert (abs(observed - expected) < 5 * np.sqrt(expected / ranks.size)).all()
