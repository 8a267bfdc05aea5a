"""The commands and the code of the README, and the sessions of the documentation, run as they stand."""

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
README, COST_MODEL, CHOOSING, BEYOND = (
    "README.md",
    "docs/cost-model.md",
    "docs/choosing.md",
    "docs/beyond-one-machine.md",
)


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


def shape(output: str) -> list[str]:
    """What must not change from one Python's documentation to the next: words, not figures."""
    return [re.sub(r"[^a-z]+", " ", line.lower()).strip() for line in output.splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("page", "share"),
    [(README, 0.06), *(pytest.param(page, 1, marks=pytest.mark.long) for page in (README, COST_MODEL, CHOOSING))],
)
def test_the_session_runs_and_prints_what_it_says(page, share, tmp_path):
    """On the demo's text, or on a part of it, which prints the same lines in a tenth of the time."""
    folder = tmp_path / "wordalloc-demo"
    folder.mkdir()
    write_demo_corpus(folder)
    for file in folder.glob("*.txt"):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        file.write_text("".join(lines[: int(share * len(lines))]), encoding="utf-8")
    session = [
        (shlex.split(command), printed)
        for block in blocks("console", page)
        for command, _, printed in (part.partition("\n") for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:])
    ]
    assert session and all(words[0] == "wordalloc" for words, _ in session)
    commands = [words[1:] for words, _ in session]
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
    (script,) = blocks("bash", BEYOND)
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
