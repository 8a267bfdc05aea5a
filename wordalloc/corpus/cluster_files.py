"""Clusters that other programs made: ``paths`` files of Brown clustering, and files of a word and its class a line."""

from __future__ import annotations

import os
import reprlib
from dataclasses import dataclass

from wordalloc.corpus.reading import Input, open_inputs, read_lines
from wordalloc.corpus.ready_counts import checked_count
from wordalloc.errors import InputError
from wordalloc.vocabulary import check_total


@dataclass(frozen=True)
class ClusterFile:
    """What a file of clusters holds.

    Attributes
    ----------
    kind : {"brown-paths", "word2vec-classes"}
        Bits, word and count on each line; or word and class.
    words : list of str
        Distinct.
    labels : list of str
        The bits, or the class as it is called in the file.
    counts : list of int or None
        Of a ``paths`` file.
    """

    kind: str
    words: list[str]
    labels: list[str]
    counts: list[int] | None


def read_clusters(path: str | os.PathLike[str], *, errors: str = "strict") -> ClusterFile:
    """Read a ``paths`` file (bits, word and count, separated by tabs) or one of a word and its class on each line.

    Parameters
    ----------
    path : path-like
        Plain or compressed, told by its content; ``"-"`` for standard input.
    errors : {"strict", "replace"}
        What to do where the text is not UTF-8.

    Raises
    ------
    InputError
        If the file is empty, a line is not of the kind that the first one is, or a word appears twice; the message
        names the line.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "paths"
    ...     _ = path.write_text("0\\tthe\\t5\\n10\\tcat\\t2\\n11\\tdog\\t2\\n")
    ...     clusters = read_clusters(path)
    >>> clusters.kind, clusters.words, clusters.labels, clusters.counts
    ('brown-paths', ['the', 'cat', 'dog'], ['0', '10', '11'], [5, 2, 2])
    """
    with open_inputs(path) as files:
        if len(files) > 1:
            raise InputError(f"{path}: {len(files)} files match this pattern; name one of them")
        file = files[0]
        lines = [line for block, _ in read_lines(file, errors, keep_separators=True) for line in block]
    rows = [_fields(line) for line in lines]
    if not rows:
        raise InputError(f"{file.name}: empty; expected bits, word and count, or word and class, on each line")
    width = len(rows[0])
    for number, row in enumerate(rows, start=1):
        if len(row) != width or width not in (2, 3) or not all(row[1:]) or (width == 2 and not row[0]):
            expected = _EXPECTED.get(width, _EXPECTED[0])
            raise InputError(f"{file.name}: line {number}: expected {expected}, not {lines[number - 1]!r:.80}")
    if width == 2:
        return ClusterFile(
            "word2vec-classes", _distinct(file, [row[0] for row in rows]), [row[1] for row in rows], None
        )
    counts = [checked_count(row[2], f"{file.name}: line {number}") for number, row in enumerate(rows, start=1)]
    check_total(sum(counts), f"{file.name}: ")
    return ClusterFile("brown-paths", _distinct(file, [row[1] for row in rows]), [row[0] for row in rows], counts)


_EXPECTED = {
    0: "bits, word and count separated by tabs, or a word and its class",
    2: "a word and its class",
    3: "bits, word and count separated by tabs",
}


def _fields(line: str) -> list[str]:
    """Split at tabs; a line without any at its last space, as word2vec writes."""
    line = line.removesuffix("\r")
    return line.split("\t") if "\t" in line else line.rsplit(" ", 1)


def _distinct(file: Input, words: list[str]) -> list[str]:
    if len(set(words)) < len(words):
        first: dict[str, int] = {}
        for number, word in enumerate(words, start=1):
            if first.setdefault(word, number) != number:
                named = reprlib.repr(word)
                raise InputError(
                    f"{file.name}: line {number}: the word {named} stands on line {first[word]} already; leave one out"
                )
    return words
