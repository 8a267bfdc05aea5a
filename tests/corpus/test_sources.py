"""Whatever a user has: told apart by content, read alike, refused in one line."""

from __future__ import annotations

import json
import os
import sys

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wordalloc
from wordalloc.corpus import encode, read_vocabulary, ready_counts, sources
from wordalloc.corpus.columns import NUMBERS, STRINGS, count_columns
from wordalloc.corpus.counting import limited
from wordalloc.corpus.encode_to_folder import encode_to_folder
from wordalloc.corpus.parquet import read_columns
from wordalloc.corpus.reading import Input, read_blocks
from wordalloc.errors import InputError

COUNTS = {"the": 5, "cat": 3, "naïve": 3, "<unk>": 1, "zero": 0}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("WORDALLOC_CACHE", str(tmp_path_factory.mktemp("cache")))


def found(vocabulary):
    return dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True))


def write(path, kind):
    """Write COUNTS in one of the formats."""
    if kind == "tsv":
        path.write_bytes("".join(f"{word}\t{count}\r\n" for word, count in COUNTS.items()).encode())
    elif kind == "json":
        path.write_text(json.dumps(COUNTS, indent=1))
    elif kind == "parquet":
        with duckdb.connect() as connection:
            connection.execute("CREATE TABLE t (count BIGINT, word VARCHAR, extra BIGINT)")
            connection.executemany("INSERT INTO t VALUES (?, ?, 0)", [[n, w] for w, n in COUNTS.items()])
            connection.execute(f"COPY t TO '{path}' (FORMAT parquet)")
    else:
        wordalloc.save(wordalloc.Vocabulary.from_counts(list(COUNTS), list(COUNTS.values())), path)
    return path


@pytest.mark.parametrize("kind", ["tsv", "json", "parquet", "safetensors"])
def test_ready_counts_are_told_by_content(tmp_path, kind):
    assert found(read_vocabulary(write(tmp_path / "whatever.txt", kind))) == COUNTS


@pytest.mark.parametrize("kind", ["tsv", "json", "parquet", "safetensors"])
def test_limits_on_ready_counts_drop_into_unk(tmp_path, kind):
    path = write(tmp_path / "counts", kind)
    assert found(read_vocabulary(path, min_count=4)) == {"the": 5, "<unk>": 7}
    assert found(read_vocabulary(path, max_size=3)) == {"the": 5, "<unk>": 4, "cat": 3}
    with pytest.raises(InputError, match="lower --min-count"):
        read_vocabulary(path, min_count=9)


def test_an_allocations_words_and_text_options_are_its_own(tmp_path):
    (tmp_path / "text.txt").write_text("A b B a\n")
    vocabulary = wordalloc.count(tmp_path / "text.txt", lowercase=True, unk="UNK", eos=False)
    wordalloc.Cutoffs(vocabulary, [1]).save(tmp_path / "file")
    again = read_vocabulary(tmp_path / "file", lowercase=False)
    assert again.text == vocabulary.text and found(again) == {"a": 2, "b": 2, "UNK": 0}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a\t1\nb\tx\n", None),  # not all lines are counts: it is a text
        (b"a\t1\nb\t2\na\t3\n", "line 3: 'a' was counted on line 1"),
        (b"a\t1\n\t2\n", None),
        (b"a\t-1\nb\t2\n", "line 1: the count must be a whole number from 0 to 2.*, not '-1'"),
        (b"a\t3\nb\t-1\n", "line 2: the count must be a whole number from 0 to 2.*, not '-1'"),
        (b"a\t0.75\nb\t0.25\n", "line 1: the count must be a whole number"),
        (b"it was\t-1 degrees\n", None),
        (b'{"a": 1, "b": -2}', "'b': the count must be"),
        (b'{"a": 1.5, "b": 2}', "'a': the count must be"),
        (b'{"a": 1, "a": 2}', "'a' appears twice"),
        (b'{"a": 99999999999999999999}', "2\\*\\*62"),
        (b"{}", "empty"),
        (b'{"a": 1', None),
    ],
)
def test_damaged_counts_are_named_or_read_as_text(tmp_path, content, says):
    path = tmp_path / "counts"
    path.write_bytes(content)
    if says is None:
        assert read_vocabulary(path).text is not None
    else:
        with pytest.raises(InputError, match=says):
            read_vocabulary(path)


@pytest.mark.parametrize(
    "text",
    [
        "{braces} begin this text\n",
        '{"a": 1}\nand words\n',
        "{\n",
        "{ }}\n",
        '{"a": 1}, and more\n',
        "[1, 2]\n",
        '{"a": ',
    ],
)
def test_texts_that_begin_as_json(tmp_path, text):
    (tmp_path / "text.txt").write_text(text)
    vocabulary = read_vocabulary(tmp_path / "text.txt")
    assert vocabulary.text is not None and vocabulary.source["tokens"] == len(text.split()) + max(1, text.count("\n"))


def test_no_more_is_read_of_a_text_than_shows_that_it_is_no_json(tmp_path, monkeypatch):
    (tmp_path / "lines.jsonl").write_text('{"text": "some words"}\n' * 20_000)
    with monkeypatch.context() as patch:
        patch.setattr(sources, "read_json", lambda *_: pytest.fail("it was read as JSON"))
        assert read_vocabulary(tmp_path / "lines.jsonl").source["tokens"] == 3 * 20_000
    monkeypatch.setattr(ready_counts, "MAX_JSON", 100_000)
    (tmp_path / "huge.json").write_text(json.dumps({f"w{i}": i + 1 for i in range(100_000)}))
    with pytest.raises(InputError, match=r"huge\.json: more than 100,000 bytes of JSON; give counts as TSV or Parquet"):
        read_vocabulary(tmp_path / "huge.json")


@pytest.mark.parametrize("indent", [None, 1])
def test_a_json_of_many_counts_breaks_off_anywhere(tmp_path, indent):
    """Whatever stands at the end of the first bytes, which the kind is told by."""
    content = json.dumps({f"w\u00e9\\{i}": i * 7919 + 2 for i in range(40)}, indent=indent).encode()
    assert all(ready_counts.looks_like_json_object(content[:end]) for end in range(1, len(content) + 1))
    content = json.dumps({f"w{i}\u00e9": i + 2 for i in range(9_000)}, indent=indent).encode("utf-8")
    (tmp_path / "counts.json").write_bytes(b"\xef\xbb\xbf" + content)  # a mark is no reason to take it for a text
    assert read_vocabulary(tmp_path / "counts.json").size == 9_000


def test_limits_hold_where_unk_is_added(tmp_path):
    (tmp_path / "counts.tsv").write_text("a\t5\nb\t4\nc\t3\nd\t1\n")
    assert found(read_vocabulary(tmp_path / "counts.tsv", max_size=3, min_count=2)) == {"a": 5, "<unk>": 4, "b": 4}
    assert found(read_vocabulary(tmp_path / "counts.tsv", max_size=4, min_count=2)) == {
        "a": 5,
        "b": 4,
        "c": 3,
        "<unk>": 1,
    }
    assert found(read_vocabulary(tmp_path / "counts.tsv", max_size=4)) == {"a": 5, "b": 4, "c": 3, "d": 1}
    with pytest.raises(InputError, match="--max-size 1 leaves no room"):
        read_vocabulary(tmp_path / "counts.tsv", max_size=1, min_count=5)
    (tmp_path / "damaged.txt").write_bytes(b"a \xff\n")
    with pytest.raises(InputError, match="--max-size 2 leaves no room"):  # said before the text is read
        wordalloc.count(tmp_path / "damaged.txt", max_size=2)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.integers(3, 9), st.integers(1, 5), st.booleans())
def test_limits_keep_the_mass_and_the_size(counts, max_size, min_count, has_unk):
    words = [f"w{i}" for i in range(len(counts))]
    if has_unk:
        words[0] = "<unk>"
    vocabulary = wordalloc.Vocabulary.from_counts(words, counts)
    regular = counts[1:] if has_unk else counts
    if min_count > 1 and regular and max(regular) < min_count:
        with pytest.raises(InputError, match="no word is counted at least"):
            limited(vocabulary, "<unk>", max_size, min_count)
        return
    kept = limited(vocabulary, "<unk>", max_size, min_count)
    assert kept.size <= max_size
    assert kept.total == sum(counts)
    seen = found(kept)
    assert min_count == 1 or all(count >= min_count for word, count in seen.items() if word != "<unk>")


def test_a_late_bad_line_of_a_tsv_is_named(tmp_path):
    lines = [f"w{i}\t{i}" for i in range(20_000)]
    lines[15_000] = "w15000 lost its tab"
    (tmp_path / "counts.tsv").write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"counts\.tsv: line 15001: expected word<TAB>count"):
        read_vocabulary(tmp_path / "counts.tsv")


def test_a_damaged_parquet_is_named(tmp_path):
    path = write(tmp_path / "counts.parquet", "parquet")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"counts\.parquet: damaged Parquet"):
        read_vocabulary(path)


def test_a_vocab_json_needs_counts_or_a_text(tmp_path):
    ids = {"the": 2, "cat": 0, "<unk>": 1, "never": 3}
    (tmp_path / "vocab.json").write_text(json.dumps(ids))
    (tmp_path / "text.txt").write_text("the cat the dog\n")
    with pytest.raises(InputError, match=r"token ids, not counts; give --counts"):
        read_vocabulary(tmp_path / "vocab.json")
    vocabulary = read_vocabulary([tmp_path / "vocab.json", tmp_path / "text.txt"])
    assert found(vocabulary) == {"the": 2, "<unk>": 1, "cat": 1, "never": 0}
    assert vocabulary.ids.tolist() == [ids[word] for word in vocabulary.words]
    for counts in ({"the": 9, "cat": 4}, {"2": 9, "0": 4}):
        (tmp_path / "counts.json").write_text(json.dumps(counts))
        vocabulary = read_vocabulary(tmp_path / "vocab.json", counts=tmp_path / "counts.json")
        assert found(vocabulary) == {"the": 9, "cat": 4, "<unk>": 0, "never": 0}
        assert vocabulary.ids.tolist() == [2, 0, 1, 3]
    (tmp_path / "counts.json").write_text('{"dog": 3}')
    with pytest.raises(InputError, match="'dog', which is not in the tokenizer's vocabulary"):
        read_vocabulary(tmp_path / "vocab.json", counts=tmp_path / "counts.json")
    with pytest.raises(InputError, match="its ids are fixed"):
        read_vocabulary([tmp_path / "vocab.json", tmp_path / "text.txt"], max_size=3)


def test_a_tokenizer_json_counts_text_its_own_way(tmp_path):
    tokenizers = pytest.importorskip("tokenizers", reason="needs the extra huggingface")
    texts = ["the cat sat on the mat", "the dog sat on the log"] * 20
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(texts, tokenizers.trainers.BpeTrainer(vocab_size=40, special_tokens=["<unk>"]))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "text.txt").write_text("\n".join(texts))
    vocabulary = read_vocabulary([tmp_path / "tokenizer.json", tmp_path / "text.txt"])
    expected = np.zeros(tokenizer.get_vocab_size(), dtype=int)
    for text in texts:
        np.add.at(expected, tokenizer.encode(text).ids, 1)
    assert vocabulary.counts.tolist() == expected[vocabulary.ids].tolist()
    assert dict(zip(vocabulary.words, vocabulary.ids.tolist(), strict=True)) == tokenizer.get_vocab()


def test_kinds_cannot_be_mixed(tmp_path):
    write(tmp_path / "a", "tsv")
    (tmp_path / "b").write_text("text\n")
    with pytest.raises(InputError, match=r"a \(tsv\), b \(text\)|\(tsv\).*\(text\)"):
        read_vocabulary([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(InputError, match="no file matches"):
        read_vocabulary(tmp_path / "*.nothing")


def test_reading_pulls_in_no_data_frames(tmp_path):
    import subprocess

    write(tmp_path / "counts.parquet", "parquet")
    code = (
        "import sys\nfrom wordalloc.corpus import read_vocabulary\n"
        f"read_vocabulary({str(tmp_path / 'counts.parquet')!r})\n"
        "print([name for name in ('pandas', 'pyarrow', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_text_in_parquet(tmp_path):
    rows = [("one two", 1), (None, 2), ("", 3), ("three\nfour\n", 4), ("\ufefffive\r", 5)]
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (text VARCHAR, id BIGINT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
        connection.execute("COPY t TO ? (FORMAT parquet)", [str(tmp_path / "a.parquet")])
        connection.execute(
            "COPY (SELECT NULL::VARCHAR AS text) TO ? (FORMAT parquet)", [str(tmp_path / "none.parquet")]
        )
    (tmp_path / "b.txt").write_text("one")
    vocabulary = read_vocabulary([tmp_path / "a.parquet", tmp_path / "none.parquet", tmp_path / "b.txt"])
    counts = dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True))
    words = {"one": 2, "two": 1, "three": 1, "four": 1, "\ufefffive": 1}
    assert counts == {**words, "<eos>": 6, "<unk>": 0}
    assert wordalloc.count(tmp_path / "a.parquet", column="text").total == 10
    with pytest.raises(InputError, match=r"a\.parquet: there is no column 'body'; of strings it has: text"):
        read_vocabulary(tmp_path / "a.parquet", column="body")
    with pytest.raises(InputError, match=r"a\.parquet: the column 'id' is of whole numbers"):
        read_vocabulary(tmp_path / "a.parquet", column="id")


def write_rows(path, query):
    path.parent.mkdir(exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO ? (FORMAT parquet)", [str(path)])
    return path


def test_a_parquet_path_is_neither_a_pattern_nor_a_partition(tmp_path):
    write_rows(tmp_path / "a1.parquet", "SELECT 'wrong' AS text")
    for name in ("a[1].parquet", "a*.parquet", "text=foo/p.parquet", "id=7/p.parquet", "[a]/p.parquet"):
        path = write_rows(tmp_path / name, "SELECT 'right' AS text")
        assert found(wordalloc.count(path)) == {"right": 1, "<eos>": 1, "<unk>": 0}
        assert read_columns(Input(path, name, 0)) == [("text", STRINGS)]
    for name in ("c[1].parquet", "word=foo/p.parquet"):
        write_rows(tmp_path / "c1.parquet", "SELECT 'wrong' AS word, 1 AS count")
        assert found(read_vocabulary(write_rows(tmp_path / name, "SELECT 'w' AS word, 2 AS count"))) == {"w": 2}
    vocabulary = wordalloc.count(tmp_path / "a[[]1].parquet")
    for number, name in enumerate(("d[1]", "d1", "ids=3")):
        encode_to_folder(tmp_path / ("a1.parquet" if number == 1 else "a[[]1].parquet"), vocabulary, tmp_path / name)
    assert encode(tmp_path / "d[1]", vocabulary).n_unknown == encode(tmp_path / "ids=3", vocabulary).n_unknown == 0


def test_parquet_is_encoded_as_it_is_counted(tmp_path):
    path = write_rows(tmp_path / "a.parquet", "SELECT 'to be' AS text UNION ALL SELECT 'or not'")
    vocabulary = wordalloc.count(path, errors="replace")
    encoded = encode((name for name in [path]), vocabulary)  # an iterable that can be gone through only once
    assert sorted(vocabulary.words[rank] for rank in encoded.ids) == ["<eos>", "<eos>", "be", "not", "or", "to"]
    with pytest.raises(InputError, match="holds ready counts, not text"):
        encode(write(tmp_path / "counts.parquet", "parquet"), vocabulary)


def test_rows_of_parquet_in_blocks(tmp_path):
    query = "SELECT i AS file_row_number, 'w' || i AS text FROM range(5000) t(i)"
    path = write_rows(tmp_path / "a.parquet", query)  # a column called as DuckDB calls the rows' numbers
    file = Input(path, "a.parquet", path.stat().st_size, form="parquet", column="text")
    blocks = list(read_blocks(file, "strict", block_bytes=1000))
    assert "".join(block for block, _ in blocks) == "".join(f"w{i}\n" for i in range(5000))
    assert max(len(block) for block, _ in blocks) < 1000 + len("w4999\n")
    positions = [position for _, position in blocks]
    assert positions == sorted(positions) and positions[-1] == file.size
    write_rows(path, "SELECT 'a' AS text UNION ALL SELECT NULL UNION ALL SELECT 'b' || chr(0)")
    with pytest.raises(InputError, match=r"a\.parquet: row 2 of the column 'text' holds NUL"):
        wordalloc.count(path)
    assert "b\ufffd" in wordalloc.count(path, errors="replace").words


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ([("word", STRINGS), ("count", NUMBERS), ("rank", NUMBERS)], ("word", "count")),
        ([("token", STRINGS), ("Freq", NUMBERS)], ("token", "Freq")),
        ([("word", STRINGS), ("occurrences", NUMBERS)], ("word", "occurrences")),
        ([("sentence", STRINGS), ("label", NUMBERS)], None),
        ([("text", STRINGS), ("n", NUMBERS)], None),
        ([("text", STRINGS), ("count", NUMBERS)], ("text", "count")),
        ([("word", STRINGS), ("count", "DOUBLE")], None),
    ],
    ids=str,
)
def test_which_columns_are_ready_counts(columns, expected):
    assert count_columns(columns) == expected


def test_a_parquet_without_a_clear_text_says_what_to_do(tmp_path):
    path = write_rows(tmp_path / "a.parquet", "SELECT 'x' AS title, 'y' AS body")
    with pytest.raises(InputError, match=r"name one with --column, or call it text; the file has: title .*, body"):
        read_vocabulary(path)


def test_a_text_may_begin_as_parquet_does(tmp_path):
    (tmp_path / "a.txt").write_text("PAR1 is a word\n")
    assert found(wordalloc.count(tmp_path / "a.txt"))["PAR1"] == 1
    assert found(read_vocabulary(tmp_path / "a.txt"))["PAR1"] == 1


@pytest.mark.parametrize("name", ["a\0b", "\ud800"], ids=["NUL", "surrogate"])
def test_a_folder_of_ids_that_names_impossible_parts(tmp_path, name):
    (tmp_path / "a.txt").write_text("a b\n")
    vocabulary = wordalloc.count(tmp_path / "a.txt")
    encode_to_folder(tmp_path / "a.txt", vocabulary, tmp_path / "ids")
    meta = tmp_path / "ids" / "meta.json"
    content = json.loads(meta.read_text())
    meta.write_text(json.dumps({**content, "files": [[name]]}))
    with pytest.raises(InputError, match=r"its meta\.json is damaged"):
        encode(tmp_path / "ids", vocabulary)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names of files are text elsewhere")
def test_a_file_whose_name_is_no_utf8(tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    with open(name, "wb") as file:  # noqa: PTH123
        file.write(b"to be\n")
    wordalloc.save(wordalloc.count(os.fsdecode(name)), tmp_path / "v.safetensors")
    assert wordalloc.load(tmp_path / "v.safetensors").source["names"] == ["caf\ufffd.txt"]
