"""The documentation: its links lead somewhere, its code runs, its commands exist, its API pages are of today."""

from __future__ import annotations

import importlib.util
import itertools
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest

from tests.processes import run_commands
from wordalloc import load
from wordalloc.cli.commands import commands
from wordalloc.corpus import write_demo_corpus

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
NAMES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
FILES = sorted([*(ROOT / name for name in NAMES), *(ROOT / "benchmarks").glob("*.md"), *DOCS.rglob("*.md")])
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in FILES}
API = {name for name in PAGES if name.startswith("docs/api/")}
WRITTEN = sorted(PAGES.keys() - API - {"README.md"})  # the README's blocks have tests of their own
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"^\$ (.*)$", re.MULTILINE)


def blocks(page: str, *languages: str) -> list[str]:
    return [body for language, body in FENCE.findall(PAGES[page]) if language in languages]


def prose(page: str) -> str:
    """A page without its code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", PAGES[page]))


def anchors(page: str) -> set[str]:
    """What GitHub makes of a page's headings: a repeated one gets a number."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", FENCE.sub("", PAGES[page]), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        numbers = (f"{slug}-{number}" for number in range(1, len(PAGES[page])))
        found.add(slug if slug not in found else next(name for name in numbers if name not in found))
    return found


def wrong_links(page: str) -> Iterator[str]:
    for link in re.findall(r"\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)", prose(page)):
        parts = urlsplit(link)
        if parts.scheme:
            if parts.scheme != "https" or "." not in parts.netloc:
                yield f"{link}: not an https address"
            continue
        target = (ROOT / page).parent / parts.path if parts.path else ROOT / page
        if not target.exists() or ROOT not in [target.resolve(), *target.resolve().parents]:
            yield f"{link}: no such file in the repository"
        elif parts.fragment and parts.fragment not in anchors(target.resolve().relative_to(ROOT).as_posix()):
            yield f"{link}: no such heading"


@pytest.mark.parametrize("page", sorted(PAGES))
def test_links_lead_somewhere(page):
    assert list(wrong_links(page)) == []


def test_a_wrong_link_would_be_found(monkeypatch):
    text = "# A b\n[1](#a-b) [2](#c) [3](nowhere.md) [4](http://a.org) [5](docs/api/index.md#api) [6](../x) `[7](y)`\n"
    monkeypatch.setitem(PAGES, "README.md", text)
    assert [wrong.partition(":")[0] for wrong in wrong_links("README.md")] == ["#c", "nowhere.md", "http", "../x"]


@pytest.mark.parametrize("page", [page for page in WRITTEN if blocks(page, "python")])
def test_python_runs_and_prints_what_the_page_says(page, tmp_path, capsys, monkeypatch):
    """A page's blocks share their names; a block of text right after one is what it prints."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    ran = FENCE.findall(PAGES[page])
    for (language, code), (following, promised) in zip(ran, [*ran[1:], ("", "")], strict=True):
        if language == "python":
            exec(compile(code, page, "exec"), names)
            printed = capsys.readouterr().out
            assert printed == (promised if following == "text" else "")


def test_the_reader_reads_a_file_of_each_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec("\n".join(blocks("docs/file-format.md", "python")), names)
    golden = sorted((ROOT / "tests" / "golden").glob("*.safetensors"))
    read = [names["read_allocation"](path) for path in golden]
    assert [about["kind"] for about, _, _ in read] == [path.stem for path in golden]
    kinds = {about["kind"]: arrays.keys() - {"counts", "ids"} for about, _, arrays in read}
    documented = re.findall(r"^\| `(\w+)` \| (.+?) \| ", PAGES["docs/file-format.md"].partition("## Kinds")[2], re.M)
    assert kinds == {kind: set(re.findall(r"`(\w+)`", tensors)) for kind, tensors in documented}


def commands_of(page: str) -> Iterator[list[str]]:
    """The arguments of every command line of wordalloc in a page's blocks for the shell, without the prompt."""
    scripts = [*blocks(page, "sh", "bash"), *("\n".join(PROMPT.findall(block)) for block in blocks(page, "console"))]
    for line in "\n".join(scripts).replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
        lexer.whitespace_split = True
        for ends, words in itertools.groupby(lexer, key=lambda word: set(word) <= set("&|;<>")):
            called = list(words)
            start = next((place for place, word in enumerate(called) if Path(word).name == "wordalloc"), None)
            if not ends and (start == 0 or (start and called[0] == "torchrun")):
                yield called[start + 1 :]


def check_command(words: list[str]) -> None:
    """Parse a command line without touching what it names: options, their values, the number of arguments."""
    if words[0].startswith("-"):
        assert words[0] in ("--help", "--version")
        return
    command = commands.commands[words[0]]
    context = click.Context(command, info_name=words[0], parent=click.Context(commands))
    options, left, _ = command.make_parser(context).parse_args(words[1:])
    assert not left, left
    for parameter in command.params:
        if not isinstance(parameter.type, click.Path | click.File):
            parameter.process_value(context, options.get(parameter.name))
        elif parameter.required:
            assert options.get(parameter.name), f"{words[0]} needs {parameter.name}"


@pytest.mark.parametrize("page", [page for page in sorted(PAGES) if any(commands_of(page))])
def test_commands_parse(page):
    for words in commands_of(page):
        try:
            check_command(words)
        except click.ClickException as error:
            pytest.fail(f"wordalloc {shlex.join(words)}: {error.format_message()}")


@pytest.mark.parametrize("words", ["cutoffs a.txt --dimm 3", "cutoffs a.txt --dim x", "cutoffs", "tree a --method oak"])
def test_a_wrong_command_would_be_found(words):
    with pytest.raises((click.ClickException, AssertionError)):
        check_command(words.split())


@pytest.mark.parametrize("page", WRITTEN)
def test_options_named_in_the_text_exist(page):
    """`wordalloc train --loss nce`, within a line: the command and every option after it."""
    for words in re.findall(r"`wordalloc ([a-z][\w-]*(?: [^`\n]*)?)`", FENCE.sub("", PAGES[page])):
        command, *rest = words.split()
        known = {option for parameter in commands.commands[command].params for option in parameter.opts}
        assert {word for word in rest if re.match(r"--?[a-z]", word)} <= known, words


@pytest.mark.long
def test_the_first_five_minutes_go_as_they_are_told(tmp_path, monkeypatch, capsys):
    """What is printed depends on Python's own documentation, so figures may differ; the lines stay."""
    monkeypatch.chdir(tmp_path)
    page = "docs/first-five-minutes.md"
    write_demo_corpus(tmp_path)
    ((command, promised),) = [block.split("\n", 1) for block in blocks(page, "console")]
    (printed,) = run_commands(tmp_path, [shlex.split(command)[2:]])
    lines = [[re.sub(r"[^a-z]+", " ", line.lower()) for line in text.splitlines()] for text in (printed, promised)]
    assert lines[0] == lines[1]
    (code,) = blocks(page, "py")
    exec(compile(code, page, "exec"), {})
    cutoffs = load("train.cutoffs.safetensors").cutoffs.tolist()
    assert capsys.readouterr().out.startswith(f"{cutoffs} ")


def test_api_pages_are_of_today():
    pytest.importorskip("griffe", reason="the API pages are made with griffe: pip install 'wordalloc[docs]'")
    specification = importlib.util.spec_from_file_location("generate_api", DOCS / "generate_api.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    made = {f"docs/api/{name}": text for name, text in module.pages().items()}
    assert made.keys() == API and all(made[page] == PAGES[page] for page in API), (
        "the API pages are older than the docstrings: run python docs/generate_api.py"
    )


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("material", reason="the site is made with mkdocs-material: pip install 'wordalloc[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    sources = re.findall(r"<(?:script|link|img)[^>]* (?:src|href)=\"?(https?:[^\s\">]+)", page)
    assert sources == []  # nothing is loaded from elsewhere
    assert (tmp_path / "site" / "benchmarks" / "RESULTS" / "index.html").exists()
