"""The wheel, as `pip`, `pipx` and `uvx` install it: it is whole, and its command runs without a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*command: object, folder: Path, timeout: int = 120) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [*map(str, command)], cwd=folder, capture_output=True, text=True, env=environment, timeout=timeout, check=False
    )


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Build the wheel of this checkout; without a network only if what builds it is here."""
    folder = tmp_path_factory.mktemp("wheel")
    done = run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", folder, ROOT, folder=folder, timeout=600)
    if done.returncode and ("hatchling" in done.stderr or "No module named pip" in done.stderr):
        pytest.skip("the wheel cannot be built: hatchling is not here, and cannot be fetched")
    assert done.returncode == 0, done.stderr[-2000:]
    (built,) = folder.glob("wordalloc-*.whl")
    return built


@pytest.mark.long
def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = (path for path in (ROOT / "wordalloc").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert held == {path.relative_to(ROOT).as_posix() for path in files}


@pytest.mark.long
def test_it_runs_from_a_fresh_environment_without_extras(wheel, tmp_path):
    home = tmp_path / "environment"
    assert run(sys.executable, "-m", "venv", home, folder=tmp_path).returncode == 0
    before = size_of(home)
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    options = ("-c", ROOT / "constraints.txt")
    done = run(scripts / "python", "-m", "pip", "install", "-q", wheel, *options, folder=tmp_path, timeout=900)
    if done.returncode and ("No matching distribution" in done.stderr or "connection" in done.stderr.lower()):
        pytest.skip("what wordalloc needs cannot be fetched here")
    assert done.returncode == 0, done.stderr[-2000:]

    assert size_of(home) - before < 750e6  # with what Python has compiled, a fifth of it

    (tmp_path / "corpus.txt").write_text("the cat sat on the mat\nthe dog sat on the log\n" * 50)
    wordalloc = scripts / "wordalloc"
    for command in ((wordalloc,), (scripts / "python", "-m", "wordalloc")):
        assert run(*command, "--version", folder=tmp_path).stdout.startswith("wordalloc, version ")
    assert "wordalloc demo" in run(wordalloc, "--help", folder=tmp_path).stdout
    done = run(wordalloc, "cutoffs", "corpus.txt", "--clusters", 1, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and (tmp_path / "corpus.cutoffs.safetensors").exists()
    done = run(wordalloc, "doctor", folder=tmp_path)
    assert done.returncode == 0 and "pip install 'wordalloc[train]'" in done.stdout
    done = run(wordalloc, "train", "corpus.txt", folder=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "pip install 'wordalloc[train]'" in done.stderr
