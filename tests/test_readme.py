"""The README's commands and code, run as they stand."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import run_commands
from wordalloc.corpus import write_demo_corpus

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

SHORTER = {"400000": "4000", "20": "6"}  # tokens of `compare`, seconds of `calibrate`


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def shape(output: str) -> list[str]:
    """What must not change from one Python's documentation to the next: words, not figures."""
    return [re.sub(r"[^a-z]+", " ", line.lower()).strip() for line in output.splitlines() if line.strip()]


@pytest.mark.parametrize("share", [0.06, pytest.param(1, marks=pytest.mark.long)])
def test_the_session_runs_and_prints_what_it_says(share, tmp_path):
    """On the demo's text, or on a part of it, which prints the same lines in a tenth of the time."""
    folder = tmp_path / "wordalloc-demo"
    folder.mkdir()
    write_demo_corpus(folder)
    for file in folder.glob("*.txt"):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        file.write_text("".join(lines[: int(share * len(lines))]), encoding="utf-8")
    session = [
        (shlex.split(command), printed)
        for block in blocks("console")
        for command, _, printed in (part.partition("\n") for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:])
    ]
    assert len(session) >= 5 and all(words[0] == "wordalloc" for words, _ in session)
    commands = [[SHORTER.get(word, word) if share < 1 else word for word in words[1:]] for words, _ in session]
    for (words, promised), printed in zip(session, run_commands(tmp_path, commands), strict=True):
        # Words of the corpus differ by Python version; the lines that only the program writes do not.
        fixed = [
            line
            for line in shape(promised)
            if line.startswith(("written to", "constraints", "cluster", "choice", "method"))
        ]
        assert fixed == [line for line in shape(printed) if line in fixed], words


@pytest.mark.long
@pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java here, which Spark needs")
def test_the_commands_beyond_one_machine_run(tmp_path):
    """On Spark inside one process, for want of a cluster, and on a text of few words."""
    (tmp_path / "corpus.txt").write_text("".join(f"w{n % 7} w{n * n % 13} the\n" for n in range(2000)))
    (script,) = blocks("bash")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-e", "-c", script.replace("spark://host:7077", "local[2]")],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "SPARK_LOCAL_IP": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    made = {"corpus.vocabulary.safetensors", "corpus.ids", "corpus.tree.safetensors", "wordalloc-run"}
    assert {file.name for file in tmp_path.iterdir()} == {"corpus.txt", *made}
    assert done.stdout.count("written to wordalloc-run\n") == 1  # by the first process alone


@pytest.mark.parametrize("code", blocks("python"))
def test_the_python_runs(code, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.count(",") == 2  # three words


def test_ci_calls_exactly_the_readmes_test_command():
    setup, test = blocks("sh")
    assert test.strip() in (ROOT / ".ci" / "run").read_text().splitlines()
    assert setup.strip().endswith("wordalloc demo")
