"""Word vectors as word2vec, gensim and fastText write them; gensim itself writes, and reads what it is held against."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from wordalloc import Vocabulary
from wordalloc.corpus.word_vectors import read_vectors
from wordalloc.errors import FormatError, InputError

WORDS = Vocabulary.from_counts(["the", "dog", "\u4e16\u754c", "<unk>"], [4, 3, 2, 1])
LISTED = ["dog", "cat", "\u4e16\u754c", "the"]
VECTORS = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
EXPECTED = np.stack((VECTORS[3], VECTORS[0], VECTORS[2], np.zeros(5, np.float32)))


def packed(words=LISTED, vectors=VECTORS, end=b"\n", header=None):
    """The binary format by hand, with or without the line feeds that some writers leave out."""
    rows = (
        word.encode() + b" " + vector.astype("<f4").tobytes() + end for word, vector in zip(words, vectors, strict=True)
    )
    return (header or b"%d %d\n" % vectors.shape) + b"".join(rows)


def write(folder, content):
    (folder / "vectors").write_bytes(content)
    return folder / "vectors"


@pytest.mark.parametrize("end", [b"\n", b""])
def test_the_binary_format_by_hand(tmp_path, end):
    for content in (packed(end=end), gzip.compress(packed(end=end))):
        assert (read_vectors(write(tmp_path, content), WORDS) == EXPECTED).all()


def test_more_than_a_chunk_and_words_twice(tmp_path):
    words = [f"w{n}" for n in range(9000)] + ["dog", "the", "\u4e16\u754c", "dog"]
    vectors = np.random.default_rng(1).standard_normal((len(words), 40)).astype(np.float32)
    found = read_vectors(write(tmp_path, packed(words, vectors)), WORDS)
    assert (found[:3] == vectors[[9001, 9000, 9002]]).all()


@pytest.mark.parametrize("end", ["", " "])
def test_gensim_and_fasttext_as_text(tmp_path, end):
    """fastText ends its lines in a space."""
    lines = [
        f"{word} {' '.join(map(repr, vector.tolist()))}{end}\n" for word, vector in zip(LISTED, VECTORS, strict=True)
    ]
    assert (read_vectors(write(tmp_path, ("4 5\n" + "".join(lines)).encode()), WORDS) == EXPECTED).all()


@pytest.mark.parametrize("binary", [True, False])
def test_what_gensim_writes(tmp_path, binary):
    models = pytest.importorskip("gensim.models", reason="needs gensim")
    vectors = models.KeyedVectors(5)
    vectors.add_vectors(LISTED, VECTORS)
    path = tmp_path / "vectors"
    vectors.save_word2vec_format(str(path), binary=binary)
    again = models.KeyedVectors.load_word2vec_format(str(path), binary=binary)
    found = read_vectors(path, WORDS)
    assert all((found[WORDS.rank_of(word)] == again[word]).all() for word in LISTED if word != "cat")
    by_hand = models.KeyedVectors.load_word2vec_format(str(write(tmp_path, packed())), binary=True)
    assert (by_hand["dog"] == VECTORS[0]).all()
    vectors.save(str(tmp_path / "vectors.kv"))
    with pytest.raises(FormatError, match=r"vectors\.kv: is a pickle, .*; save the vectors with save_word2vec_format"):
        read_vectors(tmp_path / "vectors.kv", WORDS)


def test_what_gensim_writes_as_fasttext(tmp_path):
    fasttext = pytest.importorskip("gensim.models.fasttext", reason="needs gensim")
    model = fasttext.FastText([["the", "dog", "saw"]] * 5, vector_size=4, min_count=1, bucket=50, epochs=1)
    fasttext.save_facebook_model(model, str(tmp_path / "model.bin"))
    with pytest.raises(FormatError, match=r"model\.bin: is a model of fastText's, .*; give the \.vec file"):
        read_vectors(tmp_path / "model.bin", WORDS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (packed()[:-9], "is shorter than 4 vectors|is cut short or damaged after 3 of 4 vectors"),
        (gzip.compress(packed()[:-9]), "is cut short or damaged after 3 of 4 vectors"),
        (packed(header=b"9 5\n"), "is shorter than 9 vectors of 5 numbers, so it is cut short"),
        (packed(header=b"4 6\n"), "is cut short or damaged|is shorter than"),
        (packed(header=b"999999999999999 5\n"), "is shorter than 999,999,999,999,999 vectors"),
        (packed(header=b"4 0\n"), "its first line says 0 numbers a word"),
        (packed(header=b"4 99999999\n"), "its first line says 99999999 numbers a word, expected 1 to 65,536"),
        (gzip.compress(packed(header=b"4 50000\n")), "is cut short or damaged after 0 of 4 vectors"),
        (b"2 1\nthe \0\0\0\0" + b"x" * 70_000 + b" \0\0\0\0", "is cut short or damaged after 1 of 2 vectors"),
        (packed(vectors=np.full((4, 5), np.nan, np.float32)), "the vector of 'dog' holds nan or infinity"),
        (packed(["a", "b", "c", "d"]), "holds no word of the vocabulary, such as 'the'"),
        (b"\x80\x04\x95" + bytes(20), "is a pickle"),
    ],
    ids=range(12),
)
def test_files_that_do_not_fit(tmp_path, content, message):
    with pytest.raises(InputError, match=message) as caught:
        read_vectors(write(tmp_path, content), WORDS)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("compressed", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_memory_is_asked_for_by_what_a_file_can_hold(tmp_path, compressed):
    many = Vocabulary.from_counts(["the", *map(str, range(10_000))], [1] * 10_001)
    content = compressed(packed(["the"], np.full((1, 60_000), 0.1, np.float32)))
    with pytest.raises(InputError, match="too small for vectors of 60,000 numbers for half of the 10,001 words"):
        read_vectors(write(tmp_path, content), many)
