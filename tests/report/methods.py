"""Made-up measurements of softmaxes, as a comparison gives them."""

from __future__ import annotations

import numpy as np

METHODS = {  # parameters of the input and output layers, last perplexity, seconds
    "full": (15_600_000, 109, 600),
    "adaptive": (8_700_000, 107, 260),
    "adaptive_copied": (8_900_000, 108, 280),
    "classes": (15_700_000, 94, 200),
    "classes:my_file": (15_700_000, 95.5, 210),
    "tree": (15_700_000, 91, 310),
    "huffman": (15_700_000, 97, 250),
    "nce": (15_700_000, 115, 180),
    "blackout": (15_700_000, 112, 220),
    "sampled": (15_700_000, 113, 170),
    "lightrnn": (200_000, 100, 420),
    "table": (250_000, 101, 150),
}
HOSTILE = [
    "</text><script>alert(1)</script>",
    "a&b\"'<c>",
    "$\\frac{1}{$",
    "_x_^2 $y$",
    "]]>-->",
    "\x00\x1b[31m\r\n\u202e",
    "\ud800 %s {0} \\",
    "文件",
    "long " * 100,
    " ",
    "",
]

Curves = dict[str, list[tuple[np.ndarray, np.ndarray]]]
Points = dict[str, tuple[int, list[float]]]


def measured(n_seeds: int = 3) -> tuple[Curves, Points]:
    """Return curves that fall from 600, and their ends over the parameters."""
    rng = np.random.default_rng(0)
    curves: Curves = {}
    points: Points = {}
    for name, (parameters, last, seconds) in METHODS.items():
        curves[name] = []
        for end in last * (1 + 0.01 * rng.normal(size=n_seeds)):
            times = seconds * (1 + 0.03 * rng.normal()) * np.arange(1, 11) / 10
            curves[name].append((times, end * (600 / end) ** ((1 - np.arange(10) / 9) ** 2.5)))
        points[name] = parameters, [float(perplexities[-1]) for _, perplexities in curves[name]]
    return curves, points


def named(names: list[str]) -> tuple[Curves, Points]:
    """Return curves and points under other names: all of them near each other."""
    curves, points = measured(1)
    return (
        {name: [(s * (1 + i / 99), p) for s, p in curves["tree"]] for i, name in enumerate(names)},
        {name: (points["tree"][0] + 1000 * i, points["tree"][1]) for i, name in enumerate(names)},
    )
