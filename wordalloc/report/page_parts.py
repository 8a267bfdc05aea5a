"""What a page shows, as plain data: whoever gathers it fills these in, and `wordalloc.report.page` draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.allocations import Stored
from wordalloc.vocabulary import Vocabulary

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Law:
    """A Zipf–Mandelbrot law fitted to a vocabulary.

    Attributes
    ----------
    q, s, r_squared : float
        Shift, exponent, and how well it fits.
    probabilities : ndarray of float64, shape (V,)
        In rank order.
    """

    q: float
    s: float
    r_squared: float
    probabilities: Floats


@dataclass(frozen=True)
class Layer:
    """An adaptive softmax as a point: its cutoffs, seconds of a training step, weights, share of tokens in its head."""

    cutoffs: Sequence[int]
    seconds: float
    parameters: int
    head_mass: float


@dataclass(frozen=True)
class Frontier:
    """What cutoffs can reach.

    Attributes
    ----------
    points : sequence of Layer
        By rising parameters and falling time.
    chosen : Layer
        The file's own.
    knee : Layer or None
        Where more parameters begin to buy less.
    """

    points: Sequence[Layer]
    chosen: Layer
    knee: Layer | None


@dataclass(frozen=True)
class FilePart:
    """A file of words: a vocabulary, or something over one.

    Attributes
    ----------
    name : str
        Of the file.
    content : Vocabulary or Stored
        What is in it.
    frontier : Frontier or None
        Of cutoffs that say by which cost they are the best.
    note : str
        Why there is no frontier.
    """

    name: str
    content: Vocabulary | Stored
    frontier: Frontier | None = None
    note: str = ""

    @property
    def vocabulary(self) -> Vocabulary:
        """Its words."""
        return self.content if isinstance(self.content, Vocabulary) else self.content.vocabulary


@dataclass(frozen=True)
class WordsPart:
    """The words and counts that one or several files share, and the law fitted to them, or why there is none."""

    vocabulary: Vocabulary
    law: Law | None
    note: str = ""


@dataclass(frozen=True)
class Curve:
    """A figure over the course of a training: all of shape (n,); seconds are not a number where none were measured."""

    tokens: Floats
    seconds: Floats
    values: Floats


@dataclass(frozen=True)
class RunPart:
    """A run directory: loss in nats a token, and the perplexity of a part and of all of the validation text.

    And of a table, after how many tokens the words were reallocated, and to which table.
    """

    name: str
    loss: Curve
    part: Curve
    valid: Curve
    tables: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True)
class ComparisonPart:
    """A comparison's folder: what ``comparison.json`` holds."""

    name: str
    methods: Sequence[dict[str, Any]]
    vocab_size: int
    unigram_perplexity: float
    reach: float | None


@dataclass(frozen=True)
class PageParts:
    """All that a page shows."""

    words: Sequence[WordsPart] = field(default_factory=list)
    files: Sequence[FilePart] = field(default_factory=list)
    runs: Sequence[RunPart] = field(default_factory=list)
    comparisons: Sequence[ComparisonPart] = field(default_factory=list)
