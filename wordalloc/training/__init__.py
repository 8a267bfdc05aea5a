"""The language-model trainer. Needs the extra ``train``: pip install 'wordalloc[train]'."""

import os

# Large tensors are made and dropped in every step; on huge pages that costs a tenth. Read by torch when it first
# allocates, and without effect where somebody else has done so.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

from wordalloc.training.config import TrainConfig
from wordalloc.training.evaluation import Evaluation, evaluate
from wordalloc.training.loop import TrainResult, train
from wordalloc.training.position import TrainProgress

__all__ = ["Evaluation", "TrainConfig", "TrainProgress", "TrainResult", "evaluate", "train"]
