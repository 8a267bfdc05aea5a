"""Exchange clustering against brute force, and what it promises: no threads, no chance, no empty class."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracles
from tests.algorithms.texts import bigrams_of, drawn_pairs, pairs_of, planted_text, zipf_text
from tests.algorithms.vocabularies import from_counts
from wordalloc import Bigrams, Classes, Vocabulary, exchange_classes
from wordalloc.algorithms import exchange_kernels, exchange_sweep
from wordalloc.algorithms.exchange import Effort
from wordalloc.algorithms.exchange_kernels import make_graph, make_partition
from wordalloc.errors import InputError

TEXT = pairs_of(zipf_text(400, 20_000, seed=3))
BIGRAMS = bigrams_of(TEXT, 400)
SHORT = Effort(starts=2, start_sweeps=2, chains=2, sweeps=3, hottest=1.0, gentle_sweeps=2)


def ami_of(pairs, word_class) -> float:
    return oracles.mutual_information(oracles.class_counts(pairs, list(word_class)))


@settings(max_examples=40, deadline=None)
@given(drawn_pairs(), st.data(), st.sampled_from(["fast", "normal", "high"]))
def test_the_objective_is_the_mutual_information_of_classes_none_of_which_is_empty(drawn, data, effort):
    pairs, size = drawn
    n_classes = data.draw(st.integers(1, size))
    classes = exchange_classes(bigrams_of(pairs, size), n_classes, effort=effort)
    assert classes.n_classes == n_classes
    assert classes.parameters["objective"] == pytest.approx(ami_of(pairs, classes.word_class), abs=1e-9)
    first = [classes.word_class.tolist().index(number) for number in range(n_classes)]
    assert first == sorted(first)  # numbered by their most frequent words


@settings(max_examples=40, deadline=None)
@given(drawn_pairs(), st.data())
def test_no_single_move_is_left_that_gains(drawn, data):
    pairs, size = drawn
    n_classes = data.draw(st.integers(1, size))
    classes = exchange_classes(bigrams_of(pairs, size), n_classes, effort="fast", iterations=50)
    word_class = classes.word_class.tolist()
    reached = ami_of(pairs, word_class)
    for word in range(size):
        if word_class.count(word_class[word]) == 1:
            continue  # its class would be empty
        for number in range(n_classes):
            moved = [*word_class[:word], number, *word_class[word + 1 :]]
            assert ami_of(pairs, moved) <= reached + 2e-6, (word, number)


def test_greedy_sweeps_never_fall_and_annealing_ends_higher():
    by_effort = {effort: exchange_classes(BIGRAMS, 12, effort=effort) for effort in ("fast", "normal", "high")}
    for classes in by_effort.values():
        sweeps = classes.parameters["sweeps"]
        for before, after in itertools.pairwise(sweeps):
            if after["stage"] == "greedy":
                assert after["ami_bits"] >= before["ami_bits"] - 1e-12
    reached = [classes.parameters["objective"] for classes in by_effort.values()]
    assert reached[0] < reached[1] and reached[0] < reached[2]


@pytest.mark.parametrize("n_classes", [7, 230])  # whole searches side by side, and threads inside a sweep
def test_threads_and_runs_do_not_matter(n_classes, tmp_path, monkeypatch):
    if n_classes == 230:  # shorter, for it is the sweeps that are compared
        monkeypatch.setattr("wordalloc.algorithms.exchange.effort_for", lambda *_: SHORT)
    files = []
    for number, threads in enumerate([1, 2, 3, 2]):
        exchange_classes(BIGRAMS, n_classes, threads=threads, seed=5).save(tmp_path / f"{number}")
        files.append((tmp_path / f"{number}").read_bytes())
    assert files[0] == files[1] == files[2] == files[3]


def test_a_seed_makes_a_difference():
    found = {tuple(exchange_classes(BIGRAMS, 12, seed=seed).word_class.tolist()) for seed in range(3)}
    assert len(found) > 1


@pytest.mark.parametrize("seed", [0, 1])
def test_planted_classes_are_found(seed):
    bigrams = bigrams_of(pairs_of(planted_text(8, 30, 60_000, seed)), 240)
    classes = exchange_classes(bigrams, 8, seed=seed)
    assert classes.word_class.tolist() == (np.arange(240) % 8).tolist()


def test_the_state_after_many_moves_is_the_state_counted_anew():
    graph = make_graph(BIGRAMS)
    rng = np.random.default_rng(0)
    for n_classes in (9, 210):
        parts = make_partition(graph, rng.permutation(np.arange(400) % n_classes).astype(np.int32), n_classes)
        with exchange_sweep.Sweeper(graph, n_classes, 2) as sweeper:
            for seed in range(4):
                assert sweeper.sweep(np.arange(400), parts, temperature=1.0, seed=seed) > 0
            sweeper.sweep(np.arange(400), parts)
        anew = make_partition(graph, parts.word_class, n_classes)
        for name in ("sizes", "exact", "left", "right", "joint", "joint_t", "step", "step_t"):
            np.testing.assert_array_equal(getattr(parts, name), getattr(anew, name), err_msg=name)


def test_counts_beyond_float32_stay_exact():
    big = 2**24 + 1
    pairs = [(0, 2, big), (1, 2, 3), (0, 3, 1), (1, 3, big + 2), (2, 0, 5), (3, 1, 7)]
    classes = exchange_classes(bigrams_of(pairs, 4), 3, effort="fast", iterations=20)
    assert classes.parameters["objective"] == pytest.approx(ami_of(pairs, classes.word_class), rel=1e-12)


def test_init_is_never_made_worse_and_brings_its_words_along():
    start = exchange_classes(BIGRAMS, 12, effort="fast", iterations=1)
    better = exchange_classes(BIGRAMS, 12, init=start)
    assert better.parameters["objective"] >= start.parameters["objective"]
    assert better.parameters["init"]["iterations"] == 1
    # A vocabulary that has other words: those that the start lacks are placed.
    fewer = Vocabulary(start.vocabulary.words[:300], start.vocabulary.counts[:300])
    partial = Classes(fewer, np.arange(300) % 12)
    grown = exchange_classes(BIGRAMS, 12, init=partial, effort="fast")
    assert grown.vocabulary.size == 400 and grown.n_classes == 12


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"n_classes": 0}, "n_classes must be a whole number from 1 to 400, not 0"),
        ({"n_classes": 401}, "n_classes must be a whole number from 1 to 400, not 401"),
        ({"n_classes": 2, "effort": "huge"}, "effort must be 'fast', 'normal' or 'high'"),
        ({"n_classes": 2, "iterations": 0}, "iterations must be a whole number of at least 1"),
        ({"n_classes": 2, "threads": 0}, "threads must be a whole number of at least 1"),
        ({"n_classes": 2, "seed": -1}, "seed"),
        ({"n_classes": 2, "init": Classes(BIGRAMS.vocabulary, np.arange(400) % 3)}, "init has 3 classes"),
        ({"n_classes": 2, "init": Classes(from_counts([1, 1]), [0, 1])}, "init has 2 classes"),
    ],
)
def test_wrong_arguments_are_refused(arguments, said):
    if "init" in arguments and arguments["init"].vocabulary.size == 2:
        foreign = Vocabulary.from_counts(["neither", "nor"], [2, 1])
        arguments = {**arguments, "init": Classes(foreign, [0, 1])}
    with pytest.raises(InputError, match=said):
        exchange_classes(BIGRAMS, **arguments)


def test_progress_reaches_its_end_and_an_interrupt_gets_through():
    seen = []
    exchange_classes(BIGRAMS, 12, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] <= seen[-1][1] and sorted(done for done, _ in seen) == list(range(1, len(seen) + 1))

    def interrupt(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exchange_classes(BIGRAMS, 12, progress=interrupt)


def test_the_kernels_gain_is_right_to_six_digits():
    rng = np.random.default_rng(0)
    before = np.concatenate([[0, 0, 1, 2], 2 ** rng.uniform(0, 40, 4000)]).round()
    n = np.concatenate([[1, 3, 1, 1], 2 ** rng.uniform(0, 30, 4000)]).round()

    def h(x):
        return x * np.log2(np.maximum(x, 1))

    expected = h((before + n).astype(np.longdouble)) - h(before.astype(np.longdouble))
    found = np.array(
        [exchange_kernels._gain(np.float32(b), np.float32(m)) for b, m in zip(before, n, strict=True)], np.float64
    )
    np.testing.assert_allclose(found, expected.astype(np.float64), rtol=2e-5)


def test_pairs_of_one_word_alone():
    vocabulary = from_counts([3])
    classes = exchange_classes(Bigrams(vocabulary, [0], [0], [2]), 1)
    assert classes.word_class.tolist() == [0] and classes.parameters["objective"] == 0


def test_more_classes_than_memory_holds_are_refused_with_the_bytes():
    size = 400_000
    vocabulary = Vocabulary([f"w{rank:06}" for rank in range(size)], np.ones(size, int))
    bigrams = Bigrams(vocabulary, [0], [1], [1])
    with pytest.raises(InputError, match=r"exchange with 400,000 classes needs \d[\d,]+ bytes of memory"):
        exchange_classes(bigrams, size)
