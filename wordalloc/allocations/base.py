"""What everything over a vocabulary shares: parameters, and a place in a file."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from wordalloc.allocations import storage
from wordalloc.checks import Frozen, plain_json
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary


class Stored(Frozen, ABC):
    """Arrays over a vocabulary that have a kind of file. Frozen; a subclass checks itself when it is made.

    Parameters
    ----------
    vocabulary : Vocabulary
        The words that the arrays are about.
    parameters : mapping, optional
        What the result depends on, its objective and lower bound where it has them: plain JSON values,
        never times, threads or paths.

    Attributes
    ----------
    kind : str
        What the file says it is: ``"cutoffs"``, ...
    names : frozenset of str
        The arrays that a file of the kind may hold.

    Raises
    ------
    InputError
        If `parameters` hold what a file cannot, or the key ``"vocabulary"``, which a file needs itself.
    """

    kind: ClassVar[str]
    names: ClassVar[frozenset[str]]

    def __init__(self, vocabulary: Vocabulary, parameters: Mapping[str, Any] | None = None) -> None:
        if not isinstance(vocabulary, Vocabulary):
            raise InputError(f"expected a Vocabulary, got {type(vocabulary).__name__}; see Vocabulary.from_counts")
        self.vocabulary = vocabulary
        self.parameters = plain_json(parameters or {}, "parameters")
        if "vocabulary" in self.parameters:
            raise InputError("parameters cannot hold 'vocabulary': a file keeps the vocabulary's own ones there")

    @abstractmethod
    def arrays(self) -> storage.Arrays:
        """Return the arrays of this kind, by their names in the file."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, vocabulary: Vocabulary, arrays: storage.Arrays, parameters: Mapping[str, Any]) -> Self:
        """Make the object from what a file holds; raise InputError where that is wrong."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write this to `path` (see `wordalloc.allocations.storage`), whole or not at all.

        Raises
        ------
        OutputError
            If the target cannot be written; it is then left as it was.
        """
        storage.write(path, self.kind, self.vocabulary, self.arrays(), self.parameters)


class Allocation(Stored):
    """An address for every word of a vocabulary."""

    @abstractmethod
    def addresses(self) -> storage.Arrays:
        """Return what a reader wants to know of each word: named arrays of shape (V,)."""
