"""Pieces of HTML as elements of a tree: what stands between tags and in attributes is escaped when it is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, tostring

from wordalloc.checks import printable
from wordalloc.report._plain import plain

Child = Element | str | None


@dataclass(frozen=True)
class Column:
    """A column of a table: its head, and whether it holds words; a sortable one says which end comes first."""

    head: str
    words: bool = False
    descending: bool = False


@dataclass(frozen=True)
class Figure:
    """A number as it is written, and as it is sorted; None where there is none."""

    text: str
    value: float | None


def element(tag: str, /, *children: Child, **attributes: str) -> Element:
    """Return an element.

    Parameters
    ----------
    tag : str
        Its name.
    *children : Element, str or None
        In order; None is left out. What is not printable in a text is escaped.
    **attributes : str
        With ``_`` for ``-``, and at the end of what Python keeps for itself.

    Examples
    --------
    >>> written(element("p", "<b>", element("a", "here", href='"'), class_="note"))
    '<p class="note">&lt;b&gt;<a href="&quot;">here</a></p>'
    """
    made = Element(tag, {key.rstrip("_").replace("_", "-"): printable(value) for key, value in attributes.items()})
    last: Element | None = None
    for child in children:
        if child is None:
            continue
        if isinstance(child, str):
            if last is None:
                made.text = (made.text or "") + printable(child)
            else:
                last.tail = (last.tail or "") + printable(child)
        else:
            made.append(child)
            last = child
    return made


def written(*elements: Element) -> str:
    """Return elements as HTML."""
    return "\n".join(tostring(made, encoding="unicode", method="html") for made in elements)


def in_line(words: Iterable[str], most: int) -> Element:
    """Return words side by side, each of them written in its own direction and cut in its middle to `most` characters.

    Examples
    --------
    >>> written(in_line(["a", "<b>"], 9))
    '<span><bdi>a</bdi> <bdi>&lt;b&gt;</bdi></span>'
    """
    found = [child for word in words for child in (" ", element("bdi", plain(word, most)))]
    return element("span", *found[1:])


def facts(pairs: Iterable[tuple[str, str]]) -> Element:
    """Return some figures with what they are."""
    return element("dl", *(element("div", element("dt", name), element("dd", value)) for name, value in pairs),
                   class_="facts")  # fmt: skip


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[str | Figure | Element]],
    *,
    kind: str,
    sortable: bool = False,
) -> Element:
    """Return a table in a frame that scrolls sideways where it is narrow.

    Parameters
    ----------
    caption : str
        What it shows, for who cannot see it.
    columns : sequence of Column
        Their heads; the first column names the row.
    rows : iterable of sequence of str, Figure or Element
        The cells.
    kind : str
        Its class.
    sortable : bool
        Whether heads are buttons.
    """
    heads = [
        element(
            "th",
            element("button", column.head, type="button") if sortable else column.head,
            scope="col",
            class_="words" if column.words else "figure",
            data_first="descending" if column.descending else "ascending",
        )
        for column in columns
    ]
    body = [element("tr", *map(_cell, columns, row)) for row in rows]
    made = element("table", element("caption", caption, class_="unseen"), element("thead", element("tr", *heads)),
                   element("tbody", *body), class_=f"{kind} sortable" if sortable else kind)  # fmt: skip
    return element("div", made, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _cell(column: Column, cell: str | Figure | Element) -> Element:
    text = cell.text if isinstance(cell, Figure) else cell
    sorted_by = {"data_value": repr(cell.value)} if isinstance(cell, Figure) and cell.value is not None else {}
    return element("td", text, class_="words" if column.words else "figure", **sorted_by)
