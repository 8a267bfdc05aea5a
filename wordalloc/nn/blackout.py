"""BlackOut: a softmax over target and weighted negatives, trained to discriminate (Ji et al. 2016, section 3).

    p̃(c) = w(c) / (w(t) + Σ_k w(k)),  w(c) = exp s(c) / q(c)
    loss = -log p̃(t) - Σ_k log(1 - p̃(k))

p̃ is the one of the sampled softmax; the second sum, over the negatives, is new. Both are least where p̃ is the
probability of being the word that was seen, given the candidates, so s = log p + any constant at the optimum, for every
K; and as K grows, the gradient approaches that of the nll.

That holds because a negative that equals the target stays a candidate: it gets its share, and is pushed down as noise.
The paper leaves the target out of the negatives, which is much the same as long as K q(t) is small; for the most
frequent words, drawn many times a batch, it is not, and the optimum would be another.
"""

from __future__ import annotations

import torch
from torch import Tensor


def blackout(target_log_weight: Tensor, log_weights: Tensor) -> Tensor:
    """Return each token's loss: (N,). It is no nll.

    Parameters
    ----------
    target_log_weight : Tensor, shape (N,)
        s(t) - log q(t).
    log_weights : Tensor, shape (N, K)
        s(k) - log q(k) of the negatives.

    Examples
    --------
    Weights 2, 1 and 1 make p̃ = 1/2, 1/4, 1/4, so the loss is -log(1/2 · 3/4 · 3/4):

    >>> blackout(torch.tensor([2.0]).log(), torch.tensor([[1.0, 1.0]]).log()).neg().exp()
    tensor([0.2812])
    """
    log_sum = torch.logaddexp(target_log_weight, log_weights.logsumexp(1))
    shares = (log_weights - log_sum[:, None]).exp()
    # A share that rounds to 1 has a finite loss; the target's term goes on to push it down.
    most = 1 - torch.finfo(shares.dtype).eps
    return log_sum - target_log_weight - torch.log1p(-shares.clamp(max=most)).sum(1)
