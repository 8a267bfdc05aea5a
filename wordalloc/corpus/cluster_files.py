"""Clusters that other programs made: ``paths`` files of Brown clustering, and three ways to list words and classes."""

from __future__ import annotations

import os
import re
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
    kind : {"brown-paths", "word2vec-classes", "mkcls-classes", "srilm-classes"}
        Bits, word and count on each line; word and class, with a space or a tab between them; or class, probability
        and word.
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


# What a line holds in each format, and the places of word and label in it.
_EXPECTED = {
    "brown-paths": "bits, word and count separated by tabs",
    "word2vec-classes": "a word and its class",
    "mkcls-classes": "a word and its class, with a tab between them",
    "srilm-classes": "a class, perhaps a probability, and one word",
}
_PLACES = {"brown-paths": (1, 0), "word2vec-classes": (0, 1), "mkcls-classes": (0, 1), "srilm-classes": (-1, 0)}
_ANY = "bits, word and count separated by tabs, or a word and its class"


def read_clusters(path: str | os.PathLike[str], *, form: str | None = None, errors: str = "strict") -> ClusterFile:
    """Read a file of clusters.

    Parameters
    ----------
    path : path-like
        Plain or compressed, told by its content; ``"-"`` for standard input.
    form : str, optional
        One of the kinds of `ClusterFile`. Default: what the first line looks like.
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
        return clusters_of(files[0], form, errors)


def clusters_of(file: Input, form: str | None, errors: str) -> ClusterFile:
    """Read a file that is open already; see `read_clusters`."""
    lines = [line.removesuffix("\r") for block, _ in read_lines(file, errors, keep_separators=True) for line in block]
    if not lines:
        raise InputError(f"{file.name}: empty; expected bits, word and count, or word and class, on each line")
    form = form or _told(lines[0])
    rows = [_fields(form, line) for line in lines] if form else [None]
    wrong = next((number for number, row in enumerate(rows) if row is None), None)
    if form is None or wrong is not None:
        expected, number = (_EXPECTED[form], wrong or 0) if form else (_ANY, 0)
        raise InputError(f"{file.name}: line {number + 1}: expected {expected}, not {lines[number]!r:.80}")
    word, label = _PLACES[form]
    found = [row for row in rows if row is not None]
    words, labels = _distinct(file, [row[word] for row in found]), [row[label] for row in found]
    if form != "brown-paths":
        return ClusterFile(form, words, labels, None)
    counts = [checked_count(row[2], f"{file.name}: line {number}") for number, row in enumerate(found, start=1)]
    check_total(sum(counts), f"{file.name}: ")
    return ClusterFile(form, words, labels, counts)


def _told(line: str) -> str | None:
    """Return the format that a first line looks like."""
    tabs, spaces = line.count("\t"), line.count(" ")
    if tabs == 2 and line.split("\t")[0].strip("01") and _is_share(line.split("\t")[1]):
        return "srilm-classes"  # with tabs, as none of its own tools writes it; bits are 0 and 1
    if tabs:
        return {1: "mkcls-classes", 2: "brown-paths"}.get(tabs)
    if spaces == 2 and _is_share(line.split(" ")[1]):
        return "srilm-classes"
    return "word2vec-classes" if spaces else None


def _fields(form: str, line: str) -> list[str] | None:
    """Return the fields of a line, None where they are not those of the format."""
    if form == "srilm-classes":
        fields = re.split("[ \t]+", line.strip(" \t"))
        share = len(fields) == 3 and _is_share(fields[1])
        return fields if share or len(fields) == 2 else None
    spaced = form == "word2vec-classes" and "\t" not in line
    fields = line.split(" " if spaced else "\t")
    if form == "brown-paths":
        return fields if len(fields) == 3 and all(fields[1:]) else None
    return fields if len(fields) == 2 and all(fields) else None


def _is_share(text: str) -> bool:
    """Tell whether a field is a probability, which has a point or an exponent, or is 0 or 1."""
    try:
        return text.isascii() and 0 <= float(text) <= 1
    except ValueError:
        return False


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
