"""Text in Parquet, JSONL and Arrow: the same words as in a plain file, and one line for whatever is wrong."""

from __future__ import annotations

import gzip
import json
import sys

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wordalloc
from wordalloc.cli import main
from wordalloc.corpus import encode, read_bigrams, read_vocabulary
from wordalloc.corpus.compressed import zstd
from wordalloc.corpus.reading import Input, read_blocks
from wordalloc.errors import InputError
from wordalloc.pipelines.importing import import_file

ROWS = ["one two", None, "", "three\nfour\n", "\ufefffive\r", "na\u00efve\tone \U0001f600", 'a "quoted" \\ word\n\n']
PLAIN = 'one two\n\nthree\nfour\n\ufefffive\r\nna\u00efve\tone \U0001f600\na "quoted" \\ word\n\n'
FORMS = ["parquet", "jsonl", "jsonl.gz", "jsonl.zst", "stream.arrow", "file.arrow", "dictionary.arrow"]


def write_arrow(path, rows, form="stream", column="text", **more):
    """Write record batches of two rows each."""
    pa = pytest.importorskip("pyarrow", reason="needs the extra huggingface")
    array = pa.array(rows, pa.string())
    table = pa.table(
        {"id": range(len(rows)), column: array.dictionary_encode() if form == "dictionary" else array, **more}
    )
    new = pa.ipc.new_file if form == "file" else pa.ipc.new_stream
    with new(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=len(rows) if form == "dictionary" else 2)
    return path


def write(path, rows, column="text"):
    """Write rows in the format that the name ends in, beside a column of numbers."""
    form = path.name.partition(".")[2]
    if form.endswith("arrow"):
        return write_arrow(path, rows, form.partition(".")[0], column)
    if form == "parquet":
        with duckdb.connect() as connection:
            connection.execute(f"CREATE TABLE t (id BIGINT, {column} VARCHAR)")
            connection.executemany("INSERT INTO t VALUES (?, ?)", list(enumerate(rows)))
            connection.execute("COPY t TO ? (FORMAT parquet)", [str(path)])
        return path
    lines = "".join(json.dumps({"id": n, column: row}, ensure_ascii=n % 2 == 0) + "\n" for n, row in enumerate(rows))
    packed = {"jsonl": bytes, "jsonl.gz": gzip.compress, "jsonl.zst": zstd.compress}
    path.write_bytes(packed[form](lines.encode()))
    return path


def same(one, other):
    return one.fingerprint == other.fingerprint and one.text == other.text and one.parameters == other.parameters


@pytest.mark.parametrize("form", FORMS)
def test_the_same_words_whatever_they_come_in(tmp_path, form):
    (tmp_path / "plain.txt").write_bytes(PLAIN.encode())
    path = write(tmp_path / f"rows.{form}", ROWS).rename(tmp_path / "told by its content")
    plain = wordalloc.count(tmp_path / "plain.txt")
    assert same(wordalloc.count(path), plain) and same(read_vocabulary(path, column="text"), plain)
    one, other = encode(path, plain), encode(tmp_path / "plain.txt", plain)
    assert one.ids.tolist() == other.ids.tolist() and one.line_ends.tolist() == other.line_ends.tolist()
    pairs, expected = read_bigrams(path), read_bigrams(tmp_path / "plain.txt")
    assert all((pairs.arrays()[name] == expected.arrays()[name]).all() for name in pairs.names)
    with pytest.raises(InputError, match="there is no column 'body'; of strings it has: text"):
        wordalloc.count(path, column="body")
    with pytest.raises(InputError, match="the column 'id' is of whole numbers"):
        wordalloc.count(path, column="id")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8, deadline=None)
@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=4))
def test_any_rows_are_the_same_words(tmp_path, rows):
    rows = ["word", *rows]
    text = "".join(row if row.endswith("\n") else row + "\n" for row in rows if row is not None)
    (tmp_path / "plain.txt").write_bytes(text.encode())
    plain = wordalloc.count(tmp_path / "plain.txt")
    for form in ("jsonl", "stream.arrow"):
        assert same(wordalloc.count(write(tmp_path / f"rows.{form}", rows), column="text"), plain)


@pytest.mark.parametrize("form", ["parquet", "jsonl", "stream.arrow", "file.arrow"])
def test_ready_counts_and_a_column_without_a_clear_name(tmp_path, form):
    path = write(tmp_path / f"rows.{form}", ["a b", "a"], column="body")
    assert wordalloc.count(path).words[:2] == ("<eos>", "a")
    if form == "jsonl":
        path.write_text('{"word": "the", "count": 4}\n{"word": "cat", "count": 7}\n')
    elif form == "parquet":
        duckdb.execute(
            "COPY (SELECT 'the' AS word, 4 AS count UNION ALL SELECT 'cat', 7) TO ? (FORMAT parquet)", [str(path)]
        )
    else:
        write_arrow(path, ["the", "cat"], form.partition(".")[0], column="word", count=[4, 7])
    counts = read_vocabulary(path)
    assert (counts.words, counts.counts.tolist(), counts.text) == (("cat", "the"), [7, 4], None)
    with pytest.raises(InputError, match="holds ready counts, not text; --column names"):
        wordalloc.count(path)
    assert "cat" in wordalloc.count(path, column="word").words


# --- JSONL


def test_a_first_line_longer_than_what_is_looked_at(tmp_path):
    long = " ".join(f"w{n}" for n in range(20_000))
    path = write(tmp_path / "a.jsonl", [long, "end"])
    assert wordalloc.count(path).size == 20_003
    path.write_text(json.dumps({"text": long, "id": 3}))  # and one alone, without an end
    assert wordalloc.count(path).size == read_vocabulary(path).size == 20_002


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ('{"text": "a b"}\n', "text"),
        ('{"text": "a b"}', "text"),
        ('\ufeff\n{"text": "a b"}\n\n{"text": null}\n{"id": 1}\n', "text"),
        ('{"text": 3}', "counts"),
        ('{"a": "3"}\n', "counts"),
        ('{"a": 3}\n', "counts"),
        ('{\n"a": 3\n}\n', "counts"),
    ],
)
def test_objects_and_rows_are_told_apart(tmp_path, content, kind):
    (tmp_path / "a").write_bytes(content.encode())
    vocabulary = read_vocabulary(tmp_path / "a")
    found = dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True))
    assert found == ({"<eos>": 1, "a": 1, "b": 1, "<unk>": 0} if kind == "text" else {next(iter(found)): 3})


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"text": 7}', "line 3 of the column 'text' must be a string, not 7"),
        ('{"text": ["a"]}', r"line 3 of the column 'text' must be a string, not \['a'\]"),
        ('{"text": "a", "text": "b"}', "line 3: the key 'text' appears twice in one JSON object"),
        ('{"text": "\\ud800"}', "line 3 holds half of a surrogate pair, no character; --errors replace reads"),
        ('{"text": "a\\u0000b"}', "line 3 of the column 'text' holds NUL, so this is binary data"),
        ('{"text": "a', "line 3 is no JSON object: Unterminated string"),
        ('{}\n["text"]', "line 4 is no JSON object: '"),
        ('{"text": "a"} {"text": "b"}', "line 3 is no JSON object: Extra data"),
        ('{"text": "a", "n": ' + "9" * 5000 + "}", "line 3 is no JSON object: Exceeds the limit"),
        ('{"n": ' + "[" * 99_999 + "]" * 99_999 + "}", "line 3 is no JSON object"),
        (b'{"text": "\xff"}', "line 3 is not UTF-8: invalid start byte; --errors replace"),
        ('{"text": "' + "x" * (1 << 24) + '"}', "line 3 has more than 16,777,216 bytes; no row may be so long"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_wrong_line_is_named(tmp_path, line, says):
    line = line if isinstance(line, bytes) else line.encode()
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "fine"}\n\n' + line + b'\n{"text": "fine"}\n')
    with pytest.raises(InputError, match=rf"a\.jsonl: {says}") as caught:
        wordalloc.count(tmp_path / "a.jsonl")
    assert len(str(caught.value)) < 300


def test_what_replace_reads_in_place_of_no_characters(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "\\ud83d\\ude00 \\udc00x"}\n{"text": "\xff y\\u0000"}\n')
    words = wordalloc.count(tmp_path / "a.jsonl", errors="replace").words
    assert set(words) == {"\U0001f600", "\ufffdx", "\ufffd", "y\ufffd", "<eos>", "<unk>"}


# --- Arrow


@pytest.mark.parametrize("form", ["stream", "file"])
def test_batches_are_read_one_after_the_other(tmp_path, form):
    path = write_arrow(tmp_path / "a.arrow", [f"w{n}" for n in range(3000)], form)
    file = Input(path, "a.arrow", path.stat().st_size, form="arrow", column="text")
    blocks = list(read_blocks(file, "strict", block_bytes=1000))
    assert "".join(block for block, _ in blocks) == "".join(f"w{n}\n" for n in range(3000))
    positions = [position for _, position in blocks]
    assert positions == sorted(positions) and positions[0] < file.size // 2 and positions[-1] <= file.size
    assert max(len(block) for block, _ in blocks) < 1000 + len("w2999\n")


@pytest.mark.parametrize("form", ["stream", "file"])
def test_a_damaged_arrow_file_is_named(tmp_path, form):
    path = write_arrow(tmp_path / "a.arrow", ["some words", "more", "and more"] * 20, form)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"a\.arrow: damaged Arrow file: ") as caught:
        wordalloc.count(path)
    assert len(str(caught.value).splitlines()) == 1
    path.write_bytes(whole.replace(b"some words", b"some \xffords"))
    with pytest.raises(InputError, match=r"a\.arrow: damaged Arrow file: .*UTF"):
        wordalloc.count(path)
    path.write_bytes(gzip.compress(whole))
    with pytest.raises(InputError, match=r"a\.arrow: is an Arrow file compressed as a whole; unpack it first"):
        wordalloc.count(path)
    write_arrow(path, ["a\0b"], form)
    with pytest.raises(InputError, match=r"a\.arrow: row 0 of the column 'text' holds NUL"):
        wordalloc.count(path)


def test_what_datasets_write_is_read_where_they_are_there(tmp_path):
    """A large string, a view, and compressed buffers, as newer writers have them."""
    pa = pytest.importorskip("pyarrow", reason="needs the extra huggingface")
    for number, kind in enumerate((pa.large_string(), pa.string_view())):
        table = pa.table({"text": pa.array(["a b", "a"] * 100, kind)})
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_stream(str(tmp_path / f"{number}.arrow"), table.schema, options=options) as writer:
            writer.write_table(table)
        assert wordalloc.count(tmp_path / f"{number}.arrow").counts.tolist() == [200, 200, 100, 0]


def test_arrow_without_its_package(tmp_path, monkeypatch):
    path = write_arrow(tmp_path / "a.arrow", ["a"])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"needs the package pyarrow: pip install 'wordalloc\[huggingface\]'"):
        wordalloc.count(path)


# --- every command


@pytest.mark.parametrize(
    "command",
    [
        "count {} --column body",
        "bigrams {} --column body",
        "buckets {} --column body",
        "cutoffs {} --column body --dim 8",
        "classes {} --column body --method frequency -k 3",
        "tree {} --column body",
        "lightrnn-init {} --column body --by frequency",
        "encode {} --column body --vocabulary v",
        "score c {} --column body",
    ],
)
def test_every_command_takes_a_column(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    rows = [" ".join(f"w{(n * n + k) % 17}" for k in range(9)) for n in range(12)]
    printed = []
    (tmp_path / "plain.txt").write_text("".join(row + "\n" for row in rows))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"title": "x y", "body": row}) + "\n" for row in rows))
    vocabulary = wordalloc.count("plain.txt")
    wordalloc.save(vocabulary, "v")
    wordalloc.Classes(vocabulary, [rank % 3 for rank in range(vocabulary.size)]).save("c")
    for name in ("rows.jsonl", "plain.txt"):
        words = command.format(name).split()
        if name == "plain.txt":
            words = [word for word in words if word not in ("--column", "body")]
        with pytest.raises(SystemExit) as ended:
            main([*words, "--json"])
        out, err = capsys.readouterr()
        assert (ended.value.code, err) == (0, "")
        printed.append({key: value for key, value in json.loads(out).items() if key not in ("output", "seconds")})
    assert printed[0] == printed[1]
    with pytest.raises(SystemExit) as ended:
        main(["count", "plain.txt", "--column", "body"])
    assert (
        ended.value.code == 2 and "--column names a column of a Parquet, JSONL or Arrow file" in capsys.readouterr()[1]
    )


def test_a_run_is_trained_and_evaluated_on_a_column(tmp_path):
    training = pytest.importorskip("wordalloc.training", reason="needs the extra train")
    (tmp_path / "rows.jsonl").write_text('{"id": "x", "body": "tick tock tick tock"}\n' * 60)
    config = training.TrainConfig(width=4, batch=4, bptt=5, device="cpu")
    run, column = tmp_path / "run", "body"
    result = training.train(
        tmp_path / "rows.jsonl", valid=tmp_path / "rows.jsonl", run=run, config=config, column=column
    )
    found = training.evaluate(run, tmp_path / "rows.jsonl", column=column)
    assert found.tokens == 300 and abs(found.perplexity - result.best_perplexity) < 1e-3


def test_what_is_compressed_as_a_whole_is_told(tmp_path):
    wordalloc.save(wordalloc.Vocabulary.from_counts(["a"], [1]), tmp_path / "a.safetensors")
    for name in ("a.parquet", "a.safetensors"):
        path = tmp_path / name
        whole = write(path, ROWS).read_bytes() if name == "a.parquet" else path.read_bytes()
        path.write_bytes(gzip.compress(whole))
        with pytest.raises(InputError, match=r"compressed as a whole; .*unpack it") as caught:
            read_vocabulary(path)
        assert "--errors" not in str(caught.value)
        with pytest.raises(InputError, match=r"unpack it"):
            import_file(path)


@pytest.mark.parametrize("column", [None, "text"])
@pytest.mark.parametrize("read", [wordalloc.count, read_vocabulary, read_bigrams])
def test_rows_that_are_one_array_are_no_text(tmp_path, read, column):
    (tmp_path / "a.json").write_text('[\n  {"text": "to be"},\n  {"text": "or not"}\n]\n')
    with pytest.raises(InputError, match=r"a\.json: is one JSON array of objects; write one object a line"):
        read(tmp_path / "a.json", column=column)
    (tmp_path / "a.json").write_text("[{to] be [\n")
    assert wordalloc.count(tmp_path / "a.json").total == 4


def test_a_column_beside_plain_text(tmp_path):
    (tmp_path / "a.txt").write_text("to be\n")
    (tmp_path / "b.txt").write_text("or not\n")
    write(tmp_path / "b.jsonl", ["or not"], "body")
    rows, plain = ([tmp_path / "a.txt", tmp_path / name] for name in ("b.jsonl", "b.txt"))
    expected = wordalloc.count(plain)
    for read in (wordalloc.count, read_vocabulary):
        assert read(rows, column="body").fingerprint == expected.fingerprint
        with pytest.raises(InputError, match=r"a\.txt: is text, but --column names a column"):
            read(plain, column="body")
    assert encode(rows, expected, column="body").ids.tolist() == encode(plain, expected).ids.tolist()
    pairs = read_bigrams(rows, column="body")
    assert pairs.count.tolist() == read_bigrams(plain).count.tolist()
