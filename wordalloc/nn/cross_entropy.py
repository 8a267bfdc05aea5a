"""Cross-entropy over a head and its tail clusters, whose logits are never stored whole.

Tokens are sorted by cluster once, and each cluster sees its own tokens alone. A layer without tail clusters is a full
softmax. There are two roads for the clusters: on the CPU the host reads how many tokens each has and makes matrix
products of just these; on CUDA that number stays on the device (`wordalloc.nn.tails`), so nothing waits.

`weighted_nll` computes value and gradients in one pass. `nll`, whose gradients' weights are known only in the backward
pass, keeps each token's logsumexp and makes the blocks again there. In eager mode both are autograd functions; a
compiler sees each of their passes as one operator.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from wordalloc.nn.arrays import precise_dtype
from wordalloc.nn.linear_nll import linear_nll
from wordalloc.nn.tails import Tokens, Totals, add_tail


class Weights(NamedTuple):
    """Those of an `AdaptiveSoftmax`, of whose shapes they are."""

    head: Tensor
    head_bias: Tensor | None
    projections: list[Tensor]
    outputs: list[Tensor]
    cutoffs: list[int]

    def flat(self) -> list[Tensor | None]:
        """Return the tensors in one list: head, bias, projections, outputs."""
        return [self.head, self.head_bias, *self.projections, *self.outputs]

    @staticmethod
    def of(flat: Any, cutoffs: list[int]) -> Weights:
        """Return the weights whose list is `flat`."""
        head, bias, *tails = flat
        return Weights(head, bias, tails[: len(cutoffs)], tails[len(cutoffs) :], cutoffs)


def nll(hidden: Tensor, target: Tensor, weights: Weights) -> Tensor:
    """Return each token's nll, (N, d), (N,) -> (N,), in float32 or float64."""
    hidden, weights = _under_autocast(hidden, weights)
    if torch.compiler.is_compiling():
        return nll_op(hidden, target, *weights)[0]
    return _NLL.apply(weights.cutoffs, hidden, target, *weights.flat())


def weighted_nll(hidden: Tensor, target: Tensor, weights: Weights, weight: Tensor) -> Tensor:
    """Return Σ weight · nll, (N, d), (N,), (N,) -> scalar; gradients, where they are wanted, in the same pass."""
    if not torch.is_grad_enabled():
        return (nll(hidden, target, weights) * weight).sum()
    hidden, weights = _under_autocast(hidden, weights)
    if torch.compiler.is_compiling():
        return nll_gradients_op(hidden, target, *weights, weight, None)[0]
    return _WeightedNLL.apply(weights.cutoffs, hidden, target, weight, *weights.flat())


def _under_autocast(hidden: Tensor, weights: Weights) -> tuple[Tensor, Weights]:
    """Return hidden state and weights, under autocast in its dtype."""
    device = hidden.device.type
    if not torch.is_autocast_enabled(device):
        return hidden, weights
    dtype = torch.get_autocast_dtype(device)
    narrow = [None if tensor is None else tensor.to(dtype) for tensor in weights.flat()]
    return hidden.to(dtype), Weights.of(narrow, weights.cutoffs)


# Passes. Gradients are lists in the order of hidden and `Weights.flat`.


def _run(
    hidden: Tensor, target: Tensor, weights: Weights, logsumexp: Tensor | None, slope: Tensor | None
) -> tuple[Tensor, Tensor, list[Any]]:
    """Do one pass: forward without a slope, backward with an earlier pass's logsumexp, both at once without it.

    Returns
    -------
    values : Tensor, shape (N,)
        Each token's nll.
    logsumexp : Tensor, shape (2, N)
        In the head, and in the token's tail cluster.
    gradients : list of Tensor
        Of Σ slope · nll, by hidden and each of `Weights.flat`; None for no bias. Empty without a slope.
    """
    with torch.autocast(hidden.device.type, enabled=False):
        tokens = Tokens(hidden, target, weights.cutoffs, slope)
        known_head, known_tail = (None, None) if logsumexp is None else logsumexp.unbind()
        values, head_sums, head = linear_nll(
            hidden, weights.head, weights.head_bias, tokens.head_target, known_head, slope
        )
        tail_sums = torch.zeros_like(head_sums) if known_tail is None else known_tail
        totals = Totals(values, tail_sums, logsumexp is not None, None if head is None else head.by_hidden)
        tails = [
            add_tail(tokens, number, projection, output, totals)
            for number, (projection, output) in enumerate(zip(weights.projections, weights.outputs, strict=True))
        ]
        sums = torch.stack([head_sums, tail_sums])
        if head is None:
            return values, sums, []
        return values, sums, [*head, *(tail[0] for tail in tails), *(tail[1] for tail in tails)]


class _NLL(torch.autograd.Function):
    """Each token's nll; the blocks are made again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, cutoffs: list[int], hidden: Tensor, target: Tensor, *flat: Tensor | None) -> Tensor:
        values, sums, _ = _run(hidden, target, Weights.of(flat, cutoffs), None, None)
        ctx.cutoffs = cutoffs
        ctx.save_for_backward(hidden, target, sums, *flat)
        return values

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Any, ...]:
        hidden, target, sums, *flat = ctx.saved_tensors
        by_hidden, *gradients = _run(hidden, target, Weights.of(flat, ctx.cutoffs), sums, slope.contiguous())[2]
        return None, by_hidden, None, *gradients


class _WeightedNLL(torch.autograd.Function):
    """The weighted sum, whose gradients are made in the forward pass."""

    @staticmethod
    def forward(
        ctx: Any, cutoffs: list[int], hidden: Tensor, target: Tensor, weight: Tensor, *flat: Tensor | None
    ) -> Tensor:
        values, _, ctx.gradients = _run(hidden, target, Weights.of(flat, cutoffs), None, weight)
        ctx.cutoffs = cutoffs
        ctx.save_for_backward(hidden, target, weight, *flat)
        return (values * weight).sum()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Any, ...]:
        gradients, ctx.gradients = ctx.gradients, None
        if gradients is None:  # they were handed over, and may have been changed since: a second backward pass
            hidden, target, weight, *flat = ctx.saved_tensors
            gradients = _run(hidden, target, Weights.of(flat, ctx.cutoffs), None, weight)[2]
        if not slope.is_cpu or slope != 1:  # elsewhere a look at it would wait for the device
            for gradient in gradients:
                if gradient is not None:
                    gradient.mul_(slope.to(gradient.dtype))
        by_hidden, *others = gradients
        return None, by_hidden, None, None, *others


# The same passes as operators, for compilers.


@torch.library.custom_op("wordalloc::nll", mutates_args=())
def nll_op(
    hidden: Tensor,
    target: Tensor,
    head: Tensor,
    head_bias: Tensor | None,
    projections: list[Tensor],
    outputs: list[Tensor],
    cutoffs: list[int],
) -> tuple[Tensor, Tensor]:
    """Return each token's nll, (N,), and its logsumexps, (2, N)."""
    return _run(hidden, target, Weights(head, head_bias, projections, outputs, cutoffs), None, None)[:2]


@torch.library.custom_op("wordalloc::nll_gradients", mutates_args=())
def nll_gradients_op(
    hidden: Tensor,
    target: Tensor,
    head: Tensor,
    head_bias: Tensor | None,
    projections: list[Tensor],
    outputs: list[Tensor],
    cutoffs: list[int],
    weight: Tensor,
    logsumexp: Tensor | None,
) -> list[Tensor]:
    """Return Σ weight · nll and its gradients by hidden, head, head_bias (empty without one), projections, outputs."""
    weights = Weights(head, head_bias, projections, outputs, cutoffs)
    values, _, gradients = _run(hidden, target, weights, logsumexp, weight)
    return [(values * weight).sum(), *(head.new_empty(0) if g is None else g for g in gradients)]


@nll_op.register_fake
def _(hidden, target, head, head_bias, projections, outputs, cutoffs):  # type: ignore[no-untyped-def]
    n, dtype = hidden.shape[0], precise_dtype(hidden)
    return hidden.new_empty(n, dtype=dtype), hidden.new_empty((2, n), dtype=dtype)


@nll_gradients_op.register_fake
def _(hidden, target, head, head_bias, projections, outputs, cutoffs, weight, logsumexp):  # type: ignore[no-untyped-def]
    by_bias = head.new_empty(0) if head_bias is None else torch.empty_like(head_bias)
    made = [torch.empty_like(weight) for weight in (*projections, *outputs)]
    return [weight.new_empty(()), torch.empty_like(hidden), torch.empty_like(head), by_bias, *made]


def _keep_inputs(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    hidden, target, head, head_bias, projections, outputs, ctx.cutoffs = inputs
    ctx.has_bias = head_bias is not None
    bias = [head_bias] if ctx.has_bias else []
    ctx.save_for_backward(hidden, target, output[1], head, *projections, *outputs, *bias)
    ctx.mark_non_differentiable(output[1])


def _nll_backward(ctx, slope, _):  # type: ignore[no-untyped-def]
    hidden, target, sums, head, *rest = ctx.saved_tensors
    bias = rest.pop() if ctx.has_bias else None
    n_tails = len(ctx.cutoffs)
    tails = rest[:n_tails], rest[n_tails:]
    _, *gradients = nll_gradients_op(hidden, target, head, bias, *tails, ctx.cutoffs, slope.contiguous(), sums)
    return _in_order(gradients, ctx)


def _keep_gradients(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.has_bias, ctx.cutoffs = inputs[3] is not None, inputs[6]
    ctx.save_for_backward(*output[1:])
    ctx.mark_non_differentiable(*output[1:])


def _nll_gradients_backward(ctx, slopes):  # type: ignore[no-untyped-def]
    return *_in_order([gradient * slopes[0] for gradient in ctx.saved_tensors], ctx), None, None


def _in_order(gradients, ctx):  # type: ignore[no-untyped-def]
    """Arrange gradients as the operators' arguments: hidden, target, head, head_bias, projections, outputs, cutoffs."""
    by_hidden, by_head, by_bias, *tails = gradients
    n_tails = len(ctx.cutoffs)
    # torch takes an empty list of whole numbers for one of tensors
    for_cutoffs: list[None] | None = None if tails else []
    return by_hidden, None, by_head, by_bias if ctx.has_bias else None, tails[:n_tails], tails[n_tails:], for_cutoffs


nll_op.register_autograd(_nll_backward, setup_context=_keep_inputs)
nll_gradients_op.register_autograd(_nll_gradients_backward, setup_context=_keep_gradients)
