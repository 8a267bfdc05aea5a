"""What every container of this package promises: whole numbers, plain values, and nothing that changes later."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from wordalloc.errors import InputError

JOINERS = "\u200c\u200d"  # zero-width non-joiner and joiner


class Frozen:
    """An object whose attributes are set once, so that what its constructor checked stays true."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__ or isinstance(getattr(type(self), name, None), cached_property):
            raise AttributeError(f"{name!r} of a {type(self).__name__} is read-only; make a new one")
        super().__setattr__(name, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return the object itself, as of anything that does not change: scikit-learn's clones share it."""
        return self


def whole_numbers(values: npt.ArrayLike, name: str) -> npt.NDArray[np.int64]:
    """Return a read-only int64 copy of `values`, refusing what int64 cannot hold exactly.

    Parameters
    ----------
    values : array_like of int
        Of any shape. Booleans and floats are refused, also where they are whole.
    name : str
        What the values are, for the message of an error.

    Raises
    ------
    InputError
        If an entry is not a whole number, or does not fit int64.

    Examples
    --------
    >>> whole_numbers([3, 1], "counts").dtype
    dtype('int64')
    """
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{name} must be a list of whole numbers, all rows of one length") from error
    if array.size and array.dtype.kind not in "iu":
        raise InputError(f"{name} must be whole numbers that fit int64, not {array.dtype}")
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        raise InputError(f"{name} must fit int64, but the largest is {int(array.max())}")
    return read_only(array.astype(np.int64))


def exact_sum(values: npt.NDArray[np.int64]) -> int:
    """Return the sum of whole numbers, exact also where it exceeds 64 bits; of up to 2**31 numbers.

    Parameters
    ----------
    values : ndarray of int64
        Of any sign.

    Examples
    --------
    >>> exact_sum(np.array([2**62, 2**62, 1])) - 2**63
    1
    """
    high, low = values >> 32, values & 0xFFFFFFFF
    return (int(high.sum()) << 32) + int(low.sum())


def sums_of_groups(
    group: npt.NDArray[Any], values: npt.NDArray[np.int64], n_groups: int | None = None
) -> npt.NDArray[np.int64]:
    """Return the sum of the values of each group, in whole numbers: floats lose those beyond 2**53.

    Parameters
    ----------
    group : ndarray of int, shape (n,)
        Of each value, from 0.
    values : ndarray of int64, shape (n,)
        All of them together fit int64.
    n_groups : int, optional
        Default: the greatest group and 1.

    Examples
    --------
    >>> sums_of_groups(np.array([0, 2, 0]), np.array([2**62, 5, 1])).tolist()
    [4611686018427387905, 0, 5]
    """
    sums = np.zeros(int(group.max()) + 1 if n_groups is None else n_groups, dtype=np.int64)
    np.add.at(sums, group, values)
    return sums


def plain_json(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a private copy of `values` as a file will give it back, or say what a file cannot hold.

    Parameters
    ----------
    values : mapping
        Strings, finite numbers, booleans, None, and lists and mappings of these.
    name : str
        What the values are, for the message of an error.

    Raises
    ------
    InputError
        If a value is none of these.

    Examples
    --------
    >>> plain_json({"limits": (1, 2)}, "parameters")
    {'limits': [1, 2]}
    """
    try:
        text = json.dumps(dict(values), ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
        return json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{name} must be plain finite JSON values: {error}") from error


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return `array` itself, which from now on refuses to be written to.

    Parameters
    ----------
    array : ndarray
        One that nobody else writes to.
    """
    array.setflags(write=False)
    return array


def printable(text: str) -> str:
    r"""Return `text` with what is not to be printed escaped: no corpus and no file name steers the terminal.

    The two joiners, U+200C and U+200D, stay where they stand between letters or signs: Persian and emoji are written
    with them, and they move nothing else.

    Parameters
    ----------
    text : str
        Any.

    Examples
    --------
    >>> printable("a\x1b[31m"), printable("\u200d")
    ('a\\x1b[31m', '\\u200d')
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or _joins(text, place) else c.encode("unicode_escape").decode("ascii")
        for place, c in enumerate(text)
    )


def _joins(text: str, place: int) -> bool:
    around = text[place - 1 : place] + text[place + 1 : place + 2]
    return text[place] in JOINERS and len(around) == 2 and around.isprintable() and " " not in around


def nearest(name: str, names: Sequence[str]) -> str:
    """Return what is said of an unknown name: the one that may be meant, and all there are.

    Parameters
    ----------
    name : str
        The unknown one.
    names : sequence of str
        The known ones.

    Examples
    --------
    >>> nearest("adaptiv", ["full", "adaptive"])
    'did you mean adaptive? There are full, adaptive'
    """
    return f"{did_you_mean(name, names)} There are {', '.join(names)}".lstrip()


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """Return a question for the known name that is nearest to an unknown one; nothing where none is near.

    Parameters
    ----------
    name : str
        The unknown one.
    names : sequence of str
        The known ones.

    Examples
    --------
    >>> did_you_mean("cutof", ["count", "cutoffs"])
    'did you mean cutoffs?'
    >>> did_you_mean("zzz", ["count", "cutoffs"])
    ''
    """
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else ""
