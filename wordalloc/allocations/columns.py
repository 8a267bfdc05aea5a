"""An allocation as named columns, and back: what JSON and Parquet carry whole, and TSV in part.

Columns are lists over the words in rank order: ``words``, ``counts``, perhaps ``ids``, and the addresses of the kind.
A tree has ``nodes``, too, the inner nodes on the way to each word; its digits are the ``code``. Bigrams and costs have
the arrays of their file. What no column says stands beside them: kind, parameters, how the text was read.
"""

from __future__ import annotations

import itertools
import reprlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.allocations import storage
from wordalloc.allocations.base import Allocation, Stored
from wordalloc.allocations.bigrams import Bigrams
from wordalloc.allocations.classes import Classes
from wordalloc.allocations.costs import Costs
from wordalloc.allocations.cutoffs import Cutoffs
from wordalloc.allocations.table import Table, checked_shape
from wordalloc.allocations.tree import Tree
from wordalloc.checks import whole_numbers
from wordalloc.errors import FormatError, InputError
from wordalloc.vocabulary import Vocabulary

Columns = dict[str, Any]
About = dict[str, Any]

_ABOUT = {"parameters": dict, "limits": dict, "source": dict, "text": dict | None, "kind": str}


def to_columns(what: Stored | Vocabulary) -> tuple[About, Columns]:
    """Return what no column says, as JSON values, and the columns: lists, or arrays of one entry a word.

    Parameters
    ----------
    what : Allocation, Bigrams, Costs or Vocabulary
        Of any kind.

    Examples
    --------
    >>> about, columns = to_columns(Cutoffs(Vocabulary.from_counts("ab", [2, 1]), [1], {"by": "mass"}))
    >>> about["kind"], about["parameters"], columns["words"], columns["cluster"].tolist()
    ('cutoffs', {'by': 'mass'}, ('a', 'b'), [0, 1])
    """
    vocabulary = what if isinstance(what, Vocabulary) else what.vocabulary
    about: About = {
        "format_version": storage.FORMAT_VERSION,
        "kind": "vocabulary" if isinstance(what, Vocabulary) else what.kind,
        "parameters": {} if isinstance(what, Vocabulary) else what.parameters,
        "limits": vocabulary.parameters,
        "text": vocabulary.text.to_json() if vocabulary.text else None,
        "source": vocabulary.source,
    }
    columns: Columns = {"words": vocabulary.words, "counts": vocabulary.counts}
    if vocabulary.ids is not None:
        columns["ids"] = vocabulary.ids
    if isinstance(what, Allocation):
        columns |= what.addresses()
    elif isinstance(what, Stored):
        columns |= what.arrays()
    if isinstance(what, Table):
        about["shape"] = list(what.shape)
    if isinstance(what, Tree):
        about["arity"] = what.arity
        columns["nodes"] = _split(what.path_nodes, what.path_offsets)
    return about, columns


def from_columns(about: Mapping[str, Any], columns: Mapping[str, Any]) -> Any:
    """Return what `to_columns` was given. Without a kind, the names of the columns say it.

    Parameters
    ----------
    about : mapping
        All of it may be left out: parameters are then none, a table is as large as its words need, and the inner nodes
        of a tree without `nodes` are numbered by depth, and then by code.
    columns : mapping of str to list or ndarray
        By their names.

    Raises
    ------
    InputError
        If a column is missing, unknown, or says what the others do not.

    Examples
    --------
    >>> from_columns({}, {"words": ["a", "b", "c"], "counts": [5, 3, 2], "code": ["0", "10", "11"]})
    Tree(2 inner nodes of arity 2, vocabulary of 3 words)
    """
    _check_about(about)
    kind = about.get("kind") or _kind_of(columns)
    if kind not in _MAKERS:
        raise InputError(f"the kind {reprlib.repr(kind)} is none of: {', '.join(_MAKERS)}")
    text = about.get("text")
    vocabulary = Vocabulary(
        _listed(columns, "words"),
        _listed(columns, "counts"),
        ids=columns.get("ids"),
        text=None if text is None else storage.text_options(text),
        source=about.get("source"),
        parameters=about.get("limits"),
    )
    made = _MAKERS[kind](vocabulary, columns, about)
    _check_same(made, about, columns)
    return made


def _check_about(about: Mapping[str, Any]) -> None:
    for name, kind in _ABOUT.items():
        if name in about and not isinstance(about[name], kind):
            raise FormatError(f"{name!r} must be {'a string' if kind is str else 'an object'}")
    version = about.get("format_version", storage.FORMAT_VERSION)
    if version != storage.FORMAT_VERSION:
        raise FormatError(
            f"is of format version {reprlib.repr(version)}, but this wordalloc reads {storage.FORMAT_VERSION}; "
            "upgrade it"
        )


def _kind_of(columns: Mapping[str, Any]) -> str:
    named = {"cluster": "cutoffs", "class": "classes", "row": "table", "code": "tree", "left": "bigrams"}
    return next((kind for name, kind in {**named, "row_nll": "costs"}.items() if name in columns), "vocabulary")


def _check_same(made: Any, about: Mapping[str, Any], columns: Mapping[str, Any]) -> None:
    """Refuse columns that say other than what was made of them: a slot, say, follows from the class."""
    says, again = to_columns(made)
    if unknown := [name for name in (*columns, *about) if name not in again and name not in says]:
        raise InputError(f"{reprlib.repr(unknown[0])} is nothing of {says['kind']}, which have: {', '.join(again)}")
    for name in ("slot", "row", "column", "cluster", "class_depth"):
        if name in columns and not np.array_equal(np.asarray(columns[name]), again[name]):
            expected = reprlib.repr(again[name].tolist())
            raise InputError(f"the column {name!r} does not agree with the others: expected {expected}")


def _listed(columns: Mapping[str, Any], name: str) -> Any:
    if name not in columns:
        raise InputError(f"the column {name!r} is missing; there are: {reprlib.repr(list(columns))}")
    if not isinstance(columns[name], list | tuple | np.ndarray):
        raise InputError(f"{name!r} must be a list, not {reprlib.repr(columns[name])}")
    return columns[name]


def _numbers(columns: Mapping[str, Any], name: str) -> npt.NDArray[np.int64]:
    return whole_numbers(_listed(columns, name), name)


def _cutoffs(vocabulary: Vocabulary, columns: Mapping[str, Any], about: Mapping[str, Any]) -> Cutoffs:
    cluster = _numbers(columns, "cluster")
    if cluster.shape != (vocabulary.size,):
        raise InputError(f"'cluster' must have one entry a word: expected ({vocabulary.size},), got {cluster.shape}")
    return Cutoffs(vocabulary, np.flatnonzero(cluster[1:] != cluster[:-1]) + 1, about.get("parameters"))


def _classes(vocabulary: Vocabulary, columns: Mapping[str, Any], about: Mapping[str, Any]) -> Classes:
    return Classes(vocabulary, _numbers(columns, "class"), about.get("parameters"))


def _table(vocabulary: Vocabulary, columns: Mapping[str, Any], about: Mapping[str, Any]) -> Table:
    row, column = _numbers(columns, "row"), _numbers(columns, "column")
    if row.shape != (vocabulary.size,) or column.shape != row.shape:
        raise InputError(f"'row' and 'column' must have one entry a word: expected ({vocabulary.size},)")
    shape = checked_shape(about.get("shape") or (int(row.max()) + 1, int(column.max()) + 1), vocabulary.size)
    return Table(vocabulary, row * shape[1] + column, shape, about.get("parameters"))


def _tree(vocabulary: Vocabulary, columns: Mapping[str, Any], about: Mapping[str, Any]) -> Tree:
    codes, arity = list(_listed(columns, "code")), about.get("arity")
    offsets, digits = _digits(codes, arity)
    if "nodes" in columns:
        paths = list(_listed(columns, "nodes"))
        if list(map(_length, paths)) != np.diff(offsets).tolist():
            raise InputError("'nodes' must have as many inner nodes for each word as its code has digits")
        nodes = whole_numbers(list(itertools.chain.from_iterable(paths)), "nodes")
    else:
        nodes = _numbered(offsets, digits)
    if arity is None:
        arity = max(2, int(digits.max(initial=0)) + 1)
    return Tree(vocabulary, offsets, nodes, digits, arity, columns.get("class_depth"), about.get("parameters"))


def _length(path: Any) -> int:
    return len(path) if isinstance(path, list | np.ndarray) else -1


def _digits(codes: list[Any], arity: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return where each code begins in the digits of all, and the digits; dots stand between them beyond arity 10."""
    if not all(isinstance(code, str) for code in codes):
        raise InputError("'code' must be a list of strings")
    dotted = any("." in code for code in codes) or (isinstance(arity, int) and arity > 10)
    if not dotted and arity is None and len(codes) > 10:
        dotted = set(codes) == set(map(str, range(len(codes))))  # one level: digits of several characters
    split = [code.split(".") if dotted and code else list(code) for code in codes]
    digits = list(itertools.chain.from_iterable(split))
    wrong = next((digit for digit in digits if not (digit.isascii() and digit.isdigit() and len(digit) < 19)), None)
    if wrong is not None:
        raise InputError(f"a code holds {reprlib.repr(wrong)}, which is no digit")
    offsets = np.concatenate(([0], np.cumsum(list(map(len, split))))).astype(np.int64)
    return offsets, np.array(list(map(int, digits)), dtype=np.int64)


def _numbered(offsets: npt.NDArray[np.int64], digits: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Number the inner nodes by depth, then by code, level by level: those on the way to each word."""
    nodes, lengths = np.zeros_like(digits), np.diff(offsets)
    words = np.flatnonzero(lengths)
    node, n_nodes, depth = np.zeros(words.size, dtype=np.int64), 1, 0
    while words.size:
        nodes[offsets[words] + depth] = node
        deeper = lengths[words] > depth + 1
        words, above = words[deeper], node[deeper]
        values, digit = np.unique(digits[offsets[words] + depth], return_inverse=True)
        # A node and a digit as one number, in the same order: digits by their places among those that there are.
        distinct, place = np.unique(above * values.size + digit, return_inverse=True)
        node, n_nodes, depth = n_nodes + place, n_nodes + distinct.size, depth + 1
    return nodes


def _bigrams(vocabulary: Vocabulary, columns: Mapping[str, Any], about: Mapping[str, Any]) -> Bigrams:
    left, right, count = (_numbers(columns, name) for name in ("left", "right", "count"))
    return Bigrams(vocabulary, left, right, count, about.get("parameters"))


def _costs(vocabulary: Vocabulary, columns: Mapping[str, Any], about: Mapping[str, Any]) -> Costs:
    row_nll, col_nll = (_listed(columns, name) for name in ("row_nll", "col_nll"))
    return Costs(vocabulary, row_nll, col_nll, _numbers(columns, "cell"), about.get("parameters"))


_MAKERS: dict[str, Callable[[Vocabulary, Mapping[str, Any], Mapping[str, Any]], Any]] = {
    "vocabulary": lambda vocabulary, columns, about: vocabulary,
    "bigrams": _bigrams,
    "cutoffs": _cutoffs,
    "classes": _classes,
    "tree": _tree,
    "table": _table,
    "costs": _costs,
}


def _split(flat: npt.NDArray[Any], offsets: npt.NDArray[np.int64]) -> list[list[int]]:
    listed = flat.tolist()
    return [listed[start:end] for start, end in itertools.pairwise(offsets.tolist())]
