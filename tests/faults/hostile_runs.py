"""Damaged run directories and comparisons: configuration, metrics, checkpoints, tables and rows altered."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.allocations import raw
from tests.faults.hostile_allocations import VALUES, altered, as_bytes, paths
from tests.faults.hostile_case import Case, run_process
from tests.faults.hostile_parsers import TEXT, damaged

SMALL = ("--valid", "text.txt", "--width", "4", "--batch", "2", "--bptt", "4", "--device", "cpu")
TRAIN = ("train", "text.txt", "--allocation", "table.safetensors", "--costs", "--run", "r", *SMALL)
COMMANDS: dict[str, tuple[str, ...]] = {
    "evaluate": ("evaluate", "r", "text.txt", "--device", "cpu"),
    "train": (*TRAIN, "--resume"),
    "lightrnn-realloc": ("lightrnn-realloc", "--run", "r", "-o", "out.safetensors"),
}
READERS = {  # of each file of a run
    "config.json": ("evaluate", "train"),
    "metrics.jsonl": ("train",),
    "timings.jsonl": ("train",),
    "allocation.safetensors": ("evaluate",),
    "table-000.safetensors": ("lightrnn-realloc", "train"),
    "costs-000.safetensors": ("lightrnn-realloc",),
    "checkpoint/best.safetensors": ("evaluate",),
    "checkpoint/latest.safetensors": ("train",),
}
COMPARE = ("compare", "text.txt", "--layers", "full", "-o", "c", "--budget-tokens", "40", *SMALL)


def run_cases(long: bool, rng: random.Random, folder: Path) -> Iterator[Case]:
    """Yield the cases of this module; the run, and the comparison, that they damage are made in `folder`."""
    sound = _made(folder, ("lightrnn-init", "text.txt", "--by", "frequency", "-o", "table.safetensors"), TRAIN)
    for name, arguments in COMMANDS.items():
        yield Case("a sound run", name, sound, arguments, works=True, writes="r/")
    for name, readers in READERS.items():
        versions = list(_versions(name, sound[f"r/{name}"], rng, 30))
        for what, content in rng.sample(versions, min(len(versions), 150 if long else 6)):
            reader = rng.choice(readers)
            files = {**sound, f"r/{name}": content}
            yield Case(f"a run's {name}", f"{what} ({reader})", files, COMMANDS[reader], writes="r/")
    for name in READERS:
        files = {other: content for other, content in sound.items() if other != f"r/{name}"}
        for reader in COMMANDS:
            yield Case("a run that lacks a file", f"{name} ({reader})", files, COMMANDS[reader], writes="r/")
    if long:
        yield from _comparisons(rng, folder)


def _comparisons(rng: random.Random, folder: Path) -> Iterator[Case]:
    sound = _made(folder, COMPARE)
    yield Case("a comparison", "sound", sound, (*COMPARE, "--resume"), works=True, writes="c/")
    for name in ("c/config.json", "c/rows/full-0.json", "c/vocabulary.safetensors"):
        versions = list(_versions(name, sound[name], rng, 10))
        for what, content in rng.sample(versions, min(len(versions), 60)):
            files = {**sound, name: content}
            yield Case("a comparison", f"{name}: {what}", files, (*COMPARE, "--resume"), writes="c/")


def _made(folder: Path, *commands: tuple[str, ...]) -> dict[str, bytes]:
    """Return the files that commands leave behind, and their text."""
    place = folder / commands[-1][0]
    place.mkdir()
    (place / "text.txt").write_bytes(TEXT)
    for number, arguments in enumerate(commands):
        case = Case("preparation", str(number), {}, arguments)
        assert run_process(case, place)["status"] == 0, (place / ".stderr").read_text()
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in sorted(place.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def _versions(name: str, content: bytes, rng: random.Random, times: int) -> Iterator[tuple[str, bytes]]:
    """Yield damaged versions of a file."""
    yield "empty", b""
    yield "cut", content[: len(content) // 2]
    yield "no UTF-8", b"\xff" + content
    yield "nested 100,000 deep", b"[" * 100_000
    for number in range(times):
        yield f"damaged at random, {number}", damaged(content, rng)
    if name.endswith(".safetensors"):
        yield from _headers(content)
    elif name.endswith(".json"):
        yield from _values(json.loads(content))
    else:
        first, *rest = content.splitlines(keepends=True)
        yield "a blank line", first + b"\n" + b"".join(rest)
        yield "a line that is no object", b"[1]\n" + content
        for what, line in _values(json.loads(first)):
            yield what, line + b"\n" + b"".join(rest)


def _values(content: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    for value in VALUES.values():
        yield f"it is {value!r:.20}", as_bytes(value)
    for path in paths(content, 2):
        for what, changed in altered(content, path):
            yield f"a value: {what}", as_bytes(changed)


def _headers(content: bytes) -> Iterator[tuple[str, bytes]]:
    header, data = raw.split(content)
    for path in paths(header, 2):
        for what, changed in altered(header, path):
            yield f"a value: {what}", raw.join(as_bytes(changed), data)
    for key, text in header.get("__metadata__", {}).items():
        for path in paths(json.loads(text), 1):
            for what, changed in altered(json.loads(text), path):
                inner = as_bytes(changed).decode("utf-8", "surrogatepass")
                yield (
                    f"a value: metadata: {what}",
                    raw.join(json.dumps({**header, "__metadata__": {key: inner}}).encode(), data),
                )
