"""What all allocations share: a vocabulary, parameters, and a place in a file."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from wordalloc.allocations import storage
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary


class Allocation(ABC):
    """An address for every word of a vocabulary. Frozen; a subclass checks itself when it is made.

    Attributes
    ----------
    kind : str
        What the file says it is: ``"cutoffs"``, ...
    vocabulary : Vocabulary
        The words that have the addresses.
    parameters : dict
        What the result depends on, its objective and lower bound where it has them: plain JSON values,
        never times, threads or paths.
    """

    kind: ClassVar[str]

    def __init__(self, vocabulary: Vocabulary, parameters: Mapping[str, Any] | None = None) -> None:
        if not isinstance(vocabulary, Vocabulary):
            raise InputError(f"expected a Vocabulary, got {type(vocabulary).__name__}; see Vocabulary.from_counts")
        self.vocabulary = vocabulary
        try:
            # The round trip makes a private copy, and finds here, not at saving, what a file cannot hold.
            self.parameters: dict[str, Any] = json.loads(json.dumps(dict(parameters or {}), allow_nan=False))
        except (TypeError, ValueError) as error:
            raise InputError(f"parameters must be plain finite JSON values: {error}") from error

    @abstractmethod
    def arrays(self) -> storage.Arrays:
        """Return the arrays of this kind, by their names in the file."""

    @abstractmethod
    def addresses(self) -> storage.Arrays:
        """Return what a reader wants to know of each word: named arrays of shape (V,)."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, vocabulary: Vocabulary, arrays: storage.Arrays, parameters: Mapping[str, Any]) -> Self:
        """Make the allocation from what a file holds; raise InputError where that is wrong."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write this allocation to `path` (see `wordalloc.allocations.storage`), whole or not at all.

        Raises
        ------
        OutputError
            If the target cannot be written; it is then left as it was.
        """
        storage.write(path, self.kind, self.vocabulary, self.arrays(), self.parameters)
