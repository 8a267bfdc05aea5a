"""Counts that are ready: TSV, a JSON object, rows of words and counts, and Hugging Face tokenizers' vocabularies."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wordalloc.corpus.columns import count_columns
from wordalloc.corpus.engine import Progress
from wordalloc.corpus.jsonl import no_duplicates
from wordalloc.corpus.reading import BOM, Input, read_lines, read_whole
from wordalloc.corpus.tables import place, read_rows
from wordalloc.errors import FormatError, InputError
from wordalloc.vocabulary import MAX_COUNT

Counts = dict[str, int]

MAX_JSON = 1 << 30  # bytes, for JSON is parsed in memory
_LONGEST_ATOM = 12  # characters: -Infinity, or the escape of a character
_NUMBER = re.compile(rb"[+-]?\d+(\.\d+)?")


@dataclass(frozen=True)
class Tokens:
    """A tokenizer's vocabulary: the foreign id of every token, and the tokenizer's own JSON where it has one."""

    ids: dict[str, int]
    tokenizer: str | None = None


def looks_like_tsv(start: bytes) -> bool:
    """Tell whether all lines of the first bytes of a file are ``word<TAB>number``; the last may be cut.

    Numbers that are no counts, such as -1 or 0.5, are for `read_tsv` to refuse: such a file is no text.
    """
    lines = start.removeprefix(BOM).split(b"\n")
    whole = lines[:-1] if len(lines) > 1 else lines
    return all(_is_tsv_line(line) for line in whole if line.strip()) and any(line.strip() for line in whole)


def read_tsv(file: Input, errors: str) -> Counts:
    """Read ``word<TAB>count`` lines; blank lines are skipped, the word is everything before the last tab.

    Raises
    ------
    InputError
        Naming the line: a missing tab, a count that is not a whole number from 0 to 2**62, a word seen before.
    """
    counts: Counts = {}
    for number, line in enumerate(_lines(file, errors), 1):
        if not line:
            continue
        word, tab, count = line.rpartition("\t")
        where = f"{file.name}: line {number}"
        if not tab or not word:
            raise InputError(f"{where}: expected word<TAB>count, found {line[:80]!r}")
        if word in counts:
            lines = enumerate(_lines(file, errors), 1)
            first = next(number for number, line in lines if line.rpartition("\t")[0] == word)
            raise InputError(f"{where}: {word!r} was counted on line {first} already; add the two into one")
        counts[word] = checked_count(count.strip(), where)
    return counts


def looks_like_json_object(start: bytes) -> bool:
    """Tell whether the first bytes of a file are one JSON object, or break off inside one.

    >>> [looks_like_json_object(start) for start in (b'{"a": 1}', b'{"a": [1, "b', b'{"a": 1} {"b')]
    [True, True, False]
    """
    text = start.removeprefix(BOM).decode("utf-8", "replace").strip()
    if not text.startswith("{"):
        return False
    try:
        return json.JSONDecoder(strict=False).raw_decode(text)[1] == len(text)
    except json.JSONDecodeError as error:
        # What breaks off is missed at its end, but for a string, which is named by its beginning.
        return error.msg.startswith("Unterminated string") or error.pos > len(error.doc) - _LONGEST_ATOM
    except (ValueError, RecursionError):
        return False


def read_json(file: Input, errors: str) -> Counts | Tokens | None:
    """Read a JSON object: ``{word: count}``, or a tokenizer's vocabulary; None if the file is not an object.

    An object whose values are exactly 0 … V-1 is a ``vocab.json``: token ids, not counts.
    """
    text = read_whole(file, errors, MAX_JSON)
    if text is None:
        raise InputError(f"{file.name}: more than {MAX_JSON:,} bytes of JSON; give counts as TSV or Parquet")
    try:
        content = json.loads(text, object_pairs_hook=no_duplicates, strict=False)
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise FormatError(f"{file.name}: {error}") from error
        return None
    if not isinstance(content, dict):
        return None
    if isinstance(content.get("model"), dict) and "vocab" in content["model"]:
        return Tokens(_tokenizer_ids(file, content), text)
    if not content:
        raise InputError(f"{file.name}: the JSON object is empty; expected {{word: count}}")
    if len(content) > 1 and _is_numbering(list(content.values())):
        return Tokens(dict(content))
    return {word: checked_count(value, f"{file.name}: {word!r}") for word, value in content.items()}


def read_table(file: Input) -> Counts:
    """Read a file of rows: words and their counts; `count_columns` says by what these are known."""
    columns = file.columns()
    found = count_columns(columns)
    if found is None:
        listed = ", ".join(f"{name} ({kind})" for name, kind in columns)
        raise InputError(f"{file.name}: expected a column of words and one of counts, found {listed}")
    counts: Counts = {}
    for first, rows, _ in read_rows(file, list(found)):
        for number, (token, value) in enumerate(rows, first):
            if not token or not isinstance(token, str) or token in counts:
                problem = "appears twice" if token in counts else "is no word"
                raise InputError(f"{place(file, number)}: {token!r:.80} {problem}")
            counts[token] = checked_count(value, place(file, number))
    return counts


def count_tokens(tokens: Tokens, counts: Mapping[str, int], name: str) -> tuple[list[str], list[int], list[int]]:
    """Return tokens, counts and ids, from a ready-count file that names tokens or, all of them, ids."""
    known = tokens.ids
    strangers = [token for token in counts if token not in known]
    if strangers:
        by_id = {str(number): token for token, number in known.items()}
        if any(token not in by_id for token in counts):
            raise InputError(
                f"{name}: counts {strangers[0]!r}, which is not in the tokenizer's vocabulary; give its own counts"
            )
        counts = {by_id[number]: count for number, count in counts.items()}
    return list(known), [counts.get(token, 0) for token in known], list(known.values())


def count_with_tokenizer(
    tokens: Tokens, name: str, texts: list[Input], errors: str, progress: Progress | None = None
) -> dict[str, int]:
    """Count the tokens of texts as the tokenizer itself cuts them, line by line (needs ``tokenizers``).

    A line comes to it whole, tabs and all, but without its end. What the file says of tokens to be added around a
    text, of cutting it short and of filling it up is left aside: these would be counted once a line.
    """
    tokenizer = _load_tokenizer(tokens, name)
    ids: Counter[int] = Counter()  # not the tokens: of what is unknown they say how it was spelt
    total, finished = sum(text.size for text in texts), 0
    for text in texts:
        for block, position in read_lines(text, errors, keep_separators=True):
            lines = [line.removesuffix("\r") for line in block]
            try:
                encodings = tokenizer.encode_batch(lines, add_special_tokens=False)
            except Exception as error:  # the library raises nothing narrower
                raise FormatError(f"{name}: the package tokenizers cannot cut {text.name} by it: {error}") from error
            for encoding in encodings:
                ids.update(encoding.ids)
            if progress is not None:
                progress(finished + position, total)
        finished += text.size
    strangers = ids.keys() - tokens.ids.values()
    if strangers:
        raise FormatError(
            f"{name}: damaged tokenizer.json: it makes the token {min(strangers)}, which it does not list; "
            "fetch it again"
        )
    return {token: ids[number] for token, number in tokens.ids.items()}


def _load_tokenizer(tokens: Tokens, name: str) -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise InputError(
            "counting text by a tokenizer.json needs the package tokenizers: pip install 'wordalloc[huggingface]'"
        ) from error
    try:
        tokenizer = tokenizers.Tokenizer.from_str(tokens.tokenizer or "")
    except Exception as error:  # the library raises nothing narrower
        raise FormatError(
            f"{name}: damaged tokenizer.json: the package tokenizers says: {error}; fetch it again"
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _lines(file: Input, errors: str) -> Iterator[str]:
    """Yield lines without their ends, tabs kept."""
    for block, _ in read_lines(file, errors, keep_separators=True):
        yield from (line.removesuffix("\r") for line in block)


def _is_tsv_line(line: bytes) -> bool:
    word, tab, count = line.rpartition(b"\t")
    return bool(tab and word) and _NUMBER.fullmatch(count.strip()) is not None


def checked_count(value: Any, where: str) -> int:
    """Return a count, given as a number or its digits; `where` is said of what is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:30])
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_COUNT:
        raise InputError(f"{where}: the count must be a whole number from 0 to 2**62, not {str(value)[:40]!r}")
    return value


def _is_numbering(values: list[Any]) -> bool:
    return all(type(value) is int for value in values) and sorted(values) == list(range(len(values)))


def _tokenizer_ids(file: Input, content: dict[str, Any]) -> dict[str, int]:
    """Return the ids of a tokenizer.json: a mapping, or (unigram models) a list of pieces; and the added tokens."""
    vocabulary = content["model"]["vocab"]
    try:
        if isinstance(vocabulary, list):
            vocabulary = {token: number for number, (token, _) in enumerate(vocabulary)}
        added = {token["content"]: token["id"] for token in content.get("added_tokens") or []}
        ids = {**vocabulary, **added}
    except (TypeError, ValueError, LookupError) as error:
        raise FormatError(
            f"{file.name}: damaged tokenizer.json: no list of tokens with their ids; fetch it again"
        ) from error
    of_text = all(isinstance(token, str) and type(number) is int and number >= 0 for token, number in ids.items())
    if not ids or not of_text:
        raise FormatError(
            f"{file.name}: damaged tokenizer.json: its vocabulary does not give each token an id; fetch it again"
        )
    if len(set(ids.values())) < len(ids):
        raise FormatError(f"{file.name}: damaged tokenizer.json: two tokens share one id; fetch it again")
    return ids
