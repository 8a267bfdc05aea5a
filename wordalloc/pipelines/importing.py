"""From files that other programs read and write to an allocation."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from wordalloc.algorithms.code_tree import tree_from_codes
from wordalloc.allocations import Classes, Tree
from wordalloc.allocations.interchange import from_json
from wordalloc.allocations.storage import begins_as_safetensors
from wordalloc.corpus import ClusterFile
from wordalloc.corpus.cluster_files import clusters_of
from wordalloc.corpus.jsonl import no_duplicates
from wordalloc.corpus.parquet import is_parquet
from wordalloc.corpus.parquet_allocations import read_parquet
from wordalloc.corpus.reading import Input, first_bytes, open_inputs, read_whole
from wordalloc.corpus.ready_counts import MAX_JSON, looks_like_json_object, read_tsv
from wordalloc.corpus.tsv_allocations import has_header, read_tsv_allocation
from wordalloc.errors import FormatError, InputError
from wordalloc.vocabulary import Vocabulary

CLUSTERS = ("brown-paths", "word2vec-classes", "mkcls-classes", "srilm-classes")
_NUMBERED = re.compile(r"(?:CLASS-)?([0-9]{1,9})")  # as SRILM names classes, and everybody else


def import_file(
    path: str | os.PathLike[str],
    form: str | None = None,
    *,
    read_counts: Callable[[], Vocabulary] | None = None,
    errors: str = "strict",
) -> Any:
    """Return what a file holds that was written for, or by, another program.

    Parameters
    ----------
    path : path-like
        ``"-"`` for standard input.
    form : str, optional
        One of `CLUSTERS`, ``tsv``, ``json`` or ``parquet``. Default: told by its content; ``word<TAB>number`` is then
        a class, not a count.
    read_counts : callable, optional
        Returns words with counts, for a format that has none.
    errors : {"strict", "replace"}
        What to do where the text is not UTF-8.

    Returns
    -------
    Allocation, Bigrams, Costs or Vocabulary

    Raises
    ------
    InputError
        If the file cannot be read, or does not hold what its format says.
    """
    with open_inputs(path) as files:
        if len(files) > 1:
            raise InputError(f"{path}: {len(files)} files match this pattern; name one of them")
        file = files[0]
        form = form or _told(file)
        if form in CLUSTERS or form is None:
            return from_clusters(clusters_of(file, form, errors), None if read_counts is None else read_counts())
        if form == "tsv" and has_header(file):
            return read_tsv_allocation(file, None if read_counts is None else read_counts(), errors)
        if read_counts is not None:
            raise InputError(f"{file.name}: holds counts already; leave out --counts")
        if form == "parquet":
            return read_parquet(file)
        return _from_json(file, errors) if form == "json" else _from_counts(file, errors)


def _told(file: Input) -> str | None:
    """Return the format of a file; None for clusters, of which the first line tells."""
    start = first_bytes(file)
    if begins_as_safetensors(start):
        raise InputError(f"{file.name}: is a .safetensors file, which needs no import; if it is compressed, unpack it")
    if is_parquet(start):
        return "parquet"
    if looks_like_json_object(start):
        return "json"
    return "tsv" if has_header(file) else None


def _from_json(file: Input, errors: str) -> Any:
    text = read_whole(file, errors, MAX_JSON)
    if text is None:
        raise InputError(f"{file.name}: more than {MAX_JSON:,} bytes of JSON; export it as Parquet")
    try:
        content = json.loads(text, object_pairs_hook=no_duplicates)
        if not isinstance(content, dict):
            raise InputError("expected a JSON object, as wordalloc export --to json writes it")
        return from_json(content)
    except InputError as error:
        raise FormatError(f"{file.name}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{file.name}: damaged JSON: {error!s:.80}") from error


def _from_counts(file: Input, errors: str) -> Vocabulary:
    counts = read_tsv(file, errors)
    try:
        return Vocabulary.from_counts(list(counts), list(counts.values()))
    except InputError as error:
        raise FormatError(f"{file.name}: {error}") from error


def from_clusters(clusters: ClusterFile, counted: Vocabulary | None = None) -> Tree | Classes:
    """Return the tree of a ``paths`` file, or the classes of a file of words and classes.

    Parameters
    ----------
    clusters : ClusterFile
        What the file holds.
    counted : Vocabulary, optional
        Gives the counts of the file's words, 0 to those it lacks, and says how its text was read. Default: the counts
        of the file, 0 where it has none.

    Raises
    ------
    InputError
        If the codes are not those of a tree, or `counted` has none of the words.
    """
    counts = np.zeros(len(clusters.words), np.int64) if clusters.counts is None else np.array(clusters.counts)
    if counted is not None:
        rank = counted.index(clusters.words)
        if (rank < 0).all():
            raise InputError(
                "no word of the clusters is among the counted ones; give the text that they were made from"
            )
        counts = np.where(rank >= 0, counted.counts[rank], 0)
    vocabulary = Vocabulary.from_counts(
        clusters.words,
        counts,
        text=None if counted is None else counted.text,
        source={} if counted is None else counted.source,
    )
    label = dict(zip(clusters.words, clusters.labels, strict=True))
    labels = [label[word] for word in vocabulary.words]
    if clusters.kind == "brown-paths":
        return tree_from_codes(vocabulary, labels)
    return Classes(vocabulary, _numbers(labels), {"algorithm": "imported"})


def _numbers(labels: list[str]) -> list[int]:
    """Return the number of each class: its own where they are called 0 … K - 1, else by their most frequent words."""
    called = {name: _NUMBERED.fullmatch(name) for name in dict.fromkeys(labels)}
    own = {name: int(found[1]) for name, found in called.items() if found}
    if sorted(own.values()) == list(range(len(called))):
        return [own[name] for name in labels]
    number: dict[str, int] = {}
    return [number.setdefault(name, len(number)) for name in labels]
