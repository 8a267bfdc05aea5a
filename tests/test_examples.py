"""Every example runs, and says what its first lines promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_many_classes_compares_two_layers():
    _, full, adaptive = run("many_classes.py", "5000").splitlines()
    assert full.startswith("FullSoftmax") and adaptive.startswith("AdaptiveSoftmax")
    parameters = [int(line.split()[-2].replace(",", "")) for line in (full, adaptive)]
    assert parameters[0] == 5000 * 64 > 2 * parameters[1]


def test_every_example_is_tested():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {"many_classes.py"}
