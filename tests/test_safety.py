"""What SECURITY.md promises: no code that a file could smuggle in, no network, nothing written elsewhere."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import wordalloc

PACKAGE = Path(wordalloc.__file__).parent
FORBIDDEN_MODULES = {
    *("pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "dbm", "code", "codeop", "pty"),
    *("socket", "urllib", "http", "requests", "httpx", "ftplib", "smtplib", "xmlrpc", "aiohttp", "webbrowser"),
}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "input", "breakpoint"}
FORBIDDEN_METHODS = {("torch", "load"), ("torch", "save"), ("torch.hub", "load"), ("os", "system"), ("os", "popen")}

ASKED_FOR = [("corpus/spark/session.py", "socket")]  # whether there is a master where the user says so


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_could_run_what_a_file_holds(path: Path) -> None:
    found = list(offences(path.read_text(encoding="utf-8")))
    assert [(str(path.relative_to(PACKAGE)), offence) for offence in found if offence != "urllib.parse"] in (
        [],
        ASKED_FOR,
    )


@pytest.mark.parametrize(
    "source",
    [
        *(
            "import pickle",
            "import pickle as p",
            "from pickle import loads",
            "import urllib.request",
            "import xmlrpc.client",
        ),
        *(
            "from http import client",
            "eval('1')",
            "exec(text)",
            "compile(text, 'x', 'exec')",
            "import torch\ntorch.load(path)",
        ),
        *("np.load(path, allow_pickle=True)", "np.load(path, allow_pickle=flag)", "subprocess.run(text, shell=True)"),
        *("os.system(text)", "torch.hub.load(name)", "from torch import load", "importlib.import_module('pickle')"),
    ],
)
def test_the_search_finds(source: str) -> None:
    assert len(list(offences(source))) == 1


@pytest.mark.parametrize(
    "source", ["re.compile(x)", "torch.compile(x)", "np.load(x)", "load(x)", "model.eval()", "json.load(f)"]
)
def test_the_search_lets_pass(source: str) -> None:
    assert list(offences(source)) == []


def offences(source: str) -> Iterator[str]:
    """Yield what a source must not do."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if _is_forbidden(name.name))
        elif isinstance(node, ast.ImportFrom):
            names = [("torch", name.name) for name in node.names if node.module == "torch"]
            yield from (node.module for _ in (1,) if node.module and _is_forbidden(node.module))
            yield from (".".join(name) for name in names if name in FORBIDDEN_METHODS)
        elif isinstance(node, ast.Call):
            yield from _calls(node)


def _calls(node: ast.Call) -> Iterator[str]:
    called = ast.unparse(node.func)
    first = node.args[0] if node.args else None
    if called in FORBIDDEN_CALLS or tuple(called.rsplit(".", 1)) in FORBIDDEN_METHODS:
        yield called
    if called.endswith("import_module") and isinstance(first, ast.Constant) and _is_forbidden(str(first.value)):
        yield ast.unparse(node)
    for keyword in node.keywords:
        harmless = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        if keyword.arg in ("allow_pickle", "shell") and not harmless:
            yield ast.unparse(node)


def _is_forbidden(module: str) -> bool:
    return module.partition(".")[0] in FORBIDDEN_MODULES


# --- at run time, as Python's own audit hooks see it

# Put in front of everything by PYTHONPATH, so that child processes are watched as well.
WATCHER = """
import json, os, sys

LOG = os.open(os.environ["AUDIT_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
CHANGES = {"os.rename": 2, "os.link": 2, "os.symlink": 2, "os.mkdir": 1, "os.rmdir": 1, "os.remove": 1,
           "os.truncate": 1, "os.chmod": 1, "os.chown": 1, "os.utime": 1, "shutil.rmtree": 1}
SPEECH = ("socket.", "urllib.", "http.", "ftplib.", "smtplib.")


def say(*what):
    os.write(LOG, (json.dumps(what) + "\\n").encode())


def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        writes = (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) or set(mode or "") & set("wax+")
        if writes and not isinstance(path, int):
            say("write", os.path.abspath(os.fsdecode(path)))
    elif event in CHANGES:
        for path in arguments[: CHANGES[event]]:
            if not isinstance(path, int):
                say("write", os.path.abspath(os.fsdecode(path)))
    elif event.startswith(SPEECH):
        say("network", event)
    elif event == "pickle.find_class":
        frame = sys._getframe(1)
        while frame and "/numba/" not in frame.f_code.co_filename and "pickle" in frame.f_code.co_filename:
            frame = frame.f_back
        say("pickle", frame.f_code.co_filename if frame else "")


sys.addaudithook(watch)
"""
COMMANDS = """
count text.txt -o v.safetensors
count - --json
show v.safetensors
export v.safetensors --to tsv -o v.tsv
count v.tsv -o w.safetensors
buckets v.safetensors -n 3
bigrams text.txt
cutoffs text.txt
classes text.txt -k 4
tree text.txt
export text.tree.safetensors --to brown-paths -o paths
import paths
score text.classes.safetensors text.txt
lightrnn-init text.txt --by frequency -o t.safetensors
train text.txt --allocation t.safetensors --costs --valid text.txt --width 4 --batch 2 --bptt 5 --device cpu
evaluate wordalloc-run text.txt --device cpu
lightrnn-realloc
"""
LONG_COMMANDS = """
tree text.txt --method brown -k 4
lightrnn text.txt --rounds 1 --run r --width 4 --batch 2 --bptt 5 --device cpu
compare text.txt --layers full,classes --valid text.txt --budget-tokens 400 --width 4 --batch 2 --bptt 5 --device cpu
"""
RUN_ALL = """
import io, os, shlex, sys
from wordalloc.cli import main
for line in sys.argv[1].strip().splitlines():
    try:
        main(shlex.split(line))
    except SystemExit as error:
        if error.code:
            sys.exit(f"{line}: {error.code}")
"""


def test_nothing_is_written_elsewhere_and_nobody_is_called(tmp_path: Path) -> None:
    watched(tmp_path, COMMANDS)


@pytest.mark.long
def test_neither_do_longer_ones(tmp_path: Path) -> None:
    watched(tmp_path, LONG_COMMANDS)


def watched(tmp_path: Path, commands: str) -> None:
    """Run commands in a process that tells what it writes, with a home of its own; judge what it told."""
    work, temporary, home, watcher = (tmp_path / name for name in ("work", "temporary", "home", "watcher"))
    for folder in (work, temporary, home, watcher):
        folder.mkdir()
    (watcher / "sitecustomize.py").write_text(WATCHER)
    (work / "text.txt").write_text("the cat saw the dog\nthe dog saw a man\nthe man went\n" * 20)
    log, cache = tmp_path / "log", Path(os.environ["WORDALLOC_CACHE"])
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MPL", "TORCHINDUCTOR"))},
        **{"PYTHONPATH": os.pathsep.join([str(watcher), str(PACKAGE.parent)]), "PYTHONDONTWRITEBYTECODE": "1"},
        **{"AUDIT_LOG": str(log), "TMPDIR": str(temporary), "HOME": str(home), "OMP_NUM_THREADS": "1"},
    }
    command = [sys.executable, "-c", RUN_ALL, commands]
    done = subprocess.run(
        command, cwd=work, env=environment, input=b"a b\n", capture_output=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    told = [json.loads(line) for line in log.read_text().splitlines()]
    written = {Path(path) for kind, path in told if kind == "write"}
    assert work / "text.bigrams.safetensors" in written or work / "wordalloc-compare" in written  # it does watch
    allowed = (work, temporary, cache, Path("/dev"))
    assert [path for path in sorted(written) if not any(folder in (path, *path.parents) for folder in allowed)] == []
    assert list(home.iterdir()) == []
    assert [event for kind, event in told if kind == "network"] == []
    # numba's own cache, and nothing else, is pickled.
    assert {path for kind, path in told if kind == "pickle" and "/numba/" not in path} == set()
    assert [path for path in temporary.iterdir() if path.name.startswith("wordalloc")] == []
