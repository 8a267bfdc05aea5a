"""What a page is put together from: sections, charts, and the places where the search finds words."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

from wordalloc.report.packed_arrays import PackedArrays
from wordalloc.report.page_elements import Child, element


class PageBuilder:
    """Collects the sections of a page.

    Attributes
    ----------
    sections : list of Element
    contents : list of (str, str)
        Anchor and title of each section.
    charts, places, vocabularies : list of dict
        What the scripts draw, where they look words up, and in which words.
    arrays : PackedArrays
        What these point to.
    names : list of str
        Of all files and folders.
    """

    def __init__(self) -> None:
        self.sections: list[Element] = []
        self.contents: list[tuple[str, str]] = []
        self.charts: list[dict[str, Any]] = []
        self.places: list[dict[str, Any]] = []
        self.vocabularies: list[dict[str, Any]] = []
        self.arrays = PackedArrays()
        self.names: list[str] = []

    def anchor(self) -> str:
        """Return the anchor of the section that comes next."""
        return f"section-{len(self.sections) + 1}"

    def add(self, title: str, about: str, *children: Child) -> None:
        """Add a section.

        Parameters
        ----------
        title, about : str
            Its heading, and a line below.
        *children : Element, str or None
            What follows.
        """
        anchor = self.anchor()
        heading = element("h2", title, id=f"{anchor}-title")
        section = element("section", heading, element("p", about, class_="about"), *children, id=anchor,
                          aria_labelledby=f"{anchor}-title")  # fmt: skip
        self.sections.append(section)
        self.contents.append((anchor, title))

    def chart(self, kind: str, figure: dict[str, Any], label: str, *, tall: bool = False, **more: Any) -> Element:
        """Add a chart; return the element that it is drawn in.

        Parameters
        ----------
        kind : str
            Which script draws it.
        figure : dict
            Of Plotly.
        label : str
            What it shows, and how it is used by keys.
        tall : bool
            Whether it needs room.
        **more
            What the script needs beside.
        """
        identity = f"chart-{len(self.charts) + 1}"
        self.charts.append({"id": identity, "kind": kind, "figure": figure, **more})
        return element("div", id=identity, class_="chart tall" if tall else "chart", tabindex="0", role="application",
                       aria_roledescription="chart", aria_label=label)  # fmt: skip

    def find_in(self, title: str, vocabulary: int, **more: Any) -> None:
        """Let the search look words up in the section that comes next."""
        self.places.append({"title": title, "section": self.anchor(), "vocabulary": vocabulary, **more})
