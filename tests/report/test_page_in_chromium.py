"""The page in a real browser: what it draws and finds, by pointer and by keyboard, in the light and in the dark."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.report.pages import HOSTILE, make_comparison, make_files, make_odd_files, make_run
from wordalloc.pipelines.report import report

pytest.importorskip("plotly", reason="pages need plotly: pip install 'wordalloc[report]'")
playwright = pytest.importorskip("playwright.sync_api", reason="the browser is driven by playwright")

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """The page, opened from disk once for all tests, and what the browser has complained of or asked for."""
    folder = tmp_path_factory.mktemp("browser")
    paths = [*make_files(folder), make_run(folder / "run"), make_comparison(folder / "all")]
    report(paths, folder / "page.html")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield *open_page(browser, folder / "page.html"), browser
        browser.close()


def open_page(browser, path):
    """Open a page from disk; return it with all that it complains of and asks for."""
    page = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme="light", reduced_motion="reduce")
    page.set_default_timeout(120_000)
    complaints, requests = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]")
    return page, complaints, requests


@pytest.fixture
def page(opened):
    return opened[0]


def chart(page, section: str, nth: int = 0) -> str:
    """The selector of a chart in the section of that title."""
    found = page.locator(f"section:has(h2:text-is('{section}')) .chart").nth(nth)
    return f"#{found.get_attribute('id')}"


def said(page) -> str:
    """What was announced last."""
    return page.text_content("#live")


def drawn_shapes(page, selector: str) -> list:
    return page.evaluate("(selector) => document.querySelector(selector).layout.shapes", selector)


def contrast(page, selector: str) -> float:
    """The contrast of an element's text with the page, as WCAG 2 has it."""
    colours = page.evaluate(
        """(selector) => [getComputedStyle(document.querySelector(selector)).color,
                          getComputedStyle(document.body).backgroundColor]""",
        selector,
    )
    bright, dark = sorted(map(luminance, colours), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_chart_is_drawn(page):
    charts = page.locator(".chart")
    assert charts.count() == 11
    assert page.locator(".chart .main-svg").count() >= 11
    for number in range(charts.count()):
        assert charts.nth(number).get_attribute("aria-label")


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


@pytest.mark.parametrize("word", HOSTILE[:8], ids=range(8))
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
    if word.isprintable():
        assert page.text_content("#answer strong") in (word, f"{word[:20]}…{word[-19:]}")


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
    assert len(texts) > 50 and (word == "empty cell" or any(text in word for text in texts))
    page.keyboard.press("Escape")
    assert page.evaluate("(id) => document.querySelector(id).layout.xaxis.range", table) == [-0.5, 13.5]


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


@pytest.mark.parametrize(("section", "begins"), [("Words", "counts: "), ("words.classes", "class "), ("all", "full: ")])
def test_points_by_keyboard(page, section, begins):
    points = chart(page, section)
    page.focus(points)
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    first = said(page)
    page.keyboard.press("ArrowRight")
    assert first.startswith(begins) and said(page) != first
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


def test_everything_is_reached_by_tab(page):
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    page.focus(".skip")
    reached = []
    for _ in range(120):
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
    charts = page.evaluate("[...document.querySelectorAll('.chart')].map((chart) => chart.id)")
    assert set(charts) | {"search"} <= set(reached)
    page.focus(charts and f"#{charts[0]}")
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_slash_goes_to_the_search(page):
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"


def test_the_dark_is_dark_and_legible(page):
    from wordalloc.report.page_style import DARK, INK

    table, words = chart(page, "words.table"), chart(page, "Words")
    colours = "(id) => [getComputedStyle(document.body).backgroundColor, document.querySelector(id).layout.font.color]"
    texts = ("h1", ".about", "dl.facts dt", "th", "td", ".help", ".bar nav a", ".panel h3", f"{words} .xtick text")
    seen = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        drawn = "([id, ink]) => document.querySelector(id).layout.font.color === ink"
        page.wait_for_function(drawn, arg=[words, INK if scheme == "light" else DARK[INK]])
        seen[scheme] = page.evaluate(colours, words)
        for selector in texts[:-1]:
            assert contrast(page, selector) >= 4.5, (scheme, selector)
        fill = page.evaluate("(selector) => document.querySelector(selector).style.fill", texts[-1])
        ground = seen[scheme][0]
        bright, dark = sorted((luminance(fill), luminance(ground)), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, scheme
    assert all(light != dark for light, dark in zip(seen["light"], seen["dark"], strict=True))
    assert luminance(seen["dark"][0]) < 0.05 < 0.8 < luminance(seen["light"][0])
    assert page.evaluate("(id) => document.querySelector(id).data[0].z.length", table) == 14
    page.emulate_media(color_scheme="light")


def test_a_narrow_screen_needs_no_scrolling_sideways(page):
    page.set_viewport_size({"width": 400, "height": 800})
    page.wait_for_function("() => document.documentElement.scrollWidth <= 400")
    page.set_viewport_size({"width": 1200, "height": 900})


def test_nothing_was_complained_of_or_asked_for(opened):
    page, complaints, requests, _ = opened
    assert complaints == []
    assert set(requests) == {page.url}


@pytest.mark.long
def test_what_has_almost_nothing_to_show(opened, tmp_path):
    report(make_odd_files(tmp_path), tmp_path / "page.html")
    page, complaints, _ = open_page(opened[-1], tmp_path / "page.html")
    assert page.locator(".chart").count() == 8
    assert "too large for a heat map" in page.text_content("main")
    for word, where in (("only", "row 0, column 0"), ("z3", "class 3")):
        page.fill("#search", word)
        page.press("#search", "Enter")
        assert where in page.text_content("#answer")
    for place in page.locator(".chart").all():
        place.focus()
        for key in ("ArrowRight", "ArrowDown", "Enter", "ArrowLeft", "ArrowUp", "Escape", "Home", "End"):
            page.keyboard.press(key)
    assert complaints == []
