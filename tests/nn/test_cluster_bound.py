"""The bound on a cluster's best word: never under it, tight where it must be."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wordalloc.nn import AdaptiveSoftmax
from wordalloc.nn.cluster_bound import SLACK, ClusterBound


@given(st.integers(1, 200), st.integers(1, 9), st.floats(0, 30), st.integers(0, 10**6), st.booleans())
@settings(max_examples=100, deadline=None)
def test_no_word_is_more_probable_than_the_bound(size, width, scale, seed, repeated):
    random = torch.Generator().manual_seed(seed)
    output = torch.randn(size, width, generator=random) * scale
    if repeated:
        output = output.round()
    narrow = torch.randn(20, width, generator=random) * 3
    best = torch.log_softmax(narrow.double() @ output.double().t(), 1).amax(1)
    bound = ClusterBound(output)(narrow)
    assert (bound.double() >= best).all()
    assert (bound <= 0).all()


def test_with_a_block_for_each_word_the_bound_is_met():
    output = torch.randn(32, 5, generator=torch.Generator().manual_seed(0))
    narrow = torch.randn(40, 5, generator=torch.Generator().manual_seed(1))
    best = torch.log_softmax(narrow @ output.t(), 1).amax(1)
    torch.testing.assert_close(ClusterBound(output)(narrow), best + SLACK, atol=1e-5, rtol=0)


def test_words_that_are_all_alike_share_alike():
    bound = ClusterBound(torch.ones(1000, 3))(torch.randn(4, 3))
    torch.testing.assert_close(bound, torch.full((4,), -torch.log(torch.tensor(1000.0)).item() + SLACK))


@pytest.mark.parametrize("k", [10, 50])
def test_topk_scores_fewer_words_with_it(k, monkeypatch):
    from wordalloc.nn import adaptive

    torch.manual_seed(0)
    layer = AdaptiveSoftmax(5000, 16, [100, 1000], div_value=8)
    hidden = torch.randn(3000, 16)
    scored, plain = [0], layer._tail_log_prob
    monkeypatch.setattr(layer, "_tail_log_prob", lambda h, c: (scored.append(len(h)), plain(h, c))[1])
    found = layer.topk(hidden, k)
    with_bounds = sum(scored)
    monkeypatch.setattr(adaptive, "WORTH_BOUNDING", 10**9)
    scored.clear()
    torch.testing.assert_close(layer.topk(hidden, k), found)
    assert with_bounds < sum(scored) / 2
