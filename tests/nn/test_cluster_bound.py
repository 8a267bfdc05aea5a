"""The bound on a cluster's best word: never under it, tight where it must be."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wordalloc.nn import AdaptiveSoftmax
from wordalloc.nn.cluster_bound import SLACK, ClusterBound


def best_words(narrow: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    return torch.log_softmax(narrow.double() @ output.double().t(), 1).amax(1)


@given(st.integers(1, 300), st.integers(1, 9), st.floats(0, 1000), st.integers(0, 10**6), st.booleans())
@settings(max_examples=100, deadline=None)
def test_no_token_that_has_such_a_word_is_lost(size, width, scale, seed, repeated):
    random = torch.Generator().manual_seed(seed)
    output = torch.randn(size, width, generator=random) * scale
    if repeated:
        output = output.round()
    narrow = torch.randn(20, width, generator=random) * 3
    assert ClusterBound(output).reaches(narrow, best_words(narrow, output)).all()


def test_with_a_block_for_each_word_it_is_decided_to_within_the_slack():
    output = torch.randn(50, 5, generator=torch.Generator().manual_seed(0))
    narrow = torch.randn(40, 5, generator=torch.Generator().manual_seed(1))
    best, bound = best_words(narrow, output), ClusterBound(output)
    assert bound.reaches(narrow, best).all()
    assert not bound.reaches(narrow, best + 2 * SLACK).any()


def test_words_that_are_all_alike_share_alike_and_none_is_scored(monkeypatch):
    bound = ClusterBound(torch.ones(1000, 3))
    monkeypatch.setattr(ClusterBound, "scores", lambda *_: pytest.fail("words were scored"))
    needed = torch.full((4,), -torch.log(torch.tensor(1000.0)).item() + 2 * SLACK)
    assert not bound.reaches(torch.randn(4, 3), needed).any()


@pytest.mark.parametrize("k", [10, 50])
def test_topk_scores_fewer_words_with_it(k, monkeypatch):
    from wordalloc.nn import adaptive

    torch.manual_seed(0)
    layer = AdaptiveSoftmax(5000, 16, [100, 1000], div_value=8)
    hidden = torch.randn(3000, 16)
    scored, score_tail, score_block = [0], layer._tail_log_prob, ClusterBound.scores

    def tail(hidden, cluster):
        scored.append(len(hidden) * len(layer.outputs[cluster]))
        return score_tail(hidden, cluster)

    def block(narrow, words):
        scored.append(len(narrow) * len(words))
        return score_block(narrow, words)

    monkeypatch.setattr(layer, "_tail_log_prob", tail)
    monkeypatch.setattr(ClusterBound, "scores", staticmethod(block))
    found = layer.topk(hidden, k)
    with_bounds = sum(scored)
    monkeypatch.setattr(adaptive, "WORTH_BOUNDING", 10**9)
    scored.clear()
    torch.testing.assert_close(layer.topk(hidden, k), found)
    assert with_bounds < sum(scored) / 2
