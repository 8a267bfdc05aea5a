"""Pictures of whatever a file or folder holds: what is needed besides its content, the fitted law and the frontier."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wordalloc.allocations import Bigrams, Classes, Cutoffs, Stored, Table, Tree
from wordalloc.errors import InputError
from wordalloc.pipelines.comparison_pictures import PICTURES, draw_comparison
from wordalloc.pipelines.results import ComparedMethods, RunCurves
from wordalloc.vocabulary import Vocabulary

Result = Vocabulary | Stored | RunCurves | ComparedMethods
Progress = Callable[[int, int], None]

# The pictures of each kind of content; the first is drawn if none is named.
_PICTURES: tuple[tuple[type, str, tuple[str, ...]], ...] = (
    (Vocabulary, "a vocabulary", ("zipf",)),
    (Bigrams, "a file of bigrams", ("zipf",)),
    (Cutoffs, "a file of cutoffs", ("zipf", "frontier")),
    (Classes, "a file of classes", ("classes",)),
    (Tree, "a tree", ("tree",)),
    (Table, "a table", ("table",)),
    (RunCurves, "a run", ("training",)),
    (ComparedMethods, "a comparison", PICTURES),
)


@dataclass(frozen=True)
class Frontier:
    """What cutoffs could reach instead: time of a step against parameters.

    Attributes
    ----------
    parameters, seconds : list of float
        The frontier, by increasing parameters.
    named : dict of str to (float, float)
        Parameters and seconds of the chosen cutoffs, and of the knee where there is one and it is not chosen.
    """

    parameters: list[int]
    seconds: list[float]
    named: dict[str, tuple[float, float]]


def picture_of(content: Result, what: str | None = None) -> str:
    """Return the name of the picture that shows some content: the one asked for, or the first there is.

    Parameters
    ----------
    content : Vocabulary, Stored, RunCurves or ComparedMethods
        As `read_result` gives it.
    what : str, optional
        The name that is asked for.

    Raises
    ------
    InputError
        If there is no such picture of it.

    Examples
    --------
    >>> picture_of(Vocabulary.from_counts("ab", [2, 1]))
    'zipf'
    """
    for kind, title, names in _PICTURES:
        if isinstance(content, kind):
            if what is None or what in names:
                return what or names[0]
            raise InputError(f"{title} has no picture {what!r}, but {' and '.join(names)}")
    raise InputError("costs are a model's figures of every word in every cell: plot the table they were taken with")


def plot(
    content: Result,
    what: str,
    path: str | os.PathLike[str],
    *,
    width: float | None = None,
    progress: Progress | None = None,
) -> None:
    """Draw a picture and write it.

    Parameters
    ----------
    content : Vocabulary, Stored, RunCurves or ComparedMethods
        As `read_result` gives it.
    what : str
        One of its pictures, as `picture_of` names it.
    path : path-like
        Ends in .png, .svg or .pdf.
    width : float, optional
        Inches; default: a column, 3.3. The pictures of a comparison have one width.
    progress : callable, optional
        Called as ``progress(found, points)`` while a frontier is computed.

    Raises
    ------
    InputError
        If it cannot be drawn, or the library that draws is not installed.
    OutputError
        If the file cannot be written.
    """
    from wordalloc import report

    size = {} if width is None else {"width": width}
    report.check_picture(path, **size)
    if isinstance(content, ComparedMethods):
        if width is not None:
            raise InputError("the pictures of a comparison have one width, 8 inches: leave out the width")
        draw_comparison(content.methods, content.vocab_size, what, path)
    elif isinstance(content, RunCurves):
        curves = {"training": content.training, "validation": content.validation, "validation, a part": content.part}
        tables = [(tokens, f"table {number}") for tokens, number in content.tables]
        report.training_picture(path, curves, tables, **size)
    elif isinstance(content, Classes):
        report.classes_picture(path, content, **size)
    elif isinstance(content, Tree):
        report.tree_picture(path, content, **size)
    elif isinstance(content, Table):
        report.table_picture(path, content, **size)
    elif what == "frontier" and isinstance(content, Cutoffs):
        found = frontier_of(content, progress=progress)
        report.frontier_picture(path, found.parameters, found.seconds, found.named, **size)
    elif isinstance(content, Vocabulary | Bigrams | Cutoffs):
        vocabulary = content if isinstance(content, Vocabulary) else content.vocabulary
        report.zipf_picture(path, content, fitted_law(vocabulary), **size)


def fitted_law(vocabulary: Vocabulary) -> tuple[str, npt.NDArray[np.float64]] | None:
    """Return the Zipf-Mandelbrot law of a vocabulary, in words and as probabilities; None where nothing can be fitted.

    Parameters
    ----------
    vocabulary : Vocabulary
        With fewer than three counted words two parameters would fit anything.
    """
    from wordalloc.algorithms.zipf_mandelbrot import fit_zipf_mandelbrot

    if np.count_nonzero(vocabulary.counts[:3]) < 3:
        return None
    law = fit_zipf_mandelbrot(vocabulary)
    return f"Zipf–Mandelbrot: q = {law.q:.2f}, s = {law.s:.2f}", law.probabilities(vocabulary.size)


def frontier_of(cutoffs: Cutoffs, *, progress: Progress | None = None) -> Frontier:
    """Return what other cutoffs would reach, the chosen ones and the knee named.

    Parameters
    ----------
    cutoffs : Cutoffs
        A result of `adaptive_cutoffs`.
    progress : callable, optional
        Called as ``progress(found, points)``.

    Raises
    ------
    InputError
        If the cutoffs were not made by `adaptive_cutoffs`.
    """
    from wordalloc.algorithms.adaptive_cutoffs import problem_of
    from wordalloc.algorithms.cutoff_frontier import cutoff_frontier, knee
    from wordalloc.algorithms.cutoff_programme import layer_parameters

    points = cutoff_frontier(cutoffs, progress=progress)
    chosen = tuple(cutoffs.cutoffs.tolist())
    parameters = layer_parameters(problem_of(cutoffs)[1], cutoffs.sizes.tolist())
    named = {f"chosen: {_shown(chosen)}": (float(parameters), float(cutoffs.parameters["objective"]))}
    bend = knee(points)
    if bend is not None and bend.cutoffs != chosen:
        named[f"knee: {_shown(bend.cutoffs)}"] = float(bend.parameters), bend.cost
    return Frontier([point.parameters for point in points], [point.cost for point in points], named)


def _shown(cutoffs: tuple[int, ...]) -> str:
    return ", ".join(f"{cutoff:,}" for cutoff in cutoffs) or "no cutoffs"
