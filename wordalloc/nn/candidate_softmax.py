"""Sampled softmax: a softmax over the target and K negatives, with scores corrected by -log q (Jean et al. 2015).

    loss = -log of (w(t) / (w(t) + Σ_k w(k))),  w(c) = exp s(c) / q(c)

(Jean et al. 2015, "On using very large target vocabulary", section 3, where the correction is -log Q; Bengio & Senécal
2008.) It is the cross-entropy of the question which of the K + 1 candidates is the word that was seen, the others being
draws from q. By Bayes' rule the answer is p(c)/q(c) over its sum, so the optimum is s = log p + any constant: the
softmax, exactly and for every K (the ranking objective of Ma & Collins 2018).

That holds because a negative that equals the target stays: they are candidates between which nothing can decide. To
mask such hits, as is right where negatives are drawn without replacement, would leave the target's 1/q(t) without its
counterpart, and is wrong as soon as K q(t) is not small. For the same reason a word drawn twice is two candidates, each
corrected by log q (or by log K q, as K cancels), not one by the logarithm of how often it is expected.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor


def sampled_softmax_nll(target: Tensor, target_log_noise: Tensor, log_weights: Tensor) -> Tensor:
    """Return the loss less log((K + 1) q(t)), a constant, so that it estimates each token's nll: (N,).

    For it is then log Ẑ - s(t), with Ẑ the mean weight of the K + 1 candidates; value and gradient are those of the nll
    up to a bias of O(1/K).

    Parameters
    ----------
    target : Tensor, shape (N,)
        s(t).
    target_log_noise : Tensor, shape (N,)
        log q(t).
    log_weights : Tensor, shape (N, K)
        s(k) - log q(k) of the negatives.

    Examples
    --------
    Target of score log 2 and q = 1/4, so of weight 8; negatives of weights 4 and 6. Ẑ = (8 + 4 + 6) / 3 = 6:

    >>> import torch
    >>> target, noise = torch.tensor([2.0]).log(), torch.tensor([0.25]).log()
    >>> sampled_softmax_nll(target, noise, torch.tensor([[4.0, 6.0]]).log()).exp()
    tensor([3.])
    """
    choice = -F.logsigmoid(target - target_log_noise - log_weights.logsumexp(1))
    return choice - target_log_noise - math.log(log_weights.shape[1] + 1)
