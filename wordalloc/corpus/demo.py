"""The embedded demo corpus: the documentation that every Python installation carries.

Nothing is downloaded and no text is shipped: the language reference (`pydoc_data.topics`) and the docstrings of
the standard library are read at run time from their source files, which are parsed and never imported. The text
differs from one version of Python to the next.
"""

from __future__ import annotations

import ast
import itertools
import os
import re
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

from wordalloc.files import write_text

VALID_EVERY = 20  # one paragraph in so many is held out
_SKIPPED = {"test", "tests", "idle_test", "site-packages", "lib2to3", "turtledemo", "__pycache__", "pydoc_data"}
_TOKEN = re.compile(r"[a-z0-9_]+(?:['.-][a-z0-9_]+)*|[^\sa-z0-9_]")
_DEFINITIONS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def demo_paragraphs() -> Iterator[str]:
    """Yield paragraphs of lower-case tokens separated by spaces, some hundred thousand tokens in a fixed order.

    Examples
    --------
    >>> next(demo_paragraphs()) == next(demo_paragraphs())
    True
    """
    library = Path(sysconfig.get_paths()["stdlib"])
    for text in itertools.chain(_topics(library), _docstrings(library)):
        for paragraph in re.split(r"\n\s*\n", text):
            tokens = _TOKEN.findall(paragraph.lower())
            if tokens:
                yield " ".join(tokens)


def write_demo_corpus(folder: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write ``train.txt`` and ``valid.txt`` into `folder` and return their paths.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    train, valid = Path(folder) / "train.txt", Path(folder) / "valid.txt"
    paragraphs = list(demo_paragraphs())
    held_out = paragraphs[VALID_EVERY - 1 :: VALID_EVERY]
    kept = [paragraph for number, paragraph in enumerate(paragraphs, 1) if number % VALID_EVERY]
    for path, part in ((train, kept), (valid, held_out)):
        write_text(path, "".join(f"{paragraph}\n" for paragraph in part))
    return train, valid


def _topics(library: Path) -> Iterator[str]:
    """The language reference: a module that holds one dictionary of texts."""
    tree = _parse(library / "pydoc_data" / "topics.py")
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Dict):
            texts = (value.value for value in node.values if isinstance(value, ast.Constant))
            yield from (text for text in texts if isinstance(text, str))


def _docstrings(library: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(library):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for name in sorted(names):
            tree = _parse(Path(folder) / name) if name.endswith(".py") else None
            for node in ast.walk(tree) if tree else ():
                if isinstance(node, _DEFINITIONS) and (text := ast.get_docstring(node)):
                    yield text


def _parse(path: Path) -> ast.Module | None:
    """Parse a source file; None where it cannot be read, as some installations leave files out."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None
