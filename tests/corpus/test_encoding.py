"""Token ids: what they are, and that the cache can be trusted."""

from __future__ import annotations

import itertools
import multiprocessing
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wordalloc
from wordalloc.corpus import demo, encode, encode_to_folder, encoding, ranks, write_demo_corpus
from wordalloc.errors import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("WORDALLOC_CACHE", str(folder))
    return folder


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(["a", "B", "É", "rare", "<eos>", "<unk>"]), max_size=5), max_size=8),
    st.booleans(),
    st.booleans(),
)
def test_decodes_to_the_text(tmp_path_factory, lines, lowercase, eos):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("".join(" ".join(line) + "\n" for line in [*lines, ["a", "a", "b", "é"]]))
    vocabulary = wordalloc.Vocabulary.from_counts(
        ["a", "b", "é", "<eos>", "<unk>"], [9, 5, 3, 2, 1], text=wordalloc.TextOptions(lowercase=lowercase, eos=eos)
    )
    encoded = encode(path, vocabulary)
    expected, ends, unknown = [], [], 0
    for line in [*lines, ["a", "a", "b", "é"]]:
        words = [word.lower() if lowercase else word for word in line]
        unknown += sum(word not in vocabulary.words for word in words)
        expected += [word if word in vocabulary.words else "<unk>" for word in words] + (["<eos>"] if eos else [])
        ends.append(len(expected))
    assert [vocabulary.words[i] for i in encoded.ids] == expected
    assert encoded.line_ends.tolist() == ends
    assert encoded.n_unknown == unknown


@pytest.mark.parametrize("eos", [True, False])
def test_where_files_end(tmp_path, eos):
    contents = ["a b", "\n", "c\n\na\n", "", "b\n"]
    for number, content in enumerate(contents):
        (tmp_path / f"{number}.txt").write_text(content)
    paths = sorted(tmp_path.glob("*.txt"))
    encoded = encode(paths, wordalloc.count(paths, eos=eos))
    tokens = [
        len(content.split()) + eos * (content.count("\n") + (content[-1:] not in ("", "\n"))) for content in contents
    ]
    assert encoded.file_ends.tolist() == np.cumsum(tokens).tolist()
    assert encoded.ids.size == encoded.file_ends[-1]
    assert set(encoded.file_ends.tolist()) <= {0, *encoded.line_ends.tolist()}
    again = encode(paths, wordalloc.count(paths, eos=eos))  # from the cache
    assert again.file_ends.dtype == np.int64 and again.file_ends.tolist() == encoded.file_ends.tolist()


def test_the_order_of_files_has_an_entry_of_its_own(tmp_path):
    for name, content in (("1", "a b c\n"), ("2", "a\n")):
        (tmp_path / name).write_text(content)
    vocabulary = wordalloc.count([tmp_path / "1", tmp_path / "2"])
    ends = [encode([tmp_path / name for name in names], vocabulary).file_ends.tolist() for names in ("12", "21")]
    assert ends == [[4, 6], [2, 6]]


def test_the_same_bytes_divided_into_files_otherwise(tmp_path):
    for name, content in (("1", "a b\n"), ("2", "c\n"), ("3", "a b\nc\n")):
        (tmp_path / name).write_text(content)
    vocabulary = wordalloc.count(tmp_path / "3")
    assert encode(tmp_path / "3", vocabulary).file_ends.tolist() == [5]
    assert encode([tmp_path / "1", tmp_path / "2"], vocabulary).file_ends.tolist() == [3, 5]


def test_the_cache_is_used_and_not_believed(tmp_path, cache, monkeypatch):
    (tmp_path / "text.txt").write_text("a b a\nb\n")
    vocabulary = wordalloc.count(tmp_path / "text.txt")
    first = encode(tmp_path / "text.txt", vocabulary).ids.tolist()
    with monkeypatch.context() as patch:
        patch.setattr(encoding, "_write", lambda *_: pytest.fail("encoded again"))
        assert encode(tmp_path / "text.txt", vocabulary).ids.tolist() == first
    for file in ("ids.int32", "line_ends.int64", "meta.json"):
        entry = next((cache / "ids").iterdir())
        (entry / file).write_bytes((entry / file).read_bytes()[:-1])
        assert encode(tmp_path / "text.txt", vocabulary).ids.tolist() == first
    (tmp_path / "text.txt").write_text("a b b\nb\n")
    assert encode(tmp_path / "text.txt", vocabulary).ids.tolist() != first
    assert len(list((cache / "ids").iterdir())) == 2


def test_ids_outlive_the_cache(tmp_path, cache):
    (tmp_path / "text.txt").write_text("a b a\n")
    encoded = encode(tmp_path / "text.txt", wordalloc.count(tmp_path / "text.txt"))
    shutil.rmtree(cache)
    assert encoded.ids.tolist() == [0, 2, 0, 1] or np.unique(encoded.ids).size == 3


def _encode_in_a_process(arguments):
    path, vocabulary = arguments
    return encode(path, wordalloc.load(vocabulary)).ids.tolist()


def test_two_processes_share_a_cache(tmp_path):
    (tmp_path / "text.txt").write_text("a b c d\n" * 50_000)
    wordalloc.save(wordalloc.count(tmp_path / "text.txt"), tmp_path / "v")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        one, two = pool.map(_encode_in_a_process, [(tmp_path / "text.txt", tmp_path / "v")] * 2)
    assert one == two and len(one) == 250_000


def test_unknown_words_need_a_word_for_them(tmp_path):
    (tmp_path / "text.txt").write_text("a stranger\n")
    vocabulary = wordalloc.Vocabulary.from_counts(["a", "b"], [2, 1])
    with pytest.raises(InputError, match=r"'stranger' is not in the vocabulary"):
        encode(tmp_path / "text.txt", vocabulary)


def test_a_full_lookup_still_answers(tmp_path, monkeypatch):
    monkeypatch.setattr(ranks.Ranks, "_MOST_LEARNT", 1)
    (tmp_path / "text.txt").write_text("A b B a É x y z X\n")
    vocabulary = wordalloc.Vocabulary.from_counts(
        ["a", "b", "<unk>", "<eos>"], [4, 3, 2, 1], text=wordalloc.TextOptions(lowercase=True)
    )
    assert encode(tmp_path / "text.txt", vocabulary).ids.tolist() == [0, 1, 1, 0, 2, 2, 2, 2, 2, 3]


def test_the_demo_corpus_is_there_and_the_same_twice(tmp_path):
    train, valid = write_demo_corpus(tmp_path)
    first = train.read_bytes(), valid.read_bytes()
    assert 200_000 < len(first[0].split()) < 2_000_000
    assert 0.03 < len(first[1].split()) / len(first[0].split()) < 0.08
    again = list(itertools.islice(demo.demo_paragraphs(), 3000))
    assert [part for number, part in enumerate(again, 1) if number % 20] == first[0].decode().split("\n")[:2850]
    assert again[19::20] == first[1].decode().split("\n")[:150]


def test_the_demo_corpus_imports_nothing_it_reads(tmp_path, monkeypatch):
    (tmp_path / "loud.py").write_text('"""Module of words."""\nraise SystemExit("imported")\n')
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "binary.py").write_bytes(b"\x00\xff")
    (tmp_path / "nested").mkdir()
    (tmp_path / "nested" / "more.py").write_text('class A:\n    """First part.\n\n    Second, part."""\n')
    monkeypatch.setattr(demo.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    assert list(demo.demo_paragraphs()) == ["module of words .", "first part .", "second , part ."]


def test_a_folder_of_ids_stands_for_its_text(tmp_path, monkeypatch):
    monkeypatch.setattr(encode_to_folder, "_PART_TOKENS", 4)  # so that there are several parts
    for name, text in (("1.txt", "a b a\n\nc a"), ("2.txt", ""), ("3.txt", "b odd\n")):
        (tmp_path / name).write_text(text)
    files = [tmp_path / f"{number}.txt" for number in (1, 2, 3)]
    vocabulary = wordalloc.Vocabulary.from_counts(["a", "b", "c", "<unk>", "<eos>"], [5, 4, 3, 2, 1])
    numbers = encode_to_folder.encode_to_folder(files, vocabulary, tmp_path / "ids")
    assert numbers == {"lines": 4, "tokens": 11, "unknown": 1}
    text, folder = encode(files, vocabulary), encode(tmp_path / "ids", vocabulary)
    assert folder.ids.tolist() == text.ids.tolist() == [0, 1, 0, 4, 4, 2, 0, 4, 1, 3, 4]
    assert folder.line_ends.tolist() == text.line_ends.tolist()
    assert folder.file_ends.tolist() == text.file_ends.tolist()
    assert folder.n_unknown == text.n_unknown == 1
    other = wordalloc.Vocabulary.from_counts(["a", "b", "c", "<unk>", "<eos>"], [6, 4, 3, 2, 1])
    with pytest.raises(InputError, match="was encoded by another vocabulary"):
        encode(tmp_path / "ids", other)
    lower = wordalloc.Vocabulary(vocabulary.words, vocabulary.counts, text=wordalloc.TextOptions(lowercase=True))
    with pytest.raises(InputError, match="with other text options"):
        encode(tmp_path / "ids", lower)
    part = next((tmp_path / "ids").glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"ids: the part .* is damaged"):
        encode(tmp_path / "ids", vocabulary)
    part.unlink()
    with pytest.raises(InputError, match="cannot be read: no such file"):
        encode(tmp_path / "ids", vocabulary)
    (tmp_path / "ids" / "meta.json").write_text("{")
    with pytest.raises(InputError, match=r"its meta\.json is damaged"):
        encode(tmp_path / "ids", vocabulary)


def test_a_tokenizers_vocabulary_encodes_no_text_that_is_cut_at_spaces(tmp_path):
    (tmp_path / "text.txt").write_text("the cat\n")
    tokens = wordalloc.Vocabulary.from_counts(["the", "Ġcat", "<unk>"], [2, 1, 0], ids=[2, 1, 0])
    for work in (
        lambda: encode(tmp_path / "text.txt", tokens),
        lambda: wordalloc.count_bigrams(tmp_path / "text.txt", tokens),
        lambda: encode_to_folder.encode_to_folder(tmp_path / "text.txt", tokens, tmp_path / "ids"),
    ):
        with pytest.raises(InputError, match="holds a tokenizer's tokens, but text is cut at spaces here"):
            work()
    assert not (tmp_path / "ids").exists()
    # A vocab.json whose words were counted in a text keeps how the text was read.
    words = wordalloc.Vocabulary.from_counts(
        ["the", "cat", "<eos>"], [2, 1, 1], ids=[2, 1, 0], text=wordalloc.TextOptions()
    )
    assert encode(tmp_path / "text.txt", words).ids.tolist() == [0, 2, 1]  # <eos> goes before cat
