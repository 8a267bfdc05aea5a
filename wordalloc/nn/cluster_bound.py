"""How probable the best word of a tail cluster can be, without scoring its words.

The words' output vectors are cut into blocks that lie close together, each with a centre c, its number of words n, the
radius r of a ball and a box around c. For a narrowed state z, every word of a block scores at most

    c·z + min(r ‖z‖, Σⱼ max(zⱼ highⱼ, zⱼ lowⱼ)),

the ball by Cauchy and Schwarz, the box by each coordinate; and by Jensen's inequality the logsumexp over the cluster is
at least that of c·z + log n over the blocks. The difference bounds log P(word | cluster). Blocks come from halving at
the median of the widest coordinate, as in a k-d tree (Bentley 1975). Exact as a bound, O(k w log blocks) to make, and
O(blocks · w) a state; tight where w is small, which is where the clusters are large.
"""

from __future__ import annotations

import torch
from torch import Tensor

HALVINGS = 5  # 32 blocks
SLACK = 1e-3  # nats, for rounding: far above it, and far below what opens a cluster in vain


class ClusterBound:
    """The blocks of one cluster's output vectors.

    Parameters
    ----------
    output : Tensor, shape (k, w)
        A vector for each word.

    Examples
    --------
    >>> bound = ClusterBound(torch.tensor([[0.0], [0.0], [2.0], [2.0]]))
    >>> bool(abs(bound(torch.tensor([[1.0]])) - torch.log_softmax(torch.tensor([0.0, 0, 2, 2]), 0).max()) < 2e-3)
    True
    """

    def __init__(self, output: Tensor) -> None:
        output = output.detach().float()
        blocks = [output]
        for _ in range(HALVINGS):
            blocks = [half for block in blocks for half in _halved(block)]
        self.centre = torch.stack([block.mean(0) for block in blocks])  # (blocks, w)
        around = [block - centre for block, centre in zip(blocks, self.centre, strict=True)]
        self.radius = torch.stack([offsets.norm(dim=1).amax() for offsets in around])
        self.low = torch.stack([offsets.amin(0) for offsets in around])
        self.high = torch.stack([offsets.amax(0) for offsets in around])
        self.log_size = output.new_tensor([float(block.shape[0]) for block in blocks]).log()

    def __call__(self, narrow: Tensor) -> Tensor:
        """Return a bound on log P(word | cluster) of all words, (N, w) -> (N,)."""
        narrow = narrow.float()
        centre = narrow @ self.centre.t()
        ball = narrow.norm(dim=1, keepdim=True) * self.radius
        box = narrow.clamp(min=0) @ self.high.t() + narrow.clamp(max=0) @ self.low.t()
        most = (centre + torch.minimum(ball, box)).amax(1)
        return (most - (centre + self.log_size).logsumexp(1) + SLACK).clamp(max=0)


def _halved(block: Tensor) -> list[Tensor]:
    """Cut a block at the median of its widest coordinate; one vector cannot be cut."""
    if block.shape[0] == 1:
        return [block]
    widest = int((block.amax(0) - block.amin(0)).argmax())
    return list(block[block[:, widest].argsort(stable=True)].tensor_split(2))
