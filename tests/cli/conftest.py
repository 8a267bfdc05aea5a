"""What the tests of the command line share: a small corpus, and the command."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from wordalloc.cli import main


def generated_text(n_lines: int, n_words: int, seed: int) -> str:
    """Lines of Zipf-distributed words."""
    rng = np.random.default_rng(seed)
    weights = 1 / (np.arange(n_words) + 2.0)
    ids = rng.choice(n_words, size=(n_lines, 12), p=weights / weights.sum())
    return "".join(" ".join(f"w{i}" for i in line) + "\n" for line in ids.tolist())


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.txt and valid.txt."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "train.txt").write_text(generated_text(1500, 800, seed=1))
    (folder / "valid.txt").write_text(generated_text(100, 800, seed=2))
    return folder


@pytest.fixture
def wordalloc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command in an empty folder: ``wordalloc("cutoffs", path)`` gives status, stdout and stderr.

    In this process, for to start one takes longer than most commands do; what would be printed as a warning there ends
    the command here. With an environment or other options of its own it is a process of its own.
    """

    def run(*arguments: object, stdin: bytes = b"", **options):
        if options:
            return in_a_process(tmp_path, arguments, stdin, **options)
        capsys.readouterr()
        with monkeypatch.context() as patch, warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
            patch.chdir(tmp_path)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            for shown in (UserWarning, RuntimeWarning, FutureWarning):
                warnings.simplefilter("error", shown)
            main([*map(str, arguments)])
        return ended.value.code, *capsys.readouterr()

    return run


def in_a_process(
    folder: Path, arguments: tuple[object, ...], stdin: bytes = b"", env: dict[str, str] | None = None, **options
) -> tuple[int, str, str]:
    """Run the command as a process; return its status, stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "wordalloc", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        input=stdin,
        env={**os.environ, **(env or {})},
        timeout=300,
        check=False,
        **options,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture
def refused(wordalloc, tmp_path: Path):
    """Run the command, expect one line on stderr and status 2 with nothing written; return the line."""

    def run(*arguments: object, **options) -> str:
        before = sorted(tmp_path.rglob("*"))
        status, out, err = wordalloc(*arguments, **options)
        assert (status, out) == (2, ""), (status, out, err)
        assert err.count("\n") == 1 and err.startswith("wordalloc: "), err
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return run
