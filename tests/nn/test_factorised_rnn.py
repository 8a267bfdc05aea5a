"""Recurrent models factorised by class: at the output as Mikolov et al. define it, at the input, in the recurrence."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

import wordalloc
from wordalloc.algorithms.frequency_classes import frequency_classes
from wordalloc.nn import ClassEmbedding, ClassRecurrent, ClassSoftmax, class_lookup

# --- The output: Mikolov, Kombrink, Burget, Černocký & Khudanpur (ICASSP 2011), section 4 -----------------------------

WORDS = [3, 0, 5, 0, 1, 8, 2, 3, 7, 0]


class FactorisedRNN(nn.Module):
    """Their model in this package's parts; their hidden units are logistic where torch's are tanh."""

    def __init__(self, classes: wordalloc.Classes, dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(classes.vocabulary.size, dim)
        self.recurrent = nn.RNN(dim, dim, batch_first=True)
        self.output = ClassSoftmax.from_allocation(classes, dim)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        states, _ = self.recurrent(self.embedding(words[:, :-1]))
        return self.output(states, words[:, 1:])


def mikolov_nll(weights: dict[str, np.ndarray], word_class: list[int], words: list[int]) -> list[float]:
    """Each word's nll by the equations of the paper, one sum at a time."""
    n_classes, size = max(word_class) + 1, len(word_class)
    in_class = [[word for word in range(size) if word_class[word] == c] for c in range(n_classes)]
    place = {word: i for i, word in enumerate(word for members in in_class for word in members)}
    s, nll = np.zeros(weights["recurrent.weight_hh_l0"].shape[0]), []
    for current, following in itertools.pairwise(words):
        one_of_v = np.eye(size)[current]
        u = weights["recurrent.weight_ih_l0"] @ weights["embedding.weight"].T
        bias = weights["recurrent.bias_ih_l0"] + weights["recurrent.bias_hh_l0"]
        s = np.tanh(u @ one_of_v + weights["recurrent.weight_hh_l0"] @ s + bias)
        class_scores = np.exp([row @ s for row in weights["output.classes"]])
        its_class = word_class[following]
        word_scores = {word: np.exp(weights["output.words"][place[word]] @ s) for word in in_class[its_class]}
        of_class = class_scores[its_class] / class_scores.sum()
        in_its_class = word_scores[following] / sum(word_scores.values())
        nll.append(-np.log(of_class * in_its_class))
    return nll


def test_an_rnn_with_a_class_softmax_is_mikolovs():
    vocabulary = wordalloc.Vocabulary.from_counts("abcdefghi", [40, 20, 20, 9, 7, 6, 4, 2, 1])
    classes = frequency_classes(vocabulary, 3)
    assert classes.sizes.tolist() == [1, 2, 6]  # by mass: few frequent words in the first, many rare ones in the last
    torch.manual_seed(0)
    model = FactorisedRNN(classes, 5).double()
    nll = model(torch.tensor([WORDS]))[0]
    weights = {name: value.detach().numpy().copy() for name, value in model.named_parameters()}
    word_class = classes.word_class.tolist()
    np.testing.assert_allclose(nll.detach().numpy(), mikolov_nll(weights, word_class, WORDS), rtol=1e-12)
    nll.sum().backward()
    rng, step = np.random.default_rng(0), 1e-6
    for name, parameter in model.named_parameters():
        for flat in rng.choice(parameter.numel(), size=min(6, parameter.numel()), replace=False):
            place = np.unravel_index(flat, parameter.shape)
            sums = []
            for sign in (1, -1):
                moved = {**weights, name: weights[name].copy()}
                moved[name][place] += sign * step
                sums.append(sum(mikolov_nll(moved, word_class, WORDS)))
            slope = (sums[0] - sums[1]) / (2 * step)
            assert parameter.grad[place].item() == pytest.approx(slope, rel=1e-6, abs=1e-8), (name, place)


# --- Input and recurrence: a text whose next word depends on the class of the current one alone -----------------------

CLASS_OF = np.array([0, 1, 2, 3, 0, 1, 2, 3, 1, 2, 3, 2, 3, 3])  # classes of 2, 3, 4 and 5 words
N_CLASSES, BATCH, STEPS = 4, 32, 10
FOLLOWS = 0.85 * np.roll(np.eye(N_CLASSES), 1, axis=1) + 0.15 / N_CLASSES  # class c is mostly followed by c + 1


def source() -> np.ndarray:
    """P(next word | class of this one): (K, V)."""
    weight = 1 / np.arange(1, CLASS_OF.size + 1)
    inside = weight / np.bincount(CLASS_OF, weight)[CLASS_OF]
    return FOLLOWS[:, CLASS_OF] * inside


def entropy() -> float:
    """Nats a word, once classes are as frequent as they stay: all equally, for FOLLOWS is doubly stochastic."""
    return float(-(source() * np.log(source())).sum(axis=1).mean())


def text(length: int, seed: int) -> torch.Tensor:
    rng, cumulative = np.random.default_rng(seed), source().cumsum(axis=1)
    words = [rng.integers(CLASS_OF.size, size=BATCH)]
    for _ in range(length):
        drawn = rng.random((BATCH, 1))
        words.append((drawn > cumulative[CLASS_OF[words[-1]]]).sum(axis=1).clip(max=CLASS_OF.size - 1))
    return torch.from_numpy(np.stack(words, 1))


class Model(nn.Module):
    """Words are read by `embedding`, and the classes too where the recurrence wants them."""

    def __init__(self, classes: wordalloc.Classes, embedding: nn.Module, recurrent: nn.Module) -> None:
        super().__init__()
        self.embedding, self.recurrent = embedding, recurrent
        self.class_of = class_lookup(classes)
        self.output = ClassSoftmax.from_allocation(classes, 16)

    def loss(self, words: torch.Tensor, state: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = [self.embedding(words[:, :-1])]
        if isinstance(self.recurrent, ClassRecurrent):
            inputs.append(self.class_of(words[:, :-1]))
        states, state = self.recurrent(*inputs, state)
        return self.output.loss(states, words[:, 1:]), state.detach()


class SlotEmbedding(nn.Module):
    """Tells words of one class apart, and nothing of the class."""

    def __init__(self, classes: wordalloc.Classes) -> None:
        super().__init__()
        self.register_buffer("slot", torch.tensor(classes.slots))
        self.slots = nn.Embedding(int(classes.sizes.max()), 16)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.slots(self.slot[ids])


def trained_loss(make: Callable[[wordalloc.Classes], tuple[nn.Module, nn.Module]]) -> float:
    """Nats a word in a text it was not trained on, after 150 steps."""
    vocabulary = wordalloc.Vocabulary.from_counts("abcdefghijklmn", range(14, 0, -1))
    classes = wordalloc.Classes(vocabulary, CLASS_OF)
    torch.manual_seed(0)
    model = Model(classes, *make(classes))
    optimiser, state = torch.optim.Adam(model.parameters(), lr=0.02), None
    for part in text(150 * STEPS, seed=1).unfold(1, STEPS + 1, STEPS).unbind(1):
        loss, state = model.loss(part, state)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    unseen = text(600, seed=2)
    with torch.no_grad():
        _, state = model.loss(unseen[:, :100], None)
        return model.loss(unseen[:, 99:], state)[0].item()


def test_the_class_at_the_input_or_in_the_recurrence_is_enough_and_without_it_is_not():
    at_input = trained_loss(lambda c: (ClassEmbedding.from_allocation(c, 16), nn.RNN(16, 16, batch_first=True)))
    in_recurrence = trained_loss(lambda c: (SlotEmbedding(c), ClassRecurrent("rnn", 16, c.n_classes)))
    neither = trained_loss(lambda c: (SlotEmbedding(c), nn.RNN(16, 16, batch_first=True)))

    assert at_input == pytest.approx(entropy(), abs=0.05)
    assert in_recurrence == pytest.approx(entropy(), abs=0.05)
    assert neither > entropy() + 0.3
