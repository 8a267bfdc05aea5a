"""How a page looks in a real browser: in the light, in the dark and narrow, and that it can be reached by Tab."""

from __future__ import annotations

import itertools

import pytest

from tests.report.browser import chart, contrast, isolated, luminance, mixed, open_page, ratio
from tests.report.pages import make_odd_files


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
        assert ratio(fill, seen[scheme][0]) >= 4.5, scheme
    assert all(light != dark for light, dark in zip(seen["light"], seen["dark"], strict=True))
    assert luminance(seen["dark"][0]) < 0.05 < 0.8 < luminance(seen["light"][0])
    assert page.evaluate("(id) => document.querySelector(id).data[0].z.length", table) == 14
    page.emulate_media(color_scheme="light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_are_legible_in_every_cell(page, scheme):
    table, seen = chart(page, "words.table"), 0
    page.emulate_media(color_scheme=scheme)
    for word in ("the", "w000", "w020", "w100"):  # cells around them are looked at closely
        page.fill("#search", word)
        page.press("#search", "Enter")
        page.focus(table)
        page.keyboard.press("Enter")
        deep, inks, scale = page.evaluate(
            """(id) => {
                 const [{ z, x0, y0, zmin, zmax, colorscale }, { x, y, textfont }] = document.querySelector(id).data;
                 return [x.map((column, place) => (z[y[place] - y0][column - x0] - zmin) / (zmax - zmin)),
                         textfont.color, colorscale]; }""",
            table,
        )
        for place, ink in zip(deep, inks, strict=True):
            assert ratio(ink, mixed(scale, place)) >= 3.8, (word, place)
        seen += len(inks)
        page.keyboard.press("Escape")
    assert seen > 200
    page.press("#search", "Escape")
    page.emulate_media(color_scheme="light")


def test_in_the_dark_words_and_names_stay_what_they_are(page):
    plot, curves = chart(page, "Words"), chart(page, "Training")
    page.emulate_media(color_scheme="dark")
    for word in ("constructor", "__proto__", "#1c2127"):
        page.fill("#search", word)
        page.press("#search", "Enter")
        assert page.evaluate("(id) => document.querySelector(id).data.at(-1).text", plot) == [isolated(word)]
    names = page.evaluate("(id) => document.querySelector(id).data.map((trace) => trace.name)", curves)
    assert names == [isolated("run"), isolated("#0072b2")]
    page.press("#search", "Escape")
    page.emulate_media(color_scheme="light")


def test_a_narrow_screen_needs_no_scrolling_sideways_and_no_numbers_touch(page):
    numbers = "() => [...document.querySelectorAll('.chart')].map(({ layout }) => layout.xaxis?.tickvals?.length ?? 0)"
    wide = page.evaluate(numbers)
    assert max(wide) > 5
    page.set_viewport_size({"width": 400, "height": 800})
    page.wait_for_function("() => document.documentElement.scrollWidth <= 400")
    page.wait_for_function(f"(few) => String(({numbers})()) === String(few)", arg=[(n + 1) // 2 for n in wide])
    axes = page.evaluate(
        """() => [...document.querySelectorAll('.chart')].map((chart) => (
             [...chart.querySelectorAll('.xtick text')].map((text) => {
               const { left, right } = text.getBoundingClientRect(); return [left, right]; })))"""
    )
    gaps = [right[0] - left[1] for axis in axes for left, right in itertools.pairwise(sorted(axis))]
    assert len(gaps) > 10 and min(gaps) > 0
    page.set_viewport_size({"width": 1200, "height": 900})
    page.wait_for_function(f"(many) => String(({numbers})()) === String(many)", arg=wide)


@pytest.mark.long
def test_what_has_almost_nothing_to_show(opened, tmp_path):
    from wordalloc.pipelines.report import report

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
