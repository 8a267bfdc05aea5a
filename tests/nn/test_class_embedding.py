"""ClassEmbedding against the places of words in `Classes`."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import wordalloc
from wordalloc.errors import InputError
from wordalloc.nn import ClassEmbedding


@st.composite
def word_classes(draw: st.DrawFn) -> list[int]:
    size = draw(st.integers(1, 24))
    raw = draw(st.lists(st.integers(0, draw(st.integers(0, size - 1))), min_size=size, max_size=size))
    names = {name: number for number, name in enumerate(dict.fromkeys(raw))}
    return [names[name] for name in raw]


@given(word_classes(), st.integers(2, 9), st.sampled_from([(), (0,), (7,), (2, 3)]), st.integers(0, 100))
def test_each_word_is_its_classs_vector_and_its_slots(word_class, dim, shape, seed):
    torch.manual_seed(seed)
    embedding = ClassEmbedding(len(word_class), dim, word_class)
    largest = max(Counter(word_class).values())
    assert embedding.classes.shape == (max(word_class) + 1, (dim + 1) // 2)
    assert embedding.slots.shape == (largest, dim // 2)
    ids = torch.randint(len(word_class), shape)
    found = embedding(ids)
    assert found.shape == (*shape, dim)
    for rank, vector in zip(ids.reshape(-1).tolist(), found.reshape(-1, dim), strict=True):
        slot = word_class[:rank].count(word_class[rank])
        assert torch.equal(vector, torch.cat([embedding.classes[word_class[rank]], embedding.slots[slot]]))
    everyone = embedding(torch.arange(len(word_class)))
    assert len(torch.unique(everyone, dim=0)) == len(word_class)


def test_gradients_reach_the_class_and_the_slot_and_no_others():
    embedding = ClassEmbedding(5, 4, [0, 1, 1, 0, 1])
    embedding(torch.tensor([1, 4, 4])).sum().backward()  # both of class 1; slots 0, 2, 2
    assert embedding.classes.grad.tolist() == [[0, 0], [3, 3]]
    assert embedding.slots.grad.tolist() == [[1, 1], [0, 0], [2, 2]]


def test_vectors_begin_at_a_length_of_one_whatever_the_classes_sizes():
    torch.manual_seed(0)
    word_class = np.repeat(np.arange(20), np.arange(1, 21) ** 2)  # from 1 word to 400
    embedding = ClassEmbedding(word_class.size, 256, word_class)
    lengths = embedding(torch.arange(word_class.size)).norm(dim=1)
    assert lengths.mean().item() == pytest.approx(1, abs=0.02) and lengths.std() < 0.06
    assert sum(parameter.numel() for parameter in embedding.parameters()) == (20 + 400) * 128


def test_comes_from_an_allocation_compiles_whole_and_restores_its_state():
    vocabulary = wordalloc.Vocabulary.from_counts("abcdef", [6, 5, 4, 3, 2, 1])
    classes = wordalloc.Classes(vocabulary, [1, 0, 0, 1, 2, 0])
    embedding = ClassEmbedding.from_allocation(classes, 5)
    assert embedding.slot.tolist() == classes.slots.tolist()
    compiled = torch.compile(embedding, fullgraph=True, backend="aot_eager")
    for ids in (torch.tensor([0, 0, 5]), torch.tensor([[3, 2, 1, 4]])):
        torch.testing.assert_close(compiled(ids), embedding(ids))
    assert set(embedding.state_dict()) == {"classes", "slots"}
    assert repr(embedding) == "ClassEmbedding(dim=5, n_classes=3, n_slots=3)"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ClassEmbedding(3, 4, [0, 2, 2]), InputError, "class 1 is empty"),
        (lambda: ClassEmbedding(3, 4, [0, 1]), InputError, r"shape \(3,\), not \(2,\)"),
        (lambda: ClassEmbedding(3, 4, [0, -1, 0]), InputError, "between 0 and 2"),
        (lambda: ClassEmbedding(3, 1, [0, 0, 1]), InputError, "width of at least 2, not 1"),
        (
            lambda: ClassEmbedding.from_allocation(wordalloc.Cutoffs(wordalloc.Vocabulary(["a"], [1]), []), 4),
            InputError,
            "needs classes, not Cutoffs",
        ),
        (lambda: ClassEmbedding(3, 4, [0, 0, 1])(torch.tensor([3])), IndexError, "out of bounds"),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
