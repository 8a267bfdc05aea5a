"""A text divided into one to train on and one held out."""

from __future__ import annotations

import bz2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordalloc.corpus import held_out
from wordalloc.errors import InputError


def divided(folder, paths, **options):
    """Return the lines that are kept and those that are held out."""
    held_out.hold_out(paths, folder / "train", folder / "valid", **options)
    return [(folder / name).read_bytes().decode().split("\n") for name in ("train", "valid")]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\0\ufeff"), max_size=5), min_size=20))
def test_every_twentieth_line_and_all_others_in_their_order(tmp_path_factory, lines):
    folder = tmp_path_factory.mktemp("text")
    (folder / "a").write_bytes(("\n".join(lines) + "\n").encode())
    kept, held = divided(folder, folder / "a")
    assert held == [*lines[19::20], ""]
    assert kept == [*(line for number, line in enumerate(lines, 1) if number % 20), ""]


def test_files_are_read_as_one_and_their_last_line_may_be_open(tmp_path):
    (tmp_path / "a").write_text("".join(f"a{n}\n" for n in range(1, 15)) + "open")
    (tmp_path / "b").write_bytes(bz2.compress(b"".join(b"b%d\n" % n for n in range(1, 26))))
    kept, held = divided(tmp_path, [tmp_path / "a", tmp_path / "b"])
    assert held == ["b5", "b25", ""] and kept[13:16] == ["a14", "open", "b1"] and len(kept) == 39


def test_of_a_long_text_less_is_held_out(tmp_path, monkeypatch):
    monkeypatch.setattr(held_out, "MOST_BYTES", 100)
    (tmp_path / "a").write_text("12345678 \n" * 400)
    _, held = divided(tmp_path, tmp_path / "a")
    assert len(held) - 1 == 10  # 4,000 bytes: one line in 40


def test_a_column_of_a_file_of_rows(tmp_path):
    (tmp_path / "a").write_text("".join(f'{{"title": "t", "body": "line {n}"}}\n' for n in range(1, 22)))
    kept, held = divided(tmp_path, tmp_path / "a", column="body")
    assert held == ["line 20", ""] and kept[:2] == ["line 1", "line 2"] and kept[-2:] == ["line 21", ""]


def test_too_few_lines_write_nothing(tmp_path):
    (tmp_path / "a").write_text("one line\n" * 19)
    with pytest.raises(InputError, match="19 lines, too few to hold one in 20 out"):
        divided(tmp_path, tmp_path / "a")
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
    (tmp_path / "a").write_bytes(b"\xff\n" * 40)
    with pytest.raises(InputError, match="not UTF-8"):
        divided(tmp_path, tmp_path / "a")
    assert divided(tmp_path, tmp_path / "a", errors="replace")[1] == ["\ufffd", "\ufffd", ""]
