"""SOURCE: whatever a user has — text, ready counts, a tokenizer, an allocation file — told apart by content."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from wordalloc.allocations import Bigrams, load
from wordalloc.allocations.storage import is_allocation_file
from wordalloc.corpus.bigrams import count_bigrams_of_inputs
from wordalloc.corpus.counting import count_inputs, describe, limited
from wordalloc.corpus.engine import Progress, on_spark
from wordalloc.corpus.kinds import columns_of, tell_kind
from wordalloc.corpus.reading import Input, Paths, open_inputs
from wordalloc.corpus.ready_counts import (
    Tokens,
    count_tokens,
    count_with_tokenizer,
    read_json,
    read_table,
    read_tsv,
)
from wordalloc.corpus.tables import FORMS
from wordalloc.errors import InputError
from wordalloc.vocabulary import EOS, TextOptions, Vocabulary, check_total


def read_vocabulary(
    sources: Paths,
    *,
    lowercase: bool = False,
    unk: str = TextOptions.unk,
    eos: bool = True,
    errors: str = "strict",
    max_size: int | None = None,
    min_count: int = 1,
    counts: str | os.PathLike[str] | None = None,
    memory_limit: str | None = None,
    threads: int | None = None,
    column: str | None = None,
    engine: str = "duckdb",
    master: str | None = None,
    progress: Progress | None = None,
) -> Vocabulary:
    """Return the vocabulary of any source, told apart by its content.

    Parameters
    ----------
    sources : path-like or iterable of path-like
        One or more texts, plain or a column of Parquet, JSONL or Arrow; or one file of ready counts (TSV
        ``word<TAB>count``, a JSON object, Parquet); or a Hugging Face ``tokenizer.json`` or ``vocab.json`` together
        with `counts` or with texts; or one file written by wordalloc.
    lowercase, unk, eos, errors, max_size, min_count, memory_limit, threads, column, engine, master, progress
        As in `wordalloc.count`. The first three concern text alone: ready counts and files keep what they hold.
        From ready counts `unk` is added only where words are dropped.
    counts : path-like, optional
        Ready counts of a tokenizer's tokens, by token or by id.

    Raises
    ------
    InputError
        If a source cannot be read, or sources of different kinds are mixed.
    """
    text = TextOptions(lowercase=lowercase, unk=unk, eos=eos, errors=errors)
    limits: dict[str, Any] = {"max_size": max_size, "min_count": min_count}
    if on_spark(engine, master, memory_limit, threads):
        from wordalloc.corpus.spark import read_vocabulary_on_spark

        if counts is not None:
            raise InputError("--counts are read on this machine: leave out --engine spark")
        return read_vocabulary_on_spark(sources, text, column=column, master=master, progress=progress, **limits)
    resources: dict[str, Any] = {"memory_limit": memory_limit, "threads": threads, "progress": progress}
    with open_inputs(sources) as found:
        told = _tell_all(found, column)
        files, kinds = [file for file, _ in told], [kind for _, kind in told]
        if set(kinds) == {"text"}:
            if counts is not None:
                raise InputError(
                    f"--counts goes with a tokenizer.json or vocab.json, but {files[0].name} is text; leave it out"
                )
            return count_inputs(files, text, **limits, **resources)
        if kinds[0] == "json" and set(kinds[1:]) <= {"text"}:
            vocabulary = _from_json(files, text, counts, resources)
        elif len(files) > 1:
            mixed = ", ".join(f"{file.name} ({kind})" for file, kind in zip(files, kinds, strict=True))
            raise InputError(f"sources of different kinds cannot be joined: {mixed}; give one of them, or texts alone")
        elif kinds[0] == "allocation":
            content = load(files[0].path)
            vocabulary = content if isinstance(content, Vocabulary) else content.vocabulary
        else:
            read = read_tsv(files[0], errors) if kinds[0] == "tsv" else read_table(files[0])
            vocabulary = _from_counts(read, files)
        return limited(vocabulary, vocabulary.text.unk if vocabulary.text else unk, **limits)


def read_bigrams(
    sources: Paths,
    *,
    lowercase: bool = False,
    unk: str = TextOptions.unk,
    eos: bool = True,
    errors: str = "strict",
    max_size: int | None = None,
    min_count: int = 1,
    memory_limit: str | None = None,
    threads: int | None = None,
    column: str | None = None,
    engine: str = "duckdb",
    master: str | None = None,
    progress: Progress | None = None,
) -> Bigrams:
    """Return the bigrams of texts, with the vocabulary counted from them; or those of a file that holds them.

    Parameters
    ----------
    sources : path-like or iterable of path-like
        One or more texts; or one file of bigrams written by wordalloc.
    lowercase, unk, eos, errors, max_size, min_count, memory_limit, threads, column, engine, master, progress
        As in `wordalloc.count`, for texts.

    Raises
    ------
    InputError
        If a source cannot be read, or holds no pairs of words.
    """
    text = TextOptions(lowercase=lowercase, unk=unk, eos=eos, errors=errors)
    limits: dict[str, Any] = {"max_size": max_size, "min_count": min_count}
    if on_spark(engine, master, memory_limit, threads):
        from wordalloc.corpus.spark import read_bigrams_on_spark

        return read_bigrams_on_spark(sources, text, column=column, master=master, progress=progress, **limits)
    resources: dict[str, Any] = {"memory_limit": memory_limit, "threads": threads, "progress": progress}
    with open_inputs(sources) as found:
        if len(found) == 1 and is_allocation_file(found[0].path):
            content = load(found[0].path)
            if isinstance(content, Bigrams):
                return content
        files = []
        for file, kind in _tell_all(found, column):
            if kind != "text":
                raise InputError(f"{file.name}: adjacent words are counted from text or a file of bigrams, not {kind}")
            files.append(file)
        vocabulary = count_inputs(files, text, **limits, **resources)
        return count_bigrams_of_inputs(files, vocabulary, **resources)


def _tell_all(files: list[Input], column: str | None) -> list[tuple[Input, str]]:
    """Tell what files are; --column is not for a tokenizer that stands before the texts it counts."""
    if len(files) > 1 and column is not None:
        first = tell_kind(files[0])
        if first[1] == "json":
            return [first, *_tell_all(files[1:], column)]
    return [tell_kind(file, own) for file, own in zip(files, columns_of(files, column), strict=True)]


def _from_json(
    files: list[Input], text: TextOptions, counts: str | os.PathLike[str] | None, resources: dict[str, Any]
) -> Vocabulary:
    """Ready counts, or a tokenizer's vocabulary with the counts that it needs."""
    file, texts = files[0], files[1:]
    content = read_json(file, text.errors)
    if not isinstance(content, Tokens):
        if texts or counts is not None or content is None:
            raise InputError(f"{file.name}: holds counts already; give it alone")
        return _from_counts(content, files)
    if (counts is None) == (not texts):
        raise InputError(
            f"{file.name}: holds token ids, not counts; give --counts FILE or a text to count, and not both"
        )
    if counts is not None:
        with open_inputs(counts) as given:
            counted, used = _read_counts(given[0], text.errors), given
    elif content.tokenizer is not None:
        counted, used = count_with_tokenizer(content, file.name, texts, text.errors, resources["progress"]), texts
    else:
        counted, used = _known_words(content, texts, text, resources), texts
    words, numbers, ids = count_tokens(content, counted, used[0].name)
    check_total(sum(numbers), f"{used[0].name}: ")
    by_words = counts is None and content.tokenizer is None
    return Vocabulary.from_counts(
        words, numbers, ids=ids, text=text if by_words else None, source=describe([file, *used], sum(numbers))
    )


def _read_counts(file: Input, errors: str) -> dict[str, int]:
    """Read the file given as --counts: by token or by id."""
    file, kind = tell_kind(file)
    content = read_json(file, errors) if kind == "json" else None
    if isinstance(content, Tokens) and content.tokenizer is None:
        return content.ids  # whole numbers 0 … V-1 are counts here
    if isinstance(content, dict):
        return content
    if kind == "tsv":
        return read_tsv(file, errors)
    if kind in FORMS:
        return read_table(file)
    raise InputError(f"{file.name}: --counts expects TSV token<TAB>count, a JSON object or Parquet, not {kind}")


def _known_words(tokens: Tokens, texts: list[Input], text: TextOptions, resources: dict[str, Any]) -> dict[str, int]:
    """Count a text's words; those that a vocab.json does not hold count as its unknown word."""
    text = replace(text, eos=text.eos and EOS in tokens.ids)
    vocabulary = count_inputs(texts, text, **resources)
    counts = dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True))
    unknown = [word for word in counts if word not in tokens.ids]
    missing = sum(counts.pop(word) for word in unknown)
    if missing and text.unk not in tokens.ids:
        raise InputError(f"{missing:,} tokens such as {unknown[0]!r} are not in the vocabulary; name its --unk word")
    if missing:
        counts[text.unk] = counts.get(text.unk, 0) + missing
    return counts


def _from_counts(counts: dict[str, int], files: list[Input]) -> Vocabulary:
    if not counts:
        raise InputError(f"{files[0].name}: holds no counts; expected a word and its count in each row")
    check_total(sum(counts.values()), f"{files[0].name}: ")
    return Vocabulary.from_counts(list(counts), list(counts.values()), source=describe(files, sum(counts.values())))
