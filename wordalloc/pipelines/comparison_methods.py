"""What can be compared: a method's name, the allocation it needs, and how its model differs from the full softmax's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wordalloc.allocations import Allocation, load
from wordalloc.checks import nearest, printable
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary


@dataclass(frozen=True)
class Method:
    """An output layer, or a whole model, by the kind of allocation it needs and the fields of its `TrainConfig`."""

    kind: str
    config: dict[str, Any] = field(default_factory=dict)


METHODS = {
    "full": Method("vocabulary"),
    "adaptive": Method("cutoffs"),
    "classes": Method("classes"),
    "tree": Method("tree"),
    "table": Method("table"),
    "lightrnn": Method("table", {"table_model": "lightrnn"}),
    "factorised-input": Method("classes", {"input": "classes"}),
    "factorised-recurrence": Method("classes", {"input": "classes", "recurrence": "classes"}),
    "importance": Method("vocabulary", {"loss": "importance"}),
    "sampled-softmax": Method("vocabulary", {"loss": "sampled-softmax"}),
    "nce": Method("vocabulary", {"loss": "nce"}),
    "blackout": Method("vocabulary", {"loss": "blackout"}),
    "negative": Method("vocabulary", {"loss": "negative"}),
}
LONGEST_NAME = 50  # characters, of up to four bytes
DEFAULT_LAYERS = ("full", "adaptive", "classes", "tree", "table", "lightrnn", "sampled-softmax", "nce")


@dataclass(frozen=True)
class Contestant:
    """A method over one allocation.

    Attributes
    ----------
    label : str
        The method's name, with the file's where several allocations of its kind are given.
    method : Method
    given : Path or None
        The allocation's file; None where it is made from the text.
    """

    label: str
    method: Method
    given: Path | None

    @property
    def folder(self) -> str:
        """A name for files, of no more bytes than a file system takes."""
        return re.sub(r"[^\w.-]+", "-", self.label)[:LONGEST_NAME]


def contestants(layers: Sequence[str], allocations: Sequence[Path]) -> tuple[list[Contestant], Vocabulary | None]:
    """Return who takes part, and the vocabulary of the allocations given, if any is.

    Parameters
    ----------
    layers : sequence of str
        Names of `METHODS`.
    allocations : sequence of Path
        Files that take the place of allocations made from the text. Several of a kind: each is a row of its own.

    Raises
    ------
    InputError
        If a name is unknown or comes twice, or the allocations are of different vocabularies or of no use here.
    """
    for name in layers:
        if name not in METHODS:
            raise InputError(f"there is no layer {name!r}; {nearest(name, list(METHODS))}")
    if not layers or len(set(layers)) < len(layers):
        raise InputError(f"name each layer once, not {', '.join(layers) or 'none'}; there are {', '.join(METHODS)}")
    by_kind, vocabulary = _sorted_by_kind(allocations)
    needed = {METHODS[name].kind for name in layers}
    for kind, files in by_kind.items():
        if kind not in needed:
            raise InputError(f"{files[0]}: no layer of this comparison takes {kind}; add one to --layers")
    found = []
    for name in layers:
        method = METHODS[name]
        given = by_kind.get(method.kind, [])
        if len(given) > 1:
            stems = [printable(path.name.removesuffix(".safetensors")) for path in given]
            found += [Contestant(f"{name}:{stem}", method, path) for stem, path in zip(stems, given, strict=True)]
        else:
            found.append(Contestant(name, method, given[0] if given else None))
    if len({one.folder for one in found}) < len(found):
        raise InputError("the file names of two allocations are the same, or much alike; rename one of them")
    return found, vocabulary


def _sorted_by_kind(allocations: Sequence[Path]) -> tuple[dict[str, list[Path]], Vocabulary | None]:
    """Return the allocations by their kind, and the one vocabulary of them all."""
    by_kind: dict[str, list[Path]] = {}
    vocabulary, first = None, None
    for path in allocations:
        content = load(path)
        if not isinstance(content, Allocation | Vocabulary):
            raise InputError(f"{path}: {content.kind} are no allocation; give cutoffs, classes, a tree or a table")
        words = content if isinstance(content, Vocabulary) else content.vocabulary
        if vocabulary is None:
            vocabulary, first = words, path
        elif words.fingerprint != vocabulary.fingerprint:
            raise InputError(
                f"{path} has another vocabulary than {first}: perplexities over different words cannot be compared; "
                "make both from the same text with the same options"
            )
        if isinstance(content, Allocation):
            by_kind.setdefault(content.kind, []).append(path)
    return by_kind, vocabulary
