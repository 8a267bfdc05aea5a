"""The language model: embedding, recurrent layers, output layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from wordalloc.allocations import Allocation, Cutoffs
from wordalloc.errors import InputError
from wordalloc.nn import AdaptiveEmbedding, AdaptiveSoftmax, FullSoftmax, OutputLayer, output_layer
from wordalloc.training.config import TrainConfig
from wordalloc.training.data import IGNORED
from wordalloc.vocabulary import Vocabulary

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
State = Any  # a tensor (layers, B, d), or for the LSTM a pair of them


class LanguageModel(nn.Module):
    """Predict each word from those before it.

    Parameters
    ----------
    allocation : Allocation or Vocabulary
        Picks the output layer; a vocabulary asks for the full softmax.
    config : TrainConfig
        Cell, width, layers, dropout, input, tie.
    """

    def __init__(self, allocation: Allocation | Vocabulary, config: TrainConfig) -> None:
        super().__init__()
        self.output: OutputLayer = output_layer(allocation, config.width)
        self.embedding = _embedding(allocation, self.output, config)
        between = config.dropout if config.layers > 1 else 0.0
        self.recurrent = CELLS[config.cell](
            config.width, config.width, config.layers, batch_first=True, dropout=between
        )
        self.dropout = nn.Dropout(config.dropout)

    def hidden(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Return hidden states, (B, T) -> (B, T, d), and the recurrent state after them."""
        states, state = self.recurrent(self.dropout(self.embedding(inputs)), state)
        return self.dropout(states), state

    def loss(self, inputs: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the summed nll of the targets that are not padding, and the state."""
        hidden, state = self.hidden(inputs, state)
        return self.output.loss(hidden, targets, reduction="sum", ignore_index=IGNORED), state


def layer_name(allocation: Allocation | Vocabulary) -> str:
    """Return the name under which defaults of an output layer are kept."""
    if isinstance(allocation, Vocabulary):
        return "full"
    return "adaptive" if isinstance(allocation, Cutoffs) else allocation.kind


def detach(state: State) -> State:
    """Cut the gradient's road through the recurrent state."""
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


def rows_of(state: State, rows: slice) -> State:
    """Return the recurrent state of some of a batch's sequences: (layers, B, d) along B."""
    if state is None:
        return None
    if isinstance(state, tuple):
        return tuple(part[:, rows].contiguous() for part in state)
    return state[:, rows].contiguous()


def join(states: list[State]) -> State:
    """Put the states of a batch's parts together again."""
    if len(states) == 1:
        return states[0]
    if isinstance(states[0], tuple):
        return tuple(torch.cat(parts, dim=1) for parts in zip(*states, strict=True))
    return torch.cat(states, dim=1)


def _embedding(allocation: Allocation | Vocabulary, output: OutputLayer, config: TrainConfig) -> nn.Module:
    if config.input == "adaptive":
        if not isinstance(allocation, Cutoffs) or not isinstance(output, AdaptiveSoftmax):
            raise InputError("an adaptive input needs an allocation of cutoffs; give --allocation, or --input full")
        return AdaptiveEmbedding.from_allocation(allocation, config.width, tied=output if config.tie else None)
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
    if not available[name]:
        raise InputError(f"the device {name} is not there; use --device auto or cpu")
    return torch.device(name)
