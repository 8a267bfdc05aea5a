"""Cross-entropy over a head and its tail clusters, in blocks, as two operators that a compiler sees whole.

The logits of a block of tokens are made, turned into probabilities in place, and used up for the gradients before
the next block is made in the same memory: as fused linear cross-entropy kernels do. So the peak is one block, and
the memory stays in use instead of being asked for anew.

Tokens are sorted by cluster once, and each cluster sees its own tokens alone. A layer without tail clusters is a
full softmax.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK_BYTES = 64 << 20  # of logits: large enough that a block's products dwarf reading the weights again
_TINY = 1e-30

Group = tuple[int, Tensor]  # tail cluster and the positions of its tokens


@torch.library.custom_op("wordalloc::nll", mutates_args=())
def nll(
    hidden: Tensor,
    target: Tensor,
    head: Tensor,
    head_bias: Tensor | None,
    projections: list[Tensor],
    outputs: list[Tensor],
    cutoffs: list[int],
) -> Tensor:
    """Return each token's nll, (N, d), (N,) -> (N,). The weights' shapes are those of `AdaptiveSoftmax`."""
    return _run(hidden, target, head, head_bias, projections, outputs, cutoffs, None)[0]


@torch.library.custom_op("wordalloc::nll_gradients", mutates_args=())
def nll_gradients(
    hidden: Tensor,
    target: Tensor,
    head: Tensor,
    head_bias: Tensor | None,
    projections: list[Tensor],
    outputs: list[Tensor],
    cutoffs: list[int],
    weight: Tensor,
) -> list[Tensor]:
    """Return Σ weight · nll and its gradients: by hidden, head, head_bias, and each projection and output."""
    values, gradients = _run(hidden, target, head, head_bias, projections, outputs, cutoffs, weight)
    return [(values * weight).sum(), *gradients]


def _run(
    hidden: Tensor,
    target: Tensor,
    head: Tensor,
    head_bias: Tensor | None,
    projections: list[Tensor],
    outputs: list[Tensor],
    cutoffs: list[int],
    weight: Tensor | None,
) -> tuple[Tensor, list[Tensor]]:
    head_target, groups = _group(target, cutoffs)
    values, gradients = _linear_nll(hidden, head, head_bias, head_target, weight)
    by_hidden, by_head, by_bias = gradients or (hidden, head, head)
    tails = (
        [] if weight is None else [torch.zeros_like(w) for pair in zip(projections, outputs, strict=True) for w in pair]
    )
    for cluster, tokens in groups:
        projection, output = projections[cluster], outputs[cluster]
        states = hidden[tokens]
        narrow = states @ projection.t()
        local = target[tokens] - cutoffs[cluster]
        tail_values, gradients = _linear_nll(narrow, output, None, local, None if weight is None else weight[tokens])
        values.index_add_(0, tokens, tail_values)
        if gradients is not None:
            by_narrow = gradients[0]
            by_hidden.index_add_(0, tokens, by_narrow @ projection)
            tails[2 * cluster] = by_narrow.t() @ states
            tails[2 * cluster + 1] = gradients[1]
    if weight is None:
        return values, []
    return values, [by_hidden, by_head, by_bias, *tails]


def _group(target: Tensor, cutoffs: list[int]) -> tuple[Tensor, list[Group]]:
    """Return the targets in the head, where a cluster is one entry, and the tokens of each cluster that has any."""
    if not cutoffs:
        return target, []
    bounds = torch.tensor(cutoffs, dtype=target.dtype, device=target.device)
    cluster = torch.bucketize(target, bounds, right=True)
    head_target = torch.where(cluster == 0, target, cutoffs[0] - 1 + cluster)
    order = torch.argsort(cluster, stable=True)
    sizes = torch.bincount(cluster, minlength=len(cutoffs) + 1).tolist()
    parts = torch.split(order, sizes)
    return head_target, [(number, tokens) for number, tokens in enumerate(parts[1:]) if tokens.numel()]


def _linear_nll(
    hidden: Tensor, matrix: Tensor, bias: Tensor | None, target: Tensor, weight: Tensor | None
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor] | None]:
    """Return the nll of each row and, with `weight`, the gradients of Σ weight · nll by hidden, matrix and bias."""
    n, k = hidden.shape[0], matrix.shape[0]
    precise = hidden.dtype if hidden.dtype == torch.float64 else torch.float32
    rows = max(16, min(n, BLOCK_BYTES // (k * hidden.element_size())))
    logits = hidden.new_empty(min(rows, n), k)
    values = hidden.new_empty(n, dtype=precise)
    if weight is not None:
        by_hidden = torch.empty_like(hidden)
        by_matrix = torch.zeros_like(matrix, dtype=precise)
        by_bias = torch.zeros(k, dtype=precise, device=matrix.device) if bias is not None else matrix.new_empty(0)
    for start in range(0, n, rows):
        block = slice(start, start + rows)
        states, labels = hidden[block], target[block, None].long()
        scores = torch.mm(states, matrix.t(), out=logits[: states.shape[0]])
        if bias is not None:
            scores += bias
        if scores.dtype == precise and scores.device.type == "cpu":
            shares = torch.softmax(scores, 1, out=scores)
            values[block] = _nll_of_shares(shares, states, matrix, bias, labels)
        else:
            logs = F.log_softmax(scores, 1, dtype=precise)
            values[block] = logs.gather(1, labels).squeeze(1).neg()
            shares = logs.exp_().to(scores.dtype)
        if weight is None:
            continue
        # The gradient by the logits is weight · (share - 1 at the target). The weight is applied to the narrow
        # factors of the products, which saves a pass over the wide one.
        scale = weight[block, None].to(hidden.dtype)
        shares.scatter_add_(1, labels, shares.new_full((1, 1), -1.0).expand(labels.shape))
        torch.mm(shares, matrix, out=by_hidden[block]).mul_(scale)
        scaled = states * scale
        if by_matrix.dtype == shares.dtype:
            by_matrix.addmm_(shares.t(), scaled)
        else:
            by_matrix += shares.t() @ scaled
        if bias is not None:
            by_bias += shares.t() @ scale.squeeze(1)
    if weight is None:
        return values, None
    return values, (by_hidden, by_matrix.to(matrix.dtype), by_bias.to(matrix.dtype))


def _nll_of_shares(shares: Tensor, states: Tensor, matrix: Tensor, bias: Tensor | None, labels: Tensor) -> Tensor:
    """Return the nll of each row's label from the softmax, on the CPU.

    The softmax in place takes a quarter of the time of the log-softmax and the exponential after it. Its logarithm
    is as exact, except where a share is too small for its dtype: such rows are computed again the long way.
    """
    chosen = shares.gather(1, labels).squeeze(1)
    values = chosen.log().neg_()
    lost = (chosen < _TINY).nonzero().squeeze(1)
    if lost.numel():
        values[lost] = F.cross_entropy(F.linear(states[lost], matrix, bias), labels[lost, 0], reduction="none")
    return values


@nll.register_fake
def _(hidden, target, head, head_bias, projections, outputs, cutoffs):  # type: ignore[no-untyped-def]
    dtype = hidden.dtype if hidden.dtype == torch.float64 else torch.float32
    return hidden.new_empty(hidden.shape[0], dtype=dtype)


@nll_gradients.register_fake
def _(hidden, target, head, head_bias, projections, outputs, cutoffs, weight):  # type: ignore[no-untyped-def]
    tails = [torch.empty_like(w) for pair in zip(projections, outputs, strict=True) for w in pair]
    by_bias = torch.empty_like(head_bias) if head_bias is not None else head.new_empty(0)
    return [weight.new_empty(()), torch.empty_like(hidden), torch.empty_like(head), by_bias, *tails]


def _keep_inputs(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    hidden, target, head, head_bias, projections, outputs, ctx.cutoffs = inputs
    ctx.n_tails, ctx.has_bias = len(projections), head_bias is not None
    ctx.save_for_backward(hidden, target, head, *projections, *outputs, *([head_bias] if ctx.has_bias else []))


def _nll_backward(ctx, slope):  # type: ignore[no-untyped-def]
    """Recompute the blocks with the gradients' weights, which are known only now."""
    hidden, target, head, *rest = ctx.saved_tensors
    projections, outputs = rest[: ctx.n_tails], rest[ctx.n_tails : 2 * ctx.n_tails]
    bias = rest[-1] if ctx.has_bias else None
    gradients = nll_gradients(hidden, target, head, bias, projections, outputs, ctx.cutoffs, slope.contiguous())
    return _in_order(gradients[1:], ctx.has_bias)


def _keep_gradients(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.has_bias = inputs[3] is not None
    ctx.save_for_backward(*output[1:])
    ctx.mark_non_differentiable(*output[1:])


def _nll_gradients_backward(ctx, slopes):  # type: ignore[no-untyped-def]
    return (*_in_order([gradient * slopes[0] for gradient in ctx.saved_tensors], ctx.has_bias), None)


def _in_order(gradients, has_bias):  # type: ignore[no-untyped-def]
    """Arrange gradients as the operators' arguments: hidden, target, head, head_bias, projections, outputs, cutoffs."""
    by_hidden, by_head, by_bias, *tails = gradients
    for_cutoffs: list[None] | None = (
        None if tails else []
    )  # torch takes an empty list of whole numbers for one of tensors
    return by_hidden, None, by_head, by_bias if has_bias else None, tails[::2], tails[1::2], for_cutoffs


nll.register_autograd(_nll_backward, setup_context=_keep_inputs)
nll_gradients.register_autograd(_nll_gradients_backward, setup_context=_keep_gradients)
