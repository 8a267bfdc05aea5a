"""Which modules are searched for doctests: not those whose import needs a package that is not installed."""

from __future__ import annotations

import importlib.util

collect_ignore = ["wordalloc/nn/onnx.py"]  # tests/nn/test_onnx.py runs its example where the packages are
if importlib.util.find_spec("triton") is None:
    collect_ignore += [f"wordalloc/nn/{name}.py" for name in ("ragged_kernels", "ragged_tiles", "row_kernels")]
if importlib.util.find_spec("transformers") is None:
    collect_ignore += ["wordalloc/nn/huggingface"]
