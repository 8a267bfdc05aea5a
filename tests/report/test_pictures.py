"""The pictures for papers: what stands where, by hand; the same bytes each time; nothing that a word could break."""

from __future__ import annotations

import itertools
import re
import zlib
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import Image

from tests.report.methods import HOSTILE
from wordalloc.algorithms.huffman import huffman
from wordalloc.allocations import Bigrams, Classes, Cutoffs, Table, Tree
from wordalloc.errors import InputError, OutputError
from wordalloc.report import (
    classes_picture,
    frontier_picture,
    table_picture,
    training_picture,
    tree_picture,
    zipf_picture,
)
from wordalloc.report._paper import ISOLATES, paper, paper_style, short_words
from wordalloc.report._plain import plain
from wordalloc.report.classes_figure import classes_figure
from wordalloc.report.content import cell_masses
from wordalloc.report.frontier_figure import frontier_figure
from wordalloc.report.pictures import upper_levels
from wordalloc.report.table_figure import table_figure
from wordalloc.report.training_figure import training_figure
from wordalloc.report.tree_content import code_length_shares, entropy
from wordalloc.report.tree_figure import CodeLengths, tree_figure
from wordalloc.report.zipf_figure import Bands, zipf_figure
from wordalloc.vocabulary import Vocabulary

WIDTH = 72 * 3.3
FEW = Vocabulary.from_counts("abcd", [8, 4, 2, 2])  # shares 1/2, 1/4, 1/8, 1/8: codes of 1, 2, 3 and 3 bits
MANY = Vocabulary.from_counts([f"w{i}" for i in range(60)], [600 // (i + 1) for i in range(60)])
DRAWN = {
    "zipf": lambda path, **size: zipf_picture(path, Cutoffs(MANY, [5, 20]), ("law", MANY.counts / MANY.total), **size),
    "bigrams": lambda path, **size: zipf_picture(path, Bigrams(MANY, [0, 0, 1], [1, 2, 0], [5, 1, 9]), **size),
    "frontier": lambda path, **size: frontier_picture(path, [10, 20, 40], [3, 2, 1], {"chosen: 3": (20, 2)}, **size),
    "classes": lambda path, **size: classes_picture(path, Classes(MANY, np.arange(60) % 7), **size),
    "tree": lambda path, **size: tree_picture(path, huffman(MANY), **size),
    "table": lambda path, **size: table_picture(path, Table(MANY, np.arange(60), (8, 8)), **size),
    "training": lambda path, **size: training_picture(
        path, {"training": ([10, 20], [5, 4]), "validation": ([20], [4.5])}, [(15, "table 1")], **size
    ),
}


def texts_of(file: Path) -> list[str]:
    root = ElementTree.parse(file).getroot()
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


def labelled(axes, name: str) -> list[np.ndarray]:
    return [np.array(line.get_xydata()) for line in axes.lines if line.get_label() == name]


def written_in(figure) -> set[str]:
    return {text.get_text() for text in figure.texts}


# --- files


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
@pytest.mark.parametrize("what", DRAWN)
def test_every_picture_in_every_format(what, suffix, tmp_path):
    file = tmp_path / f"a.{suffix}"
    DRAWN[what](file)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    data = file.read_bytes()
    if suffix == "png":
        with Image.open(file) as picture:
            assert (picture.format, picture.width) == ("PNG", 990)
            assert "Software" not in picture.info
    elif suffix == "svg":
        assert float(ElementTree.parse(file).getroot().get("width").removesuffix("pt")) == pytest.approx(WIDTH)
        assert len(data) < 120_000
    else:
        assert re.search(rb"/MediaBox \[ 0 0 237\.6 ", data)
        assert b"/Type /Font" in data and b"/Type3" not in data and b"/FontFile2" in data  # letters, embedded
    assert matplotlib.__version__.encode() not in data + unpacked(data)
    assert b"Date" not in data


def unpacked(data: bytes) -> bytes:
    """The streams of a PDF."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, flags=re.S)
    return b"".join(zlib.decompress(stream) for stream in streams if stream[:1] == b"x")


@pytest.mark.parametrize(("what", "suffix"), [("zipf", "pdf"), ("table", "svg"), ("tree", "png"), ("classes", "svg")])
def test_the_same_content_gives_the_same_bytes_whatever_the_users_style(what, suffix, tmp_path):
    first, second = tmp_path / f"1.{suffix}", tmp_path / f"2.{suffix}"
    DRAWN[what](first)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 50, "pdf.fonttype": 3}):
        before = dict(matplotlib.rcParams)
        DRAWN[what](second)
        assert dict(matplotlib.rcParams) == before
    assert first.read_bytes() == second.read_bytes()


def test_what_cannot_be_drawn_or_written_leaves_the_file_alone(tmp_path):
    old = tmp_path / "old.svg"
    old.write_text("old")
    nobody = Vocabulary.from_counts("ab", [0, 0])
    for draw, empty in (
        (zipf_picture, nobody),
        (classes_picture, Classes(nobody, [0, 1])),
        (tree_picture, Tree(nobody, [0, 1, 2], [0, 0], [0, 1])),
        (table_picture, Table(nobody, [0, 1], (1, 2))),
    ):
        with pytest.raises(InputError, match="no word was ever counted"):
            draw(old, empty)
    with pytest.raises(InputError, match=r"a table of 1,099,511,627,776 cells is too large for a heat map"):
        table_picture(old, Table(FEW, range(4), (2**20, 2**20)))
    with pytest.raises(InputError, match="one word has no code"):
        tree_picture(old, huffman(Vocabulary.from_counts("a", [1])))
    with pytest.raises(InputError, match="no figures yet"):
        training_picture(old, {"training": ([1], [float("nan")])})
    with pytest.raises(InputError, match=r"must end in .png, .svg or .pdf, not 'a.jpg'"):
        DRAWN["classes"](tmp_path / "a.jpg")
    for width in (2.9, 20.1, float("nan")):
        with pytest.raises(InputError, match="the width of a picture must be 3 to 20 inches"):
            DRAWN["classes"](old, width=width)
    with pytest.raises(OutputError, match="no such file"):
        DRAWN["classes"](tmp_path / "missing" / "a.svg")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("old.svg", "old")]


HOSTILE_WORDS = [word.encode("utf-8", "replace").decode().replace(" ", "_") for word in HOSTILE if word.strip()]


@pytest.mark.parametrize("what", ["classes", "tree"])
def test_hostile_words_are_only_text(what, tmp_path):
    words = Vocabulary.from_counts(HOSTILE_WORDS, [2**i for i in range(len(HOSTILE_WORDS))])
    if what == "classes":
        classes_picture(tmp_path / "a.svg", Classes(words, np.arange(words.size)), width=12)
    else:
        tree_picture(tmp_path / "a.svg", huffman(words), width=12)
    texts = " ".join(texts_of(tmp_path / "a.svg"))
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
    shown = [word for word in words.words if plain(word, 14) in texts]
    assert len(shown) >= 5
    assert {"$\\frac{1}{$"} <= set(shown)
    assert texts.isprintable()


@pytest.mark.skipif(not ISOLATES, reason="matplotlib before 3.11 writes no letters from right to left")
def test_words_from_right_to_left_change_no_order(tmp_path):
    words = Vocabulary.from_counts(["שלום", "the", "عالم", "12"], [8, 4, 2, 1])
    classes_picture(tmp_path / "a.svg", Classes(words, [0, 0, 0, 1]))
    assert "\u2068שלום\u2069 the \u2068عالم\u2069" in texts_of(tmp_path / "a.svg")

    def drawn(text: str) -> bytes:
        with paper_style():
            figure = paper(100, 20)
            figure.text(0, 0.5, text)
            figure.savefig(tmp_path / "a.png")
        return (tmp_path / "a.png").read_bytes()

    assert drawn(short_words(["שלום", "אב"])) == drawn("אב שלום") != drawn("שלום אב")  # Hebrew begins on the right


# --- what is drawn, and where


def test_zipf_points_law_and_bands_stand_at_their_ranks():
    bands = Cutoffs(FEW, [1, 2])
    with paper_style():
        figure = zipf_figure(
            {"words": ([1, 2, 3, 4], FEW.counts)},
            ("a law", ([1, 4], [8.0, 2.0])),
            Bands(bands.bounds, bands.masses),
            WIDTH,
        )
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert labelled(axes, "words")[0].tolist() == [[1, 8], [2, 4], [3, 2], [4, 2]]
    assert labelled(axes, "law")[0].tolist() == [[1, 8], [4, 2]]
    assert [line[0, 0] for line in labelled(axes, "cutoff")] == [1.5, 2.5]  # between the last of one and the next
    places = {text.get_text(): text.get_position() for text in figure.texts}
    assert written_in(figure) == {"words", "tokens", "1", "2", "50 %", "25 %"}
    of_bands = [(text.get_position()[0], text.get_text()) for text in figure.texts if "%" in text.get_text()]
    assert [text for _, text in sorted(of_bands)] == ["50 %", "25 %", "25 %"]
    assert places["words"][1] > places["tokens"][1] > axes.bbox.y1
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["words", "a law"]


def test_of_many_bands_only_some_have_figures_and_no_two_overlap():
    bands = Cutoffs(MANY, range(1, 60))
    with paper_style():
        figure = zipf_figure({"words": (range(1, 61), MANY.counts)}, None, Bands(bands.bounds, bands.masses), WIDTH)
        shares = sorted(text.get_window_extent().extents.tolist() for text in figure.texts if "%" in text.get_text())
    assert 4 <= len(shares) < 60
    assert all(one[2] < other[0] for one, other in itertools.pairwise(shares))
    assert shares[0][0] > 0 and shares[-1][2] < WIDTH


def test_of_very_many_bands_some_are_drawn_and_it_is_said():
    many = Vocabulary.from_counts([f"{i:05}" for i in range(5000)], [1] * 5000)
    bands = Cutoffs(many, range(1, 5000))
    with paper_style():
        figure = zipf_figure({"words": ([1, 5000], [1, 1])}, None, Bands(bands.bounds, bands.masses), WIDTH)
    (axes,) = figure.axes
    drawn = len(labelled(axes, "cutoff"))
    assert 50 < drawn < 100  # no nearer than 2 points to each other
    assert axes.get_xlabel() == f"Rank (lines: {drawn} of 4,999 cutoffs)"


def test_classes_stand_at_size_and_mass_with_their_words():
    classes = Classes(FEW, [0, 1, 1, 1])
    with paper_style():
        figure = classes_figure(classes.sizes, classes.masses, [["a"], ["b", "c", "d"]], WIDTH)
    (axes,) = figure.axes
    assert axes.lines[0].get_xydata().tolist() == [[1, 0.5], [3, 0.5]]
    assert written_in(figure) == {"a", "b c d"}
    for text, place in (("a", (1, 0.5)), ("b c d", (3, 0.5))):
        (found,) = [artist for artist in figure.texts if artist.get_text() == text]
        assert np.abs(np.subtract(found.get_position(), axes.transData.transform(place))).max() < 25


def test_classes_without_tokens_are_left_out_and_it_is_said():
    with paper_style():
        figure = classes_figure([1, 2, 3], [0.4, 0.0, 0.6], [["a"], ["b"], ["c"]], WIDTH)
    assert figure.axes[0].lines[0].get_xydata().tolist() == [[3, 0.6], [1, 0.4]]
    assert written_in(figure) == {"a", "c", "left out: 1 classes without occurrences"}


def test_names_of_crowded_classes_touch_neither_each_other_nor_a_point():
    rng = np.random.default_rng(0)
    sizes, masses = rng.integers(1, 400, 150), rng.dirichlet(np.ones(150))
    with paper_style():
        figure = classes_figure(sizes, masses, [[f"word{i}", "more"] for i in range(150)], WIDTH)
        (axes,) = figure.axes
        boxes = np.array([text.get_window_extent().extents for text in figure.texts])
        dots = axes.transData.transform(axes.lines[0].get_xydata())
    assert 10 < len(boxes) < 150
    apart = (boxes[:, None, :2] >= boxes[None, :, 2:]) | (boxes[:, None, 2:] <= boxes[None, :, :2])
    assert (apart.any(axis=2) | np.eye(len(boxes), dtype=bool)).all()
    inside = (dots[:, None] > boxes[:, :2]) & (dots[:, None] < boxes[:, 2:])
    assert not inside.all(axis=2).any()


def test_a_tree_shows_its_code_lengths_and_nodes_by_mass():
    tree = huffman(FEW)
    lengths = CodeLengths(*code_length_shares(tree), tree.mean_code_length, entropy(FEW), "bits")
    with paper_style():
        figure = tree_figure(lengths, upper_levels(tree), WIDTH)
    above, below = figure.axes
    assert [bar.get_height() for bar in above.containers[0]] == [0, 0.5, 0.25, 0.25]
    assert [text.get_text() for text in above.get_legend().get_texts()][2:] == ["entropy 1.75", "mean 1.75"]
    assert labelled(above, "entropy 1.75")[0][0, 0] == 1.75
    corners = [path.vertices for part in below.collections for path in part.get_paths()]
    boxes = sorted((box[:, 0].mean().round(), box[:, 1].max() - box[:, 1].min()) for box in (c[:4] for c in corners))
    np.testing.assert_allclose(boxes, [(1, 0.5), (1, 0.5), (2, 0.25), (2, 0.25), (3, 0.125), (3, 0.125)])
    words = [text.get_text() for text in sorted(figure.texts, key=lambda text: -text.get_position()[1])]
    by_code = [word for _, word in sorted(zip(tree.codes, "abcd", strict=True))]  # from the top down
    assert words == by_code


def test_a_wide_tree_is_cut_where_its_nodes_are_too_many():
    vocabulary = Vocabulary.from_counts([f"w{i}" for i in range(4096)], [1] * 4096)
    levels = upper_levels(huffman(vocabulary))
    assert levels.depth.max() == 4  # 16 nodes, and 32 would be more than 24
    ends = levels.depth == 4
    assert all(len(own) == 12 for own, end in zip(levels.words, ends, strict=True) if end)
    assert sorted(levels.masses[ends]) == [1 / 16] * 16
    flat = upper_levels(huffman(vocabulary, 4096))
    assert flat.depth.max() == 1 and flat.leaf.sum() == 4096


def test_a_table_shows_each_cell_and_the_sums_beside_it():
    table = Table(FEW, [0, 4, 5, 1], shape=(2, 3))  # a d . / . b c
    cells = cell_masses(table)
    with paper_style():
        figure = table_figure(cells, WIDTH)
    heat, columns, rows, _ = figure.axes
    (image,) = heat.images
    np.testing.assert_array_equal(image.get_array().filled(np.nan), [[0.5, 0.125, np.nan], [np.nan, 0.25, 0.125]])
    assert image.origin == "upper"
    assert [patch.get_data().values.tolist() for patch in (*columns.patches, *rows.patches)] == [
        [0.5, 0.375, 0.125],
        [0.625, 0.375],
    ]
    assert rows.get_ylim() == heat.get_ylim() and columns.get_xlim() == heat.get_xlim()


def test_a_word_that_was_never_counted_is_no_empty_cell():
    vocabulary = Vocabulary.from_counts("abc", [5, 1, 0])
    with paper_style():
        figure = table_figure(cell_masses(Table(vocabulary, [0, 1, 2], (2, 2))), WIDTH)
    shown = figure.axes[0].images[0].get_array().filled(np.nan)
    assert shown[1, 0] == shown[0, 1] == pytest.approx(1 / 6)
    assert np.isnan(shown[1, 1])


def test_the_scale_of_colours_ends_at_all_tokens():
    for cells, ends in (([[1.0]], (0.1, 1)), ([[0.7, 0.3]], (0.1, 1)), ([[0.001, 0.002]], (0.0004472, 0.004472))):
        with paper_style():
            scale = table_figure(cells, WIDTH).axes[3]
        assert scale.get_xlim() == pytest.approx(ends, rel=1e-3)
        ticks = scale.xaxis.get_majorticklocs()
        assert ends[0] <= ticks[0] < ticks[-1] <= ends[1]


def test_the_frontier_and_its_named_points_stand_at_their_parameters():
    with paper_style():
        figure = frontier_figure(
            [10, 20, 40], [0.003, 0.002, 0.001], {"chosen": (20, 0.002), "knee": (10, 0.003)}, WIDTH
        )
    (axes,) = figure.axes
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[10, 3], [20, 2], [40, 1]])  # milliseconds
    np.testing.assert_allclose(labelled(axes, "chosen")[0], [[20, 2]])
    for name, place in (("chosen", (20, 2)), ("knee", (10, 3))):
        (text,) = [text for text in figure.texts if text.get_text() == name]
        assert np.abs(np.subtract(text.get_position(), axes.transData.transform(place))).max() < 30


def test_training_shows_perplexity_and_on_the_right_its_logarithm():
    curves = {"training": ([10, 20, 30], [3.0, 2.0, np.inf]), "validation": ([], []), "part": ([30], [1.0])}
    with paper_style():
        figure = training_figure(curves, [(15, "table 1"), (15, "table 2")], WIDTH)
    axes, scale = figure.axes
    np.testing.assert_allclose(labelled(axes, "training")[0], [[10, np.exp(3)], [20, np.exp(2)]])
    assert not labelled(axes, "validation")
    np.testing.assert_allclose(labelled(axes, "part")[0], [[30, np.e]])
    np.testing.assert_allclose(np.exp(scale.get_ylim()), axes.get_ylim())
    assert [text.get_text() for text in axes.texts] == ["table 1"]  # the other one would stand in the same place
