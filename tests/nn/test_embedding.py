"""AdaptiveEmbedding against the definition, and tying."""

from __future__ import annotations

import pytest
import torch

import wordalloc
from wordalloc.errors import InputError
from wordalloc.nn import AdaptiveEmbedding, AdaptiveSoftmax, FullSoftmax


def test_each_word_is_its_bands_vector_projected():
    torch.manual_seed(0)
    embedding = AdaptiveEmbedding(12, 8, [3, 7], div_value=2)
    table = torch.cat([embedding.head, *(o @ p for o, p in zip(embedding.outputs, embedding.projections, strict=True))])
    assert [tuple(o.shape) for o in embedding.outputs] == [(4, 4), (5, 2)]
    ids = torch.tensor([[0, 2, 3], [6, 7, 11]])
    torch.testing.assert_close(embedding(ids), table[ids])


def test_gradients_reach_the_words_that_were_looked_up_and_no_others():
    embedding = AdaptiveEmbedding(12, 8, [3, 7], div_value=2)
    embedding(torch.tensor([1, 8])).sum().backward()
    assert embedding.head.grad.abs().sum(1).nonzero().flatten().tolist() == [1]
    assert embedding.outputs[0].grad.abs().sum() == 0
    assert embedding.outputs[1].grad.abs().sum(1).nonzero().flatten().tolist() == [1]


def test_tied_weights_are_the_softmaxs_own():
    torch.manual_seed(0)
    softmax = AdaptiveSoftmax(12, 8, [3, 7], div_value=2)
    embedding = AdaptiveEmbedding(12, 8, [3, 7], div_value=2, tied=softmax)
    assert {id(p) for p in embedding.parameters()} <= {id(p) for p in softmax.parameters()}
    torch.testing.assert_close(embedding(torch.tensor([2])), softmax.head[2:3])
    with pytest.raises(InputError, match="same bands"):
        AdaptiveEmbedding(12, 8, [3, 6], div_value=2, tied=softmax)


def test_a_full_softmax_ties_a_plain_embedding():
    softmax, embedding = FullSoftmax(12, 8), torch.nn.Embedding(12, 8)
    softmax.tie(embedding.weight)
    softmax.loss(embedding(torch.tensor([3])), torch.tensor([4])).backward()
    assert softmax.head is embedding.weight and embedding.weight.grad[4].abs().sum() > 0
    with pytest.raises(InputError, match=r"\(12, 8\)"):
        softmax.tie(torch.nn.Embedding(12, 9).weight)


def test_comes_from_an_allocation_and_compiles_whole():
    vocabulary = wordalloc.Vocabulary.from_counts("abcdef", [6, 5, 4, 3, 2, 1])
    embedding = AdaptiveEmbedding.from_allocation(wordalloc.Cutoffs(vocabulary, [2, 4]), 16)
    compiled = torch.compile(embedding, fullgraph=True, backend="aot_eager")
    for ids in (torch.tensor([0, 0, 5]), torch.tensor([3, 2, 1])):
        torch.testing.assert_close(compiled(ids), embedding(ids))
