"""What is printed of words and names: nothing that steers a terminal, and all that a script is written with."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordalloc.checks import JOINERS, printable


@pytest.mark.parametrize("text", ["می\u200cخواهم", "👨\u200d👩\u200d👧", "क\u094d\u200dष", "a b"], ids=range(4))
def test_what_is_written_with_joiners_stays_as_it_is(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\u200da\u200c", r"\u200da\u200c"),
        ("a\u200c\u200db", r"a\u200c\u200db"),
        ("a \u200db", r"a \u200db"),
        ("a\u200d\x1b[2J", r"a\u200d\x1b[2J"),
        ("\u202egnp.\u200b\u2069\xa0\U000e0041", r"\u202egnp.\u200b\u2069\xa0\U000e0041"),
    ],
    ids=range(5),
)
def test_what_joins_nothing_is_escaped_like_everything_else(text, shown):
    assert printable(text) == shown


@given(st.text(st.sampled_from("ab \n\x1b\u202e\u2066\ufeff🎲" + JOINERS)))
def test_nothing_but_joiners_between_signs_gets_through(text):
    shown = printable(text)
    assert shown.translate(dict.fromkeys(map(ord, JOINERS))).isprintable()
    assert not re.search(f"^[{JOINERS}]|[{JOINERS}]$|[{JOINERS} ][{JOINERS}]|[{JOINERS}] ", shown)
    assert printable(shown) == shown
