"""Bad input: one line, exit status 2, nothing written. tests/faults tries more of it."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

import wordalloc as package
from wordalloc.cli.choices import SourceName
from wordalloc.cli.commands import commands

SOURCE_COMMANDS = ("count", "buckets", "cutoffs")


@pytest.fixture
def command() -> str:
    """Return one of the commands: they share their reader, and tests/faults gives every one of them hostile files."""
    return "cutoffs"


def test_an_empty_file(refused, command, tmp_path):
    (tmp_path / "empty.txt").write_bytes(b"")
    assert "empty.txt" in refused(command, "empty.txt")


@pytest.mark.parametrize("command", SOURCE_COMMANDS)
def test_a_missing_file(refused, command):
    line = refused(command, "nowhere.txt")
    assert "nowhere.txt" in line and "no such file" in line


def test_a_folder(refused, command, tmp_path):
    (tmp_path / "texts").mkdir()
    line = refused(command, "texts")
    assert "texts" in line and "folder" in line


def test_binary_data(refused, command, tmp_path):
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9)
    line = refused(command, "picture.png")
    assert "picture.png" in line and "byte" in line and "--errors replace" in line


def test_invalid_utf8_names_the_byte(refused, command, tmp_path):
    (tmp_path / "latin.txt").write_bytes("naïve café\n".encode("latin-1"))
    assert "byte 2 " in refused(command, "latin.txt")


def test_a_truncated_gzip(refused, command, tmp_path):
    whole = gzip.compress(b"some words here\n" * 5000)
    (tmp_path / "cut.txt.gz").write_bytes(whole[: len(whole) // 2])
    line = refused(command, "cut.txt.gz")
    assert "cut.txt.gz" in line and "cut short" in line


def test_no_word_often_enough(refused, command, tmp_path):
    (tmp_path / "rare.txt").write_text("each word once\n")
    assert "--min-count" in refused(command, "rare.txt", "--min-count", 2)


def test_only_separators(refused, command, tmp_path):
    (tmp_path / "blank.txt").write_bytes(b" \t\n\v\f\r\n")
    assert "blank.txt" in refused(command, "blank.txt")


@pytest.mark.parametrize("damage", ["cut", "foreign", "flipped"])
def test_a_damaged_or_foreign_safetensors(refused, command, tmp_path, damage):
    import numpy as np
    from safetensors.numpy import save_file

    path = tmp_path / "file.safetensors"
    package.save(package.Vocabulary.from_counts(["a", "b", "c"], [3, 2, 1]), path)
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:-5])
    elif damage == "flipped":
        path.write_bytes(content.replace(b'"counts"', b'"kounts"'))
    else:
        save_file({"weights": np.zeros(3, np.float32)}, path)
    assert "file.safetensors" in refused(command, "file.safetensors")


def test_a_bad_memory_limit(refused, corpus):
    assert "512MB" in refused("count", corpus / "train.txt", "--memory-limit", "much")


def test_unknown_options_and_commands(refused, corpus):
    assert "--dimm" in refused("cutoffs", corpus / "train.txt", "--dimm", 3)
    assert "cutof" in refused("cutof", corpus / "train.txt")


@pytest.mark.parametrize("target", ["missing/out.safetensors", "/dev/full", "/proc/out.safetensors"])
def test_a_target_that_cannot_be_written(refused, command, corpus, target):
    if target == "/dev/full" and not Path(target).exists():
        pytest.skip("there is no /dev/full here")
    assert target in refused(command, corpus / "train.txt", "-o", target)


def test_a_full_standard_output(corpus, tmp_path):
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "wordalloc", "count", str(corpus / "train.txt"), "--json"]
        done = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert done.stderr.decode().count("\n") == 1 and "standard output" in done.stderr.decode()


def test_a_reader_that_leaves_is_no_error(corpus, tmp_path, wordalloc):
    wordalloc("count", corpus / "train.txt")
    command = f"'{sys.executable}' -m wordalloc export train.vocabulary.safetensors --to tsv | head -1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("name", sorted(commands.commands))
def test_a_command_that_reads_text_takes_a_column_of_it(name):
    parameters = commands.commands[name].params
    reads_text = any(isinstance(parameter.type, SourceName) and parameter.name == "paths" for parameter in parameters)
    takes_a_column = any("--column" in parameter.opts for parameter in parameters)
    assert takes_a_column == (reads_text or name == "import")  # of its --counts


def test_a_column_without_counts_to_import(refused, tmp_path):
    (tmp_path / "paths").write_text("0\tthe\t5\n1\tcat\t2\n")
    assert "--counts" in refused("import", "paths", "--column", "body")
