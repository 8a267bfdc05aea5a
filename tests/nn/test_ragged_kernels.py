"""Run kernel_checks.py under Triton's interpreter, and on a GPU where there is one; compile the kernels for one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("triton", reason="the kernels need triton")

CHECKS = Path(__file__).with_name("kernel_checks.py")


@pytest.mark.parametrize("interpreted", [True, False], ids=["interpreted", "compiled"])
def test_the_kernels_agree_with_dense_references(interpreted, tmp_path):
    """In a process of its own: Triton decides on its first import whether it interprets."""
    if not interpreted and not torch.cuda.is_available():
        pytest.skip("compiled kernels need a GPU")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"TRITON_INTERPRET": "1" if interpreted else "0", "OMP_NUM_THREADS": "1"}
    root = CHECKS.parents[2]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(root), str(CHECKS)]
    run = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    assert " passed" in run.stdout and " skipped" not in run.stdout, run.stdout[-2000:]


DTYPES = {torch.float32: "*fp32", torch.bfloat16: "*bf16", torch.float16: "*fp16", torch.int64: "*i64"}
SMALL_SHARED_MEMORY = 99 << 10  # bytes that a program may have on devices smaller than an H100


@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="an interpreter compiles nothing")
@pytest.mark.parametrize(
    ("n", "w", "k", "dtype", "capability"), [(70, 128, 300, torch.bfloat16, 90), (1, 1, 1, torch.float32, 80)]
)
def test_every_launch_compiles_without_a_gpu(n, w, k, dtype, capability, monkeypatch, tmp_path):
    """The host functions are called as ever, but each launch only compiles: types and sizes of tiles are right."""
    compiler = pytest.importorskip("triton.compiler", reason="compiling without a GPU needs Triton 3.3")
    backends = pytest.importorskip("triton.backends.compiler")
    from triton.runtime.jit import JITFunction

    from wordalloc.nn import ragged_kernels, row_kernels

    compiled = {}

    def compile_only(self, *args, grid, warmup, **kwargs):
        options = {name: kwargs.pop(name) for name in ("num_warps", "num_stages") if name in kwargs}
        values = dict(zip(self.arg_names, args, strict=False)) | kwargs
        signature, constants, attributes = {}, {}, {}
        for place, parameter in enumerate(self.params):
            value = values[parameter.name]
            is_one = isinstance(value, int) and value == 1  # Triton makes a constant of it
            if parameter.is_constexpr or (is_one and not parameter.do_not_specialize):
                signature[parameter.name], constants[parameter.name] = "constexpr", value
                continue
            signature[parameter.name] = DTYPES[value.dtype] if isinstance(value, torch.Tensor) else "i32"
            if isinstance(value, torch.Tensor) or (value % 16 == 0 and not parameter.do_not_specialize):
                attributes[place,] = [["tt.divisibility", 16]]
        source = compiler.ASTSource(self, signature, constants, attributes)
        compiled[self.__name__] = compiler.compile(
            source, target=backends.GPUTarget("cuda", capability, 32), options=options
        )

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(JITFunction, "run", compile_only)
    monkeypatch.setattr(ragged_kernels, "SPAN", 128)
    narrow, output = torch.zeros(n, w, dtype=dtype), torch.zeros(k, w, dtype=dtype)
    order, local, slope = torch.arange(n), torch.zeros(n, dtype=torch.long), torch.ones(n)
    offsets = torch.tensor([0, 0, n])
    _, norm = ragged_kernels.tail_nll(narrow, output, order, offsets, 1, local)
    ragged_kernels.tail_gradients(narrow, output, order, offsets, 1, local, norm, slope)
    row_kernels.softmax_minus_label_(output, torch.zeros(k, dtype=torch.long))
    names = {"partial_nll", "combine_nll", "narrow_gradient", "output_gradient", "_row_kernel"}
    assert names | ({"combine_gradient"} if k > 128 else set()) == compiled.keys()
    assert all(kernel.metadata.shared <= SMALL_SHARED_MEMORY for kernel in compiled.values())
