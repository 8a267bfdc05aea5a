"""Spark gives what DuckDB gives, byte for byte: words, pairs, ids and the errors. One session for all tests here."""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import random
import shutil
import tempfile
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import wordalloc
from wordalloc.corpus import encode, read_bigrams, read_vocabulary
from wordalloc.corpus.compressed import zstd
from wordalloc.corpus.encode_to_folder import encode_to_folder
from wordalloc.corpus.spark.session import open_session
from wordalloc.errors import InputError, WordallocError

pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java here"),
    pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="pyspark is not installed"),
]
# Files are read in parts of 64 bytes, so that even small ones are divided; and the driver may hold next to nothing.
CONF = {
    "spark.sql.shuffle.partitions": 2,
    "spark.sql.files.maxPartitionBytes": 64,
    "spark.driver.maxResultSize": "1m",
    "spark.driver.host": "127.0.0.1",
}


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        options = " ".join(f"--conf {name}={value}" for name, value in CONF.items())
        patch.setenv("PYSPARK_SUBMIT_ARGS", f"{options} pyspark-shell")
        with open_session("local[2]") as session:
            yield session


def outcome(work, *arguments, **options) -> bytes | str:
    """What is saved of a result; or the error."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            wordalloc.save(work(*arguments, **options), Path(folder) / "result")
        except WordallocError as error:
            return f"{type(error).__name__}: {error}"
        return (Path(folder) / "result").read_bytes()


def assert_same(files, **options) -> None:
    """Words, pairs and ids of both engines are the same, or the same error."""
    ours = outcome(read_vocabulary, files, **options)
    assert outcome(read_vocabulary, files, engine="spark", **options) == ours
    if isinstance(ours, str):
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "v").write_bytes(ours)
        vocabulary = wordalloc.load(folder / "v")
        column = options.get("column")
        pairs = outcome(wordalloc.count_bigrams, files, vocabulary, column=column)
        assert outcome(wordalloc.count_bigrams, files, vocabulary, column=column, engine="spark") == pairs
        numbers = encode_to_folder(files, vocabulary, folder / "duckdb", column=column)
        assert encode_to_folder(files, vocabulary, folder / "spark", column=column, engine="spark") == numbers
        here, there = encode(folder / "duckdb", vocabulary), encode(folder / "spark", vocabulary)
        for field in ("ids", "line_ends", "file_ends", "n_unknown"):
            assert np.array_equal(getattr(here, field), getattr(there, field)), field
        assert numbers == {"lines": here.line_ends.size, "tokens": here.ids.size, "unknown": here.n_unknown}
        if not any(str(file).endswith(".parquet") for file in files):
            assert np.array_equal(encode(files, vocabulary).ids, here.ids)


def parquet(path: Path, rows: list[str | None], column: str = "text") -> Path:
    with duckdb.connect() as connection:
        connection.execute(f'CREATE TABLE t (id BIGINT, "{column}" VARCHAR)')
        connection.executemany("INSERT INTO t VALUES (?, ?)", [[i, row] for i, row in enumerate(rows)])
        connection.execute("COPY t TO ? (FORMAT parquet)", [str(path)])
    return path


characters = st.sampled_from(" \t\n\v\f\r\u00a0\u2028aabcÉßİΣ\ufeff𝔘")
contents = st.one_of(st.text(characters, max_size=200).map(str.encode), st.binary(max_size=40))


some_text = given(
    st.lists(contents, min_size=1, max_size=6),
    st.lists(st.none() | st.text(characters, max_size=30), min_size=1, max_size=6),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 4, 7]),
)


def check_any_text(session, texts, rows, lowercase, eos, max_size):
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.txt" for number in range(len(texts))]
        for file, content in zip(files, texts, strict=True):
            file.write_bytes(b"x " + content)  # a file whose first bytes look like counts or Parquet is none of text
        files.append(parquet(Path(folder) / "p.parquet", rows))
        assert_same(files, lowercase=lowercase, eos=eos, max_size=max_size, errors="replace")


@pytest.mark.parametrize("n_examples", [1, pytest.param(100, marks=pytest.mark.long)])
def test_any_text(session, n_examples):
    # An example takes seconds, so that none is spent on making a failing one smaller.
    settings(max_examples=n_examples, phases=(Phase.generate,))(some_text(check_any_text))(session)


@pytest.mark.parametrize(
    "options",
    [{}, pytest.param({"lowercase": True, "eos": False, "min_count": 2}, marks=pytest.mark.long)],
    ids=["plain", "options"],
)
def test_hostile_text(session, tmp_path, options):
    text = "\ufeffto\u00a0be\vor\fnot\r\nto\tbe <eos> <unk> \u2028 ΑΣ İ\r É\n\n x" + "word " * 9 + "\n last"
    (tmp_path / "a 1%[b]*.txt").write_bytes(text.encode())
    (tmp_path / "ünı?{c}.txt").write_bytes(b"one tw")
    (tmp_path / "bom.txt").write_bytes(b"\xef\xbb\xbf")
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "bom twice.txt").write_bytes(b"\xef\xbb\xbf\xef\xbb\xbf\n" + b"\n" * 100)
    (tmp_path / "packed.gz").write_bytes(gzip.compress(text.encode()) + gzip.compress(b"second member\n"))
    (tmp_path / "packed.bz2").write_bytes(bz2.compress((text * 20).encode()))
    # A line of over a megabyte; packed, because what is not would make thousands of parts.
    (tmp_path / "long.gz").write_bytes(gzip.compress(("y" * 70_000 + " " + "a b É " * 160_000).encode()))
    parquet(tmp_path / "p.parquet", ["a b", "", None, "\n\nx\ny", "z\n", "q\n\n", "\ufeff end"])
    names = ["a 1%[b]*.txt", "ünı?{c}.txt", "bom.txt", "empty.txt", "bom twice.txt"]
    names += ["packed.gz", "packed.bz2", "long.gz", "p.parquet"]
    assert_same([tmp_path / name for name in names], **options)


def test_python_and_spark_replace_the_same_bytes(session):
    from pyspark.sql import functions as F

    random.seed(7)
    odd = [0x41, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF]
    cases = [bytes(random.choices([*odd, random.randrange(256)], k=random.randrange(1, 9))) for _ in range(16_000)]
    frame = session.createDataFrame([(bytearray(case),) for case in cases], "b BINARY").repartition(8)
    wrong = frame.select("b", F.make_valid_utf8(F.col("b").cast("string")).cast("binary").alias("made"))
    wrong = wrong.withColumn("valid", F.is_valid_utf8(F.col("b").cast("string")))
    expected = {case: case.decode("utf-8", "replace").encode() for case in cases}
    for case, made, valid in wrong.toLocalIterator():
        assert expected[bytes(case)] == bytes(made) and valid == (expected[bytes(case)] == bytes(case))


def test_patterns_and_folders(session, tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for name, text in (("1.txt", "b\n"), ("2.txt", "a b\n"), ("_log", "not read")):
        (folder / name).write_text(text)
    expected = outcome(wordalloc.count, [folder / "1.txt", folder / "2.txt"])
    assert outcome(wordalloc.count, folder / "*.txt", engine="spark") == expected
    assert outcome(wordalloc.count, folder, engine="spark") == expected
    assert outcome(wordalloc.count, f"file:{folder}/[12].txt", engine="spark") == expected
    assert outcome(read_bigrams, folder / "?.txt", engine="spark") == outcome(read_bigrams, folder / "*.txt")


def test_a_column_that_is_named(session, tmp_path):
    path = parquet(tmp_path / "a.parquet", ["one two", "three"], column="body")
    for engine in ("duckdb", "spark"):
        vocabulary = read_vocabulary(path, engine=engine, column="body")
        assert dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True)) == {
            "<eos>": 2,
            "one": 1,
            "two": 1,
            "three": 1,
            "<unk>": 0,
        }
    assert_same([path], column="none")
    assert_same([path], column="id")
    (tmp_path / "a.txt").write_text("a b\n")
    assert_same([tmp_path / "a.txt"], column="body")


DAMAGED = {
    "invalid.txt": b"ok\n" * 40 + b"\xc3(",
    "nul.txt": b"a\n" * 40 + b"ab\0c",
    "latin.gz": gzip.compress("naïve".encode("latin-1")),
    "cut.gz": gzip.compress(random.Random(1).randbytes(900).hex().encode())[:400],
    "cut.bz2": bz2.compress(random.Random(1).randbytes(900).hex().encode())[:400],
    "empty.txt": b"",
    "blank.txt": b" \t\n\v\f\r\n",
}


def test_rows_that_spark_does_not_read_are_refused(session, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n')
    for read in (wordalloc.count, read_vocabulary):
        with pytest.raises(InputError, match=r"a\.jsonl: is jsonl, but Spark reads text and Parquet here: leave out"):
            read(tmp_path / "a.jsonl", engine="spark")


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_named_alike(session, tmp_path, name):
    (tmp_path / "good.txt").write_text("good\n")
    (tmp_path / name).write_bytes(DAMAGED[name])
    ours = outcome(wordalloc.count, tmp_path / name)
    assert isinstance(ours, str) and name in ours
    assert outcome(wordalloc.count, tmp_path / name, engine="spark") == ours


def test_the_first_of_several_is_named_by_every_command(session, tmp_path):
    vocabulary = wordalloc.Vocabulary.from_counts(["good", "<unk>", "<eos>"], [3, 2, 1])
    for name, content in (("1.txt", b"good\n"), ("3.txt", b"a\n" * 99 + b"\xff"), ("2.txt", b"b \xfe")):
        (tmp_path / name).write_bytes(content)
    files = [tmp_path / name for name in ("1.txt", "3.txt", "2.txt")]
    expected = r"3\.txt: byte 198 \(0xff\) is not UTF-8"
    with pytest.raises(InputError, match=expected):
        wordalloc.count(files, engine="spark")
    with pytest.raises(InputError, match=expected):
        wordalloc.count_bigrams(files, vocabulary, engine="spark")
    with pytest.raises(InputError, match=expected):
        encode_to_folder(files, vocabulary, tmp_path / "ids", engine="spark")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.txt", "2.txt", "3.txt"]


def test_nul_and_unknown_words(session, tmp_path):
    path = parquet(tmp_path / "n.parquet", ["fine", None, "a\0b"])
    assert_same([path])
    assert_same([path], errors="replace")
    stranger = wordalloc.Vocabulary.from_counts(["fine"], [1])
    for engine in ("duckdb", "spark"):
        with pytest.raises(InputError, match=r"the word 'odd' is not in the vocabulary"):
            (tmp_path / "t.txt").write_text("fine\n" * 40 + "odd\n" + "fine\n" * 40 + "strange")
            encode_to_folder(tmp_path / "t.txt", stranger, tmp_path / "ids", engine=engine)


def test_what_spark_cannot_read(session, tmp_path):
    (tmp_path / "a.txt").write_text("a b\n")
    (tmp_path / "_a.txt").write_text("a b\n")
    (tmp_path / "a.zst").write_bytes(zstd.compress(b"a b\n"))
    (tmp_path / "gzip.txt").write_bytes(gzip.compress(b"a b\n"))
    (tmp_path / "plain.gz").write_bytes(b"a b\n")
    (tmp_path / "counts.tsv").write_text("a\t3\n")
    (tmp_path / "none").mkdir()
    for source, message in {
        "-": "standard input",
        "_a.txt": "begin with _ or a dot",
        "a.zst": "Zstandard",
        "gzip.txt": r"holds what \.gz stands for",
        "plain.gz": r"does not hold what \.gz stands for",
        "counts.tsv": "is tsv",
        "none": "no file in this folder",
        "nowhere.txt": "nowhere.txt: cannot be read: no such file",
        "*.nix": "no file matches",
        "s3a://bucket/a.txt": r"jar hadoop-aws.*org\.apache\.hadoop:hadoop-aws:\d",
        "s3://bucket/a.txt": "s3a://bucket/a.txt",
        "foo://bucket/a.txt": "No FileSystem for scheme",
    }.items():
        name = source if source == "-" or "://" in source else tmp_path / source
        with pytest.raises(InputError, match=message):
            read_vocabulary(name, engine="spark")
    with pytest.raises(InputError, match="named twice"):
        read_vocabulary([tmp_path / "a.txt", f"file:{tmp_path}/a.txt"], engine="spark")
    with pytest.raises(InputError, match=r"has a Spark session on local\[2\] already"):
        read_vocabulary(tmp_path / "a.txt", engine="spark", master="local[1]")


@pytest.mark.parametrize(
    "options", [{}, {"max_size": 5}, {"min_count": 90}, {"min_count": 1000}, {"max_size": 1}], ids=str
)
def test_ready_counts(session, tmp_path, options):
    path = tmp_path / "counts.parquet"
    query = "SELECT 'w' || i AS word, i::BIGINT AS count FROM range(100) t(i) UNION ALL SELECT '<eos>', 77"
    duckdb.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    ours = outcome(read_vocabulary, path, **options)
    assert outcome(read_vocabulary, path, engine="spark", **options) == ours


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("('a', 1), ('a', 2)", "'a' appears 2 times"),
        ("('a', 1), ('', 2)", "1 rows hold no word"),
        ("('a', 1), ('b', -2)", "'b': the count must be a whole number"),
        ("('a', 1), ('b', NULL)", "'b': the count must be a whole number"),
    ],
)
def test_ready_counts_that_are_none(session, tmp_path, rows, message):
    path = tmp_path / "counts.parquet"
    duckdb.execute(f"COPY (SELECT * FROM (VALUES {rows}) t(word, count)) TO '{path}' (FORMAT parquet)")
    with pytest.raises(InputError, match=message):
        read_vocabulary(path, engine="spark")


def test_only_the_words_kept_reach_the_driver(session, tmp_path):
    """The driver may hold one megabyte of results, less than all words are."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    source = random.Random(5)
    words = [source.randbytes(8).hex() for _ in range(120_000)]
    path = tmp_path / "words.gz"
    path.write_bytes(gzip.compress("\n".join(words + words[:900]).encode(), 1))
    with pytest.raises((PySparkException, Py4JError), match="maxResultSize"):
        session.read.text(str(path)).collect()
    assert outcome(wordalloc.count, path, max_size=1000, engine="spark") == outcome(
        wordalloc.count, path, max_size=1000
    )


def test_a_folder_of_ids_is_replaced_only_by_another(session, tmp_path):
    (tmp_path / "a.txt").write_text("a b a\n")
    vocabulary = wordalloc.count(tmp_path / "a.txt")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "precious").write_text("kept")
    for engine in ("spark", "duckdb", "spark"):
        encode_to_folder(tmp_path / "a.txt", vocabulary, tmp_path / "ids", engine=engine)
        assert encode(tmp_path / "ids", vocabulary).ids.size == 4
        with pytest.raises(WordallocError, match="taken: it is there"):
            encode_to_folder(tmp_path / "a.txt", vocabulary, tmp_path / "taken", engine=engine)
        with pytest.raises(WordallocError, match=r"cannot write .*no such file"):
            encode_to_folder(tmp_path / "a.txt", vocabulary, tmp_path / "no" / "ids", engine=engine)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "ids", "taken"]
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["precious"]


def test_an_interruption_ends_the_jobs(session, tmp_path):
    (tmp_path / "a.txt").write_text("a b\n" * 4000)

    def interrupt(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wordalloc.count(tmp_path / "a.txt", engine="spark", progress=interrupt)
    assert session.sparkContext.statusTracker().getActiveJobsIds() == []
