"""Vectors from texts as word2vec and GloVe write them, from tensors, from a run; and files that do not fit."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from wordalloc import Vocabulary, save
from wordalloc.corpus.word_vectors import read_vectors
from wordalloc.errors import FormatError, InputError

WORDS = Vocabulary.from_counts(["the", "dog", "Füße"], [3, 2, 1])
LINES = "dog 3 -4.5\nzebra 7 7\nFüße 5e-1 +6\nthe 1 2\n"
EXPECTED = [[1, 2], [3, -4.5], [0.5, 6]]


def write(folder: Path, content: str | bytes, name: str = "vectors.txt") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        LINES,
        "4 2\n" + LINES,  # word2vec's first line
        "\ufeff" + LINES,
        LINES.replace("\n", " \n"),  # word2vec ends each line in a space
        LINES.replace("\n", "\r\n"),
        LINES.replace(" ", "\t").removesuffix("\n"),
        LINES + "\n\n",
        LINES + ". . . 1 2\nat name@domain.com 1 2\n",  # words with spaces, as in GloVe's largest file
        LINES + "dog 8 8\n",  # the first one counts
        LINES.encode() + b"caf\xe9 1 2\n",
        gzip.compress(LINES.encode(), mtime=0),
    ],
)
def test_texts(tmp_path, content):
    vectors = read_vectors(write(tmp_path, content), WORDS)
    assert vectors.dtype == np.float32
    assert vectors.tolist() == EXPECTED


def test_width_one_and_words_that_are_numbers(tmp_path):
    vocabulary = Vocabulary.from_counts(["7", "8"], [2, 1])
    assert read_vectors(write(tmp_path, "2 1\n7 5\n8 6\n"), vocabulary).tolist() == [[5], [6]]


def test_long_files_are_read_over_the_ends_of_blocks(tmp_path):
    vocabulary = Vocabulary.from_counts([f"w{i:05}" for i in range(20_000)], [1] * 20_000)
    vectors = np.random.default_rng(0).standard_normal((20_000, 12)).astype(np.float32)
    lines = [f"{word} {' '.join(map(repr, row.tolist()))}" for word, row in zip(vocabulary.words, vectors, strict=True)]
    path = write(tmp_path, "\n".join(reversed(lines)))
    assert path.stat().st_size > 1 << 22
    assert (read_vectors(path, vocabulary) == vectors).all()


def test_missing_words_have_zeros(tmp_path):
    vocabulary = Vocabulary.from_counts(["a", "b", "c", "d"], [4, 3, 2, 1])
    assert read_vectors(write(tmp_path, "d 1 1\nb 2 2\n"), vocabulary).tolist() == [[0, 0], [2, 2], [0, 0], [1, 1]]
    with pytest.raises(InputError, match=r"holds 1 of the 4 words, less than half of them; 'a' is missing"):
        read_vectors(write(tmp_path, "d 1 1\n"), vocabulary)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("the 1 2\ndog 3\n", FormatError, "line 2: expected a word and 2 numbers, found 'dog 3'"),
        ("the 1 2\ndog 3 4 5\n", FormatError, "line 2: expected a word and 2 numbers"),
        ("3 2\nthe 1 2\n\ndog\n", FormatError, "line 4: expected a word and 2 numbers"),
        ("the\n", FormatError, "line 1: expected a word and 1 numbers"),
        ("the 1 x\n", FormatError, r"line 1 \('the'\): 'x' is no number"),
        ("the 1  2\n", FormatError, r"line 1 \('the'\): '' is no number"),
        ("the 1 nan\n", InputError, r"line 1 \('the'\): a value is nan, infinite"),
        ("the 1 2\ndog -inf 2\n", InputError, r"line 2 \('dog'\): a value is nan, infinite"),
        ("the 1 1e39\n", InputError, "beyond float32"),
        ("cat 1 2\n", InputError, "holds no word of the vocabulary, such as 'the'"),
        ("", InputError, "holds no word"),
    ],
)
def test_texts_that_do_not_fit(tmp_path, content, error, message):
    with pytest.raises(error, match=message):
        read_vectors(write(tmp_path, content), WORDS)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_tensors(tmp_path, dtype):
    path = tmp_path / "v.safetensors"
    array = np.array(EXPECTED, dtype)
    save_file({"anything": array, "bias": np.ones(3, dtype), "ids": np.ones((3, 2), np.int64)}, path)
    found = read_vectors(path, WORDS)
    assert found.dtype == np.float32 and found.tolist() == EXPECTED


def test_a_tensor_is_named_where_there_are_several(tmp_path):
    path = tmp_path / "v.safetensors"
    save_file({"a": np.zeros((3, 2), np.float32), "b": np.array(EXPECTED, np.float32)}, path)
    assert read_vectors(path, WORDS, name="b").tolist() == EXPECTED
    with pytest.raises(InputError, match=r"there are 2: a \(3, 2\), b \(3, 2\); name one of them"):
        read_vectors(path, WORDS)
    with pytest.raises(InputError, match=r"holds no tensor 'c' .* it has: a \(3, 2\), b \(3, 2\)"):
        read_vectors(path, WORDS, name="c")
    with pytest.raises(InputError, match=r"a tensor is named, 'b', but only a .safetensors file has tensors"):
        read_vectors(write(tmp_path, LINES), WORDS, name="b")


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"a": np.zeros((4, 2), np.float32)}, "embeddings of another vocabulary: a has 4 rows, but .* 3 words"),
        ({"a": np.zeros((3, 0), np.float32)}, "but there are 0: none"),
        ({"a": np.zeros((3, 2), np.int32)}, "but there are 0: none"),
        ({"a": np.array([[1, 2], [3, np.nan], [5, 6]])}, r"row 1 \('dog'\) holds nan, infinity"),
        ({"a": np.array([[1, 2], [3, 4], [1e300, 6]])}, r"row 2 \('Füße'\) holds nan, infinity or a value beyond"),
    ],
)
def test_tensors_that_do_not_fit(tmp_path, tensors, message):
    path = tmp_path / "v.safetensors"
    save_file(tensors, path)
    with pytest.raises(InputError, match=message):
        read_vectors(path, WORDS)


def test_damaged_and_missing_files(tmp_path):
    path = tmp_path / "v.safetensors"
    save_file({"a": np.array(EXPECTED)}, path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FormatError, match="damaged safetensors file"):
        read_vectors(path, WORDS)
    with pytest.raises(InputError, match="cannot be read: no such file"):
        read_vectors(tmp_path / "nowhere.txt", WORDS)
    with pytest.raises(InputError, match="is a folder, but no training run with a checkpoint"):
        read_vectors(tmp_path, WORDS)
    write(tmp_path, LINES, "a.txt"), write(tmp_path, LINES, "b.txt")
    with pytest.raises(InputError, match="matches 2 files"):
        read_vectors(tmp_path / "?.txt", WORDS)


def test_an_allocation_file_holds_no_vectors(tmp_path):
    path = tmp_path / "words.safetensors"
    save(WORDS, path)
    with pytest.raises(InputError, match="there are 0: none"):
        read_vectors(path, WORDS)


@pytest.mark.parametrize("validated", [True, False])
def test_the_embeddings_of_a_run(tmp_path, validated):
    torch = pytest.importorskip("torch")
    from wordalloc import load
    from wordalloc.training import TrainConfig, train
    from wordalloc.training.checkpoint import load_checkpoint

    text = write(tmp_path, "tick tock clock\n" * 300, "text.txt")
    config = TrainConfig(width=8, batch=4, bptt=10, warmup=0, device="cpu")
    run = tmp_path / "run"
    train(text, valid=text if validated else None, run=run, config=config)
    vocabulary = load(run / "allocation.safetensors")
    found = read_vectors(run, vocabulary)
    tensors, _ = load_checkpoint(run / "checkpoint" / "latest.safetensors")
    assert (torch.from_numpy(found) == tensors["model.embedding.weight"]).all()
    assert (read_vectors(run / "checkpoint" / "latest.safetensors", vocabulary) == found).all()
    other = Vocabulary.from_counts([*vocabulary.words[:-1], "other"], np.arange(vocabulary.size, 0, -1))
    with pytest.raises(InputError, match="holds embeddings of another vocabulary"):
        read_vectors(run, other)


@pytest.mark.parametrize("packed", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("width", "says"),
    [(70_000, "has 70,000 numbers a word, expected 1 to 65,536"), (60_000, "too small for vectors of 60,000 numbers")],
)
def test_memory_is_asked_for_by_what_a_file_can_hold(tmp_path, packed, width, says):
    many = Vocabulary.from_counts(["the", *map(str, range(10_000))], [1] * 10_001)
    line = b"the " + b" ".join([b"1"] * width)
    with pytest.raises(InputError, match=says):
        read_vectors(write(tmp_path, packed(line)), many)
