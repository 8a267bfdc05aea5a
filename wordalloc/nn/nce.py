"""Noise-contrastive estimation: tell the word that was seen from K draws of noise, each by itself.

    loss = -log σ(Δ(t)) - Σ_k log σ(-Δ(k)),  Δ(c) = s(c) - log Z - log(K q(c))

(Gutmann & Hyvärinen 2010; Mnih & Teh 2012, section 3, who hold log Z at 0 for all contexts.) Δ is the log-odds
that a word was seen rather than drawn, which is log p - log(K q) at the optimum; so s = log p + log Z, for every K. The
scores themselves learn to be normalised, and Z need not be summed. As K grows, the gradient approaches that of the nll,
where the scores are normalised.

Hits are kept, and so are words drawn twice: noise does draw the target at times, and the log-odds count on it. Without
the hits, the optimum would be log p - log((1 - p) K q).
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor


def nce(target_log_weight: Tensor, log_weights: Tensor, log_z: Tensor | float = 0.0) -> Tensor:
    """Return each token's loss: (N,). It is no nll, though its gradient comes near that of one.

    Parameters
    ----------
    target_log_weight : Tensor, shape (N,)
        s(t) - log q(t).
    log_weights : Tensor, shape (N, K)
        s(k) - log q(k) of the negatives.
    log_z : float or scalar Tensor
        The normaliser that is assumed, or learnt.

    Examples
    --------
    Weights of K = 2 times 3 and 1 make odds of 3 for the target, and of 1 for each negative. So the probability of all
    three answers is 3/4 · 1/2 · 1/2:

    >>> import torch
    >>> nce(torch.tensor([6.0]).log(), torch.tensor([[2.0, 2.0]]).log()).neg().exp()
    tensor([0.1875])
    """
    shift = math.log(log_weights.shape[1]) + log_z
    return F.softplus(shift - target_log_weight) + F.softplus(log_weights - shift).sum(1)
