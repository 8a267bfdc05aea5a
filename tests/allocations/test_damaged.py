"""Damaged and hostile files: each is refused by one line that names the file, and nothing else ever happens."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.allocations import raw
from wordalloc import Cutoffs, TextOptions, Vocabulary, load
from wordalloc.errors import FormatError

CUTOFFS = Cutoffs(
    Vocabulary(["the", "é", "\x00", "😀"], [9, 4, 2, 2], ids=[3, 1, 0, 2], text=TextOptions(), source={"tokens": 17}),
    [1, 3],
    {"by": "mass"},
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "sound.safetensors"
    CUTOFFS.save(path)
    return path.read_bytes()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hostile.safetensors"


def refusal(file: Path, content: bytes) -> str:
    """Return what is said about a file of these bytes: one line, of a readable length, that begins with its name."""
    message = judged(file, content)
    assert isinstance(message, str), "it was accepted"
    return message


def judged(file: Path, content: bytes) -> str | Any:
    """Return the refusal of a file of these bytes, or what was loaded from it."""
    try:
        return load(raw.write(file, content))
    except FormatError as error:
        message = str(error)
    assert message.startswith(f"{file}: ")
    assert len(message.splitlines()) == 1
    assert len(message) < len(str(file)) + 300
    return message


def with_arrays(drop: str = "", meta: Any = None, **changes: np.ndarray) -> bytes:
    """Return a file of two words and one cutoff, with arrays changed, added or dropped."""
    arrays = {**raw.words("a", "b"), "counts": np.array([2, 1]), "cutoffs": np.array([1])}
    arrays.update(changes)
    arrays.pop(drop, None)
    return raw.pack(arrays, with_meta() if meta is None else meta)


def with_meta(**changes: Any) -> dict[str, Any]:
    """Return sound metadata with keys changed; ... drops one."""
    meta = {"format_version": 1, "kind": "cutoffs", "text": None, "source": {}, "parameters": {"vocabulary": {}}}
    return {key: value for key, value in {**meta, **changes}.items() if value is not ...}


# --- cut; flipped bits, at random and in all kinds, are tried by tests/faults


def test_every_truncation_is_refused(file: Path, sound: bytes) -> None:
    for length in range(len(sound)):
        refusal(file, sound[:length])


@pytest.mark.parametrize("rest", [b"\x00", b"{}", b"\x00" * 4096])
def test_trailing_bytes_are_refused(file: Path, sound: bytes, rest: bytes) -> None:
    refusal(file, sound + rest)


# --- not a file of ours at all


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a .safetensors file, or cut short"),
        (b"{}", "not a .safetensors file, or cut short"),
        (b"the quick brown fox\n" * 50, "not a .safetensors file, or cut short"),
        (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}.", "not a .safetensors file, or cut short"),
        (raw.join({}, b""), "a foreign .safetensors file"),
        (raw.pack({"weight": np.ones((2, 3), dtype=np.float32)}, None), "a foreign .safetensors file"),
    ],
    ids=["empty", "json", "text", "pickle", "no tensors", "weights"],
)
def test_foreign_files(file: Path, content: bytes, message: str) -> None:
    assert message in refusal(file, content)


def test_foreign_metadata(file: Path) -> None:
    header = {"__metadata__": {"format": "pt"}, "w": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}
    # Said before the tensors are looked at: NumPy has no BF16.
    assert "a foreign .safetensors file" in refusal(file, raw.join(header, bytes(4)))


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    for path, message in [
        (tmp_path / "missing.safetensors", "no such file"),
        (tmp_path, "not a file"),
        (Path("/dev/null"), "not a file"),
    ]:
        with pytest.raises(FormatError, match=f"^{path}: {message}"):
            load(path)


def test_a_file_that_may_not_be_read(tmp_path: Path, sound: bytes) -> None:
    file = raw.write(tmp_path / "secret.safetensors", sound)
    file.chmod(0)
    code = """
        import os, sys
        from wordalloc import load
        from wordalloc.errors import FormatError
        import safetensors.numpy
        os.chdir(os.path.dirname(sys.argv[1]))
        if os.geteuid() == 0:
            os.setuid(65534)  # root may read everything
        try:
            load(os.path.basename(sys.argv[1]))
        except FormatError as error:
            print(error)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.stderr == ""
    assert result.stdout == "secret.safetensors: permission denied; let yourself read it (chmod), or name another\n"


# --- lengths, offsets and shapes that lie

I64 = {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}

BOMBS: dict[str, bytes] = {
    "header of 2**60 bytes": (2**60).to_bytes(8, "little") + b"{" + bytes(100),
    "header of 2**64 - 1 bytes": b"\xff" * 8 + b"{" + bytes(100),
    "header one byte too long": (11).to_bytes(8, "little") + b'{"a": "b"}',
    "header of no bytes": bytes(8) + b"{}",
    "header of spaces": (50).to_bytes(8, "little") + b"{" + b" " * 49,
    **{
        name: raw.join({"__metadata__": {"wordalloc": json.dumps(with_meta())}, "counts": {**I64, **change}}, bytes(8))
        for name, change in {
            "end beyond the file": {"data_offsets": [0, 2**40], "shape": [2**37]},
            "shape beyond the offsets": {"shape": [2**40]},
            "shape whose size overflows": {"shape": [2**32, 2**32]},
            "shape whose size overflows to 1": {"shape": [2**64 - 1, 2**64 - 1]},
            "huge empty shape": {"shape": [0, 2**62], "data_offsets": [0, 0]},
            "negative shape": {"shape": [-1]},
            "fractional shape": {"shape": [1.0]},
            "seventy axes": {"shape": [1] * 70},
            "offsets reversed": {"data_offsets": [8, 0]},
            "offsets negative": {"data_offsets": [-8, 0]},
            "offsets of one": {"data_offsets": [0]},
            "unknown dtype": {"dtype": "I65"},
            "dtype that NumPy lacks": {"dtype": "BF16", "shape": [4]},
            "dtype of half bytes": {"dtype": "F4", "shape": [16]},
            "complex": {"dtype": "C64"},
            "dtype of another size": {"dtype": "I32"},
            "no shape": {"shape": None},
        }.items()
    },
    "two tensors in one place": raw.join({"a": I64, "b": I64}, bytes(8)),
    "a hole between tensors": raw.join({"a": I64, "b": {**I64, "data_offsets": [16, 24]}}, bytes(24)),
    "nested header": raw.join(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b""),
    "metadata of numbers": raw.join({"__metadata__": {"wordalloc": 1}}, b""),
    "metadata that is a list": raw.join({"__metadata__": ["wordalloc"]}, b""),
    "header that is no UTF-8": raw.join(b'{"\xff": 1}', b""),
    "a tensor that is no object": raw.join({"counts": 3}, b""),
}


@pytest.mark.parametrize("name", BOMBS)
def test_lies_about_lengths(file: Path, name: str) -> None:
    refusal(file, BOMBS[name])


def test_lies_about_lengths_cost_no_memory(tmp_path: Path) -> None:
    bombs = {**BOMBS, "offsets of words": with_arrays(**{"words.offsets": np.array([0, 2**50, 3], dtype=np.int64)})}
    paths = [raw.write(tmp_path / f"{place}.safetensors", content) for place, content in enumerate(bombs.values())]
    code = """
        import resource, sys
        from wordalloc import load
        from wordalloc.errors import FormatError
        refused = 0
        for turn in range(2):
            for path in sys.argv[1:]:
                try:
                    load(path)
                except FormatError:
                    refused += turn
            if turn == 0:  # all code is loaded now: from here on 64 MiB more are too much
                with open("/proc/self/statm") as file:
                    used = int(file.read().split()[0]) * resource.getpagesize()
                resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, used + 2**26))
        print(refused)
    """
    if not Path("/proc/self/statm").exists():
        pytest.skip("reads its own size from /proc")
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, paths)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.stderr == ""
    assert result.stdout == f"{len(bombs)}\n"


# --- metadata


def test_the_undamaged_file_of_these_tests_loads(file: Path) -> None:
    assert load(raw.write(file, with_arrays())).cutoffs.tolist() == [1]


TEXT = {"lowercase": False, "unk": "<unk>", "eos": True, "errors": "strict"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *[({"format_version": wrong}, "format_version must be") for wrong in (..., None, "1", 1.0, True, 0, -1, [1])],
        ({"format_version": 2}, "written in format version 2, but this wordalloc reads up to 1; upgrade it"),
        ({"format_version": 10**4000}, "written in format version 1000"),
        *[({"kind": wrong}, "'kind' must be a string") for wrong in (..., None, 1, ["cutoffs"], {})],
        (
            {"kind": "trees"},
            "'trees'; this wordalloc knows vocabulary, bigrams, cutoffs, classes, tree, table, costs; upgrade it",
        ),
        ({"kind": ""}, "unknown kind ''"),
        ({"kind": "x" * 10_000_000}, "unknown kind 'xxx"),
        ({"kind": "a\nb"}, "unknown kind 'a\\nb'"),
        ({"kind": "vocabulary"}, "it holds the unknown arrays ['cutoffs']"),
        *[({"source": wrong}, "'source' must be an object") for wrong in (..., None, [], "x")],
        *[({"parameters": wrong}, "'parameters' must be an object") for wrong in (..., None, [], 1)],
        ({"parameters": {}}, "the vocabulary's parameters must be an object"),
        ({"parameters": {"vocabulary": []}}, "the vocabulary's parameters must be an object"),
        *[({"text": wrong}, "'text' must be an object or null") for wrong in (..., [], "strict", 0, False)],
        ({"text": {}}, "'text' must hold exactly ['lowercase', 'unk', 'eos', 'errors']"),
        ({"text": {**TEXT, "more": 1}}, "'text' must hold exactly"),
        ({"text": {**TEXT, "lowercase": 1}}, "lowercase must be a bool"),
        ({"text": {**TEXT, "unk": None}}, "unk must be a str"),
        ({"text": {**TEXT, "unk": "a b"}}, "one word without white space"),
        ({"text": {**TEXT, "unk": "\ud800"}}, "lone surrogate"),
        ({"text": {**TEXT, "eos": "yes"}}, "eos must be a bool"),
        ({"text": {**TEXT, "errors": "ignore"}}, "errors must be"),
        ({"source": {"key": float("nan")}}, "source must be plain finite JSON"),
        ({"source": {"key": "\ud800"}}, "source must be plain finite JSON"),
        ({"parameters": {"vocabulary": {"key": float("inf")}}}, "parameters must be plain finite JSON"),
        ({"parameters": {"vocabulary": {}, "cost": -float("inf")}}, "parameters must be plain finite JSON"),
    ],
)
def test_metadata_that_is_refused(file: Path, changes: dict[str, Any], message: str) -> None:
    assert message in refusal(file, with_arrays(meta=with_meta(**changes)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"text"',
        "NaN",
        "{",
        '{"format_version": 1',
        "{'kind': 'cutoffs'}",
        "[" * 100_000,
        '{"source":' * 100_000,
        json.dumps(with_meta())[:-1] + ', "more": ' + "[" * 5000 + "]" * 5000 + "}",
        json.dumps(with_meta(source={"key": ...}), default=lambda _: 0).replace("0", "1e999"),
        json.dumps(with_meta(source={"key": 0})).replace("0", "9" * 5000),
    ],
    ids=lambda text: text[:20],
)
def test_metadata_text_that_is_refused(file: Path, text: str) -> None:
    refusal(file, with_arrays(meta=text))


def test_keys_of_a_later_minor_version_are_ignored(file: Path) -> None:
    found = load(raw.write(file, with_arrays(meta=with_meta(note="written by somebody", wordalloc_version=[]))))
    assert found.cutoffs.tolist() == [1]


def test_the_version_is_judged_before_the_tensors(file: Path) -> None:
    header, data = raw.split(with_arrays(meta=with_meta(format_version=7)))
    header["new"] = {"dtype": "BF16", "shape": [1], "data_offsets": [len(data), len(data) + 2]}
    assert "format version 7" in refusal(file, raw.join(header, data + bytes(2)))


# --- arrays

INT = np.int64
MAKERS: dict[str, Callable[[], bytes]] = {
    "must be int64 with 1 axes, not int32": lambda: with_arrays(counts=np.array([2, 1], dtype=np.int32)),
    "must be int64 with 1 axes, not float64": lambda: with_arrays(counts=np.array([2.0, 1.0])),
    "with shape (1, 2)": lambda: with_arrays(counts=np.array([[2, 1]])),
    "expected shape (2,), got (3,)": lambda: with_arrays(counts=np.array([3, 2, 1])),
    "expected shape (2,), got (0,)": lambda: with_arrays(counts=np.array([], dtype=INT)),
    "counts must descend": lambda: with_arrays(counts=np.array([1, 2])),
    "entry 1 is -1": lambda: with_arrays(counts=np.array([1, -1])),
    "between 0 and 2**62": lambda: with_arrays(counts=np.array([2**63 - 1, 1])),
    "'a' appears twice": lambda: with_arrays(**raw.words("a", "a")),
    "'b' stands before 'a'": lambda: with_arrays(**raw.words("b", "a"), counts=np.array([1, 1])),
    "the word at rank 1 is empty": lambda: with_arrays(**raw.words("a", "")),
    "the word at rank 0 is empty": lambda: with_arrays(**raw.words("", "")),
    "the word b'\\xff' is not UTF-8": lambda: with_arrays(**raw.words("a", b"\xff")),
    "the word b'\\xed\\xa0\\x80' is not UTF-8": lambda: with_arrays(**raw.words("a", b"\xed\xa0\x80")),
    "the word b'\\xc0\\x80' is not UTF-8": lambda: with_arrays(**raw.words("a", b"\xc0\x80")),
    "the word b'\\xc3' is not UTF-8": lambda: with_arrays(**raw.words(b"\xc3", b"\xa9")),  # é, cut in two
    "'ids' must be int64": lambda: with_arrays(ids=np.array([0.0, 1.0])),
    "ids must have one entry a word": lambda: with_arrays(ids=np.array([0])),
    "token ids must be distinct": lambda: with_arrays(ids=np.array([4, 4])),
    "token ids must not be negative": lambda: with_arrays(ids=np.array([0, -4])),
    "'cutoffs' must be int64 with 1 axes, not uint8": lambda: with_arrays(cutoffs=np.array([1], dtype=np.uint8)),
    "with 1 axes, not int64 with shape (1, 1)": lambda: with_arrays(cutoffs=np.array([[1]])),
    "the word 'aaaa": lambda: with_arrays(**raw.words("a" * 1_000_000, "a" * 1_000_000)),
    "not [0]": lambda: with_arrays(cutoffs=np.array([0])),
    "not [2]": lambda: with_arrays(cutoffs=np.array([2])),
    "not [1, 1]": lambda: with_arrays(cutoffs=np.array([1, 1])),
    "not [9223372036854775807, -5]": lambda: with_arrays(cutoffs=np.array([2**63 - 1, -5])),
    "unknown arrays ['more']": lambda: with_arrays(more=np.array([1])),
    "'words.bytes' must be uint8": lambda: with_arrays(**{"words.bytes": np.array([97, 98])}),
    "'words.offsets' must be int64": lambda: with_arrays(**{"words.offsets": np.arange(3, dtype=np.int32)}),
    **{
        f"the array {name!r} is missing": lambda name=name: with_arrays(drop=name)  # type: ignore[misc]
        for name in ("words.bytes", "words.offsets", "counts", "cutoffs")
    },
}


@pytest.mark.parametrize("message", MAKERS)
def test_arrays_that_are_refused(file: Path, message: str) -> None:
    assert message in refusal(file, MAKERS[message]())


def of_kind(kind: str, drop: str = "", **changes: np.ndarray) -> bytes:
    """Return a file of three words and that kind, with arrays changed, added or dropped."""
    arrays = {
        "bigrams": {"left": int32(0, 1), "right": int32(1, 0), "count": int64(5, 3)},
        "classes": {"word_class": int32(0, 1, 0)},
        "tree": {
            "path_offsets": int64(0, 1, 3, 5),
            "path_nodes": int32(0, 0, 1, 0, 1),
            "path_digits": int32(0, 1, 0, 1, 1),
            "arity": int64(2),
            "class_depth": int32(1, 1, 1),
        },
    }[kind]
    arrays = {**raw.words("a", "b", "c"), "counts": int64(5, 3, 2), **arrays, **changes}
    arrays.pop(drop, None)
    return raw.pack(arrays, with_meta(kind=kind))


def int32(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def int64(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


OF_KIND: dict[str, list[tuple[dict[str, Any], str]]] = {
    "bigrams": [
        ({"drop": "left"}, "the array 'left' is missing"),
        ({"drop": "right"}, "the array 'right' is missing"),
        ({"drop": "count"}, "the array 'count' is missing"),
        ({"left": int64(0, 1)}, "the array 'left' must be int32 with 1 axes, not int64"),
        ({"right": np.zeros((1, 2), np.int32)}, "the array 'right' must be int32 with 1 axes"),
        ({"count": np.array([5.0, 3.0])}, "the array 'count' must be int64 with 1 axes, not float64"),
        ({"left": int32(0, 3)}, "left must be a flat list of ranks from 0 to 2"),
        ({"left": int32(-1, 1)}, "left must be a flat list of ranks from 0 to 2"),
        ({"right": int32(1)}, "left, right and count must be flat and of one length, not 2, 1 and (2,)"),
        ({"left": int32(1, 0)}, "pairs must be sorted by (left, right), each one once, but pair 1"),
        ({"left": int32(0, 0), "right": int32(1, 1)}, "pairs must be sorted by (left, right), each one once"),
        ({"count": int64(5, 0)}, "counts of pairs must be at least 1"),
        ({"count": int64(2**63 - 1, 2**63 - 1)}, "at most 2**62 together"),
        ({"word_class": int32(0, 1, 0)}, "it holds the unknown arrays ['word_class']"),
    ],
    "classes": [
        ({"drop": "word_class"}, "the array 'word_class' is missing"),
        ({"word_class": int64(0, 1, 0)}, "the array 'word_class' must be int32 with 1 axes, not int64"),
        ({"word_class": int32(0, 1)}, "expected shape (3,), got (2,)"),
        ({"word_class": int32()}, "expected shape (3,), got (0,)"),
        ({"word_class": int32(0, 2, 0)}, "class 1 is empty"),
        ({"word_class": int32(0, -1, 0)}, "classes of 3 words must lie between 0 and 2"),
        ({"word_class": int32(0, 2**31 - 1, 0)}, "classes of 3 words must lie between 0 and 2"),  # no bin is made
        ({"arity": int64(2)}, "it holds the unknown arrays ['arity']"),
    ],
    "tree": [
        ({"drop": "path_offsets"}, "the array 'path_offsets' is missing"),
        ({"drop": "path_nodes"}, "the array 'path_nodes' is missing"),
        ({"drop": "path_digits"}, "the array 'path_digits' is missing"),
        ({"drop": "arity"}, "the array 'arity' is missing"),
        ({"path_offsets": int32(0, 1, 3, 5)}, "the array 'path_offsets' must be int64 with 1 axes, not int32"),
        ({"path_nodes": int64(0, 0, 1, 0, 1)}, "the array 'path_nodes' must be int32 with 1 axes, not int64"),
        ({"path_digits": np.zeros(5, bool)}, "the array 'path_digits' must be int32 with 1 axes, not bool"),
        ({"arity": int32(2)}, "the array 'arity' must be int64"),
        ({"arity": int64()}, "the array 'arity' must have one entry, not (0,)"),
        ({"arity": int64(2, 2)}, "the array 'arity' must have one entry, not (2,)"),
        ({"arity": np.array(2)}, "the array 'arity' must be int64 with 1 axes"),
        ({"arity": int64(1)}, "arity must be a whole number from 2 to 2147483647, not 1"),
        ({"arity": int64(2**62)}, "arity must be a whole number from 2"),
        ({"class_depth": int64(1, 1, 1)}, "the array 'class_depth' must be int32"),
        ({"class_depth": int32(1, 1)}, "class_depth must have one entry a word: (3,), not (2,)"),
        ({"class_depth": int32(1, 1, 2)}, "class_depth puts the word 'c' into a class inside a class"),
        ({"class_depth": int32(1, 1, 2**31 - 1)}, "class_depth must lie between 0 and the word's code length"),
        ({"class_depth": int32(1, -1, -1)}, "class_depth must lie between 0 and the word's code length"),
        ({"path_offsets": int64(0, 2**62, 3, 5)}, "path_offsets must rise from 0 to 5"),
        ({"path_offsets": int64(0, 2**63 - 1, -5, 5)}, "path_offsets must rise from 0 to 5"),
        ({"path_nodes": int32(0, 0, 2**31 - 1, 0, 2**31 - 1)}, "inner nodes of a tree over 3 words must lie between"),
        ({"path_nodes": int32(0, 0, -1, 0, -1)}, "inner nodes of a tree over 3 words must lie between 0 and 1"),
        ({"path_digits": int32(0, 1, 0, 1, 2**31 - 1)}, "digits of arity 2 must lie between 0 and 1"),
        ({"path_digits": int32(0, 1, 1, 1, 1)}, "inner node 1 uses a digit twice"),
        ({"path_digits": int32(0, 1, 0)}, "path_nodes and path_digits must be flat and of one length"),
        ({"word_class": int32(0, 1, 0)}, "it holds the unknown arrays ['word_class']"),
    ],
}


@pytest.mark.parametrize("kind", OF_KIND)
def test_the_undamaged_files_of_the_other_kinds_load(file: Path, kind: str) -> None:
    assert load(raw.write(file, of_kind(kind))).kind == kind


@pytest.mark.parametrize(("kind", "changes", "message"), [(kind, *case) for kind in OF_KIND for case in OF_KIND[kind]])
def test_arrays_of_the_other_kinds_that_are_refused(
    file: Path, kind: str, changes: dict[str, Any], message: str
) -> None:
    refused = refusal(file, of_kind(kind, **changes))
    assert f"damaged {kind} file" in refused and message in refused


def test_a_tree_may_name_no_classes(file: Path) -> None:
    found = load(raw.write(file, of_kind("tree", drop="class_depth")))
    assert found.codes == ["0", "10", "11"] and found.class_depth is None


@pytest.mark.parametrize(
    "offsets",
    [[], [0], [0, 2], [1, 1, 2], [0, 1, 1], [0, 1, 3], [0, 3, 2], [0, -1, 2], [0, 2**63 - 1, -5, 2], [-2, 0, 2]],
)
def test_offsets_that_do_not_divide_the_words(file: Path, offsets: list[int]) -> None:
    message = refusal(file, with_arrays(**{"words.offsets": np.array(offsets, dtype=INT)}))
    assert "'words.offsets' does not divide the 2 bytes" in message or "expected shape (1,), got (2,)" in message


def test_a_file_of_no_words(file: Path) -> None:
    empty = {**raw.words(), "counts": np.array([], dtype=INT), "cutoffs": np.array([], dtype=INT)}
    assert "a vocabulary needs at least one word" in refusal(file, with_arrays(**empty))


def test_a_name_of_several_lines_is_said_in_one(tmp_path: Path) -> None:
    with pytest.raises(FormatError) as caught:
        load(tmp_path / "two\nlines")
    assert str(caught.value) == f"{tmp_path}/two lines: no such file; check its name"
