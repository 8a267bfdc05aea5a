"""Putting a head, and on request an input embedding, into a causal language model of transformers."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from wordalloc.allocations import Allocation
from wordalloc.errors import InputError
from wordalloc.nn.huggingface.causal_lm import allocated_class
from wordalloc.nn.huggingface.modules import AllocatedEmbedding, AllocatedHead
from wordalloc.nn.huggingface.token_ids import check_tokens
from wordalloc.nn.protocol import OutputLayer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Replacement:
    """What `replace_lm_head` did; as a string, one line that says so.

    Attributes
    ----------
    layer : OutputLayer
        The new output layer, whose targets are ranks.
    embedding : Module or None
        The new input embedding, where one was asked for.
    parameters_before, parameters_after : int
        Of the whole model; shared ones count once.
    """

    layer: OutputLayer
    embedding: nn.Module | None
    parameters_before: int
    parameters_after: int

    def __str__(self) -> str:
        new = [module for module in (self.layer, self.embedding) if module is not None]
        change = 100 * (self.parameters_after / self.parameters_before - 1)
        return (
            f"{' and '.join(type(module).__name__ for module in new)}: {self.parameters_before:,} parameters before, "
            f"{self.parameters_after:,} after ({change:+.1f} %)"
        )


def replace_lm_head(
    model: PreTrainedModel,
    allocation: Allocation,
    *,
    embedding: bool = False,
    tokenizer: PreTrainedTokenizerBase | None = None,
    verbose: bool = True,
    **options: Any,
) -> Replacement:
    """Put the head that an allocation describes into a causal language model, which is changed in place.

    The model is used as before: token ids are those of its tokenizer, whatever their order, in ``labels`` and
    ``logits`` too, with ``Trainer``, ``generate()`` and ``save_pretrained``; `from_pretrained` of this package loads
    it again. ``logits`` are log-probabilities, -inf for ids that the allocation does not have. With labels the loss is
    computed from the hidden states, and logits are made in eval mode alone: while training the output has none. Without
    labels it has them, but while training with gradients only if the allocation has all ids: a loss of one's own, or
    Trainer's with ``label_smoothing_factor``, could be infinite otherwise.

    The new weights are untrained; biases begin at the counts. Tied input and output embeddings are untied.

    Parameters
    ----------
    model : PreTrainedModel
        Any causal language model of transformers whose forward pass gives the hidden states to its output embedding,
        and the result, unchanged, to its loss function; this is tried.
    allocation : Cutoffs, Classes, Tree or Table
        Over the model's tokens: its vocabulary has their ids, or has as many words as the model has tokens, and then
        ranks are ids.
    embedding : bool
        Replace the input embedding, too, by the adaptive or the table's one.
    tokenizer : PreTrainedTokenizerBase, optional
        Check that the allocation's words are this tokenizer's tokens.
    verbose : bool
        Print how many parameters the model had and has, and whether ranks are taken for ids unchecked.
    **options
        Of the output layer, as ``div_value`` of `AdaptiveSoftmax`; plain JSON values.

    Raises
    ------
    InputError
        If the model is no causal language model that this can be done to, the allocation's tokens are not its own,
        or an option is wrong. The model is then as it was.

    Examples
    --------
    >>> import wordalloc
    >>> from transformers import GPT2Config, GPT2LMHeadModel
    >>> shape = {"n_embd": 8, "n_layer": 1, "n_head": 1, "n_positions": 8}
    >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=100, bos_token_id=0, eos_token_id=0, **shape))
    >>> tokens = [f"token {i}" for i in range(100)]
    >>> vocabulary = wordalloc.Vocabulary.from_counts(tokens, range(100), ids=range(100))  # id 99 has rank 0
    >>> replacement = replace_lm_head(model, wordalloc.Cutoffs(vocabulary, [4]), embedding=True)
    AdaptiveSoftmax and AdaptiveEmbedding: 1,752 parameters before, 1,445 after (-17.5 %)
    >>> ids = torch.tensor([[99, 0, 50]])
    >>> model(ids).logits.shape, model(ids, labels=ids).loss.shape
    (torch.Size([1, 3, 100]), torch.Size([]))
    """
    check_model(model, embedding)
    if not isinstance(allocation, Allocation):
        raise InputError(f"a head needs cutoffs, classes, a tree or a table, not {type(allocation).__name__}")
    check_tokens(allocation.vocabulary, model.get_output_embeddings().weight.shape[0], tokenizer)
    before = _n_parameters(model)
    install(model, allocation, embedding, options)
    model.__class__ = allocated_class(type(model))  # type: ignore[arg-type]  # a class is hashable
    new_embedding = model.get_input_embeddings().embedding if embedding else None
    replacement = Replacement(model.get_output_embeddings().layer, new_embedding, before, _n_parameters(model))
    if verbose:
        print(replacement)
        if allocation.vocabulary.ids is None and tokenizer is None:
            print("the allocation has no token ids: its ranks are taken for them; tokenizer= checks that they are")
    return replacement


def check_model(model: PreTrainedModel, embedding: bool) -> None:
    """Refuse a model whose head cannot be replaced, or with `embedding` whose input embedding cannot."""
    from transformers import PreTrainedModel
    from transformers.loss.loss_utils import LOSS_MAPPING, ForCausalLMLoss

    name = type(model).__name__
    if not isinstance(model, PreTrainedModel):
        raise InputError(f"expected a causal language model of transformers, not {name}")
    head = model.get_output_embeddings()
    if isinstance(head, AllocatedHead):
        raise InputError(f"the head of this {name} is an allocation's already; begin with a fresh model")
    if not isinstance(head, nn.Linear) or head not in list(model.children()):
        raise InputError(f"{name} has no linear head of its own that could be replaced; use a causal language model")
    if head.weight.is_meta:
        raise InputError(f"the weights of this {name} are not loaded; load them first")
    found = model.get_input_embeddings()
    if embedding and type(found) is not nn.Embedding:
        raise InputError(
            f"the input embedding of {name}, {type(found).__name__}, does more than look up vectors; replace its head "
            "alone, with embedding=False"
        )
    usual = LOSS_MAPPING.get(model.loss_type, ForCausalLMLoss) is ForCausalLMLoss
    if not usual or hasattr(model, "_loss_function"):
        raise InputError(f"{name} has a loss of its own; only the usual one of causal language models can be replaced")
    try:
        passed_on = _passes_logits_on(model, head)
    except Exception as error:  # of a model's own code
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{name} could not be tried with input_ids and labels alone: {reason}") from error
    if not passed_on:
        raise InputError(
            f"{name} changes its logits after the head, or makes its loss otherwise; if its config scales or caps "
            "them (as logit_scale and final_logit_softcapping do), switch that off, else use another family"
        )


def _passes_logits_on(model: PreTrainedModel, head: nn.Module) -> bool:
    """Try whether what the head returns is what the loss function gets and what the model returns."""
    given: list[torch.Tensor] = []
    found: list[torch.Tensor] = []

    def loss(logits: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        found.append(logits)
        return logits.new_zeros(())

    def known(module: nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        """Return logits that no scale or cap leaves as they are, which zeros would be."""
        values = torch.linspace(-50, 50, output.numel(), device=output.device)
        given.append(values.to(output.dtype).view_as(output))
        return given[-1]

    hook = head.register_forward_hook(known)
    model.loss_function = loss
    try:
        with torch.no_grad():
            ids = torch.zeros(1, 2, dtype=torch.int64, device=model.device)
            found.append(model(input_ids=ids, labels=ids, return_dict=True).logits)
    finally:
        hook.remove()
        del model._loss_function
    return (len(given), len(found)) == (1, 2) and all(torch.equal(given[0].float(), one.float()) for one in found)


def install(model: PreTrainedModel, allocation: Allocation, embedding: bool, options: dict[str, Any]) -> None:
    """Set the new modules, untie the embeddings, and note in the config what `from_pretrained` needs to know."""
    old, old_input = model.get_output_embeddings(), model.get_input_embeddings()
    n_ids, dim = old.weight.shape
    head: nn.Module = AllocatedHead(allocation, dim, n_ids, options)
    replaced = [(old, head, model.set_output_embeddings)]
    if embedding:
        vectors = AllocatedEmbedding(allocation, old_input.embedding_dim, n_ids, options)
        replaced.append((old_input, vectors, model.set_input_embeddings))
    for former, module, put in replaced:
        device = "cpu" if former.weight.is_meta else former.weight.device
        put(module.to(device, former.weight.dtype).train(former.training))
    copies: dict[int, Any] = {}
    for part in model.modules():  # other models may have been made from its config, or will be
        if "config" in vars(part):
            part.config = copy.deepcopy(part.config, copies)
    for config in (model.config, model.config.get_text_config()):
        config.tie_word_embeddings = False
    model.all_tied_weights_keys = model.get_expanded_tied_weights_keys(all_submodels=True)
    model.config.wordalloc = {"embedding": embedding, "options": options}


def _n_parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
