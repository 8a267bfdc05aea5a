"""The search of a page in a real browser: what it finds, and where."""

from __future__ import annotations

import re

import pytest

import wordalloc as package
from tests.report.browser import chart, drawn_shapes, open_page, said
from tests.report.pages import HOSTILE
from wordalloc.pipelines.report import report
from wordalloc.report._plain import plain


def test_the_search_finds_a_word_everywhere(page):
    page.fill("#search", "w00")
    assert page.locator("#suggestions li").count() == 8
    page.press("#search", "ArrowDown")
    page.press("#search", "ArrowDown")
    chosen = page.text_content("#suggestions li[aria-selected=true] span")
    page.press("#search", "Enter")
    answer = page.text_content("#answer")
    assert answer.startswith(chosen) and "tail cluster" in answer and "class " in answer and "code " in answer
    cell = re.search(r"words\.table: row (\d+), column (\d+)", answer)
    at = drawn_shapes(page, chart(page, "words.table"))[-1]
    assert (at["y0"] + 0.5, at["x0"] + 0.5) == (int(cell[1]), int(cell[2]))
    assert page.locator("section.found").count() == 8
    assert page.locator("tr.found").count() == 2
    assert chosen in page.text_content(f"{chart(page, 'words.huffman')}-panel h3")
    assert chosen in said(page)
    page.fill("#search", "nowhere")
    page.press("#search", "Enter")
    assert "none of the vocabularies" in page.text_content("#answer")
    page.press("#search", "Escape")
    assert page.locator("section.found").count() == 0 and page.is_hidden("#answer")


@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_are_found_and_do_nothing(page, word):
    page.evaluate(
        """(word) => { const input = document.getElementById('search');
                       input.value = word; input.dispatchEvent(new Event('input')); }""",
        word.replace("\n", " "),
    )
    if "\n" in word:  # which no line of input can hold
        assert page.locator("#suggestions li").count() == 0
        return
    page.press("#search", "Enter")
    assert "rank " in page.text_content("#answer")
    assert page.title() == "wordalloc report"
    assert page.locator("img, body svg[onload], b:not(.chart b)").count() == 0
    assert page.text_content("#answer strong") == plain(word, 40)  # the scripts write words as Python does


def test_closed_suggestions_are_gone(page):
    page.fill("#search", "w00")
    page.press("#search", "ArrowDown")
    assert page.get_attribute("#search", "aria-activedescendant") == "suggestion-0"
    page.press("#search", "Enter")
    found = page.input_value("#search")
    page.press("#search", "ArrowDown")
    assert page.get_attribute("#search", "aria-activedescendant") is None
    assert page.get_attribute("#search", "aria-expanded") == "false"
    page.press("#search", "Enter")
    assert page.input_value("#search") == found
    page.press("#search", "Escape")


def test_what_is_found_in_several_vocabularies_is_told_apart(opened, tmp_path):
    for name, counts in (("a", {"the": 9, "of": 1}), ("b", {"of": 5, "the": 3, "only": 2})):
        vocabulary = package.Vocabulary.from_counts(list(counts), list(counts.values()))
        package.save(vocabulary, tmp_path / f"{name}.safetensors")
    report([tmp_path / "a.safetensors", tmp_path / "b.safetensors"], tmp_path / "page.html")
    page, complaints, _ = open_page(opened[-1], tmp_path / "page.html")
    for word, headline, told in (
        ("the", "is in 2 of 2 vocabularies", ["Words: a: rank 1, count 9", "Words: b: rank 2, count 3"]),
        ("only", "is in 1 of 2 vocabularies", ["Words: b: rank 3, count 2"]),
        ("none", "is in none of the vocabularies", []),
    ):
        page.fill("#search", word)
        assert "rank" not in page.text_content("#suggestions")
        page.press("#search", "Enter")
        assert page.locator("#answer > *").all_text_contents() == [word, headline, *told]
    assert complaints == []
    page.close()


def test_slash_goes_to_the_search(page):
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
