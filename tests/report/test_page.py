"""The page as text: what is in it, what can not be in it, and that it is the same each time."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("plotly", reason="pages need plotly: pip install 'wordalloc[report]'")

import wordalloc as package
from tests.report.pages import HOSTILE, make_comparison, make_files, make_run, words
from tests.report.test_content import trees
from wordalloc.errors import InputError
from wordalloc.pipelines.plotting import plot
from wordalloc.pipelines.report import gather, report
from wordalloc.report.content import breadth_first, class_groups
from wordalloc.report.packed_arrays import PackedArrays
from wordalloc.report.page_figures import MOST_CLASSES, classes_figure, escaped, zipf_figure
from wordalloc.report.page_parts import WordsPart
from wordalloc.report.page_style import log_axis


class Reader(HTMLParser):
    """Reads a page as a browser would: its elements, and what stands in its scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.open = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
            self.open = tag

    def handle_endtag(self, tag):
        self.open = None

    def handle_data(self, data):
        if self.open == "script":
            self.scripts[-1] += data


def unpacked(buffer, place):
    """An array, from its planes."""
    if place["type"] == "text":
        return buffer[place["start"] : place["start"] + place["length"]].decode()
    width = np.dtype(place["type"]).itemsize
    planes = np.frombuffer(buffer, np.uint8, place["length"] * width, place["start"]).reshape(width, -1)
    return planes.T.copy().view(f"<{place['type'][0]}{width}").ravel()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A page about everything: the text, and what it was made from."""
    folder = tmp_path_factory.mktemp("page")
    paths = [
        *make_files(folder),
        make_run(folder / "run"),
        make_run(folder / "<u>run"),
        make_comparison(folder / "all"),
    ]
    found = report(paths, folder / "page.html")
    text = (folder / "page.html").read_text(encoding="utf-8")
    assert found["bytes"] == len(text.encode())
    return text, paths, found, folder


def test_every_part_has_a_section(made):
    _, _, found, _ = made
    names = ["cutoffs", "buckets", "classes", "huffman", "flat", "table", "costs", "bigrams"]
    assert found["sections"] == ["Words", *(f"words.{name}" for name in names), "Training", "all"]


def test_the_same_input_gives_the_same_bytes(made):
    text, paths, _, folder = made
    report(paths, folder / "again.html")
    assert (folder / "again.html").read_text(encoding="utf-8") == text


def test_nothing_is_asked_of_the_network(made):
    reader = Reader(made[0])
    policy = next(attrs["content"] for _, attrs in reader.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data: blob:"
    assert "unsafe" not in rules["script-src"] and "http" not in policy
    for tag, attrs in reader.tags:
        assert tag not in ("link", "iframe", "object", "embed", "img")
        assert "src" not in attrs and attrs.get("href", "#").startswith("#")
        assert not any(name.startswith("on") for name in attrs)
    styles = re.search(r"<style>(.*?)</style>", made[0], re.S)[1]
    assert "url(" not in styles and "@import" not in styles
    packed = {attrs.get("id"): script for (_, attrs), script in zip(scripts(reader), reader.scripts, strict=True)}
    own, plotly = reader.scripts[-1], gzip.decompress(base64.b64decode(packed["plotly"])).decode()
    for script in (own, plotly):
        assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in rules["script-src"]
    assert "http:" not in own and "https:" not in own


def scripts(reader):
    return [(tag, attrs) for tag, attrs in reader.tags if tag == "script"]


def test_hostile_words_stay_words(made):
    text, _, _, _ = made
    reader = Reader(text)
    assert len(reader.scripts) == 4 and not any("onerror" in attrs or "onload" in attrs for _, attrs in reader.tags)
    assert {tag for tag, _ in reader.tags} <= {
        *("html", "head", "meta", "title", "style", "body", "a", "header", "h1", "h2", "h3", "p", "noscript", "div"),
        *("nav", "ol", "li", "label", "input", "ul", "main", "section", "dl", "dt", "dd", "figure", "figcaption"),
        *("aside", "table", "caption", "thead", "tbody", "tr", "th", "td", "button", "fieldset", "legend"),
        *("footer", "script", "span", "bdi"),
    }
    assert "<img" not in text and "<svg" not in text and "\u202e" not in text
    assert escaped(HOSTILE[1]) == "\u2068&lt;b&gt;bold&lt;/b&gt;&amp;amp;&lt;!--\u2069"


def test_the_page_holds_words_and_addresses(made):
    reader = Reader(made[0])
    packed = {attrs.get("id"): script for (_, attrs), script in zip(scripts(reader), reader.scripts, strict=True)}
    page, arrays = json.loads(packed["page"]), gzip.decompress(base64.b64decode(packed["arrays"]))
    (place,) = page["vocabularies"]
    files = [package.load(path) for path in made[1][:9]]
    vocabulary = files[0]
    text, lengths = unpacked(arrays, place["words"]), unpacked(arrays, place["lengths"])
    assert sorted(words()) == sorted(vocabulary.words)
    assert text == "".join(vocabulary.words)
    assert lengths.tolist() == [len(word.encode("utf-16-le")) // 2 for word in vocabulary.words]
    assert unpacked(arrays, place["counts"]).tolist() == vocabulary.counts.tolist()
    charts = {chart["kind"]: chart for chart in reversed(page["charts"])}
    assert unpacked(arrays, charts["table"]["cell"]).tolist() == files[6].cell.tolist()
    assert unpacked(arrays, charts["classes"]["word_class"]).tolist() == files[3].word_class.tolist()


@settings(max_examples=50)
@given(trees())
def test_a_tree_comes_back_from_its_two_arrays(drawn):
    tree, codes, _ = drawn
    branching, children = map(list, breadth_first(tree))
    found, waiting = {}, [()]
    if not branching:
        return
    for count in branching:
        prefix = waiting.pop(0)
        for digit in range(count):
            child = children.pop(0)
            if child:
                found[child - 1] = (*prefix, digit)
            else:
                waiting.append((*prefix, digit))
    assert [found[rank] for rank in range(len(codes))] == codes and not children and not waiting


@settings(max_examples=50)
@given(st.lists(st.integers(-(2**31), 2**31 - 1)), st.lists(st.floats(allow_nan=False)))
def test_packed_arrays_come_back(whole, floats):
    packed = PackedArrays()
    places = [packed.add(np.array(whole, np.int64)), packed.add(np.array(floats, np.float64))]
    buffer = gzip.decompress(base64.b64decode(packed.base64()))
    assert [unpacked(buffer, place).tolist() for place in places] == [whole, floats]


def test_of_many_classes_those_of_greatest_mass_are_drawn():
    size = MOST_CLASSES + 10
    vocabulary = package.Vocabulary.from_counts([f"{n:05}" for n in range(size)], [5] * 4 + [1] * 4 + [0] * (size - 8))
    classes = package.Classes(vocabulary, (np.arange(size) + 7) % size)
    figure, drawn = classes_figure(classes, class_groups(classes))
    assert len(drawn) == len(figure["data"][0]["x"]) == MOST_CLASSES
    assert drawn[:8] == list(range(7, 15))
    assert all(y > 0 for y in figure["data"][0]["y"])


def test_the_zipf_figure_has_counts_law_and_bounds(made):
    parts = gather(made[1][:3])
    figure = zipf_figure(parts.words[0], parts.files[2:])
    counts, law, lines, bounds = figure["data"]
    vocabulary = parts.words[0].vocabulary
    assert counts["y"] == [vocabulary.counts[rank - 1] for rank in counts["x"]]
    assert "Zipf–Mandelbrot, q = " in law["name"]
    assert lines["x"] == [4, 4, None, 41, 41, None] and bounds["x"] == [4, 41]
    assert bounds["customdata"][0].startswith("<b>band 1</b> begins at rank 4: ")


def test_a_few_counted_words_are_points():
    for counts, mode in (([5, 0], "lines+markers"), ([9, 8, 7], "lines+markers"), ([5] * 50, "lines")):
        vocabulary = package.Vocabulary.from_counts([f"w{n:02}" for n in range(len(counts))], counts)
        assert zipf_figure(WordsPart(vocabulary, None), [])["data"][0]["mode"] == mode


def test_of_very_many_bands_some_are_drawn_and_it_is_said(tmp_path):
    size = 3000
    vocabulary = package.Vocabulary.from_counts([f"{n:05}" for n in range(size)], [2] * size)
    package.Cutoffs(vocabulary, range(1, size)).save(tmp_path / "many.safetensors")
    parts = gather([tmp_path / "many.safetensors"])
    figure = zipf_figure(parts.words[0], parts.files)
    lines, bounds = figure["data"][-2:]
    drawn = len(bounds["x"])
    assert 200 < drawn <= 400 and len(lines["x"]) == 3 * drawn and len(figure["layout"]["shapes"]) <= 201
    assert bounds["name"] == f"\u2068many\u2069 ({drawn} of 2,999 bounds)"
    assert (bounds["x"][0], bounds["x"][-1]) == (2, size)
    assert [int(re.search(r"band (\d+)", label)[1]) + 1 for label in bounds["customdata"]] == bounds["x"]
    found = report([tmp_path / "many.safetensors"], tmp_path / "page.html")
    few = tmp_path / "few.safetensors"
    package.Cutoffs(vocabulary, [9]).save(few)
    assert found["bytes"] - report([few], tmp_path / "few.html")["bytes"] < 250_000


def test_an_axis_over_little_has_numbers_enough_to_read_it_by():
    assert log_axis("", [260, 280])["ticktext"] == ["240", "250", "260", "270", "280", "290", "300", "310"]
    assert log_axis("", [50, 20_000])["ticktext"] == ["100", "300", "1,000", "3,000", "10 k"]


def test_files_over_other_words_get_their_own_plot(tmp_path):
    for name, letters in (("a", "xyz"), ("b", "uv")):
        package.Vocabulary.from_counts(letters, range(1, len(letters) + 1))
        package.save(
            package.Vocabulary.from_counts(letters, range(1, len(letters) + 1)), tmp_path / f"{name}.safetensors"
        )
    parts = gather([tmp_path / "a.safetensors", tmp_path / "b.safetensors", tmp_path / "a.safetensors"])
    assert [part.vocabulary.size for part in parts.words] == [3, 2]
    assert [part.name for part in parts.files] == ["a", "b", "a (2)"]
    assert parts.words[0].law is not None and "three counted words" in parts.words[1].note


def test_a_frontier_holds_the_chosen_point_or_says_why_there_is_none(made):
    cutoffs, buckets = gather(made[1][1:3]).files
    chosen = cutoffs.frontier.chosen
    assert chosen.seconds == cutoffs.content.parameters["objective"]
    assert min(point.seconds for point in cutoffs.frontier.points) <= chosen.seconds * (1 + 1e-9)
    assert buckets.frontier is None and "only cutoffs made by adaptive_cutoffs" in buckets.note


OBJECTIVES = ["x", [1], None, 1e308, -5.0, 10**400]


@pytest.mark.parametrize(
    "damage", [*({"objective": value} for value in OBJECTIVES), {"dim": None}, {"profile": {}}], ids=range(8)
)
def test_of_damaged_parameters_no_frontier_is_drawn(made, tmp_path, damage):
    cutoffs = package.load(made[1][1])
    damaged = package.Cutoffs(cutoffs.vocabulary, cutoffs.cutoffs, cutoffs.parameters | damage)
    damaged.save(tmp_path / "a.safetensors")
    (part,) = gather([tmp_path / "a.safetensors"]).files
    told = "the parameters of these cutoffs are not complete, or damaged: "
    assert part.frontier is None and part.note.startswith(f"No frontier: {told}")
    with pytest.raises(InputError, match=told):
        plot(damaged, "frontier", tmp_path / "a.png")


@pytest.mark.long
def test_a_table_and_a_tree_of_300_000_words_fit_into_8_megabytes(tmp_path):
    size = 300_000
    rng = np.random.default_rng(0)
    letters = rng.integers(97, 123, (size, 7)).astype(np.uint8)
    names = [bytes(row[: 3 + place % 5]).decode() + f"{place:x}" for place, row in enumerate(letters)]
    counts = (2e7 / (np.arange(size) + 3.7) ** 1.05).astype(np.int64)
    vocabulary = package.Vocabulary.from_counts(names, counts)
    package.random_tree(vocabulary, seed=0).save(tmp_path / "tree.safetensors")  # the least that can be compressed
    cell = rng.permutation(548 * 548)[:size]
    package.Table(vocabulary, cell, shape=(548, 548)).save(tmp_path / "table.safetensors")
    found = report([tmp_path / "tree.safetensors", tmp_path / "table.safetensors"], tmp_path / "page.html")
    assert found["bytes"] == (tmp_path / "page.html").stat().st_size < 8_000_000
