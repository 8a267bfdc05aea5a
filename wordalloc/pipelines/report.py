"""A page about files, runs and comparisons: what is in them is told apart, completed by what it implies, and drawn."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from wordalloc.algorithms.adaptive_cutoffs import problem_of
from wordalloc.algorithms.cutoff_frontier import FrontierPoint, Progress, cutoff_frontier, knee
from wordalloc.algorithms.cutoff_programme import layer_parameters
from wordalloc.algorithms.zipf_mandelbrot import fit_zipf_mandelbrot
from wordalloc.allocations import Cutoffs, load
from wordalloc.errors import InputError
from wordalloc.pipelines.report_folders import read_folder
from wordalloc.report.page_parts import ComparisonPart, FilePart, Frontier, Law, Layer, PageParts, RunPart, WordsPart
from wordalloc.vocabulary import Vocabulary

FRONTIER_POINTS = 12  # enough for a curve; each takes two optima


def report(
    paths: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write one HTML page about all that is given.

    Parameters
    ----------
    paths : sequence of path-like
        Files of any kind that `wordalloc.load` reads, run directories, and folders of comparisons; at least one.
    output : path-like
        The page.
    progress : callable, optional
        Called as ``progress(read, paths)``.

    Returns
    -------
    dict
        ``bytes``, and ``sections``: the title of each.

    Raises
    ------
    InputError
        If a path is none of these, or plotly is not installed.
    OutputError
        If the page cannot be written.
    """
    try:
        from wordalloc.report.page import write_page
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "plotly":
            raise
        raise InputError("a page needs plotly: pip install 'wordalloc[report]'") from error
    return write_page(gather(paths, progress), output)


def gather(paths: Sequence[str | os.PathLike[str]], progress: Callable[[int, int], None] | None = None) -> PageParts:
    """Return what a page shows of files and folders.

    Parameters
    ----------
    paths : sequence of path-like
        As for `report`.
    progress : callable, optional
        As for `report`.
    """
    files: list[FilePart] = []
    runs: list[RunPart] = []
    comparisons: list[ComparisonPart] = []
    for done, (path, name) in enumerate(zip(map(Path, paths), _names(paths), strict=True)):
        if progress is not None:
            progress(done, len(paths))
        if not path.is_dir():
            files.append(_file(name, load(path)))
        elif isinstance(part := read_folder(path, name), RunPart):
            runs.append(part)
        else:
            comparisons.append(part)
    vocabularies = {part.vocabulary.fingerprint: part.vocabulary for part in files}
    return PageParts([_words(vocabulary) for vocabulary in vocabularies.values()], files, runs, comparisons)


def _names(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Return the last part of each path, and a number where it has come before: where things lie is not told."""
    seen: dict[str, int] = {}
    names = []
    for path in paths:
        name = Path(path).absolute().name.removesuffix(".safetensors") or "/"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def _words(vocabulary: Vocabulary) -> WordsPart:
    try:
        return WordsPart(vocabulary, law_of(vocabulary))
    except InputError:
        return WordsPart(vocabulary, None, "No law is fitted: it takes at least three counted words.")


def law_of(vocabulary: Vocabulary) -> Law:
    """Return the law that is fitted to a vocabulary.

    Parameters
    ----------
    vocabulary : Vocabulary
        Of any text.

    Raises
    ------
    InputError
        If fewer than three words were counted.
    """
    fit = fit_zipf_mandelbrot(vocabulary)
    return Law(fit.q, fit.s, fit.r_squared, fit.probabilities(vocabulary.size))


def _file(name: str, content: Any) -> FilePart:
    if not isinstance(content, Cutoffs):
        return FilePart(name, content)
    try:
        return FilePart(name, content, frontier_of(content))
    except InputError as error:
        return FilePart(name, content, None, f"No frontier: {error}.")


def frontier_of(best: Cutoffs, progress: Progress | None = None) -> Frontier:
    """Return what other cutoffs would reach.

    Parameters
    ----------
    best : Cutoffs
        A result of `adaptive_cutoffs`.
    progress : callable, optional
        Called as ``progress(found, points)``.

    Raises
    ------
    InputError
        If they are none, or what they say of themselves is damaged.
    """
    try:
        shape = problem_of(best)[1]
        parameters = layer_parameters(shape, [end - start for start, end in itertools.pairwise(best.bounds.tolist())])
        seconds = float(best.parameters["objective"])
        if not 0 <= seconds < 2**63:
            raise ValueError(f"a step of {seconds:g} seconds")
        points = cutoff_frontier(best, points=FRONTIER_POINTS, progress=progress)
        bend = knee(points)
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        if best.parameters.get("algorithm") != "adaptive_cutoffs":
            raise
        raise InputError(f"the parameters of these cutoffs are not complete, or damaged: {error}") from error
    chosen = Layer(best.cutoffs.tolist(), seconds, parameters, float(best.masses[0]))
    return Frontier([_layer(point) for point in points], chosen, None if bend is None else _layer(bend))


def _layer(point: FrontierPoint) -> Layer:
    return Layer(point.cutoffs, point.cost, point.parameters, point.head_mass)
