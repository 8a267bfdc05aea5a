"""One HTML page that shows everything it is given, and needs nothing else: no server, no network.

The page holds its figures as JSON (`wordalloc.report.page_figures`, Plotly's), the words and addresses as packed arrays
(`wordalloc.report.packed_arrays`), Plotly itself, compressed, and the scripts of the folder ``page_files``. Words and
names are hostile text: they enter HTML through `wordalloc.report.page_elements`, figures through `escaped`, and scripts
as JSON or bytes; and the policy of the page lets nothing run but the two scripts whose hashes it names, and nothing be
fetched at all.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import json
import os
from string import Template
from typing import Any

from plotly.offline import get_plotlyjs

from wordalloc.files import write_text
from wordalloc.report.packed_arrays import compressed
from wordalloc.report.page_builder import PageBuilder
from wordalloc.report.page_elements import element, written
from wordalloc.report.page_parts import PageParts
from wordalloc.report.page_sections import add_sections
from wordalloc.report.page_style import DARK, INK, LEVELS, MARK, MARKED, PAPER, REST, WORD

SCRIPTS = ("data", "charts", "heat_map", "tree", "tree_chart", "search", "sorting", "main")  # main comes last


def write_page(parts: PageParts, path: str | os.PathLike[str]) -> dict[str, Any]:
    """Write the page, whole or not at all; the same parts give the same bytes.

    Parameters
    ----------
    parts : PageParts
        What it shows.
    path : path-like
        The file to make or to replace.

    Returns
    -------
    dict
        ``bytes``, and ``sections``: the title of each.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    builder = PageBuilder()
    add_sections(builder, parts)
    text = page_html(builder)
    write_text(path, text)
    return {"bytes": len(text.encode("utf-8")), "sections": [title for _, title in builder.contents]}


def page_html(builder: PageBuilder) -> str:
    """Return the page of what a builder holds.

    Parameters
    ----------
    builder : PageBuilder
        With all of its sections.
    """
    plotly = get_plotlyjs()
    script = "\n".join(_read(f"{name}.js") for name in SCRIPTS)
    policy = (
        f"default-src 'none'; script-src {_hash(script)} {_hash(plotly)}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return Template(_read("page.html")).substitute(
        policy=policy,
        title="wordalloc report",
        style=_read("page.css"),
        body=written(*_body(builder)),
        plotly=compressed(plotly.encode("utf-8")),
        arrays=builder.arrays.base64(),
        page=_json(_page(builder)),
        script=script,
    )


def _page(builder: PageBuilder) -> dict[str, Any]:
    """Return what the scripts read."""
    return {
        "vocabularies": builder.vocabularies,
        "charts": builder.charts,
        "places": builder.places,
        "colours": DARK,
        "mark": MARK,
        "marked": MARKED,
        "inks": [INK, PAPER],
        "sectors": {"levels": LEVELS, "word": WORD, "rest": REST},
    }


def _body(builder: PageBuilder) -> list[Any]:
    links = [element("li", element("a", title, href=f"#{anchor}")) for anchor, title in builder.contents]
    header = element(
        "header",
        element("h1", "wordalloc report"),
        element("p", "From " + ", ".join(builder.names), class_="about"),
        element("noscript", element("p", "The charts and the search need JavaScript; the tables do not.")),
    )
    bar = element(
        "div",
        element(
            "div",
            element("nav", element("ol", *links), aria_label="Sections"),
            _search() if builder.vocabularies else None,
        ),
        element("div", id="answer", class_="answer", hidden="hidden"),
        class_="bar",
    )
    main = element("main", *builder.sections, id="content", tabindex="-1")
    keys = "Keyboard: Tab goes from chart to chart, arrow keys move inside, Enter opens, Escape goes back, / searches."
    return [header, bar, main, element("footer", element("p", keys))]


def _search() -> Any:
    return element(
        "div",
        element("label", "Find a word", for_="search", class_="unseen"),
        element(
            "input",
            id="search",
            type="search",
            placeholder="Find a word  ( / )",
            autocomplete="off",
            spellcheck="false",
            role="combobox",
            aria_expanded="false",
            aria_controls="suggestions",
            aria_autocomplete="list",
            disabled="disabled",
        ),
        element("ul", id="suggestions", role="listbox", aria_label="Words", hidden="hidden"),
        class_="search",
        role="search",
    )


def _read(name: str) -> str:
    return (importlib.resources.files("wordalloc.report") / "page_files" / name).read_text(encoding="utf-8").strip()


def _hash(script: str) -> str:
    """Return a script's hash as a policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode('ascii')}'"


def _json(content: Any) -> str:
    r"""Return JSON that ends no script element and begins no comment: ``<`` is written ``\u003c``."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))  # ASCII
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
