"""Two pictures of a comparison of softmaxes: perplexity over training time, and perplexity over parameters."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy.typing as npt

from wordalloc.report._style import house_style, picture_format, write
from wordalloc.report.parameters_figure import parameters_figure
from wordalloc.report.time_figure import time_figure


def perplexity_over_time(
    path: str | os.PathLike[str],
    curves: Mapping[str, Sequence[tuple[npt.ArrayLike, npt.ArrayLike]]],
    *,
    title: str,
) -> None:
    """Draw how the perplexity of each method falls with the time it was trained, and write the picture.

    One line a method: the median over its seeds in the stretch of time that all of them cover, with a band from the
    least to the greatest. Both axes are logarithmic. The method named ``full`` is the reference, black and thick.
    Names stand at the ends of the lines; a long one loses its middle, and what cannot be printed is written as an
    escape. The same data give the same bytes.

    Parameters
    ----------
    path : path-like
        Ends in .png (1600 pixels wide), .svg or .pdf. Written whole or not at all.
    curves : mapping of str to sequence of (array_like of float, array_like of float)
        Of each method, for each seed: seconds, increasing and above 0, and the perplexities then. Perplexities that
        are not finite are left out; a method or a seed without a finite one is left out, and a line below the picture
        says so.
    title : str
        What was compared.

    Raises
    ------
    InputError
        If the suffix is another, a curve cannot be drawn, no method has a finite point, or there are more than 30.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> curves = {"full": [([60, 120], [400, 180])], "adaptive": [([20, 40], [380, 170]), ([20, 41], [390, 168])]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     perplexity_over_time(f"{folder}/time.svg", curves, title="Two softmaxes")
    ...     sorted(os.listdir(folder))
    ['time.svg']
    """
    picture_format(path)
    with house_style():
        write(time_figure(curves, title), path)


def perplexity_over_parameters(
    path: str | os.PathLike[str],
    points: Mapping[str, tuple[float, npt.ArrayLike]],
    *,
    title: str,
) -> None:
    """Draw what perplexity each method reaches with how many parameters, and write the picture.

    One point a method: the median over its seeds, with a bar from the least to the greatest. A thin line, the Pareto
    front, is the least perplexity that a number of parameters reaches; methods on it are beaten by none. Both axes are
    logarithmic. Names stand beside the points, and everything else is as in `perplexity_over_time`.

    Parameters
    ----------
    path : path-like
        Ends in .png (1600 pixels wide), .svg or .pdf. Written whole or not at all.
    points : mapping of str to (float, array_like of float)
        Of each method: the parameters of its input and output layers together, and the last perplexity of each seed.
        Those that are not finite are left out, and a line below the picture says so.
    title : str
        What was compared.

    Raises
    ------
    InputError
        If the suffix is another, a point cannot be drawn, no method has a finite one, or there are more than 30.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> points = {"full": (15_600_000, [109.2, 108.8]), "table": (250_000, [101.5])}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     perplexity_over_parameters(f"{folder}/parameters.png", points, title="Two softmaxes")
    ...     sorted(os.listdir(folder))
    ['parameters.png']
    """
    picture_format(path)
    with house_style():
        write(parameters_figure(points, title), path)
