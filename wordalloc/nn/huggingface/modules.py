"""What stands in a model of transformers for its output and its input embedding: they take and give token ids."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordalloc.allocations import Allocation, Classes, Cutoffs, Table, Tree
from wordalloc.checks import plain_json
from wordalloc.errors import InputError
from wordalloc.nn import output_layer
from wordalloc.nn.embedding import AdaptiveEmbedding
from wordalloc.nn.huggingface.token_ids import TokenIds
from wordalloc.nn.table_softmax import TableEmbedding

# Biases begin at the counts, so that training does not start by learning them. A table's softmax always does that.
_DEFAULTS: dict[type, dict[str, Any]] = {
    Cutoffs: {"head_bias": True},
    Classes: {"bias": True},
    Tree: {"bias": True},
    Table: {},
}


class AllocatedHead(nn.Module):
    """An output layer in the place of a model's ``lm_head``.

    Parameters
    ----------
    allocation : Cutoffs, Classes, Tree or Table
        What the layer is made for.
    dim : int
        d, the width of the hidden states.
    n_ids : int
        How many token ids the model has.
    options : dict
        Of the layer; plain JSON values, for they are written to the model's ``config.json``.

    Attributes
    ----------
    layer : OutputLayer
        Its targets are ranks.
    for_loss : bool
        Whether the model is about to ask for the loss: it then gets its own hidden states back instead of logits, to
        hand them to `loss`.
    """

    def __init__(self, allocation: Allocation, dim: int, n_ids: int, options: dict[str, Any]) -> None:
        super().__init__()
        if type(allocation) not in _DEFAULTS:
            raise InputError(f"a head needs cutoffs, classes, a tree or a table, not {type(allocation).__name__}")
        chosen = {**_DEFAULTS[type(allocation)], **plain_json(options, "options")}
        self.allocation = allocation
        self.layer = output_layer(allocation, dim, **chosen)
        self.ids = TokenIds(allocation.vocabulary, n_ids)
        self.for_loss = False
        self._first = _first_parameter(self.layer)

    @property
    def weight(self) -> Tensor:
        """One of the layer's matrices: some families ask the head for its dtype this way."""
        return attrgetter(self._first)(self.layer)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return logits, (..., d) -> (..., n_ids), or the hidden states where the loss will be asked for.

        Raises
        ------
        InputError
            If logits are asked for while training with gradients, and some of them would be -inf.
        """
        if self.for_loss:
            return hidden
        lacking = self.ids.n_ids - self.ids.n_words
        if lacking and self.training and torch.is_grad_enabled():
            # Trainer drops an infinite loss from its logs, so nobody would notice.
            raise InputError(
                f"{lacking} of {self.ids.n_ids} token ids have no word in the allocation, so that a loss made of "
                "logits, as by label_smoothing_factor, could be infinite: give the model labels instead, or make the "
                "allocation for all ids (with the count 0, if need be), or look at logits in eval mode or no_grad"
            )
        return self.logits(hidden)

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the log-probability of each token id, (..., d) -> (..., n_ids), in at least float32."""
        flat = hidden.reshape(-1, hidden.shape[-1]).to(self.weight.dtype)
        return self.ids.by_id(self.layer.log_prob(flat)).reshape(*hidden.shape[:-1], self.ids.n_ids)

    def loss(
        self,
        hidden: Tensor,
        labels: Tensor,
        num_items_in_batch: Tensor | int | None = None,
        ignore_index: int = -100,
        shift_labels: Tensor | None = None,
    ) -> Tensor:
        """Return what transformers' ``ForCausalLMLoss`` would of the logits, without making them.

        Parameters
        ----------
        hidden : Tensor, shape (B, T, d)
            Hidden states.
        labels : Tensor of int, shape (B, T)
            Token ids, not shifted: the state at t predicts the label at t + 1.
        num_items_in_batch : Tensor or int, optional
            What the sum is divided by; default: how many labels are not ignored. Trainer gives that of all batches
            whose gradients it accumulates.
        ignore_index : int
            Labels of this value count nothing.
        shift_labels : Tensor of int, shape (B, T), optional
            Labels that are shifted already.
        """
        if shift_labels is None:
            shift_labels = F.pad(labels, (0, 1), value=ignore_index)[..., 1:]
        target = self.ids.ranks(shift_labels.to(hidden.device), ignore_index)
        reduction = "mean" if num_items_in_batch is None else "sum"
        loss = self.layer.loss(hidden.to(self.weight.dtype), target, reduction, ignore_index)
        if num_items_in_batch is None:
            return loss
        return loss / torch.as_tensor(num_items_in_batch, device=loss.device)


def _first_parameter(module: nn.Module) -> str:
    """Return the name of a module's first parameter: replicas of nn.DataParallel have it as an attribute alone."""
    return next(name for name, _ in module.named_parameters())


class AllocatedEmbedding(nn.Module):
    """An adaptive or a table embedding in the place of a model's input embedding.

    Ids without a word share one vector, which begins at 0.

    Parameters
    ----------
    allocation : Cutoffs or Table
        What the embedding is made for.
    dim : int
        d, the width of the embeddings.
    n_ids : int
        How many token ids the model has.
    options : dict
        Those of the head, of which the embedding shares ``div_value``.
    """

    def __init__(self, allocation: Allocation, dim: int, n_ids: int, options: dict[str, Any]) -> None:
        super().__init__()
        self.embedding: nn.Module
        if isinstance(allocation, Cutoffs):
            shared = {name: options[name] for name in ("div_value",) if name in options}
            self.embedding = AdaptiveEmbedding.from_allocation(allocation, dim, **shared)
        elif isinstance(allocation, Table):
            self.embedding = TableEmbedding.from_allocation(allocation, dim)
        else:
            raise InputError(
                f"an input embedding needs cutoffs or a table, not {type(allocation).__name__}; "
                "replace the head alone, with embedding=False"
            )
        self.ids = TokenIds(allocation.vocabulary, n_ids)
        self.unknown = nn.Parameter(torch.zeros(dim)) if self.ids.n_words < n_ids else None
        self._first = _first_parameter(self.embedding)

    @property
    def weight(self) -> Tensor:
        """One of the matrices: some families ask the embedding for its dtype this way."""
        return attrgetter(self._first)(self.embedding)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the embeddings of token ids: (...) -> (..., d); what is no id is an error, as in nn.Embedding."""
        ranks = F.embedding(ids, self.ids.rank_of.unsqueeze(1)).squeeze(-1)
        if self.unknown is None:
            return self.embedding(ranks)
        vectors = self.embedding(ranks.clamp(max=self.ids.n_words - 1))
        return torch.where((ranks == self.ids.n_words).unsqueeze(-1), self.unknown, vectors)
