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
    return ratio(*colours)


def luminance(colour: str) -> float:
    channels = [channel / 255 for channel in rgb(colour)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def isolated(text: str) -> str:
    """A word as a text of Plotly has it: in isolates, U+2068 and U+2069."""
    return f"\u2068{text}\u2069"


def mixed(scale: list, place: float) -> str:
    """The colour at a place from 0 to 1 on a scale of Plotly, mixed in RGB."""
    place = min(max(place, 0), 1)
    right = next(number for number, (end, _) in enumerate(scale) if number and place <= end)
    (low, start), (high, end) = scale[right - 1 : right + 1]
    share = (place - low) / (high - low)
    return f"rgb({', '.join(str(round(a + (b - a) * share)) for a, b in zip(rgb(start), rgb(end), strict=True))})"


def rgb(colour: str) -> list[int]:
    """The three channels of ``#rrggbb`` or ``rgb(r, g, b)``, from 0 to 255."""
    if colour.startswith("#"):
        return [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return [int(number) for number in re.findall(r"\d+", colour)[:3]]


def ratio(colour: str, ground: str) -> float:
    """The contrast of two colours, as WCAG 2 has it."""
    bright, dark = sorted(map(luminance, (colour, ground)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)
