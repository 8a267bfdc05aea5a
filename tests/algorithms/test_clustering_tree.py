"""The fit against scikit-learn's mixtures, planted hierarchies, and the depth that is promised."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture

from tests.algorithms.vocabularies import from_counts, zipf
from wordalloc.algorithms._gaussian_splits import EM_STEPS, LEAST_VARIANCE, POWER_STEPS, _two_gaussians
from wordalloc.algorithms._vectors import directions
from wordalloc.algorithms.clustering_tree import clustering_tree
from wordalloc.errors import InputError


def fitted(points, weights=None, em_steps=EM_STEPS):
    weights = np.ones(len(points)) if weights is None else np.asarray(weights, float)
    start = np.random.default_rng(0).standard_normal(points.shape[1])
    return _two_gaussians(points, weights, start, POWER_STEPS, em_steps, LEAST_VARIANCE)


def overlapping(size: int, dim: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((size, dim)) * 0.2
    points[: size // 3] = rng.standard_normal((size // 3, dim)) * 0.1 + 0.25
    return rng.permutation(points).astype(np.float32)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("seed", range(5))
def test_the_fit_is_scikit_learns_from_the_same_halves(seed):
    points = overlapping(150, 4, seed)
    exact = points.astype(float)
    axis = np.linalg.svd(exact - exact.mean(axis=0))[2][0]
    places = exact @ axis
    found = fitted(points)
    if np.corrcoef(places, found)[0, 1] < 0:  # the sign of the component is free
        places = -places
    halves = [exact[places < np.median(places)], exact[places > np.median(places)]]
    variances = [((half - half.mean(axis=0)) ** 2).mean() + LEAST_VARIANCE for half in halves]
    mixture = GaussianMixture(
        2,
        covariance_type="spherical",
        reg_covar=LEAST_VARIANCE,
        max_iter=EM_STEPS - 1,
        tol=0,
        weights_init=[0.5, 0.5],
        means_init=[half.mean(axis=0) for half in halves],
        precisions_init=[1 / variance for variance in variances],
    ).fit(exact)
    first, second = mixture.predict_proba(exact).T
    assert np.allclose(1 / (1 + np.exp(-found)), second, atol=1e-3)
    assert ((found > 0) == (second > first)).mean() > 0.98


def test_a_weight_is_a_number_of_copies():
    points = overlapping(60, 3, 1)
    weights = np.random.default_rng(1).integers(1, 4, 60)
    copies = np.repeat(np.arange(60), weights)
    # The first halves are by points, so the fits agree once they have converged.
    assert np.allclose(fitted(points, weights, 300), fitted(points[copies], em_steps=300)[np.cumsum(weights) - 1], 1e-3)


def planted(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """48 vectors: four far-off groups of three groups of four; and the paths of the groups."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(48))
    top, middle = labels % 4, labels // 4 % 3
    vectors = 3 * np.eye(7)[top] + np.eye(7)[4 + middle] + 0.05 * rng.standard_normal((48, 7))
    return vectors * rng.uniform(0.1, 9, (48, 1)), top * 3 + middle


def leaves_below(tree):
    """Return the set of words below each inner node."""
    below = [set() for _ in range(tree.n_nodes)]
    for word, parent in enumerate(tree.word_parent.tolist()):
        below[parent].add(word)
    for node in range(tree.n_nodes - 1, 0, -1):
        below[tree.node_parent[node]] |= below[node]
    return below


@pytest.mark.parametrize("seed", range(4))
def test_planted_groups_are_subtrees(seed):
    vectors, groups = planted(seed)
    below = leaves_below(clustering_tree(from_counts([1] * 48), vectors, seed=seed))
    for group in range(12):
        assert set(np.flatnonzero(groups == group).tolist()) in below
    for top in range(4):
        assert set(np.flatnonzero(groups // 3 == top).tolist()) in below


@given(st.integers(1, 200), st.integers(1, 4), st.sampled_from(["normal", "few", "same", "zero", "line"]), st.data())
@settings(deadline=None, max_examples=60)
def test_depths_keep_their_bounds_whatever_the_vectors(size, dim, shape, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    vectors = {
        "normal": rng.standard_normal((size, dim)),
        "few": rng.integers(-1, 2, (size, dim)),
        "same": np.ones((size, dim)),
        "zero": np.zeros((size, dim)),
        "line": np.exp(rng.uniform(-300, 300, (size, dim))),
    }[shape]
    vocabulary = from_counts(rng.integers(0, 10 ** int(rng.integers(1, 9)), size))
    balanced = clustering_tree(vocabulary, vectors, split="balanced")
    assert balanced.code_lengths.max() <= math.ceil(math.log2(size)) if size > 1 else balanced.codes == [""]
    assert np.ptp(balanced.code_lengths) <= 1
    adaptive = clustering_tree(vocabulary, vectors)
    assert adaptive.n_nodes == size - 1
    if size > 1:
        assert adaptive.code_lengths.max() <= 1 + math.log(size / 2) / math.log(8 / 7)


def test_only_directions_matter_and_two_runs_give_the_same_bytes(tmp_path):
    vectors = np.random.default_rng(3).standard_normal((400, 6))
    one = clustering_tree(zipf(400), vectors)
    scaled = clustering_tree(zipf(400), vectors * 2.0 ** np.arange(-200, 200)[:, None])
    one.save(tmp_path / "one"), scaled.save(tmp_path / "scaled")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "scaled").read_bytes()
    assert one.parameters == {"algorithm": "clustering_tree", "split": "adaptive", "seed": 0, "dim": 6}


def test_nodes_are_numbered_breadth_first():
    tree = clustering_tree(zipf(300), np.random.default_rng(5).standard_normal((300, 3)))
    assert (np.diff(tree.node_parent[1:]) >= 0).all()
    assert (np.diff(tree.node_depth) >= 0).all()


def test_progress_reaches_its_end():
    seen = []
    vectors = np.random.default_rng(5).standard_normal((700, 3))
    clustering_tree(zipf(700), vectors, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(256, 699), (512, 699), (699, 699)]


def test_directions_have_length_one_or_none():
    vectors = np.array([[3.0, 4.0], [0.0, 0.0], [1e300, -1e300], [5e-324, 0.0]])
    assert np.allclose(directions(vectors), [[0.6, 0.8], [0, 0], [0.5**0.5, -(0.5**0.5)], [1, 0]])


@pytest.mark.parametrize(
    ("vectors", "options", "message"),
    [
        (np.ones((2, 2)), {"split": "even"}, "'adaptive' or 'balanced', not 'even'"),
        (np.ones((3, 2)), {}, "3 vectors but 2 words"),
        (np.ones((2, 2)), {"seed": 0.5}, "seed must be"),
        ([[1, np.inf], [0, 1]], {}, "'w0000000' .row 0. holds a value that is not finite"),
    ],
)
def test_what_is_refused(vectors, options, message):
    with pytest.raises(InputError, match=message):
        clustering_tree(from_counts([2, 1]), vectors, **options)
