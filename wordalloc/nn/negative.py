"""Negative sampling (Mikolov et al. 2013, equation 4): logistic regression of the word that was seen against K draws.

    loss = -log σ(g(t)) - Σ_k log σ(-g(k))

with g the product of the vectors. Its optimum is not the softmax: g = log p - log q - log K (Levy & Goldberg 2014,
section 3.1). So a softmax over g as it stands would give p/q over its sum, which is wrong for all noise but the
uniform; one over s = g + log q gives p, as log K cancels. Here the score is that s: it is what evaluation takes the
softmax of, and the loss regresses g = s - log q. (log q is a fixed part of the bias, so training is Mikolov's.)

Put so, it is noise-contrastive estimation with the normaliser fixed at log Z = -log K: the scores learn to sum to 1/K.
As there, hits are kept. word2vec skips them, which moves the optimum to log p - log(1 - p) - log q - log K.
"""

from __future__ import annotations

import math

from torch import Tensor

from wordalloc.nn.nce import nce


def negative_sampling(target_log_weight: Tensor, log_weights: Tensor) -> Tensor:
    """Return each token's loss: (N,). It is no nll.

    Parameters
    ----------
    target_log_weight : Tensor, shape (N,)
        g(t) = s(t) - log q(t).
    log_weights : Tensor, shape (N, K)
        g(k) = s(k) - log q(k) of the negatives.

    Examples
    --------
    Odds of 3 for the target and of 1 for each of two negatives, so the probability of the answers is 3/4 · 1/2 · 1/2:

    >>> import torch
    >>> negative_sampling(torch.tensor([3.0]).log(), torch.tensor([[1.0, 1.0]]).log()).neg().exp()
    tensor([0.1875])
    """
    return nce(target_log_weight, log_weights, log_z=negative_log_z(log_weights.shape[1]))


def negative_log_z(samples: int) -> float:
    """Return log Z of scores at the optimum: -log K."""
    return -math.log(samples)
