"""Allocations as text that other programs read: TSV and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy.typing as npt

from wordalloc.allocations.base import Allocation
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary


def to_tsv(what: Allocation | Vocabulary) -> Iterator[str]:
    """Yield one line a word, most frequent first: word, count, and its address, separated by tabs.

    There is no header, so that the file of a vocabulary is a count file ``word<TAB>count`` again.

    Parameters
    ----------
    what : Allocation or Vocabulary
        What to write out.

    Raises
    ------
    InputError
        If a word holds a tab or a line end, which the format cannot carry.

    Examples
    --------
    >>> from wordalloc.allocations import Cutoffs
    >>> list(to_tsv(Cutoffs(Vocabulary.from_counts("ab", [2, 1]), [1])))
    ['a\\t2\\t0\\n', 'b\\t1\\t1\\n']
    """
    vocabulary, addresses = _parts(what)
    columns = [vocabulary.counts.tolist(), *(address.tolist() for address in addresses.values())]
    for word, *values in zip(vocabulary.words, *columns, strict=True):
        if any(character in word for character in "\t\n\r"):
            raise InputError(f"the word {word!r} holds a tab or a line end, which TSV cannot carry; use --to json")
        yield "\t".join([word, *map(str, values)]) + "\n"


def to_json(what: Allocation | Vocabulary) -> dict[str, Any]:
    """Return kind, parameters, and parallel lists of words, counts and addresses, in rank order.

    Parameters
    ----------
    what : Allocation or Vocabulary
        What to write out.

    Examples
    --------
    >>> to_json(Vocabulary.from_counts("ab", [2, 1]))
    {'kind': 'vocabulary', 'parameters': {}, 'words': ['a', 'b'], 'counts': [2, 1]}
    """
    vocabulary, addresses = _parts(what)
    parameters = vocabulary.parameters if isinstance(what, Vocabulary) else what.parameters
    listed = {name: address.tolist() for name, address in addresses.items()}
    ids = {} if vocabulary.ids is None else {"ids": vocabulary.ids.tolist()}
    return {
        "kind": "vocabulary" if isinstance(what, Vocabulary) else what.kind,
        "parameters": parameters,
        "words": list(vocabulary.words),
        "counts": vocabulary.counts.tolist(),
        **ids,
        **listed,
    }


def _parts(what: Allocation | Vocabulary) -> tuple[Vocabulary, dict[str, npt.NDArray[Any]]]:
    return (what, {}) if isinstance(what, Vocabulary) else (what.vocabulary, what.addresses())
