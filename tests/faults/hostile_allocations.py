"""Damaged allocation files of every kind: headers altered, cut at every boundary, flipped, bombs, other tables."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator
from typing import Any

from tests.allocations import raw
from tests.allocations.test_golden import GOLDEN
from tests.faults.hostile_case import Case

KINDS = ("vocabulary", "bigrams", "cutoffs", "classes", "tree", "table", "costs")
FILE = "file.safetensors"
# In the place of any value of a header; a text between ⟦ and ⟧ stands in the file without its quotes.
DEEP = "⟦" + "[" * 10_000 + "]" * 10_000 + "⟧"
VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "0": 0,
    "-1": -1,
    "1.5": 1.5,
    "2**63": 2**63,
    "2**64": 2**64,
    "a number of 5000 digits": "⟦" + "9" * 5000 + "⟧",
    "NaN": float("nan"),
    "1e999": "⟦1e999⟧",
    "a text": "x",
    "an escape": "\x1b[2J\x9b31m‮",
    "a lone surrogate": "\ud800",
    "a text of 100,000 characters": "x" * 100_000,
    "a list": [],
    "an object": {},
    "nested 10,000 deep": DEEP,
}
DTYPES = (
    "BOOL",
    "U8",
    "I8",
    "I16",
    "U16",
    "F16",
    "BF16",
    "I32",
    "U32",
    "F32",
    "I64",
    "U64",
    "F64",
    "F8_E4M3",
    "F4",
    "C64",
)
SHAPES: tuple[Any, ...] = ([], [0], [2**62], [2**32, 2**32], [2**64 - 1, 2**64 - 1], [0, 2**62], [-1], [1.0], [1] * 70)
OFFSETS: tuple[Any, ...] = ([0, 2**40], [2**63 - 1, 2**63], [8, 0], [-8, 0], [0], [], [0, 0], [0, 8, 16], [0.0, 8.0])


def sound(kind: str) -> bytes:
    """Return a sound file."""
    return (GOLDEN / f"{kind}.safetensors").read_bytes()


def allocation_cases(long: bool, rng: random.Random) -> Iterator[Case]:
    """Yield the cases of this module: all of them, or some of each sort."""
    for kind in KINDS:
        for arguments in _commands(kind) if long else _COMMANDS_OF.get(kind, ()):
            works = "tsv" not in arguments or kind not in ("vocabulary", "costs")  # words with tabs; figures by cells
            yield _case(f"{kind}: sound", " ".join(arguments), sound(kind), arguments, works=works, refused=not works)
        headers = list(_headers(kind))
        yield from _cases(f"{kind}: header", kind, headers if long else rng.sample(headers, 12))
        yield from _cases(f"{kind}: cut", kind, _cuts(kind), refused=True)
        flipped = (_flipped(kind, number, rng) for number in range(-(-10_000 // len(KINDS)) if long else 12))
        yield from _cases(f"{kind}: flipped", kind, flipped)
    for name, content in _bombs().items():
        yield Case("bombs", name, {FILE: content}, ("show", FILE), refused=True)
    yield from _names()
    yield from _other_tables()


def _cases(group: str, kind: str, contents: Any, refused: bool = False) -> Iterator[Case]:
    """Give each file to a command that reads its kind, another one each time."""
    # What is cut to a byte may be a text, and so is refused only by what reads no texts.
    commands = [arguments for arguments in _commands(kind) if not refused or arguments != _AS_SOURCE]
    for number, (name, content) in enumerate(contents):
        # A number from the name, not the place: each sort of damage meets every command somewhere.
        arguments = commands[(number + len(name)) % len(commands)]
        yield _case(group, f"{name} ({arguments[0]})", content, arguments, refused=refused)


def _case(group: str, name: str, content: bytes, arguments: tuple[str, ...], **options: Any) -> Case:
    files = {FILE: content, "table.safetensors": sound("table")}
    return Case(group, name, files, arguments, reload=FILE, raw="tsv" in arguments, **options)


def _commands(kind: str) -> tuple[tuple[str, ...], ...]:
    return (*_COMMANDS, _AS_SOURCE, *_COMMANDS_OF.get(kind, ()))


_COMMANDS: tuple[tuple[str, ...], ...] = (
    ("show", FILE),
    ("show", FILE),
    ("show", FILE, "--json"),
    ("export", FILE, "--to", "json", "-o", "out.json"),
    ("export", FILE, "--to", "tsv"),
)
_AS_SOURCE = ("buckets", FILE, "-n", "2", "-o", "out.safetensors")
_COMMANDS_OF: dict[str, tuple[tuple[str, ...], ...]] = {
    "tree": (("export", FILE, "--to", "dot"), ("export", FILE, "--to", "word2vec-classes")),
    "table": (("show", FILE, "--row", "0"),),
    "costs": (("lightrnn-realloc", "--table", "table.safetensors", "--costs", FILE, "-o", "out.safetensors"),),
}


def _headers(kind: str) -> Iterator[tuple[str, bytes]]:
    """Alter every field of both headers: that of the format, and the metadata object in it."""
    header, data = raw.split(sound(kind))
    for path in paths(header, 2):
        yield from ((name, raw.join(as_bytes(changed), data)) for name, changed in altered(header, path))
    for tensor in set(header) - {"__metadata__"}:
        for key, values in (("dtype", DTYPES), ("shape", SHAPES), ("data_offsets", OFFSETS)):
            for value in values:
                changed = {**header, tensor: {**header[tensor], key: value}}
                yield f"{tensor}: {key} {value!r:.60}", raw.join(as_bytes(changed), data)
        first = as_bytes({tensor: header[tensor]})[:-1] + b", "
        yield f"{tensor} twice", raw.join(first + as_bytes(header)[1:], data)
    for other in KINDS:
        yield (
            f"kind {other}",
            _with_metadata(header, data, as_bytes({**raw.metadata(sound(kind)), "kind": other}).decode()),
        )
    metadata = raw.metadata(sound(kind))
    for path in paths(metadata, 3):
        for name, changed in altered(metadata, path):
            yield f"metadata: {name}", _with_metadata(header, data, as_bytes(changed).decode("utf-8", "surrogatepass"))
    twice = '{"kind": "tree", ' + json.dumps(metadata)[1:]
    yield "metadata: kind twice", _with_metadata(header, data, twice)


def _with_metadata(header: dict[str, Any], data: bytes, text: str) -> bytes:
    return raw.join(json.dumps({**header, "__metadata__": {"wordalloc": text}}).encode(), data)


def paths(value: Any, depth: int) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value inside an object or a list."""
    if depth and isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield (key,)
            yield from ((key, *rest) for rest in paths(value[key], depth - 1))


def altered(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    """Yield copies in which the value at `path` is removed, renamed, or another one."""
    where = ".".join(map(str, path))
    for name, new in VALUES.items():
        copy, inner, key = _copied(value, path)
        inner[key] = new
        yield f"{where} is {name}", copy
    copy, inner, key = _copied(value, path)
    old = inner.pop(key)
    yield f"{where} is missing", copy
    if isinstance(inner, dict):
        copy, inner, key = _copied(value, path)
        del inner[key]
        inner["\x1b[31m" + str(key)] = old
        yield f"{where} is called otherwise", copy


def _copied(value: Any, path: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    return copy, inner, path[-1]


def as_bytes(value: Any) -> bytes:
    """Return JSON, in which what stands between ⟦ and ⟧ is as it is."""
    text = json.dumps(value, ensure_ascii=False).replace('"⟦', "").replace('⟧"', "")
    return text.encode("utf-8", "surrogatepass")


def _cuts(kind: str) -> Iterator[tuple[str, bytes]]:
    """Cut a file at every boundary of its structure, a byte before it and one behind it."""
    content = sound(kind)
    header, data = raw.split(content)
    start = len(content) - len(data)
    ends = {start + end for name, entry in header.items() if name != "__metadata__" for end in entry["data_offsets"]}
    for length in sorted({end + step for end in (0, 8, start, *ends) for step in (-1, 0, 1)}):
        if 0 <= length < len(content):
            yield f"to {length} bytes", content[:length]
    yield "one byte more", content + b"\0"


def _flipped(kind: str, number: int, rng: random.Random) -> tuple[str, bytes]:
    """Flip one bit, or now and then a few."""
    content = bytearray(sound(kind))
    places = [rng.randrange(8 * len(content)) for _ in range(rng.choice((1, 1, 1, 2, 5)))]
    for place in places:
        content[place // 8] ^= 1 << place % 8
    return f"{kind} {number}: bits {places}", bytes(content)


def _bombs() -> dict[str, bytes]:
    """Small files that claim to be large."""
    one = {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}
    huge = {"dtype": "I64", "shape": [2**62], "data_offsets": [0, 2**65]}
    tree, classes = sound("tree"), sound("classes")
    offsets = struct.pack("<6q", 0, 1, 3, 5, 8, 11)
    assert offsets in tree
    return {
        "header of 2**63 bytes": struct.pack("<Q", 2**63) + b"{" + bytes(100),
        "header of 2**64 - 1 bytes": b"\xff" * 8 + b"{" + bytes(100),
        "header of 100 MB, of a file of 200 bytes": struct.pack("<Q", 10**8) + b"{" + bytes(191),
        "header nested 1,000,000 deep": raw.join(b'{"a":' + b"[" * 10**6, b""),
        "a tensor of 2**62 elements": raw.join({"counts": huge}, bytes(8)),
        "two tensors in one place": raw.join({"a": one, "b": one}, bytes(8)),
        "a hole between two tensors": raw.join({"a": one, "b": {**one, "data_offsets": [16, 24]}}, bytes(24)),
        "a million empty tensors": raw.join(
            {f"t{number}": {"dtype": "I64", "shape": [0], "data_offsets": [0, 0]} for number in range(10**5)}, b""
        ),
        "path offsets that explode": tree.replace(offsets, struct.pack("<6q", 0, 1, 3, 2**62, 2**63 - 1, 11)),
        "path offsets that overflow": tree.replace(offsets, struct.pack("<6q", 0, 2**63 - 1, -(2**63), 5, 8, 11)),
        "a class of 2**31 - 1": classes.replace(
            struct.pack("<5i", 1, 0, 1, 2, 0), struct.pack("<5i", 1, 0, 1, 2**31 - 1, 0)
        ),
        "another 10 GB behind it, were it not cut": sound("cutoffs")[:-8],
    }


def _names() -> Iterator[Case]:
    """Names that lead elsewhere, and text that would steer a terminal: all of it is only told, and told escaped."""
    header, data = raw.split(sound("vocabulary"))
    metadata = raw.metadata(sound("vocabulary"))
    for name in ("../../../etc/passwd", "/etc/passwd", "\x1b[31mred\x1b[2J", "\x9b31m", "a\rb\nc", "‮gnp.exe", "\0"):
        source = {"names": [name], "sizes": [1], "tokens": 2, name: name}
        for key in ("source", "parameters"):
            kept = metadata["parameters"] if key == "parameters" else {}
            changed = as_bytes({**metadata, key: {**source, **kept}}).decode()
            for arguments in (("show", FILE), ("show", FILE, "--json"), ("buckets", FILE, "-n", "2")):
                content = _with_metadata(header, data, changed)
                yield Case("names", f"{key} {name!r} ({arguments[0]})", {FILE: content}, arguments, reload=FILE)
        word = {**raw.words(name + "z"), "counts": raw.tensors(sound("vocabulary"))["counts"][:1]}
        content = raw.pack(word, {**metadata, "source": {}})
        yield Case("names", f"the word {name!r}", {FILE: content}, ("show", FILE), reload=FILE)
        yield Case("names", f"the word {name!r} as JSON", {FILE: content}, ("show", FILE, "--json"), reload=FILE)


def _other_tables() -> Iterator[Case]:
    """Costs that belong to another table: other cells, another shape, other words."""
    header, data = raw.split(sound("costs"))
    arrays = raw.tensors(sound("costs"))
    metadata = raw.metadata(sound("costs"))
    table = raw.tensors(sound("table"))
    swapped = table["cell"].copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    arguments = ("lightrnn-realloc", "--table", "table.safetensors", "--costs", FILE, "-o", "out.safetensors")
    others = {
        "other cells": raw.pack({**arrays, "cell": swapped}, metadata),
        "other words": raw.pack({**arrays, "words.bytes": arrays["words.bytes"] ^ 1}, metadata),
        "the table itself": sound("table"),
        "a tree": sound("tree"),
        "a column less": raw.pack({**arrays, "col_nll": arrays["col_nll"][:, :-1].copy()}, metadata),
        "a row less": raw.pack({**arrays, "row_nll": arrays["row_nll"][:, :-1].copy()}, metadata),
    }
    for name, content in others.items():
        files = {FILE: content, "table.safetensors": sound("table")}
        yield Case("costs of the wrong table", name, files, arguments, refused=True)
    assert header and data
