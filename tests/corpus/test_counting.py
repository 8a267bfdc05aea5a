"""Counting against the obvious: collections.Counter over the bytes."""

from __future__ import annotations

import bz2
import gzip
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import wordalloc
from wordalloc.corpus import reading
from wordalloc.corpus.compressed import zstd
from wordalloc.corpus.engine import connect, open_database
from wordalloc.errors import InputError

# Everything that separates somewhere, and separates here or does not.
ALPHABET = "ab \t\n\v\f\r\x1c\x1f\x85\u00a0\u2003\u2028\u3000\ufeffé😀İß"


def obvious(text: str, *, lowercase: bool = False, eos: bool = True) -> dict[str, int]:
    """Words split on the bytes, lines by line feeds."""
    content = text.encode("utf-8").removeprefix(b"\xef\xbb\xbf")
    words = (word.decode() for word in re.split(rb"[ \t\n\v\f\r]+", content) if word)
    counts = Counter(word.lower() if lowercase else word for word in words)
    counts["<unk>"] += 0
    if eos:
        counts["<eos>"] += content.count(b"\n") + (not content.endswith(b"\n") and bool(content))
    return dict(counts)


def found(vocabulary: wordalloc.Vocabulary) -> dict[str, int]:
    return dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True))


@settings(max_examples=60, deadline=None)
@given(st.text(ALPHABET, max_size=60), st.booleans(), st.booleans(), st.integers(1, 9))
@example("no final newline", False, True, 1)
@example("\ufeffmark\r\nand CRLF\r\n", False, True, 4)
@example("<eos> <unk> <eos>\n", False, True, 3)
@example("İSTANBUL Straße ẞ\n", True, False, 2)
def test_agrees_with_the_obvious(tmp_path_factory, text, lowercase, eos, block):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_bytes(text.encode("utf-8"))
    expected = obvious(text, lowercase=lowercase, eos=eos)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "BLOCK_BYTES", block)
        patch.setitem(reading.read_blocks.__kwdefaults__, "block_bytes", block)
        if set(expected) <= {"<eos>", "<unk>"} and not re.search(r"<eos>|<unk>", text):
            with pytest.raises(InputError):
                wordalloc.count(path, lowercase=lowercase, eos=eos)
            return
        if set(expected) <= {"<eos>", "<unk>"}:
            return
        assert found(wordalloc.count(path, lowercase=lowercase, eos=eos)) == expected


def test_limits_drop_into_unk(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("a a a a b b b c c d e <unk>\n")
    assert found(wordalloc.count(path, min_count=2)) == {"a": 4, "b": 3, "c": 2, "<unk>": 3, "<eos>": 1}
    # Five entries in all: two are special, and of the words the first ranks stay.
    assert found(wordalloc.count(path, max_size=5)) == {"a": 4, "b": 3, "c": 2, "<unk>": 3, "<eos>": 1}
    assert found(wordalloc.count(path, max_size=4, eos=False)) == {"a": 4, "b": 3, "c": 2, "<unk>": 3}
    # At the border the bytes decide: d stays, e goes.
    assert found(wordalloc.count(path, max_size=6)) == {"a": 4, "b": 3, "c": 2, "d": 1, "<unk>": 2, "<eos>": 1}
    with pytest.raises(InputError, match="at least 3"):
        wordalloc.count(path, max_size=2)


def test_several_files_never_join_words_or_lines(tmp_path):
    (tmp_path / "1.txt").write_text("one tw")
    (tmp_path / "2.txt").write_text("o three\n")
    vocabulary = wordalloc.count(tmp_path / "*.txt")
    assert found(vocabulary) == {"<eos>": 2, "one": 1, "tw": 1, "o": 1, "three": 1, "<unk>": 0}
    assert vocabulary.source == {"names": ["1.txt", "2.txt"], "sizes": [6, 8], "tokens": 6}


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, zstd.compress])
def test_compressed_text_is_told_by_content(tmp_path, pack):
    text = "".join(f"w{i % 97} x\n" for i in range(20_000)).encode()
    (tmp_path / "plain").write_bytes(text)
    (tmp_path / "packed").write_bytes(pack(text[:50_000]) + pack(text[50_000:]))  # two members
    assert found(wordalloc.count(tmp_path / "packed")) == found(wordalloc.count(tmp_path / "plain"))
    whole = pack(text)
    (tmp_path / "cut").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(InputError, match="cut short"):
        wordalloc.count(tmp_path / "cut")
    (tmp_path / "damaged").write_bytes(whole[:20] + bytes(40) + whole[60:])
    with pytest.raises(InputError, match=r"the compressed file is (damaged|cut short)"):
        wordalloc.count(tmp_path / "damaged")


@pytest.mark.parametrize(
    ("content", "offset"), [(b"ok \xff", 3), (b"a\n" * 700_000 + b"\xc3(", 1_400_000), (b"\xef\xbb\xbfab\x00", 5)]
)
def test_what_is_not_text_is_named_by_its_byte(tmp_path, content, offset):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"text\.txt: byte {offset} .*--errors replace"):
        wordalloc.count(path)
    replaced = content.removeprefix(b"\xef\xbb\xbf").replace(b"\0", "\ufffd".encode()).decode("utf-8", "replace")
    assert found(wordalloc.count(path, errors="replace")) == obvious(replaced)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, zstd.compress])
def test_offsets_in_compressed_text_are_of_what_is_inside(tmp_path, pack):
    path = tmp_path / "text.txt"
    path.write_bytes(pack(b"a\n" * 700_000 + b"\xff"))
    with pytest.raises(InputError, match=r"text\.txt: decompressed byte 1400000 \(0xff\) is not UTF-8"):
        wordalloc.count(path)
    path.write_bytes(pack(b"ab\0"))
    with pytest.raises(InputError, match=r"text\.txt: decompressed byte 2 is NUL"):
        wordalloc.count(path)


def test_huge_lines_and_words(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("x" * 3_000_000 + " " + "y z " * 1_000_000)
    assert found(wordalloc.count(path)) == {"y": 10**6, "z": 10**6, "x" * 3_000_000: 1, "<eos>": 1, "<unk>": 0}


def test_threads_and_memory_do_not_change_the_bytes(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("".join(f"w{i * i % 9973} v{i % 31}\n" for i in range(400_000)))
    for name, options in (("a", {"threads": 1}), ("b", {"threads": 4, "memory_limit": "64MB"})):
        wordalloc.save(wordalloc.count(path, **options), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def write_many_words(path: Path, n: int) -> None:
    """Write n different words one and a half times each on average, in another order than their counts' and bytes'."""
    with path.open("w") as text:
        for first in (0, n // 2):
            text.writelines(f"w{i * 7919 % n:x}\n" for i in range(first, n))


def test_more_words_than_the_memory_limit_holds(tmp_path):
    path = tmp_path / "text.txt"
    write_many_words(path, 500_000)
    spilled = wordalloc.count(path, threads=1, memory_limit="30MB")
    assert spilled.fingerprint == wordalloc.count(path).fingerprint
    assert spilled.size == 500_002 and spilled.total == 2 * 750_000  # as many line ends
    once, twice = spilled.rank_of("w0"), spilled.rank_of(f"w{250_000 * 7919 % 500_000:x}")
    assert spilled.counts[[once, twice]].tolist() == [1, 2]


@pytest.mark.long
def test_the_memory_limit_bounds_the_whole_process(tmp_path):
    write_many_words(tmp_path / "text.txt", 5_000_000)
    command = [sys.executable, "-m", "wordalloc", "count", "text.txt", "--max-size", "1000"]
    peaks = []
    for limit in (["--memory-limit", "100MB"], []):
        process = subprocess.Popen([*command, *limit], cwd=tmp_path, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0
        peaks.append(usage.ru_maxrss / 1024)
    limited, free = peaks
    assert limited < 450 < free  # MiB: the limit, the interpreter with its libraries, and room


def test_nothing_is_left_in_the_temporary_folder(tmp_path, monkeypatch):
    spill = tmp_path / "spill"
    spill.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spill))
    (tmp_path / "good.txt").write_text("a b c\n")
    (tmp_path / "bad.txt").write_bytes(b"\xff")
    wordalloc.count(tmp_path / "good.txt")
    with pytest.raises(InputError):
        wordalloc.count(tmp_path / "bad.txt")
    with pytest.raises(KeyboardInterrupt), open_database(None, None):
        raise KeyboardInterrupt
    assert list(spill.iterdir()) == []


def test_an_interruption_inside_a_query_is_one():
    with pytest.raises(KeyboardInterrupt), connect():
        raise RuntimeError("Query interrupted")  # what DuckDB says; a real one comes at no certain moment


def test_an_interruption_from_the_progress_ends_the_count(tmp_path):
    path = Path(tmp_path / "text.txt")
    path.write_text("a b\n" * 10)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wordalloc.count(path, progress=interrupt)
