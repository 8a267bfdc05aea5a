"""Files of clusters from other programs: what they hold, and what is wrong with them, by line."""

from __future__ import annotations

import bz2
import gzip
import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordalloc import Classes, Vocabulary
from wordalloc.allocations.interchange import to_word_classes
from wordalloc.corpus import ClusterFile, read_clusters
from wordalloc.errors import InputError

PATHS = b"0\tthe\t5\n10\tcat\t2\n11\tdog\t2\n"
CLASSES = b"the 1\ncat 0\ndog 0\n"


def write(folder: Path, content: bytes) -> Path:
    (folder / "clusters").write_bytes(content)
    return folder / "clusters"


def test_a_paths_file(tmp_path):
    assert read_clusters(write(tmp_path, PATHS)) == ClusterFile(
        "brown-paths", ["the", "cat", "dog"], ["0", "10", "11"], [5, 2, 2]
    )


@pytest.mark.parametrize("separator", [b" ", b"\t"], ids=["word2vec", "mkcls"])
def test_a_file_of_words_and_classes(tmp_path, separator):
    found = read_clusters(write(tmp_path, CLASSES.replace(b" ", separator)))
    kind = "word2vec-classes" if separator == b" " else "mkcls-classes"
    assert found == ClusterFile(kind, ["the", "cat", "dog"], ["1", "0", "0"], None)


@pytest.mark.parametrize("content", [PATHS, CLASSES])
def test_line_ends_marks_and_compression(tmp_path, content):
    expected = read_clusters(write(tmp_path, content))
    for same in (
        content.replace(b"\n", b"\r\n"),
        content.removesuffix(b"\n"),
        b"\xef\xbb\xbf" + content,
        gzip.compress(content, mtime=0),
        bz2.compress(content),
    ):
        assert read_clusters(write(tmp_path, same)) == expected


def test_words_hold_whatever_does_not_separate(tmp_path):
    words = ["a b", "\u00a0", "\x0b", "\x85", "\u2028", '"', "\\", "😀", "0", "\ufeff"]
    content = "".join(f"{number:04b}\t{word}\t1\n" for number, word in enumerate(words))
    assert read_clusters(write(tmp_path, content.encode())).words == words


def test_srilm_classes_may_have_tabs(tmp_path):
    found = read_clusters(write(tmp_path, b"NOUN\t0.75\tcat\nNOUN\t0.25\tdog\nDET\t1\tthe\n"))
    assert found == ClusterFile("srilm-classes", ["cat", "dog", "the"], ["NOUN", "NOUN", "DET"], None)
    # A word may look like a share: the bits tell.
    assert read_clusters(write(tmp_path, b"01\t0.75\t3\n1\tcat\t2\n")).kind == "brown-paths"


def test_classes_may_have_names(tmp_path):
    assert read_clusters(write(tmp_path, "the\tnoun phrase\ncat\té\n".encode())).labels == ["noun phrase", "é"]


def test_a_paths_file_of_one_word_has_no_bits(tmp_path):
    assert read_clusters(write(tmp_path, b"\tthe\t5\n")).labels == [""]


def test_the_largest_count(tmp_path):
    assert read_clusters(write(tmp_path, b"0\ta\t%d\n1\tb\t0\n" % 2**62)).counts == [2**62, 0]


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", type("Stream", (), {"buffer": io.BytesIO(PATHS), "closed": False})())
    assert read_clusters("-").words == ["the", "cat", "dog"]


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters=" \t\n\v\f\r\0\ufeff"), min_size=1),
        st.integers(0, 3),
        min_size=1,
        max_size=8,
    )
)
def test_written_classes_come_back(tmp_path_factory, named: dict[str, int]):
    vocabulary = Vocabulary.from_counts(list(named), [0] * len(named))
    number: dict[int, int] = {}
    classes = Classes(vocabulary, [number.setdefault(named[word], len(number)) for word in vocabulary.words])
    path = write(tmp_path_factory.getbasetemp(), "".join(to_word_classes(classes)).encode())
    found = read_clusters(path)
    assert found.words == list(vocabulary.words)
    assert list(map(int, found.labels)) == classes.word_class.tolist()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty; expected bits, word and count, or word and class, on each line"),
        (b"\n", "line 1: expected bits, word and count separated by tabs, or a word and its class, not ''"),
        (b"words\n", "line 1: expected bits, word and count separated by tabs, or a word and its class, not 'words'"),
        (b"0\ta\t1\tmore\n", "line 1: expected bits, word and count separated by tabs, or a word and its class"),
        (PATHS + b"\n", "line 4: expected bits, word and count separated by tabs, not ''"),
        (PATHS + b"0\ta\n", r"line 4: expected bits, word and count separated by tabs, not '0\\ta'"),
        (PATHS + b"0\ta\t1\t1\n", "line 4: expected bits, word and count"),
        (PATHS + b"0\t\t1\n", "line 4: expected bits, word and count"),
        (PATHS + b"0\ta\t\n", "line 4: expected bits, word and count"),
        (CLASSES + PATHS, r"line 4: expected a word and its class, not '0\\tthe\\t5'"),
        (b"the cat sat on the mat\n", "line 1: expected a word and its class, not 'the cat sat on the mat'"),
        (b"3 2\ncat 5 6\nthe 1 2\n", "line 2: expected a word and its class, not 'cat 5 6'"),
        (CLASSES + b"new york 3\n", "line 4: expected a word and its class, not 'new york 3'"),
        (CLASSES + b"word\n", "line 4: expected a word and its class, not 'word'"),
        (CLASSES + b" 3\n", "line 4: expected a word and its class"),
        (CLASSES + b"word \n", "line 4: expected a word and its class"),
        (PATHS + b"0\ta\tx\n", r"line 4: the count must be a whole number from 0 to 2\*\*62, not 'x'"),
        (PATHS + b"0\ta\t-1\n", "line 4: the count must be a whole number"),
        (PATHS + b"0\ta\t1.5\n", "line 4: the count must be a whole number"),
        (PATHS + b"0\ta\t4611686018427387905\n", "line 4: the count must be a whole number"),
        (PATHS + b"0\ta\t" + b"9" * 5000 + b"\n", "line 4: the count must be a whole number"),
        (PATHS + "0\ta\t²\n".encode(), "line 4: the count must be a whole number"),
        (PATHS + b"0\tcat\t1\n", "line 4: the word 'cat' stands on line 2 already"),
        (CLASSES + b"the 3\n", "line 4: the word 'the' stands on line 1 already"),
        (b"0\tcaf\xe9\t1\n", r"byte 5 \(0xe9\) is not UTF-8"),
        (PATHS + b"0\ta\0\t1\n", "byte 29 is NUL"),
        (gzip.compress(PATHS, mtime=0)[:-9], "the compressed file is cut short"),
    ],
)
def test_damaged_files_are_named_by_line(tmp_path, content, says):
    with pytest.raises(InputError, match=f"clusters: {says}") as caught:
        read_clusters(write(tmp_path, content))
    assert len(str(caught.value)) < len(str(tmp_path)) + 250


def test_a_long_word_is_shortened_in_messages(tmp_path):
    for content in (b"x" * 10**6, b"%s 1\n%s 1\n" % (b"x" * 10**6, b"x" * 10**6)):
        with pytest.raises(InputError) as caught:
            read_clusters(write(tmp_path, content))
        assert len(str(caught.value)) < len(str(tmp_path)) + 300


def test_what_is_not_text_can_be_replaced(tmp_path):
    assert read_clusters(write(tmp_path, b"caf\xe9 1\nx 0\n"), errors="replace").words == ["caf\ufffd", "x"]


def test_one_file_alone(tmp_path):
    (tmp_path / "1.txt").write_bytes(PATHS)
    assert read_clusters(tmp_path / "*.txt").kind == "brown-paths"
    (tmp_path / "2.txt").write_bytes(CLASSES)
    with pytest.raises(InputError, match="2 files match this pattern; name one of them"):
        read_clusters(tmp_path / "*.txt")
    with pytest.raises(InputError, match="no such file"):
        read_clusters(tmp_path / "missing")
