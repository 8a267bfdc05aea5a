"""Files, runs and a comparison for the tests of pages: few words, among them hostile ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import wordalloc as package
from wordalloc.allocations import Costs

HOSTILE = (
    "</script><img src=x onerror=document.title='owned'>",
    "<b>bold</b>&amp;<!--",
    "שלום",  # from right to left, like the next one
    "עולם",
    "'\"><svg onload=document.title='owned'>",
    "$\\alpha$",
    "%{customdata}",
    "\u202egnp.exe",
    "\ufeffmark",
    "two\nlines",
    "🎲🎲",
    "</style>",
    "constructor",
    "__proto__",
    "#1c2127",  # a colour of the page
    "می\u200cخواهم",
    "👨\u200d👩\u200d👧",
    "\u200djoins\u200c\u200dnothing\u200d",
    "tab\tbell\x07nbsp\xa0tag\U000e0041",
)
N_WORDS = 160


def words() -> list[str]:
    return ["the", "of", *HOSTILE, *(f"w{number:03}" for number in range(N_WORDS - 2 - len(HOSTILE)))]


def make_files(folder: Path) -> list[Path]:
    """Write a file of each kind, over one vocabulary."""
    size = N_WORDS
    counts = 20_000 // (np.arange(size) + 2) - 100
    vocabulary = package.Vocabulary.from_counts(words(), np.maximum(counts, 0))
    flat = package.Tree.from_nodes(  # more children than a view shows, and below the last of them two words
        vocabulary,
        [-1, 0],
        [0, size - 2],
        [*[0] * (size - 2), 1, 1],
        [*range(size - 2), 0, 1],
        arity=size,
    )
    side = 14
    cell = np.random.default_rng(0).permutation(side * side)[:size]
    nll = np.ones((size, side), np.float32)
    made = {
        "words.vocabulary": vocabulary,
        "words.cutoffs": package.adaptive_cutoffs(vocabulary, 2, dim=16, batch=64, min_tail_share=0, min_head_mass=0),
        "words.buckets": package.Cutoffs(vocabulary, [3, 40]),
        "words.classes": package.Classes(vocabulary, np.arange(size) % 7),
        "words.huffman": package.huffman(vocabulary),
        "words.flat": flat,
        "words.table": package.Table(vocabulary, cell, shape=(side, side)),
        "words.costs": Costs(vocabulary, nll, nll, cell),
        "words.bigrams": package.Bigrams(vocabulary, [0, 1, 2], [1, 2, 0], [7, 5, 3]),
    }
    for name, content in made.items():
        package.save(content, folder / f"{name}.safetensors")
    return [folder / f"{name}.safetensors" for name in made]


def make_odd_files(folder: Path) -> list[Path]:
    """Write what has almost nothing to show: one word, words never counted, a table of one row, one far too large."""
    one = package.Vocabulary.from_counts(["only"], [0])
    never = package.Vocabulary.from_counts([f"z{number}" for number in range(30)], [0] * 30)
    made = {
        "one.huffman": package.huffman(one),
        "one.table": package.Table(one, [0], (1, 1)),
        "one.classes": package.Classes(one, [0]),
        "one.buckets": package.Cutoffs(one, []),
        "never.huffman": package.huffman(never),
        "never.table": package.Table(never, np.arange(30), (1, 40)),
        "never.huge": package.Table(never, np.arange(30), (2**20, 2**20)),
        "never.classes": package.Classes(never, np.arange(30) % 4),
        "never.buckets": package.Cutoffs(never, [1, 3]),
        "never.bigrams": package.Bigrams(never, [], [], []),
    }
    for name, content in made.items():
        package.save(content, folder / f"{name}.safetensors")
    return [folder / f"{name}.safetensors" for name in made]


def make_run(folder: Path, slower: float = 1.0) -> Path:
    """Write what a run leaves of its figures: ten reports, two passes."""
    folder.mkdir()
    metrics, timings = [], []
    for step in range(1, 11):
        at = {"step": step, "tokens": 100 * step}
        metrics.append({**at, "nll": 5 / step})
        metrics.append({**at, "part_nll": 1.0, "part_perplexity": 200 / step})
        timings.append({"step": step, "seconds_so_far": slower * step / 10})
        if step % 5 == 0:
            metrics.append({**at, "epoch": step // 5, "train_nll": 2.0, "valid_perplexity": 190 / step})
    for name, entries in (("metrics", metrics), ("timings", timings)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    (folder / "config.json").write_text("{}")
    return folder


def make_comparison(folder: Path) -> Path:
    """Write the table of a comparison of three methods: name, perplexity, tokens a second."""
    folder.mkdir()
    rows = [("full", 100.0, 1000.0), ("adaptive", 110.5, 3000.0), ("<i>table</i>", 95.25, 2000.0)]
    methods = [
        {
            "method": name,
            "perplexity": perplexity,
            "perplexity_least": perplexity,
            "perplexity_greatest": perplexity,
            "perplexity_to_full": perplexity / 100,
            "parameters": 1000 * (place + 1),
            "parameters_to_full": 1.0 + place,
            "bytes": 4000,
            "perplexities": [perplexity],
            "tokens": [5000],
            "curve_perplexities": [[2 * perplexity, perplexity]],
            "measured": {
                "training_tokens_per_second": speed,
                "training_speed_to_full": speed / 1000,
                "scoring_tokens_per_second": 2 * speed,
                "top10_milliseconds": 0.5,
                "peak_memory_bytes": 10**8,
                "seconds_to_reach": None if place == 1 else 1.5,
                "curve_seconds": [[1.0, 2.0]],
            },
        }
        for place, (name, perplexity, speed) in enumerate(rows)
    ]
    found = {"vocab_size": 160, "unigram_perplexity": 300.0, "reach": 100.0, "methods": methods, "failed": {}}
    (folder / "comparison.json").write_text(json.dumps(found))
    return folder
