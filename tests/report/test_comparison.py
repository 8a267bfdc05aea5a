"""The two pictures as files and as figures: what they show, where, and that nothing else is touched."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from tests.report.methods import HOSTILE, METHODS, measured, named
from wordalloc.errors import InputError, OutputError
from wordalloc.report import perplexity_over_parameters, perplexity_over_time
from wordalloc.report._plain import plain
from wordalloc.report._style import looks
from wordalloc.report.parameters_figure import parameters_figure
from wordalloc.report.time_figure import time_figure

CURVES, POINTS = measured()
DRAWN = [(perplexity_over_time, CURVES), (perplexity_over_parameters, POINTS)]
FIGURES = [(time_figure, CURVES), (parameters_figure, POINTS)]
both = pytest.mark.parametrize(("draw", "data"), DRAWN, ids=["time", "parameters"])
both_figures = pytest.mark.parametrize(("build", "data"), FIGURES, ids=["time", "parameters"])
TITLE = "Softmaxes <on> a & b, $x_1$"


def label_boxes(figure: Figure, names: list[str]) -> np.ndarray:
    """Return where the names stand, in pixels at the resolution of the file, (n, 4)."""
    figure.set_dpi(200)
    texts = {text.get_label(): text for text in figure.texts}
    return np.array([texts[name].get_window_extent().extents for name in names])


def line_of(figure: Figure, name: str) -> np.ndarray:
    (line,) = [line for line in figure.axes[0].lines if line.get_label() == name]
    return np.array(line.get_xydata())


def texts_of(file: Path) -> list[str]:
    root = ElementTree.parse(file).getroot()
    assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


# --- files


@both
def test_a_png_shows_every_method_in_its_colour(draw, data, tmp_path):
    file = tmp_path / "a.PNG"
    draw(file, data, title=TITLE)
    assert [path.name for path in tmp_path.iterdir()] == ["a.PNG"]
    with Image.open(file) as picture:
        assert (picture.format, picture.size) == ("PNG", (1600, 1000))
        assert "Software" not in picture.info
        pixels = np.asarray(picture.convert("RGB"))
    white = (pixels == 255).all(axis=2).mean()
    assert 0.7 < white < 0.98
    for name, look in looks(data).items():
        colour = np.round(255 * np.array(to_rgb(look.colour)))
        assert (np.abs(pixels - colour) <= 1).all(axis=2).sum() > 50, name


@both
def test_an_svg_holds_every_name_as_text(draw, data, tmp_path):
    file = tmp_path / "a.svg"
    draw(str(file), data, title=TITLE)
    texts = texts_of(file)
    assert {*METHODS, TITLE, "Perplexity"} <= set(texts)
    assert matplotlib.__version__ not in file.read_text(encoding="utf-8")


@both
def test_hostile_names_are_only_text(draw, data, tmp_path):
    hostile = named(HOSTILE)[data is POINTS]
    draw(tmp_path / "a.svg", hostile, title=HOSTILE[0])
    texts = {text.strip() for text in texts_of(tmp_path / "a.svg")}
    assert {HOSTILE[0], *(plain(name, 32).strip() for name in HOSTILE)} - {""} <= texts
    assert {r"\x00\x1b[31m\r\n\u202e", "\\ud800 %s {0} \\", "_x_^2 $y$"} <= texts
    draw(tmp_path / "a.png", {name: hostile[name] for name in HOSTILE[2:4]}, title=HOSTILE[2])  # TeX, if it were read
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (1600, 1000)


@both
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_same_data_give_the_same_bytes_whatever_the_users_style(draw, data, suffix, tmp_path):
    first, second = tmp_path / f"1.{suffix}", tmp_path / f"2.{suffix}"
    draw(first, data, title=TITLE)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 50, "svg.fonttype": "path"}):
        before = dict(matplotlib.rcParams)
        draw(second, data, title=TITLE)
        assert dict(matplotlib.rcParams) == before
    assert first.read_bytes() == second.read_bytes()


def test_another_process_writes_the_same_bytes_and_loads_no_pyplot(tmp_path):
    code = """if True:
        import hashlib, pathlib, sys
        from tests.report.methods import measured
        from wordalloc.report import perplexity_over_parameters, perplexity_over_time
        for draw, data in zip((perplexity_over_time, perplexity_over_parameters), measured()):
            draw(sys.argv[1], data, title="t")
            print(hashlib.sha256(pathlib.Path(sys.argv[1]).read_bytes()).hexdigest())
        print("matplotlib.pyplot" in sys.modules)"""
    expected = []
    for draw, data in DRAWN:
        draw(tmp_path / "here.svg", data, title="t")
        expected.append(hashlib.sha256((tmp_path / "here.svg").read_bytes()).hexdigest())
    assert python(code, str(tmp_path / "there.svg"), PYTHONHASHSEED="1") == [*expected, "False"]


def test_without_matplotlib_the_error_says_what_to_install():
    code = """if True:
        import sys
        sys.modules["matplotlib"] = None
        from wordalloc.errors import InputError
        try:
            from wordalloc.report import perplexity_over_time
        except InputError as error:
            print(error)"""
    assert python(code) == ["pictures need matplotlib: pip install 'wordalloc[report]'"]


def python(code: str, *arguments: str, **environment: str) -> list[str]:
    """Run `code` in a process of its own; return the lines it prints."""
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(root), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.splitlines()


# --- what is drawn, and where


def test_curves_stand_at_their_data():
    figure = time_figure({"a": [([3, 30, 300], [500, 200, 100.5])], "b": [([5.0], [120])]}, "t")
    np.testing.assert_allclose(line_of(figure, "a"), [(3, 500), (30, 200), (300, 100.5)])
    np.testing.assert_allclose(line_of(figure, "b"), [(5, 120)])
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    figure.canvas.draw()
    written = [label.get_text() for label in axes.get_yticklabels()]
    assert written == ["100", "150", "200", "300", "400", "500"]


def test_the_band_reaches_from_the_least_to_the_greatest_seed():
    figure = time_figure({"a": [([1, 4], [400, 100]), ([1, 4], [300, 200]), ([1, 4], [350, 150])]}, "t")
    np.testing.assert_allclose(line_of(figure, "a"), [(1, 350), (4, 150)])
    (band,) = figure.axes[0].collections
    corners = np.unique(band.get_paths()[0].vertices.round(6), axis=0)
    assert corners.tolist() == [[1, 300], [1, 400], [4, 100], [4, 200]]
    assert not time_figure({"a": [([1, 4], [400, 100])]}, "t").axes[0].collections


def test_points_bars_and_front_stand_at_their_data():
    data = {"a": (100, [9.0, 7, 8]), "b": (300, [6]), "c": (200, [20]), "d": (300, [4, 5])}
    figure = parameters_figure(data, "t")
    assert [line_of(figure, name).tolist() for name in data] == [[[100, 8]], [[300, 6]], [[200, 20]], [[300, 4.5]]]
    front, *others = figure.axes[0].lines
    assert front.get_xydata().tolist() == [[100, 8], [300, 4.5]]
    assert front.get_drawstyle() == "steps-post"
    bars = {tuple(line.get_xdata()): sorted(line.get_ydata()) for line in others if line.get_marker() == "_"}
    assert bars[100, 100] == [7, 9]
    assert bars[300, 300] == [4, 5]


def test_ticks_of_parameters_are_short():
    figure = parameters_figure(POINTS, "t")
    figure.canvas.draw()
    written = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert written == ["200 k", "500 k", "1 M", "2 M", "5 M", "10 M", "20 M"]


def test_what_was_left_out_is_written_below():
    figure = time_figure({"a": [([1], [2])], "b_$": [([1], [float("inf")])]}, "t")
    assert "left out, perplexity not finite: b_$" in [text.get_text() for text in figure.texts]
    assert [text.get_label() for text in figure.texts if text.get_label()] == ["a"]


@pytest.mark.parametrize("names", [list(METHODS), [f"{'Wide' * 9} {i}" for i in range(30)], ["a"]], ids=len)
@pytest.mark.parametrize("which", [0, 1], ids=["time", "parameters"])
def test_names_neither_overlap_nor_leave_the_picture(which, names):
    build, data = FIGURES[which]
    data = data if names == list(METHODS) else named(names)[which]
    figure = build(data, "t")
    boxes = label_boxes(figure, names)
    assert boxes.min() >= 0
    assert np.all(boxes[:, 2:] <= figure.bbox.max)
    markers = figure.axes[0].transData.transform([line_of(figure, name)[-1] for name in names])
    for a, b in itertools.combinations(boxes, 2):
        assert (np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).min() <= 0
    for box, marker in itertools.product(boxes, markers):
        assert np.hypot(*(np.clip(marker, box[:2], box[2:]) - marker)) > 5


def test_the_column_of_names_has_the_order_of_the_ends():
    heights = dict(zip(METHODS, label_boxes(time_figure(CURVES, "t"), list(METHODS))[:, 1], strict=True))
    figure = time_figure(CURVES, "t")
    ends = {name: line_of(figure, name)[-1, 1] for name in METHODS}
    assert sorted(METHODS, key=heights.__getitem__) == sorted(METHODS, key=ends.__getitem__)


# --- telling methods apart


def test_methods_are_told_apart_with_and_without_colour():
    styles = list(looks(["full", *map(str, range(29))]).values())
    assert len({(s.colour, s.dashes) for s in styles}) == 30
    assert len({(s.marker, s.filled) for s in styles[:16]}) == 16
    assert len({(s.dashes, s.marker, s.filled) for s in styles[:16]}) == 16
    assert styles[0].width > max(s.width for s in styles[1:])


def test_a_look_depends_on_the_place_in_the_list_only():
    with_full, without = looks(["a", "full", "b"]), looks(["a", "b"])
    assert (with_full["a"], with_full["b"]) == (without["a"], without["b"])


def test_names_are_dark_enough_to_read():
    for look in looks(map(str, range(29))).values():
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in look.ink]
        luminance = np.dot([0.2126, 0.7152, 0.0722], linear)
        assert 1.05 / (luminance + 0.05) >= 4.5  # WCAG 2.1, 1.4.3


# --- bad input


@both
def test_bad_input_leaves_no_file(draw, data, tmp_path):
    old = tmp_path / "old.svg"
    old.write_text("old")
    for name in ("a.jpg", "a", "svg"):
        with pytest.raises(InputError, match=f"a picture's name must end in .png, .svg or .pdf, not '{name}'"):
            draw(tmp_path / name, data, title="t")
    with pytest.raises(InputError, match="there is nothing to draw"):
        draw(old, {}, title="t")
    with pytest.raises(InputError, match="a picture tells at most 30 methods apart, not 31"):
        draw(old, dict.fromkeys(map(str, range(31)), next(iter(data.values()))), title="t")
    with pytest.raises(OutputError, match="no such file"):
        draw(tmp_path / "missing" / "a.svg", data, title="t")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("old.svg", "old")]
