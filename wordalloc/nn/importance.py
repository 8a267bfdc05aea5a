"""Importance sampling of the softmax's gradient (Bengio & Senécal 2003, 2008).

The gradient of a token's nll is -∇s(t) + Σ_w p(w) ∇s(w). Its sum over all words is estimated from K words k drawn from
the noise q, with weights w(k) = exp s(k) / q(k) that are divided by their own sum. That is the gradient of
-s(t) + log Ẑ, where Ẑ estimates the softmax's Z.

Bengio and Senécal let chance decide whether the target is in Ẑ. Where it is not, raising s(t) lowers the loss without
end, and training diverges once p(t) is well above the chance to draw t at all. But the target's term is known, so here
it stands in Ẑ, and the draws estimate the rest:

    Ẑ = exp s(t) + 1/K Σ over k ≠ t of exp s(k) / q(k)

Draws that hit the target are masked, since it is counted already. E[Ẑ] = Z exactly, the loss is at least 0, and its
value and gradient are those of the nll up to a bias of O(1/K), as log is not linear: for a finite K its optimum is not
quite the softmax's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Not -inf, of which a row of nothing but hits would have no gradient.
_NOTHING = -1e30


def importance_nll(target: Tensor, log_weights: Tensor, hits: Tensor) -> Tensor:
    """Return log Ẑ - s(t), an estimate of each token's nll: (N,).

    Parameters
    ----------
    target : Tensor, shape (N,)
        s(t).
    log_weights : Tensor, shape (N, K)
        s(k) - log q(k) of the negatives.
    hits : Tensor of bool, shape (N, K)
        Which negatives are the token's target.

    Examples
    --------
    Target of score log 2; negatives of weights 4, 8 and a hit. Ẑ = 2 + (4 + 8) / 3 = 6, so the estimate is log 6/2:

    >>> weights = torch.tensor([[4.0, 8.0, 5.0]])
    >>> importance_nll(torch.tensor([2.0]).log(), weights.log(), torch.tensor([[False, False, True]])).exp()
    tensor([3.])
    """
    others = log_weights.masked_fill(hits, _NOTHING).logsumexp(1) - math.log(log_weights.shape[1])
    return torch.logaddexp(target, others) - target


def log_moments(log_weights: Tensor) -> Tensor:
    """Return log Σ w and log Σ w² of each token's negatives, (N, K) -> (2, N); blocks are joined by ``logaddexp``."""
    return torch.stack([log_weights.logsumexp(1), (2 * log_weights).logsumexp(1)])


def effective_sample_size(moments: Tensor) -> Tensor:
    """Return (Σ w)² / Σ w², between 1 and K: (2, N) -> (N,).

    How many draws from the softmax itself would tell as much (Kong et al. 1994; Bengio & Senécal 2008, who draw more
    until it is enough).

    Parameters
    ----------
    moments : Tensor, shape (2, N)
        As `log_moments` returns them.

    Examples
    --------
    Four equal weights are worth four draws; one that outweighs the others is worth one:

    >>> weights = torch.tensor([[3.0, 3.0, 3.0, 3.0], [1e6, 1.0, 1.0, 1.0]])
    >>> effective_sample_size(log_moments(weights.log()))
    tensor([4.0000, 1.0000])
    """
    return (2 * moments[0] - moments[1]).exp()
