"""What a comparison begins with: the text and a held-out part, the words, and an allocation for each method."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wordalloc.algorithms.adaptive_cutoffs import adaptive_cutoffs
from wordalloc.allocations import Allocation, load, save
from wordalloc.corpus import count, count_bigrams
from wordalloc.corpus.held_out import hold_out
from wordalloc.corpus.reading import Input
from wordalloc.pipelines.allocate import Text, make_classes, make_tree
from wordalloc.pipelines.comparison_directory import ComparisonDirectory
from wordalloc.pipelines.comparison_methods import Contestant
from wordalloc.pipelines.tables import make_table
from wordalloc.training import TrainConfig
from wordalloc.training.model import make_model
from wordalloc.vocabulary import Vocabulary


def held_apart(
    files: Sequence[Input],
    valid: Sequence[Input] | None,
    directory: ComparisonDirectory,
    errors: str,
    column: str | None,
) -> tuple[list[str], list[str], str | None]:
    """Return the files to train on and to validate on, and their column; some lines are held out where none are given.

    What is held out, and what is left, is plain text.
    """
    paths = [file.path for file in files]
    if valid is None:
        train, held = directory.path / "train.txt", directory.path / "valid.txt"
        if not (train.exists() and held.exists()):
            hold_out(paths, train, held, errors=errors, column=column)
        return [str(train)], [str(held)], None
    return _names(paths), _names([file.path for file in valid]), column


def _names(paths: Sequence[Path]) -> list[str]:
    """Return absolute names, for another process."""
    return [os.fspath(path.absolute()) for path in paths]


def kept_vocabulary(
    directory: ComparisonDirectory,
    text: list[str],
    column: str | None,
    given: Vocabulary | None,
    text_options: dict[str, Any],
) -> Vocabulary:
    """Return the vocabulary: the one of the allocations given, or counted; it lies in the directory."""
    file = directory.allocation("vocabulary")
    if not file.exists():
        save(count(text, column=column, **text_options) if given is None else given, file)
    found = load(file)
    assert isinstance(found, Vocabulary)  # it is our own file
    return found


def make_allocations(
    entrants: Sequence[Contestant],
    directory: ComparisonDirectory,
    vocabulary: Vocabulary,
    text: list[str],
    column: str | None,
    config: TrainConfig,
    stage: Callable[[str], None],
) -> None:
    """Put each contestant's allocation into the directory, made where it is not given.

    What a method's model would refuse is refused here, before the first of them has trained for an hour.
    """
    known = Text(lambda: vocabulary, lambda: count_bigrams(text, vocabulary, column=column))
    makers: dict[str, Callable[[], Allocation]] = {
        "cutoffs": lambda: adaptive_cutoffs(vocabulary, dim=config.width, batch=config.batch * config.bptt),
        "classes": lambda: make_classes(known, "exchange"),
        "tree": lambda: make_tree(known, "brown"),
        "table": lambda: make_table(known),
    }
    # Those that need nothing made come first.
    for one in sorted(entrants, key=lambda one: one.method.kind != "vocabulary"):
        file = directory.allocation_of(one)
        if not file.exists():
            stage(f"making {one.method.kind}")
            content = makers[one.method.kind]() if one.given is None else load(one.given)
            assert isinstance(content, Allocation)
            content.save(file)
        loaded = load(file)
        assert isinstance(loaded, Allocation | Vocabulary)
        make_model(loaded, replace(config, **one.method.config))
