"""Which modules are searched for doctests: not those whose import needs a package that is not installed."""

from __future__ import annotations

import importlib.util

collect_ignore = (
    []
    if importlib.util.find_spec("triton")
    else [f"wordalloc/nn/{name}.py" for name in ("ragged_kernels", "ragged_tiles", "row_kernels")]
)
collect_ignore.append(
    "wordalloc/nn/onnx.py"
)  # its example needs packages: tests/nn/test_onnx.py runs it where they are
