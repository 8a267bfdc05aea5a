"""Output layers as ONNX files: the log-probabilities of all words, or the best k of them, for onnxruntime and others.

Needs the extra ``onnx``: pip install 'wordalloc[onnx]'. The file holds the dense form, which is exact: all words are
scored, and no road depends on the states. Ties go to the lower rank, as in the layers: that is what ONNX says of its
operator TopK.
"""

from __future__ import annotations

import importlib.util
import os
from importlib.metadata import version

import torch
from torch import Tensor, nn

from wordalloc.errors import InputError
from wordalloc.files import atomic_path
from wordalloc.nn.protocol import OutputLayer
from wordalloc.nn.selection import check_k

OPSET = 18
MOST_BYTES = 2_000_000_000  # of weights; a message of protobuf, which the file is, ends at 2 GiB
DTYPES = (torch.float32, torch.float64)


def export_onnx(layer: OutputLayer, path: str | os.PathLike[str], *, k: int | None = None) -> None:
    """Write what a layer says of the next word to one ONNX file, whole or not at all.

    The model's input is ``hidden`` (N, d), of the layer's dtype and for any N. Without `k` its output is ``log_prob``
    (N, V), else ``values`` (N, k), the best first, and ``ranks`` (N, k) int64, which are the same as `topk` gives. The
    file's metadata hold ``vocab_size`` and ``k``; the words of the ranks stay in the allocation.

    Parameters
    ----------
    layer : OutputLayer
        Any of the output layers, of float32 or float64 weights; it is left as it is.
    path : path-like
        The file to make or to replace.
    k : int, optional
        How many words, from 1 to V. Default: the log-probabilities of all.

    Raises
    ------
    InputError
        If a package is missing, `layer` is no output layer, `k` or the dtype is not one of those, or the weights do
        not fit one file.
    OutputError
        If the file cannot be written.

    Notes
    -----
    The time it takes does not grow with the vocabulary but with the graph: with how many sizes the classes have, and
    with the depth of a tree.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from onnxruntime import InferenceSession
    >>> from wordalloc.nn import AdaptiveSoftmax
    >>> layer, hidden = AdaptiveSoftmax(vocab_size=10, dim=8, cutoffs=[3, 6], div_value=2), torch.randn(4, 8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_onnx(layer, Path(folder) / "top3.onnx", k=3)
    ...     session = InferenceSession(Path(folder) / "top3.onnx")
    >>> values, ranks = session.run(None, {"hidden": hidden.numpy()})
    >>> ranks.tolist() == layer.topk(hidden, k=3)[1].tolist()
    True
    """
    for package in ("onnx", "onnxscript"):
        if importlib.util.find_spec(package) is None:
            raise InputError(f"writing ONNX needs the package {package}: pip install 'wordalloc[onnx]'")
    if not isinstance(layer, OutputLayer):
        raise InputError(f"expected an output layer of wordalloc, not {type(layer).__name__}")
    if k is not None:
        check_k(k, layer.vocab_size)
    dtypes = {weight.dtype for weight in layer.parameters()}
    if len(dtypes) > 1 or not dtypes <= set(DTYPES):
        names = ", ".join(sorted(map(str, dtypes)))
        raise InputError(f"an ONNX file is written of float32 or float64 weights, not {names}; export layer.float()")
    _check_size(sum(weight.nbytes for weight in layer.parameters()))  # the export below can take minutes
    content = _serialised(layer, k)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def _serialised(layer: OutputLayer, k: int | None) -> bytes:
    """Return the model as the bytes of its file; the same for the same weights."""
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    like = next(layer.parameters())
    program = torch.onnx.export(
        _Dense(layer, k),
        (torch.zeros(2, layer.dim, dtype=like.dtype, device=like.device),),
        dynamo=True,
        input_names=["hidden"],
        output_names=["log_prob"] if k is None else ["values", "ranks"],
        dynamic_shapes=({0: "n"},),
        opset_version=OPSET,
        verbose=False,
    )
    assert program is not None  # as it would be with dynamo=False
    weights = [value.const_value for value in program.model.graph.initializers.values()]
    _check_size(sum(weight.nbytes for weight in weights if weight is not None))  # with the places of words
    ClearMetadataAndDocStringPass()(program.model)  # they name files of this machine
    program.model.producer_name, program.model.producer_version = "wordalloc", version("wordalloc")
    program.model.metadata_props["vocab_size"] = str(layer.vocab_size)
    if k is not None:
        program.model.metadata_props["k"] = str(k)
    return program.model_proto.SerializeToString(deterministic=True)


def _check_size(n_bytes: int) -> None:
    if n_bytes > MOST_BYTES:
        raise InputError(
            f"the layer's weights are {n_bytes / 1e9:.1f} GB, and one ONNX file holds {MOST_BYTES / 1e9:.1f} at most; "
            "torch.export.save has no such limit"
        )


class _Dense(nn.Module):
    """What is exported."""

    def __init__(self, layer: OutputLayer, k: int | None) -> None:
        super().__init__()
        self.layer, self.k = layer, k
        self.training = False  # of this module alone: the exporter asks, and the layer's dense form is the same in both

    def forward(self, hidden: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        log_prob = self.layer.log_prob(hidden)
        if self.k is None:
            return log_prob
        values, ranks = torch.topk(log_prob, self.k)
        return values, ranks
