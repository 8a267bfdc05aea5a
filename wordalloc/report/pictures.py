"""Pictures for papers of what allocations hold and what a training came to, as PNG, SVG or PDF.

As wide as a column of a two-column paper unless another width is asked for; letters have 6 and 7 points at any width.
The same content gives the same bytes. Words may be anything: they are drawn as they are, what cannot be printed as an
escape, what the font lacks as a box (in SVG as text, which the viewer's fonts draw).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from wordalloc.allocations import Bigrams, Classes, Cutoffs, Table, Tree
from wordalloc.errors import InputError
from wordalloc.report._paper import COLUMN, write_picture
from wordalloc.report.classes_figure import classes_figure
from wordalloc.report.content import (
    MOST_CELLS,
    Ints,
    TreePart,
    cell_masses,
    class_groups,
    node_totals,
    tree_part,
)
from wordalloc.report.frontier_figure import frontier_figure
from wordalloc.report.table_figure import table_figure
from wordalloc.report.training_figure import Curve, training_figure
from wordalloc.report.tree_content import code_length_shares, entropy, words_below
from wordalloc.report.tree_figure import CodeLengths, Levels, tree_figure
from wordalloc.report.zipf_content import pair_points, zipf_points
from wordalloc.report.zipf_figure import Bands, zipf_figure
from wordalloc.vocabulary import Vocabulary

SHOWN_WORDS = 3  # of a class
DEEPEST, MOST_ENDS, WORDS_BELOW = 6, 24, 12  # of a tree: levels, nodes at their end, and words of each

Law = tuple[str, npt.NDArray[np.float64]]


def zipf_picture(
    path: str | os.PathLike[str],
    content: Vocabulary | Bigrams | Cutoffs,
    law: Law | None = None,
    *,
    width: float = COLUMN,
) -> None:
    """Draw occurrences over rank, both logarithmic.

    Parameters
    ----------
    path : path-like
        Ends in .png (300 dots an inch), .svg or .pdf. Written whole or not at all.
    content : Vocabulary, Bigrams or Cutoffs
        Of bigrams the pairs are drawn, too, by their own ranks. The edges of cutoffs' bands are drawn in, and their
        words and shares of the tokens are written above them.
    law : (str, ndarray of float64 of shape (V,)), optional
        What is said of a law of the words' probabilities, and these.
    width : float
        Inches, 3 to 20.

    Raises
    ------
    InputError
        If the suffix is another, the width is none, or no word was ever counted.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     zipf_picture(f"{folder}/a.svg", Cutoffs(Vocabulary.from_counts("abcde", [9, 4, 3, 2, 1]), [2]))
    ...     os.listdir(folder)
    ['a.svg']
    """
    vocabulary = content if isinstance(content, Vocabulary) else content.vocabulary
    series = {"words": zipf_points(vocabulary)}
    if isinstance(content, Bigrams):
        series["pairs of words"] = pair_points(content)
    ranks = series["words"][0]
    line = None if law is None else (law[0], (ranks, vocabulary.total * law[1][ranks - 1]))
    bands = Bands(content.bounds, content.masses) if isinstance(content, Cutoffs) else None
    write_picture(lambda points: zipf_figure(series, line, bands, points), path, width)


def frontier_picture(
    path: str | os.PathLike[str],
    parameters: npt.ArrayLike,
    seconds: npt.ArrayLike,
    named: Mapping[str, tuple[float, float]],
    *,
    width: float = COLUMN,
) -> None:
    """Draw what cutoffs can reach: time of a training step over parameters of the layer.

    Parameters
    ----------
    path, width
        As for `zipf_picture`.
    parameters, seconds : array_like of float, shape (n,)
        The frontier, by increasing parameters.
    named : mapping of str to (float, float)
        Parameters and seconds of up to four points that have a name.

    Raises
    ------
    InputError, OutputError
        As for `zipf_picture`.
    """
    write_picture(lambda points: frontier_figure(parameters, seconds, named, points), path, width)


def classes_picture(path: str | os.PathLike[str], classes: Classes, *, width: float = COLUMN) -> None:
    """Draw the share of the tokens in each class over its words, with its most frequent words where there is room.

    Parameters
    ----------
    path, width
        As for `zipf_picture`.
    classes : Classes
        K of them; those without any tokens are left out.

    Raises
    ------
    InputError, OutputError
        As for `zipf_picture`.
    """
    groups = class_groups(classes, SHOWN_WORDS)
    write_picture(lambda points: classes_figure(groups.sizes, groups.masses, groups.words, points), path, width)


def tree_picture(path: str | os.PathLike[str], tree: Tree, *, width: float = COLUMN) -> None:
    """Draw the shares of the code lengths beside the entropy, and the upper levels with the words below them.

    Parameters
    ----------
    path, width
        As for `zipf_picture`.
    tree : Tree
        Of two words or more.

    Raises
    ------
    InputError, OutputError
        As for `zipf_picture`; where the tree has one word, too.
    """
    if not tree.n_nodes:
        raise InputError("a tree of one word has no code to draw")
    if not tree.vocabulary.total:
        raise InputError("no word was ever counted: the tree has no mass to draw")
    unit = "bits" if tree.arity == 2 else f"digits of {tree.arity}"
    least = entropy(tree.vocabulary, tree.arity)
    lengths = CodeLengths(*code_length_shares(tree), tree.mean_code_length, least, unit)
    levels = upper_levels(tree)
    write_picture(lambda points: tree_figure(lengths, levels, points), path, width)


def table_picture(path: str | os.PathLike[str], table: Table, *, width: float = COLUMN) -> None:
    """Draw the cells' shares of the tokens as a heat map, with the sums of rows and columns beside it.

    Parameters
    ----------
    path, width
        As for `zipf_picture`.
    table : Table
        Of any shape.

    Raises
    ------
    InputError, OutputError
        As for `zipf_picture`; where the table has more than 4,194,304 cells, too.
    """
    n_cells = table.n_rows * table.n_columns
    if n_cells > MOST_CELLS:
        raise InputError(f"a table of {n_cells:,} cells is too large for a heat map: at most {MOST_CELLS:,} are drawn")
    cells = cell_masses(table)
    write_picture(lambda points: table_figure(cells, points), path, width)


def training_picture(
    path: str | os.PathLike[str],
    curves: Mapping[str, Curve],
    marks: Sequence[tuple[int, str]] = (),
    *,
    width: float = COLUMN,
) -> None:
    """Draw perplexity, which on the other side is loss, over the tokens trained on.

    Parameters
    ----------
    path, width
        As for `zipf_picture`.
    curves : mapping of str to (array_like of int, array_like of float)
        Up to three: tokens, and nats a token.
    marks : sequence of (int, str)
        Tokens, and what happened then.

    Raises
    ------
    InputError, OutputError
        As for `zipf_picture`; where there is nothing to draw, too.
    """
    write_picture(lambda points: training_figure(curves, marks, points), path, width)


def upper_levels(tree: Tree) -> Levels:
    """Return as many upper levels as a picture can show: no more than 6, and few enough nodes at their end.

    Parameters
    ----------
    tree : Tree
        Of two words or more.

    Examples
    --------
    >>> tree = Tree(Vocabulary.from_counts("abc", [5, 3, 2]), [0, 1, 3, 5], [0, 0, 1, 0, 1], [0, 1, 0, 1, 1])
    >>> levels = upper_levels(tree)
    >>> levels.depth.tolist(), levels.words
    ([0, 1, 1, 2, 2], [[], ['a'], [], ['b'], ['c']])
    """
    part = tree_part(tree, node_totals(tree), depth=DEEPEST)
    depth = 1
    while depth < part.depth.max() and _ends(part, depth + 1).size <= MOST_ENDS:
        depth += 1
    kept = part.depth <= depth
    node = part.node[kept]
    words: list[list[str]] = [[] for _ in node]
    ends = _ends(part, depth)
    inner, leaves = ends[node[ends] >= 0], ends[node[ends] < 0]
    for place, own in zip(inner.tolist(), words_below(tree, node[inner], WORDS_BELOW), strict=True):
        words[place] = own
    for place, word in zip(leaves.tolist(), tree.vocabulary.words_at((-1 - node[leaves]).tolist()), strict=True):
        words[place] = [word]
    return Levels(part.parent[kept], part.digit[kept], part.depth[kept], part.masses[kept], node < 0, words)


def _ends(part: TreePart, depth: int) -> Ints:
    """Return the nodes that have nothing below them if the part ends at a depth."""
    return np.flatnonzero((part.depth == depth) | ((part.depth < depth) & (part.node < 0)))
