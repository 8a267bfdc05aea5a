"""The language model: embedding, recurrent layers, output layer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from wordalloc.allocations import Allocation, Classes, Cutoffs, Table, Tree
from wordalloc.errors import InputError
from wordalloc.nn import (
    AdaptiveEmbedding,
    AdaptiveSoftmax,
    ClassEmbedding,
    ClassRecurrent,
    FullSoftmax,
    LightRNN,
    OutputLayer,
    SampledSoftmax,
    TableEmbedding,
    class_lookup,
    output_layer,
)
from wordalloc.nn.lightrnn import CELLS, State
from wordalloc.training.config import TrainConfig
from wordalloc.training.data import IGNORED
from wordalloc.vocabulary import Vocabulary

# Words with an input vector of their own, for each class or row (benchmarks/RESULTS.md). A LightRNN is to be small: its
# are then three fifths of all its vectors.
OWN_WORDS, LIGHTRNN_OWN_WORDS = 12, 6


class LanguageModel(nn.Module):
    """Predict each word from those before it.

    Parameters
    ----------
    allocation : Allocation or Vocabulary
        Picks the output layer; a vocabulary asks for the full softmax, or the one that the loss samples.
    config : TrainConfig
        Cell, width, layers, dropout, input, recurrence, tie, loss.
    """

    def __init__(self, allocation: Allocation | Vocabulary, config: TrainConfig) -> None:
        super().__init__()
        self.output: OutputLayer = _output(allocation, config)
        self.embedding = _embedding(allocation, self.output, config)
        self.recurrent, self.class_of = _recurrent(allocation, config)
        self.dropout = nn.Dropout(config.dropout)

    def hidden(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Return hidden states, (B, T) -> (B, T, d), and the recurrent state after them."""
        fed = self.dropout(self.embedding(inputs))
        read = (fed,) if self.class_of is None else (fed, self.class_of(inputs))
        states, state = self.recurrent(*read, state)
        return self.dropout(states), state

    def loss(self, inputs: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the summed nll of the targets that are not padding, and the state."""
        hidden, state = self.hidden(inputs, state)
        return self.output.loss(hidden, targets, reduction="sum", ignore_index=IGNORED), state


class LightRNNModel(nn.Module):
    """A `LightRNN` as the trainer sees a model.

    Parameters
    ----------
    table : Table
        Where the words stand.
    config : TrainConfig
        Cell, width, layers, dropout.
    """

    def __init__(self, table: Table, config: TrainConfig) -> None:
        super().__init__()
        shape: dict[str, Any] = {"recurrent": config.cell, "layers": config.layers, "dropout": config.dropout}
        shape["own_words"] = config.own_words or 0
        self.output = LightRNN.from_allocation(table, config.width, **shape)

    def loss(self, inputs: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the summed nll of the targets that are not padding, and the state."""
        counted = targets != IGNORED
        nll, state = self.output(inputs.clamp(min=0), targets.clamp(min=0), state)
        return (nll * counted).sum(), state


def make_model(allocation: Allocation | Vocabulary, config: TrainConfig) -> LanguageModel | LightRNNModel:
    """Return the model that an allocation and a configuration ask for."""
    if config.table_model == "softmax":
        return LanguageModel(allocation, config)
    if not isinstance(allocation, Table):
        raise InputError("a LightRNN needs a table; make one with: wordalloc lightrnn-init TEXT")
    if config.tie:
        raise InputError("a LightRNN has no word vectors that input and output could share; give --no-tie")
    if config.loss != "softmax":
        raise InputError(f"a LightRNN has no full output layer that the loss {config.loss} could sample; leave it out")
    if config.recurrence != "plain":
        raise InputError("a LightRNN's steps read rows already; leave out --recurrence")
    if config.input not in ("auto", "table"):
        raise InputError(f"a LightRNN reads words by its table, not by a {config.input} input; leave out --input")
    return LightRNNModel(allocation, config)


def settled(allocation: Allocation | Vocabulary, config: TrainConfig) -> TrainConfig:
    """Return the configuration with its defaults settled for an allocation: the rate, the input, words of their own.

    Raises
    ------
    InputError
        If words are to have vectors of their own where the input has a vector for each.
    """
    output, embedding = _default_names(allocation, config)
    config = config.with_defaults(output, embedding)
    if config.table_model == "lightrnn" or config.input in ("classes", "table"):
        by_group = LIGHTRNN_OWN_WORDS if config.table_model == "lightrnn" else OWN_WORDS
        return config if config.own_words is not None else replace(config, own_words=_own_words(allocation, by_group))
    if config.own_words:
        raise InputError(f"a {config.input} input has a vector for each word; give --input classes, or no --own-words")
    return replace(config, own_words=0)


def _own_words(allocation: Allocation | Vocabulary, by_group: int) -> int:
    groups = {"classes": "n_classes", "table": "n_rows"}
    if isinstance(allocation, Vocabulary) or allocation.kind not in groups:
        return 0  # the model will say that it needs another allocation
    return min(by_group * getattr(allocation, groups[allocation.kind]), allocation.vocabulary.size)


def _default_names(allocation: Allocation | Vocabulary, config: TrainConfig) -> tuple[str, str]:
    """Return the names under which defaults of a model are kept: of its output, and of its input."""
    if isinstance(allocation, Vocabulary):
        return ("full" if config.loss == "softmax" else config.loss), "full"
    if isinstance(allocation, Table):
        return ("lightrnn" if config.table_model == "lightrnn" else "table"), "table"
    return ("adaptive" if isinstance(allocation, Cutoffs) else allocation.kind), "full"


def detach(state: State) -> State:
    """Cut the gradient's road through the recurrent state."""
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


def join(states: list[State]) -> State:
    """Put the states of a batch's parts together again."""
    if len(states) == 1:
        return states[0]
    if isinstance(states[0], tuple):
        return tuple(torch.cat(parts, dim=1) for parts in zip(*states, strict=True))
    return torch.cat(states, dim=1)


# Every output layer begins at the unigram distribution; tables do so by themselves.
_BIASES: dict[type, dict[str, bool]] = {
    Vocabulary: {"bias": True},
    Cutoffs: {"head_bias": True},
    Classes: {"bias": True},
    Tree: {"bias": True},
    Table: {},
}


def _output(allocation: Allocation | Vocabulary, config: TrainConfig) -> OutputLayer:
    if config.loss == "softmax":
        return output_layer(allocation, config.width, **(_BIASES[type(allocation)] if config.bias else {}))
    if not isinstance(allocation, Vocabulary):
        raise InputError(
            f"the loss {config.loss} samples a full output layer, and {allocation.kind} ask for another; leave one out"
        )
    names = ("loss", "samples", "noise", "noise_power", "negatives", "normaliser", "effective_samples")
    return SampledSoftmax.from_allocation(allocation, config.width, **{name: getattr(config, name) for name in names})


def _recurrent(allocation: Allocation | Vocabulary, config: TrainConfig) -> tuple[nn.Module, nn.Module | None]:
    """Return the recurrent layers, and what finds a word's class if they want to know it."""
    if config.recurrence == "plain":
        between = config.dropout if config.layers > 1 else 0.0
        return CELLS[config.cell](config.width, config.width, config.layers, batch_first=True, dropout=between), None
    if not isinstance(allocation, Classes | Table):
        raise InputError("a recurrence by classes needs an allocation of classes or a table; give --allocation")
    class_of = class_lookup(allocation)
    return ClassRecurrent(config.cell, config.width, class_of.n_classes, config.layers, config.dropout), class_of


def _embedding(allocation: Allocation | Vocabulary, output: OutputLayer, config: TrainConfig) -> nn.Module:
    if config.input == "adaptive":
        if not isinstance(allocation, Cutoffs) or not isinstance(output, AdaptiveSoftmax):
            raise InputError("an adaptive input needs an allocation of cutoffs; give --allocation, or --input full")
        return AdaptiveEmbedding.from_allocation(allocation, config.width, tied=output if config.tie else None)
    if config.input == "classes":
        if not isinstance(allocation, Classes):
            raise InputError("an input of classes needs an allocation of classes; give --allocation, or --input full")
        if config.tie:
            raise InputError("an input of classes has no word vectors to share; give --no-tie")
        return ClassEmbedding.from_allocation(allocation, config.width, own_words=config.own_words or 0)
    if config.input == "table":
        if not isinstance(allocation, Table):
            raise InputError("a table input needs an allocation that is a table; give --allocation, or --input full")
        if config.tie:
            raise InputError("a table input has no word vectors to share; give --no-tie")
        return TableEmbedding.from_allocation(allocation, config.width, own_words=config.own_words or 0)
    embedding = nn.Embedding(output.vocab_size, config.width)
    # Unit-norm rows, not torch's unit-variance entries: those saturate the gates of a wide cell.
    nn.init.normal_(embedding.weight, std=config.width**-0.5)
    if config.tie:
        if not isinstance(output, FullSoftmax):
            raise InputError(
                f"{type(output).__name__} cannot share a full input's vectors; give --no-tie"
                + (", or --input adaptive" if isinstance(allocation, Cutoffs) else "")
            )
        output.tie(embedding.weight)
    return embedding


def choose_device(name: str) -> torch.device:
    """Return the device asked for; auto is the best there is."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, there in available.items() if there)
    if not available.get(name):
        raise InputError(f"the device {name} is not there; use --device auto or cpu")
    return torch.device(name)
