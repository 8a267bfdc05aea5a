"""Pictures of whatever a file or folder holds: what is needed besides its content, the fitted law and the frontier."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wordalloc.algorithms.cutoff_frontier import Progress
from wordalloc.allocations import Bigrams, Classes, Cutoffs, Stored, Table, Tree, load
from wordalloc.errors import InputError
from wordalloc.pipelines.comparison_pictures import PICTURES, draw_comparison
from wordalloc.pipelines.comparison_table import from_json
from wordalloc.pipelines.report import frontier_of, law_of
from wordalloc.pipelines.report_folders import read_folder
from wordalloc.report.page_parts import ComparisonPart, Frontier, Layer, RunPart
from wordalloc.vocabulary import Vocabulary

Content = Vocabulary | Stored | RunPart | ComparisonPart

# The pictures of each kind of content; the first is drawn if none is named.
_PICTURES: tuple[tuple[type, str, tuple[str, ...]], ...] = (
    (Vocabulary, "a vocabulary", ("zipf",)),
    (Bigrams, "a file of bigrams", ("zipf",)),
    (Cutoffs, "a file of cutoffs", ("zipf", "frontier")),
    (Classes, "a file of classes", ("classes",)),
    (Tree, "a tree", ("tree",)),
    (Table, "a table", ("table",)),
    (RunPart, "a run", ("training",)),
    (ComparisonPart, "a comparison", PICTURES),
)


def read_content(path: str | os.PathLike[str]) -> Content:
    """Read a file of any kind, the curves of a run directory, or the table of a comparison's folder.

    Parameters
    ----------
    path : path-like
        Told apart by its content.

    Raises
    ------
    FormatError
        If it is missing, damaged or foreign.
    """
    folder = Path(path)
    return read_folder(folder, folder.absolute().name) if folder.is_dir() else load(path)


def picture_of(content: Content, what: str | None = None) -> str:
    """Return the name of the picture that shows some content: the one asked for, or the first there is.

    Parameters
    ----------
    content : Vocabulary, Stored, RunPart or ComparisonPart
        As `read_content` gives it.
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
    content: Content,
    what: str,
    path: str | os.PathLike[str],
    *,
    width: float | None = None,
    progress: Progress | None = None,
) -> None:
    """Draw a picture and write it.

    Parameters
    ----------
    content : Vocabulary, Stored, RunPart or ComparisonPart
        As `read_content` gives it.
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
    if isinstance(content, ComparisonPart):
        if width is not None:
            raise InputError("the pictures of a comparison have one width, 8 inches: leave out the width")
        draw_comparison(from_json(content.methods), content.vocab_size, what, path)
    elif isinstance(content, RunPart):
        curves = {
            "training": (content.loss.tokens, content.loss.values),
            "validation": (content.valid.tokens, np.log(content.valid.values)),
            "validation, a part": (content.part.tokens, np.log(content.part.values)),
        }
        tables = [(tokens, f"table {number}") for tokens, number in content.tables]
        report.training_picture(path, curves, tables, **size)
    elif isinstance(content, Classes):
        report.classes_picture(path, content, **size)
    elif isinstance(content, Tree):
        report.tree_picture(path, content, **size)
    elif isinstance(content, Table):
        report.table_picture(path, content, **size)
    elif what == "frontier" and isinstance(content, Cutoffs):
        frontier = frontier_of(content, progress)
        points = [layer.parameters for layer in frontier.points], [layer.seconds for layer in frontier.points]
        report.frontier_picture(path, *points, _named(frontier), **size)
    elif isinstance(content, Vocabulary | Bigrams | Cutoffs):
        vocabulary = content if isinstance(content, Vocabulary) else content.vocabulary
        report.zipf_picture(path, content, _law_in_words(vocabulary), **size)


def _law_in_words(vocabulary: Vocabulary) -> tuple[str, npt.NDArray[np.float64]] | None:
    try:
        law = law_of(vocabulary)
    except InputError:  # too few words: two parameters would fit anything
        return None
    return f"Zipf–Mandelbrot: q = {law.q:.2f}, s = {law.s:.2f}", law.probabilities


def _named(frontier: Frontier) -> dict[str, tuple[float, float]]:
    """Return the place of the chosen cutoffs, and of the knee where there is one and it is not chosen."""
    found = {"chosen": frontier.chosen}
    if frontier.knee is not None and [*frontier.knee.cutoffs] != [*frontier.chosen.cutoffs]:
        found["knee"] = frontier.knee
    return {f"{name}: {_shown(layer)}": (layer.parameters, layer.seconds) for name, layer in found.items()}


def _shown(layer: Layer) -> str:
    return ", ".join(f"{cutoff:,}" for cutoff in layer.cutoffs) or "no cutoffs"
