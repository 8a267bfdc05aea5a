"""Counts near 2**62 where they enter: read as they are, or refused in one line that names the file."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from wordalloc import Vocabulary, huffman, load
from wordalloc.allocations import save
from wordalloc.allocations.interchange import to_brown_paths, to_json, to_tsv
from wordalloc.corpus import read_clusters, read_vocabulary
from wordalloc.corpus.counting import limited
from wordalloc.errors import InputError
from wordalloc.pipelines.importing import from_clusters

FIT = {"a": 2**62, "b": 2**61, "c": 2**61 - 1}
TOO_MUCH = {"a": 2**61, "b": 2**61, "c": 2**61, "d": 2**61}


def written(folder: Path, form: str, counts: dict[str, int]) -> Path:
    """Ready counts in any of the forms that are read."""
    path = folder / f"counts.{form}"
    if form == "tsv":
        path.write_text("".join(f"{word}\t{count}\n" for word, count in counts.items()))
    elif form == "json":
        path.write_text(json.dumps(counts))
    else:
        rows = ", ".join(f"('{word}', {count})" for word, count in counts.items())
        with duckdb.connect() as connection:
            connection.execute(f"COPY (SELECT * FROM (VALUES {rows}) t(word, count)) TO '{path}' (FORMAT parquet)")
    return path


@pytest.mark.parametrize("form", ["tsv", "json", "parquet"])
def test_ready_counts(tmp_path, form):
    path = written(tmp_path, form, FIT)
    vocabulary = read_vocabulary(path)
    assert (vocabulary.counts.tolist(), vocabulary.total) == ([2**62, 2**61, 2**61 - 1], 2**63 - 1)
    path = written(tmp_path, form, TOO_MUCH)
    line = rf"counts\.{form}: counts must sum to less than 2\*\*63, but these sum to {2**63}; scale them all down"
    with pytest.raises(InputError, match=line):
        read_vocabulary(path)


def test_counts_of_a_tokenizer(tmp_path):
    tokenizer = tmp_path / "vocab.json"
    tokenizer.write_text(json.dumps({word: number for number, word in enumerate(TOO_MUCH)}))
    vocabulary = read_vocabulary(tokenizer, counts=written(tmp_path, "tsv", FIT))
    assert (vocabulary.total, vocabulary.ids.tolist()) == (2**63 - 1, [0, 1, 2, 3])
    with pytest.raises(InputError, match=rf"counts\.tsv: counts must sum .* {2**63};"):
        read_vocabulary(tokenizer, counts=written(tmp_path, "tsv", TOO_MUCH))


def test_clusters(tmp_path):
    path = tmp_path / "paths"
    path.write_text(
        "".join(f"{number:02b}\t{word}\t{count}\n" for number, (word, count) in enumerate(TOO_MUCH.items()))
    )
    with pytest.raises(InputError, match=rf"paths: counts must sum .* {2**63};"):
        read_clusters(path)


def test_an_allocation_file(tmp_path):
    save(Vocabulary.from_counts(list(FIT), list(FIT.values())), tmp_path / "v")
    content = (tmp_path / "v").read_bytes()
    before, after = (number.to_bytes(8, "little") for number in (2**61 - 1, 2**61))
    (tmp_path / "v").write_bytes(content.replace(before, after))
    with pytest.raises(InputError, match=rf"v: .*counts must sum .* {2**63};"):
        load(tmp_path / "v")


def test_the_words_dropped_together_are_one_count():
    kept = limited(Vocabulary.from_counts(list(FIT), list(FIT.values())), "<unk>", 2, 1)
    assert dict(zip(kept.words, kept.counts.tolist(), strict=True)) == {"a": 2**62, "<unk>": 2**62 - 1}
    with pytest.raises(InputError, match=rf"the words dropped make {2**62 + 1} of <unk>, beyond 2\*\*62"):
        limited(Vocabulary.from_counts(["a", "b", "c"], [2**61 + 1, 2**61 + 1, 2**61]), "<unk>", 2, 1)


def test_the_largest_counts_come_back(tmp_path):
    vocabulary = Vocabulary.from_counts(list(FIT), list(FIT.values()))
    exported = to_json(vocabulary)
    counts = dict(zip(exported["words"], exported["counts"], strict=True))
    for line in to_tsv(vocabulary), [json.dumps(counts)]:
        (tmp_path / "counts").write_text("".join(line))
        assert read_vocabulary(tmp_path / "counts").fingerprint == vocabulary.fingerprint
    tree = huffman(vocabulary)
    (tmp_path / "paths").write_text("".join(to_brown_paths(tree)))
    again = from_clusters(read_clusters(tmp_path / "paths"))
    assert (again.vocabulary.fingerprint, again.codes) == (vocabulary.fingerprint, tree.codes)
    tree.save(tmp_path / "tree")
    assert load(tmp_path / "tree").vocabulary.counts.tolist() == list(FIT.values())
