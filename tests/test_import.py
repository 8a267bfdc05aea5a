"""Importing the package is light, its public names exist, and their docstrings fit their signatures."""

import ast
import dataclasses
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import wordalloc
from wordalloc import allocations, checks, errors, files, vocabulary
from wordalloc.allocations import base, bigrams, classes, costs, cutoffs, interchange, storage, table, tree

HEAVY = [
    "torch",
    "numba",
    "scipy",
    "ortools",
    "sklearn",
    "duckdb",
    "click",
    "rich",
    "matplotlib",
    "pandas",
    "tokenizers",
    "pyspark",
]
MODULES = [
    vocabulary,
    checks,
    files,
    errors,
    allocations,
    base,
    bigrams,
    classes,
    costs,
    cutoffs,
    interchange,
    storage,
    table,
    tree,
]


def test_what_is_loaded_before_an_interruption_is_answered_takes_no_time() -> None:
    slow = ["typing", "re", "enum", "threading", "signal", "contextlib", "dataclasses"]
    code = f"import wordalloc.cli, sys; print([name for name in {slow} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(Path(wordalloc.__file__).parents[1])}
    command = [sys.executable, "-S", "-c", code]  # without site, which loads what others have installed
    assert subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout == "[]\n"


@pytest.mark.parametrize(
    "code",
    [
        "import wordalloc",
        "import wordalloc as w; w.Vocabulary, w.Cutoffs, w.load, w.save, w.TextOptions, w.__version__, dir(w)",
        "import wordalloc as w, sys; w.Cutoffs(w.Vocabulary('ab', [2, 1]), [1]).save(sys.argv[1]); w.load(sys.argv[1])",
    ],
    ids=["import", "names", "save and load"],
)
def test_nothing_heavy_is_loaded(code: str, tmp_path: Path) -> None:
    code += f"; import sys; print([name for name in {HEAVY} if name in sys.modules])"
    command = [sys.executable, "-c", code, str(tmp_path / "a.safetensors")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (result.stdout, result.stderr) == ("[]\n", "")


@pytest.mark.parametrize("name", wordalloc.__all__)
def test_public_names_exist(name: str) -> None:
    value = getattr(wordalloc, name)
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", value) if name == "__version__" else value.__name__ == name


def test_the_three_lists_of_public_names_agree() -> None:
    tree = ast.parse(Path(wordalloc.__file__).read_text(encoding="utf-8"))
    imports = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    homes = {
        alias.name: node.module for node in imports.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert homes == wordalloc._HOMES
    assert sorted([*homes, "__version__"]) == sorted(wordalloc.__all__) == sorted(dir(wordalloc))


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(AttributeError, match="module 'wordalloc' has no attribute 'cutofs'"):
        wordalloc.cutofs  # noqa: B018


# --- docstrings


def public_members() -> Iterator[tuple[str, Any]]:
    """Yield every public class, function and method that the modules define, with its qualified name."""
    for module in MODULES:
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
                continue
            yield f"{module.__name__}.{name}", value
            for attribute, member in vars(value).items() if inspect.isclass(value) else ():
                member = getattr(member, "__func__", member)
                if not attribute.startswith("_") and inspect.isfunction(member):
                    yield f"{module.__name__}.{name}.{attribute}", member


MEMBERS = dict(public_members())


def documented(docstring: str, section: str) -> list[str] | None:
    """Return the names in a numpydoc section, or None where there is no such section."""
    pattern = rf"^{section}\n-{{{len(section)}}}\n(.*?)(?=^\w[^\n]*\n-{{3,}}$|\Z)"
    found = re.search(pattern, docstring, flags=re.MULTILINE | re.DOTALL)
    if found is None:
        return None
    entries = re.findall(r"^(\w[\w, ]*?)(?: : .*)?$", found[1], flags=re.MULTILINE)
    return [name.strip() for entry in entries for name in entry.split(",")]


def taken(member: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters that a function, or a class's own constructor, takes."""
    function = vars(member).get("__init__", lambda: None) if inspect.isclass(member) else member
    return [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]


@pytest.mark.parametrize("name", MEMBERS)
def test_docstrings_name_the_parameters_of_the_signature(name: str) -> None:
    member = MEMBERS[name]
    docstring = inspect.getdoc(member)
    assert docstring
    names = documented(docstring, "Attributes" if dataclasses.is_dataclass(member) else "Parameters")
    is_method = "." in member.__qualname__
    if names is not None or not is_method:  # a method that takes little may say it in its one line
        assert (names or []) == taken(member)


def test_the_docstring_reader_reads() -> None:
    docstring = "Do.\n\nParameters\n----------\na, b : int\n    Text.\nc\n    x : y\n\nRaises\n------\nE"
    assert documented(docstring, "Parameters") == ["a", "b", "c"]
    assert documented(docstring, "Raises") == ["E"]
    assert documented(docstring, "Attributes") is None
    assert taken(vocabulary.Vocabulary) == ["words", "counts", "ids", "text", "source", "parameters"]
    assert "wordalloc.vocabulary.Vocabulary.from_counts" in MEMBERS
    assert "wordalloc.allocations.load" in MEMBERS
