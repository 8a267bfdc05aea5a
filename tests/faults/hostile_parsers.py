"""Every other file that a command reads: ready counts, datasets, tokenizers, clusters, vectors, WordNet, profiles."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from tests.allocations import raw
from tests.corpus.test_wordnet import NOUNS, VERBS, data_file, index_file
from tests.faults.hostile_case import Case
from wordalloc import Classes, Tree, Vocabulary
from wordalloc.algorithms.cost_model import CostModel
from wordalloc.allocations.interchange import to_json, to_srilm_classes, to_tsv
from wordalloc.corpus.parquet_allocations import write_parquet

TEXT = b"the cat saw the dog\nthe dog saw a man\nthe man went\n"
OUT = ("-o", "out.safetensors")
WORDS = ("the", "cat", "saw", "dog", "a", "man", "went", "<eos>", "<unk>")


@dataclass(frozen=True)
class Format:
    """A sound set of files, the one of them that is damaged, the command that reads it, and damage by hand."""

    files: dict[str, bytes]
    target: str
    arguments: tuple[str, ...]
    by_hand: dict[str, bytes]


def parser_cases(long: bool, rng: random.Random) -> Iterator[Case]:
    """Yield the cases of this module: damage by hand, and at random."""
    for name, form in formats().items():
        yield Case(name, "sound", form.files, form.arguments, works=True)
        for what, content in form.by_hand.items():
            yield Case(name, what, {**form.files, form.target: content}, form.arguments)
        for number in range(150 if long else 3):
            content = damaged(form.files[form.target], rng)
            yield Case(name, f"damaged at random, {number}", {**form.files, form.target: content}, form.arguments)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return `content` with one to three pieces flipped, dropped, doubled, or replaced by something awkward."""
    result = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        begin = rng.randrange(len(result) + 1)
        end = min(len(result), begin + rng.choice((0, 1, 1, 4, 30)))
        piece = bytes(result[begin:end])
        result[begin:end] = rng.choice((b"", piece * 2, bytes(b ^ 1 << rng.randrange(8) for b in piece), *AWKWARD))
    return bytes(result)


AWKWARD = (
    *(
        b"\0",
        b"\t",
        b"\n",
        b"\r\n",
        b" ",
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"-1",
        b"0",
        b"1e999",
        b"NaN",
    ),
    *(
        b"9" * 30,
        b"9" * 5000,
        b"\xff",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\x1b[31m",
        "é\u0301\u2028".encode(),
        b"null",
    ),
)


@cache
def formats() -> dict[str, Format]:
    """Return every format by its name."""
    text = {"text.txt": TEXT}
    tsv, counts = b"the\t4\ncat\t1\nsaw\t2\n", b'{"the": 4, "cat": 1, "saw": 2}'
    count = ("count", "counts", *OUT)
    vocab = json.dumps({word: number for number, word in enumerate(WORDS)}).encode()
    by_id = {"counts.tsv": b"the\t4\n1\t3\n".replace(b"1\t", b"cat\t")}
    classes = "".join(f"{word} {number % 3}\n" for number, word in enumerate(WORDS)).encode()
    kmeans = ("classes", "text.txt", "--method", "kmeans", "-k", "2", "--vectors")
    tensor = {"vectors": np.arange(36, dtype=np.float32).reshape(9, 4)}
    paths = b"0\tthe\t4\n10\tcat\t1\n110\tsaw\t2\n111\tdog\t2\n111\ta\t1\n"
    profile = CostModel(1e-4, 1e-12, 1e-11, 1e5, 1e-11).to_json()
    return {
        "counts as TSV": Format({"counts": tsv}, "counts", count, _tsv()),
        "counts as JSON": Format({"counts": counts}, "counts", count, _json_counts()),
        "counts as Parquet": Format({"counts": parquet("('the', 4), ('cat', 1)")}, "counts", count, _parquets()),
        "tokenizer.json": Format(
            {"t.json": tokenizer(), **text}, "t.json", ("count", "t.json", "text.txt", *OUT), _tokenizers()
        ),
        "tokenizer.json, counts": Format(
            {"t.json": tokenizer(), **by_id},
            "t.json",
            ("count", "t.json", "--counts", "counts.tsv", *OUT),
            _tokenizers(),
        ),
        "vocab.json": Format(
            {"v.json": vocab, **text}, "v.json", ("count", "v.json", "text.txt", *OUT), _json_counts()
        ),
        "brown paths": Format({"paths": paths}, "paths", ("import", "paths", *OUT), _paths()),
        "word classes": Format({"c": classes, **text}, "c", ("import", "c", "--counts", "text.txt", *OUT), _classes()),
        "allocation as JSON": _imported(_as_json(tree()), _json_allocations()),
        "allocation as Parquet": _imported(_as_parquet(), _parquet_allocations()),
        "allocation as TSV": _imported("".join(to_tsv(tree())).encode(), _tsv_allocations()),
        "SRILM's classes": _imported("".join(to_srilm_classes(_classes_of(tree()))).encode(), _srilm()),
        "text as JSONL": Format({"counts": JSONL}, "counts", (*count, "--column", "text"), _jsonl()),
        **_arrow_format((*count, "--column", "text")),
        "vectors in binary": Format({"v": binary_vectors(), **text}, "v", (*kmeans, "v", *OUT), _binary_vectors()),
        "vectors as text": Format({"v": vectors(), **text}, "v", (*kmeans, "v", *OUT), _vectors()),
        "vectors as tensors": Format(
            {"v.safetensors": raw.pack(tensor, None), **text},
            "v.safetensors",
            (*kmeans, "v.safetensors", *OUT),
            _tensors(),
        ),
        "WordNet": _wordnet("data.noun"),
        "WordNet's index": _wordnet("index.noun"),
        "WordNet's exceptions": _wordnet("verb.exc"),
        "profile.json": Format(
            {"p.json": json.dumps(profile).encode(), **text},
            "p.json",
            ("cutoffs", "text.txt", "--profile", "p.json", *OUT),
            _profiles(profile),
        ),
    }


_DEEP = b"[" * 100_000 + b"]" * 100_000
_DEEP_OBJECT = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
_NO_JSON = {
    "nothing": b"",
    "a list": b'["the", 4]',
    "a number": b"4",
    "nested 100,000 deep": b'{"the": ' + _DEEP + b"}",
    "objects nested 100,000 deep": _DEEP_OBJECT,
    "cut": b'{"the": 4, "ca',
    "two objects": b'{"the": 4} {"cat": 1}',
    "a BOM": b'\xef\xbb\xbf{"the": 4}',
    "UTF-16": '{"the": 4}'.encode("utf-16"),
    "a megabyte of spaces": b"{" + b" " * (1 << 20) + b'"the": 4}',
    "a hundred thousand words": json.dumps({f"w{n}": n for n in range(100_000)}).encode(),
}


def _json_counts() -> dict[str, bytes]:
    values = [
        "-1",
        "1.5",
        "1e3",
        "1e999",
        "NaN",
        "-Infinity",
        "null",
        "true",
        "[]",
        "{}",
        '"x"',
        '"4"',
        "9" * 30,
        "9" * 5000,
    ]
    return {
        **_NO_JSON,
        **{f"a count of {value[:30]}": f'{{"the": {value}, "cat": 1}}'.encode() for value in values},
        "a word twice": b'{"the": 4, "the": 5}',
        "the empty word": b'{"": 4, "cat": 1}',
        "a lone surrogate": b'{"\\ud800": 4}',
        "an escape": b'{"\\u001b[31m": 4}',
        "white space in a word": b'{"a b\\tc\\n": 4}',
        "NUL in a word": b'{"a\\u0000": 4}',
        "a raw control character": b'{"a\x01": 4}',
        "counts of 2**62": json.dumps({"a": 2**62, "b": 2**62, "c": 2**62}).encode(),
        "nothing counted": b'{"the": 0, "cat": 0}',
        "an empty object": b"{}",
    }


def _tsv() -> dict[str, bytes]:
    return {
        "a word twice": b"the\t4\nthe\t5\n",
        "a count of -1": b"the\t-1\n",
        "a count of 1.5": b"the\t1.5\n",
        "a count of 5000 digits": b"the\t" + b"9" * 5000 + b"\n",
        "digits of another script": "the\t\u0664\n".encode(),
        "no tab on a later line": b"the\t4\ncat 1\n",
        "two tabs": b"the\tcat\t1\n",
        "the empty word": b"\t4\n",
        "CRLF": b"the\t4\r\ncat\t1\r\n",
        "CR alone": b"the\t4\rcat\t1\r",
        "no final newline": b"the\t4",
        "NUL": b"the\t4\n\0\t1\n",
        "no UTF-8": b"the\t4\n\xff\t1\n",
        "a word of a million characters": b"x" * 10**6 + b"\t4\n",
        "counts of 2**62": b"a\t4611686018427387904\nb\t4611686018427387904\nc\t4611686018427387904\n",
        "a count of 2**62 + 1": b"a\t4611686018427387905\n",
        "nothing counted": b"a\t0\nb\t0\n",
        "an escape": b"\x1b[31m\t4\nx\n",
    }


def parquet(values: str, columns: str = "word, count", query: str = "") -> bytes:
    """Return a Parquet file of a query, by default of pairs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "counts.parquet"
        query = query or f"SELECT * FROM (VALUES {values}) AS t({columns})"
        with duckdb.connect(":memory:") as connection:
            connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
        return path.read_bytes()


def _parquets() -> dict[str, bytes]:
    whole = parquet("('the', 4), ('cat', 1)")
    return {
        "magic alone": b"PAR1",
        "magic twice": b"PAR1PAR1",
        "a footer beyond the file": whole[:-8] + b"\xff\xff\xff\x7fPAR1",
        "a footer of -1 bytes": whole[:-8] + b"\xff\xff\xff\xffPAR1",
        "a footer of no bytes": whole[:-8] + bytes(4) + b"PAR1",
        "no footer": whole[:-8],
        "cut in half": whole[: len(whole) // 2],
        "a word twice": parquet("('the', 4), ('the', 1)"),
        "a null word": parquet("('the', 4), (NULL, 1)"),
        "a null count": parquet("('the', 4), ('cat', NULL)"),
        "a negative count": parquet("('the', 4), ('cat', -1)"),
        "a count of 127 bits": parquet("('the', 170141183460469231731687303715884105727::HUGEINT)"),
        "fractions": parquet("('the', 0.5)"),
        "one column": parquet("('the')", "word"),
        "no column of words": parquet("(1, 2)"),
        "two columns of words": parquet("('a', 'b', 1)", "a, b, c"),
        "names with quotes": parquet("('the', 4)", '"a"" b\x1b", "c"" OR 1"'),
        "no rows": parquet("", query="SELECT 'x' AS word, 1 AS count WHERE false"),
        "nested": parquet("", query="SELECT ['x'] AS word, {'a': 1} AS count"),
    }


def tokenizer(**changes: Any) -> bytes:
    """Return a tokenizer.json of whole words, with keys of its model changed; ``...`` drops one."""
    model = {"type": "WordLevel", "vocab": {word: number for number, word in enumerate(WORDS)}, "unk_token": "<unk>"}
    outer = {
        "version": "1.0",
        "added_tokens": changes.pop("added_tokens", []),
        "normalizer": changes.pop("normalizer", None),
        "pre_tokenizer": changes.pop("pre_tokenizer", {"type": "Whitespace"}),
        "model": {key: value for key, value in {**model, **changes}.items() if value is not ...},
    }
    return json.dumps(outer).encode()


def _tokenizers() -> dict[str, bytes]:
    pieces: list[Any] = [["the", -1.0], ["cat", -2.0]]
    return {
        **{name: content for name, content in _NO_JSON.items() if name != "a hundred thousand words"},
        "no type": tokenizer(type=...),
        "an unknown type": tokenizer(type="Magic"),
        "no vocabulary": tokenizer(vocab=...),
        **{f"the vocabulary {value!r}": tokenizer(vocab=value) for value in ({}, [], None, 7, "the", True)},
        **{
            f"an id {value!r:.20}": tokenizer(vocab={"the": value, "cat": 1})
            for value in (-1, 1.5, None, "x", [], 10**30)
        },
        "two tokens of one id": tokenizer(vocab={"the": 1, "cat": 1}),
        "ids with a gap": tokenizer(vocab={"the": 1, "cat": 2**40, "<unk>": 5}),
        "an unknown word that it lacks": tokenizer(unk_token="nowhere"),
        "pieces": tokenizer(type="Unigram", vocab=pieces, unk_id=0, unk_token=...),
        "pieces, the unknown one beyond them": tokenizer(type="Unigram", vocab=pieces, unk_id=9, unk_token=...),
        "a piece of a list": tokenizer(type="Unigram", vocab=[[["the"], -1.0]], unk_id=0, unk_token=...),
        "a piece of a number": tokenizer(type="Unigram", vocab=[[7, -1.0]], unk_id=0, unk_token=...),
        "an empty piece": tokenizer(type="Unigram", vocab=[[]], unk_id=0, unk_token=...),
        "merges of what is not there": tokenizer(type="BPE", merges=["x y"], unk_token=...),
        "an added token without id": tokenizer(added_tokens=[{"content": "x"}]),
        "an added token without content": tokenizer(added_tokens=[{"id": 9}]),
        "an added token of a list": tokenizer(added_tokens=[{"id": 9, "content": []}]),
        "added tokens that are an object": tokenizer(added_tokens={"a": 1}),
        "added tokens that are a number": tokenizer(added_tokens=7),
        "a pattern that explodes": tokenizer(
            pre_tokenizer={"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
        ),
        "a pattern that is none": tokenizer(
            pre_tokenizer={"type": "Split", "pattern": {"Regex": "((("}, "behavior": "Isolated", "invert": False}
        ),
        "an unknown normalizer": tokenizer(normalizer={"type": "Magic"}),
        "a token that is made by its normalizer": tokenizer(normalizer={"type": "Prepend", "prepend": "\u2581"}),
    }


def _paths() -> dict[str, bytes]:
    return {
        "nothing": b"",
        "no bits": b"\tthe\t4\n",
        "one word": b"\tthe\t4",
        "one word of one bit": b"0\tthe\t4\n",
        "other digits": b"0\tthe\t4\n2\tcat\t1\n",
        "a beginning of another": b"0\tthe\t4\n01\tcat\t1\n",
        "a gap": b"00\tthe\t4\n1\tcat\t1\n",
        "a word twice": b"0\tthe\t4\n1\tthe\t1\n",
        "the empty word": b"0\t\t4\n1\tcat\t1\n",
        "bits of a million digits": b"0\tthe\t4\n1" + b"0" * 10**6 + b"\tcat\t1\n",
        "a chain of 2000": b"".join(b"1" * n + b"0\tw%d\t1\n" % n for n in range(2000)) + b"1" * 2000 + b"\tx\t1\n",
        "a count of -1": b"0\tthe\t-1\n1\tcat\t1\n",
        "a count of 5000 digits": b"0\tthe\t" + b"9" * 5000 + b"\n1\tcat\t1\n",
        "an escape": b"0\t\x1b[31m\t4\n1\t\x9b\t1\n",
        "a blank line": b"0\tthe\t4\n\n1\tcat\t1\n",
        "CRLF": b"0\tthe\t4\r\n1\tcat\t1\r\n",
        "counts of 2**62": b"0\ta\t4611686018427387904\n10\tb\t4611686018427387904\n11\tc\t4611686018427387904\n",
    }


def _classes() -> dict[str, bytes]:
    return {
        "nothing": b"",
        "a blank line": b"the 0\n\ncat 1\n",
        "one word": b"the 0",
        "words alone": b"the\ncat\n",
        "spaces in a word": b"the big cat 0\na 1\n",
        "a word twice": b"the 0\nthe 1\n",
        "names of classes": b"the A\ncat \x1b[31m\nman B\n",
        "a class of a million digits": b"the " + b"1" * 10**6 + b"\n",
        "a tab, then a space": b"the\t0\ncat 1\n",
        "other words": b"x 0\ny 1\n",
        "three columns": b"the 0 0\ncat 1 1\n",
        "NUL": b"the\0 0\n",
        "no UTF-8": b"the 0\n\xff 1\n",
        "a million classes": b"".join(b"w%d %d\n" % (n, n) for n in range(20_000)),
    }


def vectors() -> bytes:
    """Return word2vec's text format."""
    rows = [f"{word} {number} 1.5 -2e-3\n" for number, word in enumerate(WORDS)]
    return (f"{len(rows)} 3\n" + "".join(rows)).encode()


def _vectors() -> dict[str, bytes]:
    rows = vectors().split(b"\n", 1)[1]
    header = {
        "2**62 rows": b"4611686018427387904 3\n",
        "2**62 columns": b"9 4611686018427387904\n",
        "no columns": b"9 0\n",
        "-1 rows": b"-1 3\n",
        "a number of 5000 digits": b"9" * 5000 + b" 3\n",
    }
    return {
        **{f"a header of {name}": line + rows for name, line in header.items()},
        "nothing": b"",
        "a header alone": b"9 3\n",
        "no header": rows,
        "words alone": b"the\ncat\n",
        "nan": rows.replace(b"1.5", b"nan"),
        "infinity": rows.replace(b"1.5", b"1e999"),
        "beyond float32": rows.replace(b"1.5", b"1e39"),
        "a number with underscores": rows.replace(b"1.5", b"1_5"),
        "no number": rows.replace(b"1.5", b"x"),
        "a row too short": rows.replace(b"the 0 1.5", b"the 0"),
        "a million columns": b"the" + b" 1" * 10**6 + b"\n" + b"cat" + b" 1" * 10**6 + b"\n",
        "a line of 5 MB": b"x" * 5_000_000,
        "rows of zeros": b"".join(word.encode() + b" 0 0 0\n" for word in WORDS),
    }


def _tensors() -> dict[str, bytes]:
    def packed(array: np.ndarray) -> bytes:
        return raw.pack({"vectors": array}, None)

    huge = {"vectors": {"dtype": "F32", "shape": [9, 2**59], "data_offsets": [0, 9 * 2**61]}}
    empty = {"vectors": {"dtype": "F32", "shape": [9, 0], "data_offsets": [0, 0]}}
    return {
        "a tensor of 9 × 2**59": raw.join(huge, bytes(8)),
        "a tensor of 0 × 2**62": raw.join({"v": {"dtype": "F32", "shape": [0, 2**62], "data_offsets": [0, 0]}}, b""),
        "no columns": raw.join(empty, b""),
        "other rows": packed(np.ones((8, 4), np.float32)),
        "whole numbers": packed(np.ones((9, 4), np.int64)),
        "one axis": packed(np.ones(9, np.float32)),
        "nan": packed(np.full((9, 4), np.nan, np.float32)),
        "beyond float32": packed(np.full((9, 4), 1e300)),
        "nothing": b"",
        "BF16": raw.join({"v": {"dtype": "BF16", "shape": [9, 4], "data_offsets": [0, 72]}}, bytes(72)),
    }


def _wordnet(target: str) -> Format:
    files = {"w/noun.exc": b"men man\n", "w/verb.exc": b"saw see\nwent go\n", "text.txt": TEXT}
    for name, synsets, part in (("noun", NOUNS, "n"), ("verb", VERBS, "v")):
        data, offsets = data_file(synsets, part)
        files[f"w/data.{name}"] = data.encode()
        files[f"w/index.{name}"] = index_file(synsets, offsets, part).encode()
    arguments = ("tree", "text.txt", "--method", "wordnet", "--wordnet", "w", *OUT)
    whole = files[f"w/{target}"]
    by_hand = {
        "nothing": b"",
        "NUL": whole.replace(b"o", b"\0"),
        "no ASCII": whole.replace(b"o", b"\xff"),
        "CRLF": whole.replace(b"\n", b"\r\n"),
        "numbers of 5000 digits": whole.replace(b" 00", b" " + b"9" * 5000),
        "negative numbers": whole.replace(b" 00", b" -1"),
        "one line of a megabyte": whole.replace(b"\n", b" ") * 1000,
    }
    return Format(files, f"w/{target}", arguments, by_hand)


def _profiles(profile: dict[str, Any]) -> dict[str, bytes]:
    wrong = {**_NO_JSON, "text": b"the cat"}
    for key in profile:
        for value in (None, -1, 0, 1e308, float("nan"), float("inf"), 10**400, "x", [], {}, True):
            wrong[f"{key} is {value!r:.20}"] = json.dumps({**profile, key: value}).encode()
        wrong[f"no {key}"] = json.dumps({other: profile[other] for other in profile if other != key}).encode()
    wrong["an unknown key"] = json.dumps({**profile, "\x1b[31m": 1}).encode()
    wrong["no UTF-8"] = b'{"name": "\xff"}'
    return wrong


JSONL = b'{"id": 1, "text": "the cat saw"}\n{"text": null}\n{"id": 3, "text": "the dog \\u00e9\\n"}\n'


def _jsonl() -> dict[str, bytes]:
    values = [
        "7",
        "1.5",
        "[]",
        "{}",
        "true",
        "NaN",
        "9" * 5000,
        '"\\ud800"',
        '"\\u0000"',
        '"\x01"',
        '"a", "text": "b"',
        '"a',
    ]
    return {
        **{f"a text of {value!r:.20}": JSONL + f'{{"text": {value}}}\n'.encode() for value in values},
        "nothing but objects": b"{}\n{}\n",
        "no such column": b'{"id": 1}\n{"id": 2}\n',
        "nothing but null": b'{"text": null}\n{"text": null}\n',
        "blank lines": b"\n \n" + JSONL.replace(b"\n", b"\n\n\n"),
        "a list on a later line": JSONL + b'["text"]\n',
        "lines nested 100,000 deep": JSONL + b'{"text": ' + _DEEP + b"}\n",
        "no UTF-8": JSONL + b'{"text": "\xff"}\n',
        "UTF-16": JSONL.decode().encode("utf-16"),
        "a line of 20 MB": JSONL + b'{"text": "' + b"x " * 10_000_000 + b'"}\n',
        "20,000 columns": b"".join(json.dumps({f"c{n}": n for n in range(20_000)}).encode() + b"\n" for _ in range(2)),
        "an escape in a name": b'{"\\u001b[31m": "a"}\n{"\\u001b[31m": "b"}\n',
        "CR alone": JSONL.replace(b"\n", b"\r"),
    }


def _arrow_format(arguments: tuple[str, ...]) -> dict[str, Format]:
    """Return both IPC formats, where the package that reads them is there."""
    try:
        import pyarrow as pa
    except ImportError:
        return {}

    def written(opened: Any, table: Any) -> bytes:
        sink = pa.BufferOutputStream()
        with opened(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
        return sink.getvalue().to_pybytes()

    table = pa.table({"id": [1, 2, 3], "text": ["the cat", None, "the dog"]})
    stream, file = written(pa.ipc.new_stream, table), written(pa.ipc.new_file, table)
    by_hand = {
        "magic alone": b"ARROW1\0\0",
        "a marker alone": b"\xff" * 4 + bytes(4),
        "a schema of 2 GB": b"\xff" * 4 + b"\xff\xff\xff\x7f" + stream[8:],
        "a schema of -1 bytes": b"\xff" * 8 + stream[8:],
        "a file's beginning before a stream": b"ARROW1\0\0" + stream,
        "no UTF-8": stream.replace(b"the cat", b"the \xffat"),
        "numbers": written(pa.ipc.new_stream, pa.table({"text": [1, 2]})),
        "two columns of one name": written(pa.ipc.new_stream, pa.table([["a"], ["b"]], names=["text", "text"])),
        "lists": written(pa.ipc.new_stream, pa.table({"text": [["a"], ["b"]]})),
        "nulls": written(pa.ipc.new_stream, pa.table({"text": pa.nulls(3)})),
        "no rows": written(pa.ipc.new_file, table.slice(0, 0)),
        **{f"a stream cut at {end}": stream[:end] for end in range(9, len(stream), 90)},
        **{f"a file cut at {end}": file[:end] for end in range(9, len(file), 90)},
    }
    return {
        "text as an Arrow stream": Format({"counts": stream}, "counts", arguments, by_hand),
        "text as an Arrow file": Format({"counts": file}, "counts", arguments, {}),
    }


def tree() -> Tree:
    """Return a tree that names classes."""
    vocabulary = Vocabulary(["the", "cat", "saw"], [4, 2, 1])
    return Tree(vocabulary, [0, 1, 3, 5], [0, 0, 1, 0, 1], [0, 1, 0, 1, 1], 2, [1, 1, 1])


def _classes_of(named: Tree) -> Classes:
    return named.cut()


def _imported(content: bytes, by_hand: dict[str, bytes]) -> Format:
    return Format({"file": content}, "file", ("import", "file", *OUT), by_hand)


def _as_json(content: Any) -> bytes:
    return json.dumps(to_json(content)).encode()


def _json_allocations() -> dict[str, bytes]:
    whole = to_json(tree())
    cases = {
        **{name: content for name, content in _NO_JSON.items() if name != "a list"},
        "a list": b'[{"kind": "tree"}]',
    }
    wrong: tuple[Any, ...] = (
        None,
        -1,
        2**70,
        1.5,
        "x",
        [],
        {},
        [[]],
        [None] * 3,
        ["0"] * 3,
        [[0]] * 3,
        [2**63] * 3,
        True,
    )
    for key in whole:
        cases[f"no {key}"] = json.dumps({name: value for name, value in whole.items() if name != key}).encode()
        for value in wrong:
            cases[f"{key} is {value!r:.20}"] = json.dumps({**whole, key: value}).encode()
    for kind in ("vocabulary", "bigrams", "cutoffs", "classes", "table", "costs", "\x1b[31m"):
        cases[f"the kind {kind!r}"] = json.dumps({**whole, "kind": kind}).encode()
    huge = {"kind": "table", "words": ["a", "b"], "counts": [2, 1], "row": [0, 2**62], "column": [0, 2**62]}
    return {
        **cases,
        "a table of 2**124 cells": json.dumps(huge).encode(),
        "rows of costs of other lengths": json.dumps(
            {
                "kind": "costs",
                "words": ["a", "b"],
                "counts": [2, 1],
                "row_nll": [[1], [1, 2]],
                "col_nll": [[1], [1]],
                "cell": [0, 1],
            }
        ).encode(),
        "a key twice": b'{"kind": "tree", "kind": "tree"}',
        "a lone surrogate": json.dumps({**whole, "words": ["the", "\ud800", "x"]}).encode(),
        "a chain of 3000": _as_json(_chain(3000)),
    }


def _chain(size: int) -> Any:
    codes = ["1" * n + "0" for n in range(size - 1)] + ["1" * (size - 1)]
    vocabulary = Vocabulary([f"w{n:05}" for n in range(size)], np.zeros(size, np.int64))
    digits = np.array(list(map(int, "".join(codes))))
    offsets = np.concatenate(([0], np.cumsum([len(code) for code in codes])))
    return Tree(vocabulary, offsets, np.concatenate([np.arange(len(code)) for code in codes]), digits)


def _as_parquet() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write_parquet(tree(), Path(folder) / "a")
        return (Path(folder) / "a").read_bytes()


def _parquet_allocations() -> dict[str, bytes]:
    whole = _as_parquet()
    return {
        "cut in half": whole[: len(whole) // 2],
        "metadata that is no JSON": whole.replace(b'{"arity', b'["arity'),
        "metadata that is a number": whole.replace(b'{"arity": 2', b"7" + b" " * 10),
        "another kind": whole.replace(b'"kind": "tree"', b'"kind": "tabl"'),
        "other columns": parquet("('the', 4, 'x')", "word, count, x"),
        "no words": parquet("(4)", "count"),
        "no count": parquet("('the')", "word"),
        "a null": parquet("('the', 4), (NULL, 1)"),
        "counts that are strings": parquet("('the', '4')"),
        "fractions": parquet("('the', 0.5)"),
        "a count of 127 bits": parquet("('the', 170141183460469231731687303715884105727::HUGEINT)"),
        "no rows": parquet("", query="SELECT 'x' AS word, 1 AS count WHERE false"),
        "a class without its number": parquet("('the', 4, 1), ('cat', 1, 1)", "word, count, class"),
        "a null in a list": parquet("('the', 4, '0', [NULL]), ('cat', 1, '1', [0])", "word, count, code, nodes"),
        "null lists": parquet("('the', 4, '0', NULL::INT[]), ('cat', 1, '1', [0])", "word, count, code, nodes"),
        "lists of lists": parquet("('the', 4, '0', [[0]]), ('cat', 1, '1', [[0]])", "word, count, code, nodes"),
        "pairs of no words": parquet("('the', 4, [7], [1]), ('cat', 1, [0], [1])", "word, count, next, next_count"),
        "more pairs than counts": parquet("('the', 4, [1, 0], [1])", "word, count, next, next_count"),
    }


def _tsv_allocations() -> dict[str, bytes]:
    head = b"word\tcount\t"
    return {
        "a header alone": head + b"code\n",
        "a field too many": head + b"cluster\nthe\t4\t0\t0\n",
        "a cluster of -1": head + b"cluster\nthe\t4\t-1\n",
        "clusters out of order": head + b"cluster\nthe\t4\t1\ncat\t1\t0\n",
        "a slot that is none": head + b"class\tslot\nthe\t4\t0\t7\n",
        "a row of 2**62": head + b"row\tcolumn\nthe\t4\t4611686018427387904\t4611686018427387904\n",
        "counts that rise": head + b"cluster\nthe\t4\t0\ncat\t5\t1\n",
        "a word twice": head + b"cluster\nthe\t4\t0\nthe\t4\t1\n",
        "codes with a gap": head + b"code\nthe\t4\t0\ncat\t1\t2\n",
        "codes with dots": head + b"code\nthe\t4\t0.1\ncat\t1\t0..0\n",
        "a digit of 5000 digits": head + b"code\nthe\t4\t0.0\ncat\t1\t0." + b"9" * 5000 + b"\n",
        "another script's digits": head + "code\nthe\t4\t0\ncat\t1\t\u0661\n".encode(),
        "pairs without counts": b"left\tright\tcount\nthe\tcat\t1\n",
        "a blank line": head + b"cluster\nthe\t4\t0\n\ncat\t1\t0\n",
        "NUL": head + b"cluster\nthe\0\t4\t0\n",
    }


def _srilm() -> dict[str, bytes]:
    return {
        "two words": b"A 0.5 the cat\nA 0.5 dog\n",
        "a word twice": b"A 0.5 the\nB 1 the\n",
        "a share of 2": b"A 0.5 the\nA 2 cat\n",
        "nan": b"A 0.5 the\nA nan cat\n",
        "a blank line": b"A 0.5 the\n\nA 0.5 cat\n",
        "a share of 5000 digits": b"A 0.5 the\nA 0." + b"5" * 5000 + b" cat\n",
        "numbers beyond K": b"CLASS-00009 1 the\nCLASS-999999999999 1 cat\n",
    }


def binary_vectors() -> bytes:
    """Return word2vec's binary format."""
    rows = (word.encode() + b" " + np.full(3, n - 0.7, "<f4").tobytes() + b"\n" for n, word in enumerate(WORDS))
    return f"{len(WORDS)} 3\n".encode() + b"".join(rows)


def _binary_vectors() -> dict[str, bytes]:
    rows = binary_vectors().split(b"\n", 1)[1]
    headers = ("4611686018427387904 3", "9 4611686018427387904", "9 999999999", "9 65536", "9 0", "0 3", "8 3", "9 4")
    return {
        **{f"a header of {header}": header.encode() + b"\n" + rows for header in headers},
        "cut": binary_vectors()[:-20],
        "nan": binary_vectors().replace(np.full(3, 1 - 0.7, "<f4").tobytes(), np.full(3, np.nan, "<f4").tobytes()),
        "a pickle": b"\x80\x04\x95" + bytes(40),
        "a model of fastText's": (793712314).to_bytes(4, "little") + bytes(400),
    }
