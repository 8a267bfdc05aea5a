"""Every method side by side: the same text, budget, width and seeds, and one table of what came of each.

Allocations that are missing are made; each method is trained and measured in a process of its own; what is done is
kept, so a comparison that was broken off goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from wordalloc.corpus import encode
from wordalloc.corpus.reading import Input, Paths, open_inputs
from wordalloc.errors import InputError, RunError
from wordalloc.files import write_text
from wordalloc.nn.unigram import smoothed_shares
from wordalloc.pipelines.comparison_allocations import held_apart, kept_vocabulary, make_allocations
from wordalloc.pipelines.comparison_directory import ComparisonDirectory
from wordalloc.pipelines.comparison_methods import DEFAULT_LAYERS, Contestant, contestants
from wordalloc.pipelines.comparison_pictures import PICTURES, draw_comparison
from wordalloc.pipelines.comparison_run import in_own_process
from wordalloc.pipelines.comparison_table import ComparedMethod, compared, perplexity_to_reach, to_csv, to_json
from wordalloc.training import TrainConfig, TrainProgress
from wordalloc.training.evaluation import check_fit
from wordalloc.training.model import choose_device
from wordalloc.vocabulary import Vocabulary

BUDGET_TOKENS = 1_000_000
POINTS = 20  # of a curve


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes
    ----------
    methods : list of ComparedMethod
        In the order they were named.
    failed : dict of str
        What went wrong with those that are not in `methods`.
    vocabulary : Vocabulary
    unigram_perplexity : float
        Of the validation text, by the words' frequencies: a model that does not get far below has learnt little.
    reach : float or None
        The perplexity, of a part of the validation text, whose time is told.
    folder : Path
        Where everything lies.
    """

    methods: list[ComparedMethod]
    failed: dict[str, str]
    vocabulary: Vocabulary
    unigram_perplexity: float
    reach: float | None
    folder: Path

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "vocab_size": self.vocabulary.size,
            "unigram_perplexity": self.unigram_perplexity,
            "reach": self.reach,
            "methods": to_json(self.methods, self.reach),
            "failed": self.failed,
        }


@dataclass(frozen=True)
class Stage:
    """What a comparison is doing: a title, and how far one training is, if it trains."""

    title: str
    training: TrainProgress | None = None


def compare(
    paths: Paths,
    *,
    layers: Sequence[str] = DEFAULT_LAYERS,
    allocations: Sequence[str | os.PathLike[str]] = (),
    valid: Paths | None = None,
    column: str | None = None,
    budget_tokens: int | None = None,
    budget_seconds: float | None = None,
    seeds: int = 1,
    reach: float | None = None,
    config: TrainConfig | None = None,
    folder: str | os.PathLike[str] = "wordalloc-compare",
    resume: bool = False,
    progress: Callable[[Stage], None] = lambda stage: None,
    **text_options: Any,
) -> Comparison:
    """Train many methods under the same budget, and say what each is worth.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        The text.
    layers : sequence of str
        Names of `wordalloc.pipelines.comparison_methods.METHODS`.
    allocations : sequence of path-like
        Files that take the place of the allocations made from the text.
    valid : path-like or iterable of path-like, optional
        The validation text. Default: every 20th line of the text is held out.
    column : str, optional
        The column of text, as in `wordalloc.count`.
    budget_tokens, budget_seconds : optional
        What each training may use: tokens (default: 1,000,000) or seconds of training.
    seeds : int
        Trainings of each method, with the seeds 0, 1, …
    reach : float, optional
        Tell the seconds to this perplexity; default: to the one that the full softmax ends with.
    config : TrainConfig, optional
        Of all of them; the learning rate must be left to each method's own.
    folder : path-like
        Where everything is written.
    resume : bool
        Go on with the comparison that is there.
    progress : callable
        Told what is being done.
    **text_options
        As of `wordalloc.count`.

    Raises
    ------
    InputError
        If names, files or numbers do not fit, or the folder holds another comparison.
    OutputError
        If the folder cannot be written.
    """
    config = _config(config or TrainConfig(), budget_tokens, budget_seconds)
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise InputError(f"the number of seeds must be a whole number of at least 1, not {seeds!r}")
    if reach is not None and not (math.isfinite(reach) and reach > 1):
        raise InputError(f"the perplexity to reach must be a number above 1, not {reach!r}")
    names = [Path(path) for path in allocations]
    entrants, vocabulary = contestants(layers, names)
    choose_device(config.device)
    directory = ComparisonDirectory(folder)

    def stage(title: str) -> None:
        progress(Stage(title))

    asked = text_options | {"column": column}
    with (
        open_inputs(paths) as files,
        contextlib.nullcontext() if valid is None else open_inputs(valid) as valid_files,
        directory.begin(_identity(entrants, config, seeds, asked, files, valid_files), resume),
    ):
        stage("reading the text")
        errors = text_options.get("errors", "strict")
        text, held, column = held_apart(files, valid_files, directory, errors, column)
        vocabulary = kept_vocabulary(directory, text, column, vocabulary, text_options)
        unigram_perplexity = _unigram_perplexity(held, column, vocabulary)
        make_allocations(entrants, directory, vocabulary, text, column, config, stage)
        texts = {"paths": text, "valid": held, "column": column}
        rows, failed = _rows(entrants, seeds, texts, config, directory, progress)
        methods = [compared(label, own) for label, own in rows.items()]
        reach = perplexity_to_reach(methods) if reach is None else reach
        found = Comparison(methods, failed, vocabulary, unigram_perplexity, reach, directory.path)
        write_text(directory.path / "comparison.json", json.dumps(found.to_json(), indent=2) + "\n")
        write_text(directory.path / "comparison.csv", to_csv(found.methods, found.reach))
    return found


def _config(config: TrainConfig, tokens: int | None, seconds: float | None) -> TrainConfig:
    """Return the configuration with its budget: of tokens, as many passes as it takes, or of seconds."""
    if tokens is not None and seconds is not None:
        raise InputError("give a budget of tokens or of seconds, not both")
    if config.learning_rate is not None:
        raise InputError("a comparison trains each method at its own learning rate; leave learning_rate out")
    if seconds is None:
        tokens = BUDGET_TOKENS if tokens is None else tokens
        if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 1:
            raise InputError(f"the budget must be a whole number of at least 1 token, not {tokens!r}")
    elif not (isinstance(seconds, int | float) and math.isfinite(seconds) and seconds > 0):
        raise InputError(f"the budget must be a number of seconds above 0, not {seconds!r}")
    # The budget ends a training, not the number of passes.
    return replace(config, max_tokens=tokens, max_seconds=seconds, epochs=2**31, validations=POINTS)


def _identity(
    entrants: Sequence[Contestant],
    config: TrainConfig,
    seeds: int,
    text_options: dict[str, Any],
    text: Sequence[Input],
    valid: Sequence[Input] | None,
) -> dict[str, Any]:
    """Return all that a comparison depends on: what must be the same for it to go on."""
    given = {one.label: None if one.given is None else _digest([one.given]) for one in entrants}
    return {
        "methods": [one.label for one in entrants],
        "allocations": given,
        "train": config.to_json(),
        "seeds": seeds,
        "text_options": {name: value for name, value in text_options.items() if name != "memory_limit"},
        "text": _digest([file.path for file in text]),
        "valid": None if valid is None else _digest([file.path for file in valid]),
    }


def _digest(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _rows(
    entrants: Sequence[Contestant],
    seeds: int,
    texts: dict[str, Any],
    config: TrainConfig,
    directory: ComparisonDirectory,
    progress: Callable[[Stage], None],
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, str]]:
    """Return the rows of every contestant, a seed each, training those that are missing; and what failed."""
    rows: dict[str, list[dict[str, Any]]] = {one.label: [] for one in entrants}
    failed: dict[str, str] = {}
    for seed in range(seeds):
        for number, one in enumerate(entrants, 1):
            title = f"{one.label} ({number} of {len(entrants)}" + (f", seed {seed})" if seeds > 1 else ")")
            try:
                rows[one.label].append(_row(one, seed, texts, config, directory, _under(title, progress)))
            except RunError as error:
                failed[one.label] = str(error)
    return {label: own for label, own in rows.items() if label not in failed}, failed


def _row(
    one: Contestant,
    seed: int,
    texts: dict[str, Any],
    config: TrainConfig,
    directory: ComparisonDirectory,
    progress: Callable[[TrainProgress], None],
) -> dict[str, Any]:
    """Return the row of a contestant and a seed: the one that is there, or what comes of the training."""
    file = directory.row(one, seed)
    if not file.exists():
        job = {
            **texts,
            "allocation": os.fspath(directory.allocation_of(one)),
            "run": os.fspath(directory.run(one, seed)),
            "config": replace(config, seed=seed, **one.method.config).to_json(),
        }
        try:
            row = in_own_process(job, progress)
        except InputError as error:
            if not directory.run(one, seed).exists():
                raise
            remedy = f"in a comparison: remove {directory.run(one, seed)} and give --resume"
            raise type(error)(f"{error}; {remedy}") from error
        write_text(file, json.dumps(row, indent=2) + "\n")
    directory.finish(one, seed)
    return directory.read_row(file)


def _under(title: str, progress: Callable[[Stage], None]) -> Callable[[TrainProgress], None]:
    return lambda at: progress(Stage(title, at))


def _unigram_perplexity(held: list[str], column: str | None, vocabulary: Vocabulary) -> float:
    """Return the perplexity of the validation text by the words' counts, each one more so that none is impossible."""
    text = encode(held, vocabulary, column=column)
    check_fit(text, "the validation text")
    log_probability = np.log(smoothed_shares(vocabulary.counts))
    return float(np.exp(-log_probability[text.ids].mean()))


def draw(found: Comparison) -> None:
    """Draw a comparison, as PNG and SVG: perplexity over time of training, and over parameters.

    Raises
    ------
    InputError
        If the library that draws is not installed, or the methods' names do not fit into a picture.
    """
    for suffix in ("png", "svg"):
        for what in PICTURES:
            path = found.folder / f"perplexity-over-{what}.{suffix}"
            draw_comparison(found.methods, found.vocabulary.size, what, path)
