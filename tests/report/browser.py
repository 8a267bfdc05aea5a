"""A page in a browser: how it is opened, and what is asked of it."""

from __future__ import annotations

import re


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


def isolated(text: str) -> str:
    """A word as a text of Plotly has it: in isolates, U+2068 and U+2069."""
    return f"\u2068{text}\u2069"
