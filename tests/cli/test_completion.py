"""What the Tab key completes, as the shells ask for it; and the nearest name for one that is wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def completed(wordalloc, monkeypatch):
    """Ask as bash does, the cursor behind the last of the words; return the lines of the answer."""

    def ask(*words: str) -> list[str]:
        monkeypatch.setenv("_WORDALLOC_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", "\n".join(["wordalloc", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        status, out, err = wordalloc()
        assert (status, err) == (0, "")
        return out.split()

    return ask


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["lightrnn-"], ["plain,lightrnn-init", "plain,lightrnn-realloc"]),
        (["tree", "--method", "b"], ["plain,brown", "plain,balanced"]),
        (["cutoffs", "--max-p"], ["plain,--max-params"]),
        (["completion", ""], ["plain,bash", "plain,zsh", "plain,fish"]),
        (["compare", "--layers", "full,a"], ["plain,full,adaptive"]),
        (["compare", "--layers", "nce,n"], ["plain,nce,negative"]),
    ],
    ids=" ".join,
)
def test_names_are_completed(completed, words, answer):
    assert completed(*words) == answer


@pytest.mark.parametrize(
    "words",
    [
        ["cutoffs", "co"],
        ["cutoffs", "a.txt", "co"],
        ["train", "x", "--valid", "co"],
        ["show", "co"],
        ["score", "a", "co"],
    ],
    ids=" ".join,
)
def test_files_are_left_to_the_shell(completed, words):
    assert completed(*words) == ["file,co"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell_asks_in_its_way(wordalloc, shell):
    status, script, err = wordalloc("completion", shell)
    assert (status, err) == (0, "")
    assert f"_WORDALLOC_COMPLETE={shell}_complete" in script


def test_zsh_and_fish_get_the_help_of_commands_too(wordalloc, monkeypatch):
    monkeypatch.setenv("COMP_WORDS", "wordalloc buck")
    monkeypatch.setenv("COMP_CWORD", "1")
    monkeypatch.setenv("_WORDALLOC_COMPLETE", "zsh_complete")
    assert wordalloc()[1].splitlines()[:2] == ["plain", "buckets"]
    monkeypatch.setenv("COMP_CWORD", "buck")  # fish gives the word itself
    monkeypatch.setenv("_WORDALLOC_COMPLETE", "fish_complete")
    assert "buckets" in wordalloc()[1]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_itself_completes(tmp_path: Path):
    """In a process of bash, by the function that the script defines, with the command on the path."""
    command = tmp_path / "wordalloc"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m wordalloc "$@"\n')
    command.chmod(0o755)
    script = """
        eval "$(wordalloc completion bash)"
        complete -p wordalloc
        COMP_WORDS=(wordalloc tree --method br) COMP_CWORD=3
        _wordalloc_completion wordalloc
        echo "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    defined, found = done.stdout.splitlines()
    assert "-F _wordalloc_completion wordalloc" in defined
    assert found == "brown"


def test_an_unknown_question_ends_in_silence(wordalloc, monkeypatch):
    monkeypatch.setenv("_WORDALLOC_COMPLETE", "tcsh_complete")
    assert wordalloc("count") == (1, "", "")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["cutof", "x"], "there is no command 'cutof'; did you mean cutoffs?"),
        (["zzz"], "there is no command 'zzz' (see: wordalloc --help)"),
        (["cutoffs", "x", "--dimm", "3"], "--dim"),
        (["tree", "x", "--method", "brwn"], "did you mean brown?"),
        (["completion", "bsh"], "did you mean bash?"),
        (["calibrate", "--device", "gpu"], "There are auto, cpu, cuda, mps"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_name_is_answered_with_the_nearest(refused, arguments, hint):
    assert hint in refused(*arguments)
