"""Every message that the package raises says more than what is wrong: what was expected, or what to do next."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "wordalloc"
RAISED = {"InputError", "FormatError", "OutputError", "RunError", "UsageError"}
TYPED = ("cli", "corpus", "pipelines", "training")  # whose messages answer what a user has typed, or a file
EXPECTED = r"\b(?:must|expected|expects|needs?|at least|at most)\b|, not \{\}"
VERBS = (
    "add|allow|ask|check|choose|compress|continue|correct|count|draw|ease|encode|export|fetch|free|give|install|leave|"
    "limit|lower|make|mend|name|number|pip install|plot|raise|remove|rename|run|save|scale|set|start|stop|take|train|"
    "unpack|upgrade|use|wait|write"
)
BEGIN = r"(?:^|[;:,?(] )(?:then |or |by |it is there[^;]*; )?"
TO_DO = rf"{BEGIN}(?:(?:{VERBS})\b|--\w)|\b(?:did|is|are|can|was) [^?]*\?|see "
SAYS = re.compile(rf"{EXPECTED}|{TO_DO}|\{{\}}$", re.IGNORECASE)  # what is filled in last is a sentence of its own


def messages() -> Iterator[tuple[str, str]]:
    """Yield where each message stands in the source, and its text, with {} for what is filled in."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).rpartition(".")[2] in RAISED:
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", "".join(texts(node.args[0]))


def texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        for part in node.values:
            yield str(part.value) if isinstance(part, ast.Constant) else "{}"
    elif isinstance(node, ast.BinOp):
        yield from texts(node.left)
        yield from texts(node.right)
    else:
        yield "{}"


def test_messages_say_what_to_do():
    found = {place: text for place, text in messages() if place.startswith(TYPED)}
    assert len(found) > 200  # they are still where they are looked for
    assert {place: text for place, text in found.items() if not SAYS.search(text)} == {}
