"""PyTorch layers that load an allocation. Needs the extra ``train``: pip install 'wordalloc[train]'."""

from __future__ import annotations

import inspect
from typing import Any

from wordalloc.errors import InputError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise InputError("the layers need PyTorch: pip install 'wordalloc[train]'") from error

from wordalloc.allocations import Allocation, Classes, Cutoffs, Table, Tree
from wordalloc.checks import nearest
from wordalloc.nn.adaptive import AdaptiveSoftmax
from wordalloc.nn.class_embedding import ClassEmbedding
from wordalloc.nn.class_lookup import class_lookup
from wordalloc.nn.class_recurrent import ClassRecurrent
from wordalloc.nn.class_softmax import ClassSoftmax
from wordalloc.nn.embedding import AdaptiveEmbedding
from wordalloc.nn.full import FullSoftmax
from wordalloc.nn.lightrnn import LightRNN
from wordalloc.nn.noise import Noise
from wordalloc.nn.protocol import OutputLayer
from wordalloc.nn.sampled_softmax import SampledSoftmax
from wordalloc.nn.table_softmax import TableEmbedding, TableSoftmax
from wordalloc.nn.tree_softmax import TreeSoftmax
from wordalloc.vocabulary import Vocabulary

__all__ = [
    "AdaptiveEmbedding",
    "AdaptiveSoftmax",
    "ClassEmbedding",
    "ClassRecurrent",
    "ClassSoftmax",
    "FullSoftmax",
    "LightRNN",
    "Noise",
    "OutputLayer",
    "SampledSoftmax",
    "TableEmbedding",
    "TableSoftmax",
    "TreeSoftmax",
    "class_lookup",
    "output_layer",
]

_LAYERS: dict[type, type[OutputLayer]] = {
    Vocabulary: FullSoftmax,
    Cutoffs: AdaptiveSoftmax,
    Classes: ClassSoftmax,
    Tree: TreeSoftmax,
    Table: TableSoftmax,
}


def output_layer(allocation: Allocation | Vocabulary, dim: int, **options: Any) -> OutputLayer:
    """Return the output layer that an allocation asks for; a vocabulary asks for the full softmax.

    Parameters
    ----------
    allocation : Vocabulary, Cutoffs, Classes, Tree or Table
        What the layer is made for.
    dim : int
        d, the width of the hidden states.
    **options
        Of the layer, as ``div_value`` of `AdaptiveSoftmax`; the allocation says the rest.

    Raises
    ------
    InputError
        If the layer has no such option, or it is wrong.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_counts("abcd", [4, 3, 2, 1])
    >>> output_layer(Cutoffs(vocabulary, [2]), dim=8)
    AdaptiveSoftmax(
      vocab_size=4, dim=8, cutoffs=[2], div_value=4
      (projections): ParameterList(  (0): Parameter containing: [torch.float32 of size 2x8])
      (outputs): ParameterList(  (0): Parameter containing: [torch.float32 of size 2x2])
    )
    """
    layer = _LAYERS[type(allocation)]
    known = [name for name, taken in inspect.signature(layer).parameters.items() if taken.kind is taken.KEYWORD_ONLY]
    known.remove("unk")  # the vocabulary's
    for name in options:
        if name not in known:
            raise InputError(f"{layer.__name__} has no option {name!r}; {nearest(name, known)}")
    return layer.from_allocation(allocation, dim, **options)
