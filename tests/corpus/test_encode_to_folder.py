"""Folders of ids: that what they replace is an earlier result, and that no moment leaves neither."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import wordalloc
from wordalloc.corpus import encode
from wordalloc.corpus.encode_to_folder import encode_to_folder, new_folder
from wordalloc.corpus.spark.encoding import names_by_file
from wordalloc.corpus.spark.parts import Part
from wordalloc.errors import OutputError


@pytest.fixture
def vocabulary(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDALLOC_CACHE", str(tmp_path / "cache"))
    return wordalloc.Vocabulary.from_counts(["a", "b", "<unk>"], [3, 2, 1], text=wordalloc.TextOptions(eos=False))


def listed(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("meta", ["{}", "[]", "{", '{"kind": "site"}'])
def test_a_folder_of_something_else_stays(tmp_path, vocabulary, meta):
    (tmp_path / "text.txt").write_text("a b\n")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "meta.json").write_text(meta)
    (tmp_path / "site" / "precious").write_text("kept")
    with pytest.raises(OutputError, match="site: it is there, and no folder of ids"):
        encode_to_folder(tmp_path / "text.txt", vocabulary, tmp_path / "site")
    assert (tmp_path / "site" / "precious").read_text() == "kept"
    assert (tmp_path / "site" / "meta.json").read_text() == meta


@pytest.mark.parametrize("text", ["\na b\n" * 2000, "\n" * 5000 + "a b\n"])
def test_blank_lines_without_a_line_end_word(tmp_path, vocabulary, text):
    (tmp_path / "text.txt").write_text(text)
    numbers = encode_to_folder(tmp_path / "text.txt", vocabulary, tmp_path / "ids")
    assert numbers == {"lines": text.count("\n"), "tokens": 2 * text.count("a"), "unknown": 0}
    here, there = encode(tmp_path / "text.txt", vocabulary), encode(tmp_path / "ids", vocabulary)
    assert there.ids.tolist() == here.ids.tolist() and there.line_ends.tolist() == here.line_ends.tolist()


def write(folder, content):
    with new_folder(folder) as new:
        (new / "meta.json").write_text('{"kind": "ids"}')
        (new / "part").write_text(content)


def test_an_earlier_result_is_put_back_where_the_new_one_gets_no_name(tmp_path, monkeypatch):
    write(tmp_path / "ids", "earlier")
    rename = Path.rename

    def fail(self, target):
        if self.name == "new":
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    with monkeypatch.context() as patch, pytest.raises(OutputError, match="ids: permission denied"):
        patch.setattr(Path, "rename", fail)
        write(tmp_path / "ids", "later")
    assert (tmp_path / "ids" / "part").read_text() == "earlier"
    assert listed(tmp_path) == ["ids"]
    write(tmp_path / "ids", "later")
    assert (tmp_path / "ids" / "part").read_text() == "later"
    assert listed(tmp_path) == ["ids"]


def test_an_interruption_between_the_renames(tmp_path, monkeypatch):
    write(tmp_path / "ids", "earlier")
    rename = Path.rename

    def interrupted(self, target):
        result = rename(self, target)
        os.kill(os.getpid(), signal.SIGINT)
        return result

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", interrupted)
        write(tmp_path / "ids", "later")
    assert (tmp_path / "ids" / "part").read_text() == "later"
    assert listed(tmp_path) == ["ids"]


def test_a_name_with_nul(tmp_path):
    with pytest.raises(OutputError, match="a name that holds NUL"), new_folder(tmp_path / "a\0b"):
        pass
    assert listed(tmp_path) == []


def test_the_names_of_what_spark_wrote():
    by_file, written = [[(3, Part()), (1, Part())], []], ["_SUCCESS"]
    written += [f"part-{task:05d}-u-c{number:03d}.parquet" for task in (1, 3, 0) for number in (1000, 101, 2)]
    names = [f"part-{task:05d}-u-c{number:03d}.parquet" for task in (3, 1) for number in (2, 101, 1000)]
    assert names_by_file(by_file, written, "ids") == [names, []]
    with pytest.raises(OutputError, match="cannot write ids: not all workers write to the same place"):
        names_by_file([[(3, Part())]], written[:4], "ids")
