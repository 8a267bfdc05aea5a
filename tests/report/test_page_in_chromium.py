"""The charts and tables of a page in a real browser, by pointer and by keyboard."""

from __future__ import annotations

import pytest

from tests.report.browser import chart, said


def test_every_chart_is_drawn(page):
    charts = page.locator(".chart")
    assert charts.count() == 11
    assert page.locator(".chart .main-svg").count() >= 11
    for number in range(charts.count()):
        assert charts.nth(number).get_attribute("aria-label")


def test_pointing_at_a_cell_shows_its_word(page):
    table = chart(page, "words.table")
    page.locator(table).scroll_into_view_if_needed()
    before = page.text_content(f"{table}-panel")
    box = page.locator(f"{table} .nsewdrag").bounding_box()
    for row, column in ((3, 4), (9, 9)):
        x, y = box["x"] + box["width"] * (column + 0.5) / 14, box["y"] + box["height"] * (row + 0.5) / 14
        page.mouse.move(x - 2, y)
        page.mouse.move(x, y)
        page.wait_for_function(
            "([id, text]) => document.querySelector(id).textContent.includes(text)",
            arg=[f"{table}-panel", f"Row {row}: "],
        )
        assert f"Column {column}: " in page.text_content(f"{table}-panel")
    assert page.text_content(f"{table}-panel") != before


def test_the_heat_map_by_keyboard(page):
    table = chart(page, "words.table")
    page.focus(table)
    page.keyboard.press("Home")
    for _ in range(20):
        page.keyboard.press("ArrowUp")
    assert said(page).startswith("row 0, column 0: ")
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert said(page).startswith("row 1, column 2: ")
    page.keyboard.press("Enter")  # near: words stand in the cells
    texts = page.evaluate("(id) => document.querySelector(id).data[1].text", table)
    word = page.text_content(f"{table}-panel h3")
    assert len(texts) > 50 and (word == "empty cell" or any(text.strip("\u2068\u2069") in word for text in texts))
    page.keyboard.press("Escape")
    assert page.evaluate("(id) => document.querySelector(id).layout.xaxis.range", table) == [-0.5, 13.5]


def test_words_from_right_to_left_change_no_order(page):
    tree = chart(page, "words.huffman")
    page.focus(tree)
    for _ in range(30):
        page.keyboard.press("Escape")
    bands = page.locator("section:has(h2:text-is('words.buckets')) table.bands td.words").nth(1)
    for line in (page.locator(f"{tree}-panel p").last, bands):
        found = line.evaluate(
            """(line) => [...line.querySelectorAll('bdi')].map((word) => {
                 const { left, bottom } = word.getBoundingClientRect();
                 return [word.textContent, Math.round(bottom), left]; })"""
        )
        words, places = [word for word, _, _ in found], [place for _, *place in found]
        assert words.index("עולם") == words.index("שלום") + 1
        assert places == sorted(places)  # in a line, what comes later in the text stands further right


def test_a_tree_by_keyboard(page):
    tree = chart(page, "words.huffman")
    page.focus(tree)
    for _ in range(30):
        page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert said(page).startswith("code 1, ")
    page.keyboard.press("Enter")
    assert page.locator(f"{tree}-crumbs button").all_text_contents() == ["root", "1"]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert said(page).startswith("code 100, ")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Escape")
    assert page.locator(f"{tree}-crumbs button").all_text_contents() == ["root"]


def test_all_words_of_a_node_with_many_children_can_be_reached(page):
    tree = chart(page, "words.flat")
    page.focus(tree)
    for _ in range(6):
        page.keyboard.press("Escape")
    assert said(page).startswith("root, 160 words")
    seen, sizes = set(), []
    for key in ("", "ArrowRight", "ArrowRight", "ArrowRight"):
        if key:
            page.keyboard.press(key)
            page.keyboard.press("End")
            sizes.append(int(said(page).split()[0]))
            page.keyboard.press("Enter")
        drawn = page.evaluate("(id) => document.querySelector(id).data[0].ids", tree)
        seen |= {int(sector.split(":")[0]) for sector in drawn}
    assert sizes == [120, 80, 40]
    assert {node for node in seen if node < 0} == {-1 - rank for rank in range(160)}
    page.keyboard.press("ArrowRight")
    page.keyboard.press("End")
    assert ", rank 160, " not in said(page)


def test_a_click_opens_a_node(page):
    tree = chart(page, "words.huffman")
    page.locator(tree).scroll_into_view_if_needed()
    page.locator(f"{tree} g.slice").nth(2).click()
    assert page.locator(f"{tree}-crumbs button").count() == 2
    page.locator(f"{tree}-crumbs button").first.click()
    assert page.locator(f"{tree}-crumbs button").count() == 1


@pytest.mark.parametrize(
    ("section", "begins", "key"),
    [
        ("Words", "counts: ", "ArrowRight"),
        ("words.classes", "class ", "ArrowRight"),
        ("all", "full; perplexity ", "ArrowRight"),
        ("words.cutoffs", "the frontier: ", "ArrowDown"),
    ],
)
def test_points_by_keyboard(page, section, begins, key):
    points = chart(page, section)
    page.focus(points)
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    first = said(page)
    page.keyboard.press(key)
    assert first.startswith(begins) and first.count(begins) == 1 and said(page) != first
    assert page.locator(f"{points} .hoverlayer .hovertext").count() == 1


def test_curves_change_to_seconds(page):
    curves = chart(page, "Training")
    assert page.evaluate("(id) => document.querySelector(id).data[0].x", curves)[:2] == [100, 200]
    page.focus("input[name=axis][value=tokens]")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("(id) => document.querySelector(id).data[0].x", curves)[:2] == [0.1, 0.2]


def test_a_table_sorts_by_its_heads(page):
    def column(place):
        return page.locator(f"table.comparison tbody td:nth-child({place})").all_text_contents()

    assert column(1) == ["full", "adaptive", "<i>table</i>"]
    head = page.locator("table.comparison th").nth(1)
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert column(2) == ["95.2", "100.0", "110.5"] and head.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Space")
    assert column(2) == ["110.5", "100.0", "95.2"] and head.get_attribute("aria-sort") == "descending"
    page.locator("table.comparison th").nth(3).locator("button").click()  # more is better
    assert column(4) == ["3,000", "2,000", "1,000"] and head.get_attribute("aria-sort") is None
    page.locator("table.comparison th").last.locator("button").click()
    assert column(11)[-1] == "–"
    page.locator("table.comparison th").first.locator("button").click()
    assert column(1) == ["<i>table</i>", "adaptive", "full"]
