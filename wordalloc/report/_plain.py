"""Names and words as they can stand in a picture or on a page."""

from __future__ import annotations

from wordalloc.checks import printable


def plain(text: str, most: int) -> str:
    r"""Return a text that can be drawn and stand in XML: on one line, and cut in its middle to `most` characters.

    Examples
    --------
    >>> plain("a\nb", 9), plain("classes:a_long_file_name", 12)
    ('a\\nb', 'classe…_name')
    """
    text = printable(text)
    tail = (most - 1) // 2
    return text if len(text) <= most else f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"
