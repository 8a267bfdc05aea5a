"""Adjacent words: against a Counter over the obvious stream, and never across files."""

from __future__ import annotations

import gzip
import io
import sys
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wordalloc
from wordalloc.corpus import bigrams as counting
from wordalloc.corpus import count_bigrams, read_bigrams
from wordalloc.errors import InputError

words = st.sampled_from(["a", "B", "b", "É", "rare", "<eos>", "<unk>"])
texts = st.lists(st.lists(words, max_size=5), max_size=5)


def obvious(files: list[str], vocabulary: wordalloc.Vocabulary) -> dict[tuple[str, str], int]:
    """Count the pairs of each file's stream of words."""
    text, pairs = vocabulary.text or wordalloc.TextOptions(), Counter()
    for content in files:
        stream = []
        for line in content.removesuffix("\n").split("\n"):
            spelt = [word.lower() if text.lowercase else word for word in line.split()]
            stream += [word if word in vocabulary.words else text.unk for word in spelt]
            stream += ["<eos>"] if text.eos else []
        pairs.update(pairwise(stream))
    return dict(pairs)


def found(bigrams: wordalloc.Bigrams) -> dict[tuple[str, str], int]:
    named = bigrams.vocabulary.words
    triples = zip(bigrams.left.tolist(), bigrams.right.tolist(), bigrams.count.tolist(), strict=True)
    return {(named[i], named[j]): n for i, j, n in triples}


@settings(max_examples=40, deadline=None)
@given(st.lists(texts, min_size=1, max_size=3), st.booleans(), st.booleans(), st.integers(1, 7), st.booleans())
def test_agrees_with_the_obvious(tmp_path_factory, files, lowercase, eos, chunk, final_line_end):
    folder = tmp_path_factory.mktemp("text")
    contents = []
    for number, lines in enumerate([*files, [["a", "a", "b", "é"]]]):
        content = "\n".join(" ".join(line) for line in lines) or "a"
        contents.append(content + ("\n" if final_line_end else ""))
        (folder / f"{number}.txt").write_text(contents[-1])
    paths = sorted(folder.iterdir())
    vocabulary = wordalloc.Vocabulary.from_counts(
        ["a", "b", "é", "<eos>", "<unk>"], [9, 5, 3, 2, 1], text=wordalloc.TextOptions(lowercase=lowercase, eos=eos)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_CHUNK", chunk)  # a pair may lie on the border of two chunks
        assert found(count_bigrams(paths, vocabulary, threads=1)) == obvious(contents, vocabulary)


def test_the_end_of_one_file_does_not_precede_the_next(tmp_path):
    (tmp_path / "1.txt").write_text("a b")
    (tmp_path / "2.txt").write_text("c")
    (tmp_path / "3.txt").write_text("c a\n")
    vocabulary = wordalloc.count(tmp_path / "*.txt", eos=False)
    assert found(count_bigrams(tmp_path / "*.txt", vocabulary)) == {("a", "b"): 1, ("c", "a"): 1}
    with_ends = wordalloc.count(tmp_path / "*.txt")
    expected = {("a", "b"): 1, ("b", "<eos>"): 1, ("c", "<eos>"): 1, ("c", "a"): 1, ("a", "<eos>"): 1}
    assert found(count_bigrams(tmp_path / "*.txt", with_ends)) == expected


def test_the_order_of_files_does_not_matter(tmp_path):
    (tmp_path / "1.txt").write_text("a b a\nb b\n")
    (tmp_path / "2.txt").write_text("c a c\n")
    paths = [tmp_path / "1.txt", tmp_path / "2.txt"]
    vocabulary = wordalloc.count(paths)
    assert found(count_bigrams(paths, vocabulary)) == found(count_bigrams(paths[::-1], vocabulary))


def test_threads_memory_and_chunks_do_not_change_the_bytes(tmp_path, monkeypatch):
    path = tmp_path / "text.txt"
    path.write_text("".join(f"w{i * i % 9973} v{i % 4999} u{i * 7 % 3001}\n" for i in range(150_000)))
    vocabulary = wordalloc.count(path, eos=False)
    count_bigrams(path, vocabulary, threads=1).save(tmp_path / "a")
    monkeypatch.setattr(counting, "_CHUNK", 50_000)
    bigrams = count_bigrams(path, vocabulary, threads=2, memory_limit="24MB")  # spills
    bigrams.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert bigrams.total == 3 * 150_000 - 1


def test_sums_are_the_words_but_for_the_ends_of_files(tmp_path):
    (tmp_path / "text.txt").write_text("a b c a\nb a\n\na\n")
    vocabulary = wordalloc.count(tmp_path / "text.txt")
    bigrams = count_bigrams(tmp_path / "text.txt", vocabulary)
    counts = dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True))
    assert dict(zip(vocabulary.words, bigrams.left_counts.tolist(), strict=True)) == {**counts, "<eos>": 3}
    assert dict(zip(vocabulary.words, bigrams.right_counts.tolist(), strict=True)) == {**counts, "a": 3}


@pytest.mark.parametrize("eos", [True, False])
def test_a_text_of_one_word(tmp_path, eos):
    (tmp_path / "text.txt").write_text("alone\n")
    vocabulary = wordalloc.count(tmp_path / "text.txt", eos=eos)
    if eos:
        assert found(count_bigrams(tmp_path / "text.txt", vocabulary)) == {("alone", "<eos>"): 1}
    else:
        with pytest.raises(InputError, match="no two words in a row"):
            count_bigrams(tmp_path / "text.txt", vocabulary)


def test_files_of_one_word_each_have_no_pairs(tmp_path):
    for name in "abc":
        (tmp_path / name).write_text(f"{name}\n")
    vocabulary = wordalloc.count(tmp_path / "?", eos=False)
    with pytest.raises(InputError, match="no two words in a row"):
        count_bigrams(tmp_path / "?", vocabulary)


def test_unknown_words_need_a_word_for_them(tmp_path):
    (tmp_path / "text.txt").write_text("a stranger\n")
    with pytest.raises(InputError, match="'stranger' is not in the vocabulary"):
        count_bigrams(tmp_path / "text.txt", wordalloc.Vocabulary.from_counts(["a", "b"], [2, 1]))


# --- any source


def test_a_text_is_counted_with_its_limits(tmp_path):
    (tmp_path / "text.txt.gz").write_bytes(gzip.compress(b"A b a c a b\n"))
    bigrams = read_bigrams(tmp_path / "text.txt.gz", lowercase=True, min_count=2, eos=False)
    assert bigrams.vocabulary.source["names"] == ["text.txt.gz"]
    assert bigrams.vocabulary.text == wordalloc.TextOptions(lowercase=True, eos=False)
    assert found(bigrams) == {("a", "b"): 2, ("b", "a"): 1, ("a", "<unk>"): 1, ("<unk>", "a"): 1}


def test_a_file_of_bigrams_is_taken_as_it_is(tmp_path):
    (tmp_path / "text.txt").write_text("a b a\n")
    first = read_bigrams(tmp_path / "text.txt", min_count=1)
    first.save(tmp_path / "file")
    again = read_bigrams(tmp_path / "file", min_count=100, lowercase=True)
    assert found(again) == found(first) and again.vocabulary.fingerprint == first.vocabulary.fingerprint


def test_standard_input_is_read_once_and_called_so(tmp_path, monkeypatch):
    def standard_input(content: bytes):
        return type("Stream", (), {"buffer": io.BytesIO(content), "closed": False})()

    monkeypatch.setattr(sys, "stdin", standard_input(b"a b a\n"))
    assert found(read_bigrams("-", eos=False)) == {("a", "b"): 1, ("b", "a"): 1}
    vocabulary = wordalloc.Vocabulary.from_counts(["a", "b"], [2, 1], text=wordalloc.TextOptions(eos=False))
    monkeypatch.setattr(sys, "stdin", standard_input(b"a b \xff\n"))
    with pytest.raises(InputError, match=r"^-: byte 4 "):
        count_bigrams("-", vocabulary)


@pytest.mark.parametrize(
    ("content", "kind"), [(b"a\t1\nb\t2\n", "tsv"), (b'{"a": 3, "b": 2}', "json"), (None, "allocation")]
)
def test_words_without_their_neighbours_are_refused(tmp_path, content, kind):
    if content is None:
        wordalloc.save(wordalloc.Vocabulary(["a"], [1]), tmp_path / "source")
    else:
        (tmp_path / "source").write_bytes(content)
    (tmp_path / "text.txt").write_text("a b\n")
    for sources in ([tmp_path / "source"], [tmp_path / "text.txt", tmp_path / "source"]):
        with pytest.raises(InputError, match=f"source: adjacent words are counted from .* not {kind}"):
            read_bigrams(sources)
