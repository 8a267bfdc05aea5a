"""Who takes part in a comparison: names, allocations given, and the folder of it all."""

from __future__ import annotations

import os
import shutil

import pytest

import wordalloc
from wordalloc.errors import InputError
from wordalloc.pipelines.comparison_directory import ComparisonDirectory
from wordalloc.pipelines.comparison_methods import contestants

WORDS = wordalloc.Vocabulary.from_counts("abcdef", [6, 5, 4, 3, 2, 1])


@pytest.fixture
def classes(tmp_path):
    """A callable that puts classes into a file of this name, and returns its path."""

    def make(name):
        wordalloc.frequency_classes(WORDS, 2).save(tmp_path / "made")
        return shutil.move(tmp_path / "made", tmp_path / name)

    return make


def test_one_allocation_takes_the_place_of_the_one_made_and_several_are_rows_of_their_own(classes):
    one, other = classes("one.safetensors"), classes("other one.safetensors")
    (full, alone, factorised), words = contestants(["full", "classes", "factorised-input"], [one])
    assert (full.given, alone.given, factorised.given) == (None, one, one)
    assert [full.label, alone.label, factorised.label] == ["full", "classes", "factorised-input"]
    assert words.fingerprint == WORDS.fingerprint
    both, _ = contestants(["classes"], [one, other])
    assert [entrant.label for entrant in both] == ["classes:one", "classes:other one"]
    assert [entrant.folder for entrant in both] == ["classes-one", "classes-other-one"]


@pytest.mark.parametrize("name", ["n" * 230, "\N{GREEK SMALL LETTER ALPHA}" * 100, "a\x1b[31m\nb"])
def test_whatever_files_are_called_rows_have_names_that_print_and_can_be_files(classes, tmp_path, name):
    entrants, _ = contestants(["classes", "factorised-recurrence"], [classes("other"), classes(name)])
    for entrant in entrants:
        assert entrant.label.isprintable()
        (tmp_path / f"{entrant.folder}-123.safetensors").touch()


@pytest.mark.skipif(os.name != "posix", reason="names are bytes")
def test_a_file_name_that_is_no_text(classes, tmp_path):
    try:
        name = classes(os.fsdecode(b"\xff"))
    except OSError:
        pytest.skip("this file system takes text alone")
    _, entrant = contestants(["classes"], [classes("other"), name])[0]
    assert entrant.label == "classes:\\udcff" and entrant.folder == "classes-udcff"


def test_names_that_cannot_be_told_apart(classes, tmp_path):
    (tmp_path / "below").mkdir()
    with pytest.raises(InputError, match="the same, or much alike"):
        contestants(["classes"], [classes("one"), classes("below/one")])


def test_a_folder_left_before_its_configuration_stood_is_no_other_ones(tmp_path):
    for name in ("runs", "rows"):
        (tmp_path / name).mkdir()
    for name in ("lock", ".config.json.abc.tmp"):
        (tmp_path / name).touch()
    with ComparisonDirectory(tmp_path).begin({"seeds": 1}, resume=True):
        pass
    assert (tmp_path / "config.json").exists() and not (tmp_path / ".config.json.abc.tmp").exists()


@pytest.mark.parametrize("name", ["rows/thesis.txt", "runs/thesis.txt", "thesis.txt"])
def test_a_folder_of_something_else_is_left_alone(tmp_path, name):
    for folder in ("runs", "rows"):
        (tmp_path / folder).mkdir()
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match="not empty"), ComparisonDirectory(tmp_path).begin({"seeds": 1}, resume=True):
        pass
    assert (tmp_path / name).read_text() == "mine" and not (tmp_path / "config.json").exists()


def test_what_turns_out_impossible_leaves_a_begun_training_alone(tmp_path):
    for begun in (False, True):
        folder = tmp_path / str(begun)
        with pytest.raises(InputError), ComparisonDirectory(folder).begin({"seeds": 1}, resume=False):
            if begun:
                (folder / "runs" / "full-0").mkdir()
            raise InputError("impossible")
        assert folder.exists() == begun
