"""Which tokens a tail cluster can have a probable enough word for, without scoring all of its words.

The words' output vectors are cut into blocks that lie close together, each with a centre c, its number of words n, the
radius r of a ball and a box around c. For a narrowed state z, every word of a block scores at most

    c·z + min(r ‖z‖, Σⱼ max(zⱼ highⱼ, zⱼ lowⱼ)),

the ball by Cauchy and Schwarz, the box by each coordinate; and by Jensen's inequality the logsumexp over the cluster is
at least that of c·z + log n over the blocks. The difference bounds log P(word | cluster). Where it is not low enough,
the words of the blocks that it leaves open are scored, which gives their best and raises the logsumexp.

Blocks come from halving at the median of the widest coordinate, as in a k-d tree (Bentley 1975). Exact: no token is
lost. O(k w log blocks) to make, O(blocks · w) a state; tight where w is small, which is where clusters are large.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

HALVINGS = 7  # 128 blocks
# For rounding: far above it, and far below what opens a cluster in vain.
SLACK = 1e-3  # nats
RELATIVE_SLACK = 1e-5  # of the greatest score that vectors of these lengths could have


class ClusterBound:
    """The blocks of one cluster's output vectors.

    Parameters
    ----------
    output : Tensor, shape (k, w)
        A vector for each word.

    Examples
    --------
    >>> bound = ClusterBound(torch.tensor([[0.0], [0.0], [2.0], [2.0]]))
    >>> torch.log_softmax(torch.tensor([0.0, 0, 2, 2]), 0).max()
    tensor(-0.8201)
    >>> bound.reaches(torch.tensor([[1.0], [1.0]]), torch.tensor([-0.83, -0.81]))
    tensor([ True, False])
    """

    def __init__(self, output: Tensor) -> None:
        blocks = [output.detach().float()]
        for _ in range(HALVINGS):
            blocks = [half for block in blocks for half in _halved(block)]
        self.blocks = blocks
        self.centre = torch.stack([block.mean(0) for block in blocks])  # (blocks, w)
        around = [block - centre for block, centre in zip(blocks, self.centre, strict=True)]
        self.radius = torch.stack([offsets.norm(dim=1).amax() for offsets in around])
        self.low = torch.stack([offsets.amin(0) for offsets in around])
        self.high = torch.stack([offsets.amax(0) for offsets in around])
        self.longest = output.detach().float().norm(dim=1).amax()
        self.log_size = output.new_tensor([block.shape[0] for block in blocks], dtype=torch.float32).log()

    def reaches(self, narrow: Tensor, needed: Tensor) -> Tensor:
        """Tell whether log P(word | cluster) of any word can be as high as `needed`: (N, w), (N,) -> bool (N,)."""
        narrow = narrow.float()
        length = narrow.norm(dim=1)
        needed = needed.float() - SLACK - RELATIVE_SLACK * self.longest * length
        total = narrow @ self.centre.t()
        ball = length[:, None] * self.radius
        box = narrow.clamp(min=0) @ self.high.t() + narrow.clamp(max=0) @ self.low.t()
        most = total + torch.minimum(ball, box)  # (N, blocks): what a word scores at most
        total += self.log_size  # (N, blocks): the least logsumexp
        left = most - total.logsumexp(1, keepdim=True) >= needed[:, None]
        most.masked_fill_(~left, -math.inf)  # proven unable, and more so under a greater logsumexp
        for number, block in enumerate(self.blocks):
            tokens = left[:, number].nonzero().squeeze(1)
            if tokens.numel():
                scores = self.scores(narrow[tokens], block)
                most[tokens, number], total[tokens, number] = scores.amax(1), scores.logsumexp(1)
        return most.amax(1) - total.logsumexp(1) >= needed

    @staticmethod
    def scores(narrow: Tensor, block: Tensor) -> Tensor:
        """Score the words of a block: (n, w), (words, w) -> (n, words)."""
        return narrow @ block.t()


def _halved(block: Tensor) -> list[Tensor]:
    """Cut a block at the median of its widest coordinate; one vector cannot be cut."""
    if block.shape[0] == 1:
        return [block]
    widest = int((block.amax(0) - block.amin(0)).argmax())
    return list(block[block[:, widest].argsort(stable=True)].tensor_split(2))
