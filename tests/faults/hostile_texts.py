"""Texts that nobody would write: every odd byte, line and name, damaged compression, and where words begin in them."""

from __future__ import annotations

import bz2
import gzip
import random
from collections import Counter
from collections.abc import Iterator

from tests.faults.hostile_case import Case
from wordalloc.corpus.compressed import zstd
from wordalloc.corpus.reading import LONGEST

FILE, OUT = "text.txt", "out.safetensors"
COUNT = ("count", FILE, "-o", OUT)
# White space of Unicode, none of which separates words here.
SPACES = (
    "\x1c\x1d\x1e\x1f\x85\xa0\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u200c"
    "\u200d\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
)
_OTHERS = (  # more commands that read text, each its own way
    ("bigrams", FILE, "-o", OUT),
    ("classes", FILE, "-k", "2", "-o", OUT),
    ("cutoffs", FILE, "-o", OUT),
    ("tree", FILE, "-o", OUT),
    ("lightrnn-init", FILE, "--by", "frequency", "-o", OUT),
)

_SOUND = b"the cat saw the dog\nthe dog saw a man\n"


def text_cases(long: bool, rng: random.Random) -> Iterator[Case]:
    """Yield the cases of this module; the large ones are larger where there is time."""
    for arguments in _OTHERS:
        yield Case("text: sound", arguments[0], {FILE: _SOUND}, arguments, works=True)
    for name, text, expected in _counted(long):
        yield Case("text: counted", name, {FILE: text}, COUNT, expected=expected)
    for name, text in _refused().items():
        yield Case("text: none", name, {FILE: text}, COUNT, refused=True)
        expected = _replaced(text)
        yield Case(
            "text: replaced", f"{name}, replaced", {FILE: text}, (*COUNT, "--errors", "replace"), expected=expected
        )
    texts = [(name, text) for name, text, _ in _counted(False)] + list(_refused().items())
    for arguments in _OTHERS:
        for name, text in texts if long else rng.sample(texts, 2):
            yield Case("text: other commands", f"{name} ({arguments[0]})", {FILE: text}, arguments)
    yield from _names()
    yield from _surroundings()
    yield from _compressed(long, rng)


def _counted(long: bool) -> Iterator[tuple[str, bytes, dict[str, int]]]:
    """Yield texts with what must be counted in them."""
    many = 100 if long else 5  # MB
    line = b"some words of a line " * (many * 10**6 // 21)
    yield f"one line of {many} MB", line, dict.fromkeys(("some", "words", "of", "a", "line"), many * 10**6 // 21) | _EOS
    yield "one word of a million characters", b"x" * 10**6 + b"\n", {"x" * 10**6: 1} | _EOS
    yield "one word of a million 4-byte characters", "😀".encode() * 10**6 + b" b", {"😀" * 10**6: 1, "b": 1} | _EOS
    yield "no final newline", b"a b\na", {"a": 2, "b": 1, "<eos>": 2}
    yield "a million empty lines", b"\n" * 10**6 + b"a", {"a": 1, "<eos>": 10**6 + 1}
    yield "a BOM at the start", b"\xef\xbb\xbfa b a\n", {"a": 2, "b": 1} | _EOS
    yield "a BOM in the middle", "a \ufeffa \ufeff\n".encode(), {"a": 1, "\ufeffa": 1, "\ufeff": 1} | _EOS
    yield "two BOMs", "\ufeff\ufeffa\n".encode(), {"\ufeffa": 1} | _EOS
    yield "CRLF", b"a b\r\na\r\n", {"a": 2, "b": 1, "<eos>": 2}
    yield "CR alone", b"a b\ra\r", {"a": 2, "b": 1} | _EOS
    yield "every separator", b" a\tb\vc\fd\re\n\t\v\f\r ", dict.fromkeys("abcde", 1) | {"<eos>": 2}
    for space in SPACES if long else SPACES[4::8]:  # all of them stand in the next text, too
        word = f"a{space}b"
        yield f"U+{ord(space):04X} in a word", f"{word} {space} c\n".encode(), {word: 1, space: 1, "c": 1} | _EOS
    yield "all of them in one word", f"a{SPACES}b c".encode(), {f"a{SPACES}b": 1, "c": 1} | _EOS
    yield "escapes", b"\x1b[2J\x1b[31m red \x07\x08\x7f\n", {"\x1b[2J\x1b[31m": 1, "red": 1, "\x07\x08\x7f": 1} | _EOS
    yield "C1 controls", "\x9b31m \x90\x9c \u202e".encode(), {"\x9b31m": 1, "\x90\x9c": 1, "\u202e": 1} | _EOS
    yield "words like ours", b"a <eos> <unk> <unk>\n", {"a": 1, "<eos>": 2, "<unk>": 2}
    yield "noncharacters", "\ufffe \uffff \U0010ffff".encode(), {"\ufffe": 1, "\uffff": 1, "\U0010ffff": 1} | _EOS
    combined = "e" + "\u0301" * 10_000
    yield "ten thousand accents", combined.encode(), {combined: 1} | _EOS
    yield "NFC and NFD apart", "é e\u0301".encode(), {"é": 1, "e\u0301": 1} | _EOS


_EOS = {"<eos>": 1}


def _refused() -> dict[str, bytes]:
    """Return what is no text, unless it is read with ``--errors replace``."""
    return {
        "NUL": b"a \0 b\n",
        "NUL inside a word": b"a\0b",
        "a lone surrogate, high": b"a \xed\xa0\x80 b",
        "a lone surrogate, low": b"a\xed\xbf\xbfb",
        "a pair of surrogates (CESU)": b"a \xed\xa0\xbd\xed\xb8\x80 b",
        "overlong slash": b"a \xc0\xaf b",
        "overlong NUL": b"a \xc0\x80 b",
        "overlong of three bytes": b"a \xe0\x80\xaf b",
        "beyond U+10FFFF": b"a \xf4\x90\x80\x80 b",
        "five bytes": b"a \xf8\x88\x80\x80\x80 b",
        "cut in a character": b"a \xf0\x9f\x98",
        "latin-1": b"caf\xe9 na\xefve\n",
        "UTF-16": "a b\n".encode("utf-16"),
        "UTF-32": "a b\n".encode("utf-32"),
        "bytes of all values": bytes(range(256)) * 3,
    }


def _replaced(text: bytes) -> dict[str, int]:
    """Count with Python's own decoder what is left of a text that is none."""
    read = text.replace(b"\0", "\ufffd".encode()).decode("utf-8", "replace")
    words = Counter("".join(" " if c in "\t\n\v\f\r" else c for c in read).split(" "))
    del words[""]
    return dict(words) | {"<eos>": read.count("\n") + (not read.endswith("\n"))}


def _names() -> Iterator[Case]:
    """Names of files that hold a line end, an escape, a byte that is no UTF-8; and none at all."""
    for name in (
        "two\nlines.txt",
        "\x1b[31mred.txt",
        "\x9b31m.txt",
        "\udcff\udcfe.txt",
        "‮txt.exe",
        "-x",
        "a\\x1b",
        "  ",
    ):
        shown = f"{name!r}: "
        yield Case("names of files", shown + "as JSON", {name: b"a b\n"}, ("count", "--json", "--", name))
        yield Case("names of files", shown + "is no text", {name: b"a \xff\n"}, ("count", "--", name), refused=True)
        yield Case("names of files", shown + "is missing", {}, ("cutoffs", "--", name), refused=True)
        yield Case("names of files", shown + "is no allocation", {name: b"{}"}, ("show", "--", name), refused=True)
        yield Case("names of files", shown + "bigrams", {name: b"a b\n"}, ("bigrams", "--", name))
    yield Case("names of files", "a folder", {f"{FILE}/inner": b"a"}, COUNT, refused=True)
    yield Case("names of files", "the empty name", {}, ("count", ""), refused=True)
    yield Case("names of files", "a name of 10,000 characters", {}, ("count", "x" * 10_000), refused=True)
    yield Case("names of files", "a pattern that matches nothing", {}, ("count", "*.txt"), refused=True)
    yield Case(
        "names of files", "an output in a missing folder", {FILE: b"a"}, ("count", FILE, "-o", "no/x"), refused=True
    )
    yield Case("names of files", "/dev/full", {FILE: b"a"}, ("count", FILE, "-o", "/dev/full"), refused=True)
    yield Case("names of files", "empty", {FILE: b""}, COUNT, refused=True)
    for name, text in {"only separators": b" \t\n\v\f\r\n" * 9, "only a BOM": b"\xef\xbb\xbf"}.items():
        yield Case("text: none", name, {FILE: text}, COUNT, refused=True)


def _surroundings() -> Iterator[Case]:
    """Environments in which Python would rather write ASCII; each case is a process of its own."""
    text, words = "naïve 😀 \x1b[31m\n".encode(), {"naïve": 1, "😀": 1, "\x1b[31m": 1} | _EOS
    plain = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for name, environment in {
        "LANG=C": plain,
        "PYTHONIOENCODING=ascii": {"PYTHONIOENCODING": "ascii"},
        "PYTHONIOENCODING=utf-16": {"PYTHONIOENCODING": "utf-8:strict", "COLUMNS": "1"},
    }.items():
        yield Case("environment", name, {FILE: text}, COUNT, expected=words, environment=environment)
        yield Case("environment", f"{name}, a name", {"é.txt": b"\xff"}, ("count", "é.txt"), environment=environment)


def _compressed(long: bool, rng: random.Random) -> Iterator[Case]:
    """Damaged and exploding files of all three compressions."""
    text = b"some words of a text, some of them twice\n" * 400
    compressions = {"gz": gzip.compress, "bz2": bz2.compress, "zst": zstd.compress}
    many = 100 if long else 4  # MB
    for kind, compress in compressions.items():
        whole = compress(text)
        for length in {4, 8, 10, len(whole) // 2, len(whole) - 8, len(whole) - 1}:
            yield Case("compressed", f"{kind} cut to {length} bytes", {FILE: whole[:length]}, COUNT, refused=True)
        yield Case("compressed", f"{kind}: magic alone", {FILE: whole[:4]}, COUNT, refused=True)
        yield Case("compressed", f"{kind}: rubbish behind it", {FILE: whole + b"rubbish"}, COUNT)
        yield Case("compressed", f"{kind}: twice", {FILE: whole + whole}, COUNT)
        yield Case("compressed", f"{kind}: inside itself", {FILE: compress(whole)}, COUNT, refused=True)
        for _ in range(60 if long else 4):
            damaged = bytearray(whole)
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
            yield Case("compressed", f"{kind}: a bit flipped", {FILE: bytes(damaged)}, COUNT)
        nothing = compress(b"")
        yield Case("compressed", f"{kind}: of nothing", {FILE: nothing}, COUNT, refused=True)
        bomb = compress(b"a b " * (many * 250_000))
        yield Case("compressed", f"{kind}: a bomb of words, {many} MB", {FILE: bomb}, COUNT)
        if kind == "bz2" and not long:
            continue  # takes seconds to make
        bomb = compress(b"a" * (LONGEST + (512 << 20 if long else 1 << 20)))
        yield Case("compressed", f"{kind}: a bomb of one word", {FILE: bomb}, COUNT, refused=True)
