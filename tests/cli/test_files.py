"""``count``, ``buckets``, ``show`` and ``export``, as processes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections import Counter

import pytest

import wordalloc as package
from wordalloc.cli.commands import commands


def test_count_says_and_writes_the_counts(wordalloc, corpus, tmp_path):
    status, out, err = wordalloc("count", corpus / "train.txt", "--json", "--min-count", 3)
    assert (status, err) == (0, "")
    text = (corpus / "train.txt").read_text()
    expected = Counter(text.split())
    vocabulary = package.load(tmp_path / "train.vocabulary.safetensors")
    kept = {word: count for word, count in expected.items() if count >= 3}
    found = dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True))
    assert found.pop("<eos>") == text.count("\n")
    assert found.pop("<unk>") == sum(expected.values()) - sum(kept.values())
    assert found == kept
    assert json.loads(out)["tokens"] == sum(expected.values()) + text.count("\n")


@pytest.mark.parametrize("by", ["mass", "log-rank", "zipf"])
def test_buckets_cover_the_vocabulary(wordalloc, corpus, tmp_path, by):
    status, out, err = wordalloc("buckets", corpus / "train.txt", "-n", 7, "--by", by, "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert len(found["buckets"]) == 7
    assert sum(bucket["size"] for bucket in found["buckets"]) == found["vocab_size"]
    assert [bucket["first"] for bucket in found["buckets"]] == [0, *found["cutoffs"]]
    assert ("zipf" in found) == (by == "zipf")
    assert package.load(tmp_path / "train.buckets.safetensors").cutoffs.tolist() == found["cutoffs"]


def test_show_reads_every_kind(wordalloc, corpus):
    wordalloc("count", corpus / "train.txt")
    wordalloc("cutoffs", corpus / "train.txt")
    for kind in ("vocabulary", "cutoffs"):
        status, out, err = wordalloc("show", f"train.{kind}.safetensors")
        assert (status, err) == (0, "") and f"{kind} of" in out and "train.txt" in out
        status, out, err = wordalloc("show", f"train.{kind}.safetensors", "--json")
        shown = json.loads(out)
        assert shown["kind"] == kind and shown["source"]["names"] == ["train.txt"]


def test_a_word_cannot_steer_the_terminal(wordalloc, tmp_path):
    (tmp_path / "evil.txt").write_text("\x1b[31mred [bold]loud[/bold] \x1b[31mred\n")
    for arguments in (("count", "evil.txt"), ("buckets", "evil.txt", "-n", 2), ("show", "evil.vocabulary.safetensors")):
        status, out, _ = wordalloc(*arguments)
        assert status == 0 and "\x1b" not in out
    assert "[bold]loud[/bold]" in out


def test_an_exported_vocabulary_is_a_source_again(wordalloc, corpus, tmp_path):
    wordalloc("count", corpus / "train.txt")
    wordalloc("export", "train.vocabulary.safetensors", "--to", "tsv", "-o", "words.tsv")
    wordalloc("count", "words.tsv")
    first, second = (package.load(tmp_path / f"{name}.vocabulary.safetensors") for name in ("train", "words"))
    assert first.words == second.words and first.counts.tolist() == second.counts.tolist()


def test_export_gives_each_word_its_address(wordalloc, corpus, tmp_path):
    wordalloc("cutoffs", corpus / "train.txt")
    cutoffs = package.load(tmp_path / "train.cutoffs.safetensors")
    _, tsv, _ = wordalloc("export", "train.cutoffs.safetensors", "--to", "tsv")
    head, *rows = [line.split("\t") for line in tsv.splitlines()]
    assert head == ["word", "count", "cluster"]
    assert [row[0] for row in rows] == list(cutoffs.vocabulary.words)
    assert [int(row[2]) for row in rows] == cutoffs.cluster_of(range(len(rows))).tolist()
    _, text, _ = wordalloc("export", "train.cutoffs.safetensors", "--to", "json")
    assert json.loads(text)["cluster"] == [int(row[2]) for row in rows]


def test_export_prints_the_same_bytes_whatever_the_terminal_speaks(tmp_path):
    package.save(package.Vocabulary.from_counts(["naïve", "😀", "a"], [3, 2, 1]), tmp_path / "v.safetensors")
    command = [sys.executable, "-m", "wordalloc", "export", "v.safetensors", "--to", "tsv"]
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, timeout=300, check=True)
    assert done.stdout == "naïve\t3\n😀\t2\na\t1\n".encode()


@pytest.mark.skipif(os.name == "nt", reason="closes a stream by the shell")
@pytest.mark.parametrize(
    ("arguments", "status"), [("--help >&-", 0), ("count a.txt >&- 2>&-", 0), ("count nowhere.txt >&- 2>&-", 2)]
)
def test_closed_streams_are_no_error(tmp_path, arguments, status):
    (tmp_path / "a.txt").write_text("to be\n")
    command = f"{shlex.quote(sys.executable)} -m wordalloc {arguments}"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, timeout=300, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (status, b"", b"")


@pytest.mark.parametrize(
    "command",
    [(), *((name,) for name in commands.commands)],
)
def test_every_command_has_help_with_an_example(wordalloc, command):
    status, out, _ = wordalloc(*command, "--help")
    assert status == 0
    assert f"wordalloc {command[0] if command else 'demo'}" in out
    assert not command or "Example:" in out or "Examples:" in out
