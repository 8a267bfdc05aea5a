"""Every offline command twice, as its own process: other hash seed, other number of threads, sources in other order.

What is written and printed must be the same bytes. All commands of one setting run in one process, one after the other:
a process takes its time to start.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
import numpy as np
import pytest

import wordalloc as package
from tests.cli.conftest import generated_text
from tests.corpus.test_wordnet import NOUNS, VERBS, data_file, index_file
from tests.processes import run_commands
from wordalloc.allocations import Costs
from wordalloc.cli.commands import commands
from wordalloc.cli.files import IMPORTED, export

# What is not an offline command, and why it is not here.
ELSEWHERE = {
    "calibrate": "measures this machine",
    "demo": "trains; tests/cli/test_demo.py",
    "train": "trains; tests/training",
    "evaluate": "runs a trained model",
    "compare": "trains and measures",
    "lightrnn": "trains; tests/training/test_tables.py",
    "completion": "prints a script; tests/cli/test_completion.py",
    "doctor": "tells of this machine; tests/cli/test_doctor.py",
}
# Choices that are not tried, and why: of two programs' own solvers only one is.
NOT_TRIED = {
    ("lightrnn-init", "--effort", "high"),
    ("classes", "--effort", "high"),
    ("tree", "--effort", "high"),
    *((name, "--engine", "spark") for name in ("count", "bigrams", "encode")),  # tests/corpus/test_spark.py
}

# TEXTS, LARGE and WORDS stand for several files each, which come in another order in the second run. -o and --json are
# added where a command has them.
COMMANDS = [
    "count TEXTS",
    "count LARGE --lowercase --errors replace --max-size 15000 --no-eos",
    "count vocab.json WORDS",
    "count tokenizer.json WORDS",
    "count counts.tsv --min-count 2",
    "count rows.jsonl --column body",
    "count tokenizer.json rows.jsonl --column body",
    "bigrams TEXTS --max-size 300",
    "bigrams WORDS --errors replace",
    "encode text0 text1 --vocabulary vocabulary.safetensors",
    "buckets LARGE -n 9",
    "buckets LARGE -n 9 --by log-rank",
    "buckets LARGE -n 9 --by zipf --errors replace",
    "cutoffs LARGE --dim 64 --errors replace",
    "cutoffs LARGE --dim 64 --clusters 2 --max-params 400000 --frontier",
    "classes TEXTS --method frequency",
    "classes TEXTS --method sqrt-frequency --errors replace",
    "classes TEXTS --method equal-size",
    "classes LARGE --method cost --dim 64",
    "classes TEXTS --method exchange --max-size 300 -k 12",
    "classes TEXTS --method exchange --max-size 300 -k 210 --effort fast",
    "classes TEXTS --method exchange --max-size 300 -k 5 --effort fast --model predictive",
    "classes TEXTS --method exchange --max-size 300 -k 5 --effort fast --model bidirectional",
    "classes TEXTS --method exchange --max-size 300 --k-curve 2,4 --effort fast",
    "classes TEXTS --method kmeans -k 12",
    "classes LARGE --method kmeans -k 6 --vectors large.vectors",
    "classes TEXTS --method kmeans -k 12 --equal-sizes --max-size 300",
    "tree LARGE",
    "tree LARGE --arity 5 --errors replace",
    "tree TEXTS --method balanced --arity 3",
    "tree TEXTS --method random --seed 5",
    "tree TEXTS --method brown --max-size 300 -k 12",
    "tree TEXTS --method brown --max-size 300 -k 12 --leaves windowed --effort fast",
    "tree TEXTS --method clustering --max-size 300",
    "tree TEXTS --method clustering --max-size 300 --split balanced",
    "tree WORDS --method wordnet --wordnet wordnet",
    "score classes.safetensors TEXTS",
    "score tree.safetensors TEXTS",
    "report classes.safetensors tree.safetensors table.safetensors costs.safetensors",
    *(f"show {kind}.safetensors" for kind in ("classes", "tree", "table", "costs")),
    "show table.safetensors --row 1",
    *(f"export tree.safetensors --to {form}" for form in (*IMPORTED, "dot")),
    *(f"import exported.{form} --from {form}" for form in IMPORTED),
    *(f"plot {kind}.safetensors" for kind in ("vocabulary", "cutoffs", "classes", "tree", "table")),
    "plot cutoffs.safetensors --what frontier",
    "import paths",
    "import clusters --counts counts.tsv --errors replace",
    "lightrnn-init TEXTS --max-size 300 --effort fast",
    "lightrnn-init TEXTS --max-size 300 --errors replace --by embedding",
    "lightrnn-init TEXTS --by frequency",
    "lightrnn-init TEXTS --by random --seed 3",
    "lightrnn-init TEXTS --classes classes.safetensors",
    *(
        f"lightrnn-realloc --table table.safetensors --costs costs.safetensors {options}"
        for options in (
            "",
            "--row-only",
            "--row-only --columns keep --stay 2",
            "--column-only",
            "--in-turns",
            "--solver auction --gap 0",
            "--solver greedy",
        )
    ),
    *(
        f"lightrnn-realloc --table small.table.safetensors --costs small.costs.safetensors --solver {solver}"
        for solver in ("ortools", "scipy")
    ),
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """Texts in three parts each, and files of all kinds made from them."""
    folder = tmp_path_factory.mktemp("inputs")
    for part in range(3):
        # The last line of a part has no end, and the parts differ in length.
        (folder / f"text{part}").write_text(generated_text(80 + 20 * part, 400, part).removesuffix("\n"))
        numbers = range(part, 14_000, 3)  # more words than a product of vectors takes in one thread
        (folder / f"large{part}").write_text("".join(f"W{n} " * (1 + 20_000 // (n + 9)) + "\n" for n in numbers))
        (folder / f"words{part}").write_text("dog saw the man\nthe box Xyz dog\n" * (2 + part) + "helium spoon see\n")
    make_ready_files(folder)
    make_allocations(folder)
    return folder


def make_ready_files(folder: Path) -> None:
    words = ["dog", "saw", "the", "man", "box", "helium", "spoon", "see", "<unk>", "<eos>"]
    numbered = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(numbered))
    model = {"type": "WordLevel", "vocab": numbered, "unk_token": "<unk>"}
    (folder / "tokenizer.json").write_text(
        json.dumps({"version": "1.0", "model": model, "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}})
    )
    (folder / "counts.tsv").write_text("".join(f"{word}\t{1 + number % 3}\n" for word, number in numbered.items()))
    rows = ({"id": "x", "body": f"dog saw {word}\nthe\tbox"} for word in words)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "clusters").write_text("".join(f"{word} {number % 4}\n" for word, number in numbered.items()))
    vectors = np.random.default_rng(0).standard_normal((14_000, 2))
    rows = "".join(f"W{number} {x:.4f} {y:.4f}\n" for number, (x, y) in enumerate(vectors))
    (folder / "large.vectors").write_text("14000 2\n" + rows)
    (folder / "wordnet").mkdir()
    for name, synsets, part in (("noun", NOUNS, "n"), ("verb", VERBS, "v")):
        data, offsets = data_file(synsets, part)
        (folder / "wordnet" / f"data.{name}").write_text(data)
        (folder / "wordnet" / f"index.{name}").write_text(index_file(synsets, offsets, part))
        (folder / "wordnet" / f"{name}.exc").write_text("")


def make_allocations(folder: Path) -> None:
    vocabulary = package.count([folder / f"text{part}" for part in range(3)])
    package.save(vocabulary, folder / "vocabulary.safetensors")
    size, rng = vocabulary.size, np.random.default_rng(1)
    package.Classes(vocabulary, np.arange(size) % 9).save(folder / "classes.safetensors")
    package.adaptive_cutoffs(vocabulary, 2, dim=64).save(folder / "cutoffs.safetensors")
    codes = [code[:5] if code[:2] in ("00", "11") else code for code in package.huffman(vocabulary).codes]
    tree = package.tree_from_codes(vocabulary, codes)
    tree.save(folder / "tree.safetensors")
    listed = zip(codes, vocabulary.words, strict=True)
    (folder / "paths").write_text("".join(f"{code}\t{word}\t1\n" for code, word in listed))
    for form in IMPORTED:
        export.main(
            [str(folder / "tree.safetensors"), "--to", form, "-o", str(folder / f"exported.{form}")],
            standalone_mode=False,
        )
    small = package.Vocabulary(vocabulary.words[:30], vocabulary.counts[:30])
    for name, words, side in (("", vocabulary, 1 + int(size**0.5)), ("small.", small, 6)):
        table = package.initial_table(words, side, by="frequency")
        table.save(folder / f"{name}table.safetensors")
        scale = words.counts[:, None].astype(np.float32)
        nll = [scale * rng.gamma(2.0, size=(words.size, n)).astype(np.float32) for n in table.shape]
        Costs(words, *nll, table.cell).save(folder / f"{name}costs.safetensors")


def run(folder: Path, inputs: Path, hash_seed: int, threads: int, order: list[int]) -> list[tuple[object, bytes]]:
    """Run all commands in one process; return what each printed and wrote."""
    folder.mkdir()
    for file in inputs.iterdir():
        (folder / file.name).symlink_to(file)
    cache = folder / "cache"  # texts encoded by the other run are not to be found; compiled loops are
    cache.mkdir()
    (cache / "numba").symlink_to(Path(os.environ["WORDALLOC_CACHE"]) / "numba")
    printed = run_commands(
        folder,
        [arguments(command, number, order) for number, command in enumerate(COMMANDS)],
        threads=threads,
        PYTHONHASHSEED=str(hash_seed),
        WORDALLOC_CACHE=str(cache),
    )
    files = [written(folder / written_to(command, number)) for number, command in enumerate(COMMANDS)]
    return list(zip(map(without_time, printed), files, strict=True))


def written(path: Path) -> bytes:
    """The bytes of a file, or of all files of a folder by name; none where there is neither."""
    files = sorted(path.iterdir()) if path.is_dir() else [path] if path.exists() else []
    return b"".join(file.read_bytes() for file in files)


def written_to(command: str, number: int) -> str:
    """Where a command writes; a picture's suffix says what it is to be."""
    return f"{number}.{('png', 'svg', 'pdf')[number % 3] if command.startswith('plot ') else 'file'}"


def arguments(command: str, number: int, order: list[int]) -> list[str]:
    words = command.split()
    if words[0] not in ("score", "show") and "--k-curve" not in words:
        words += ["-o", written_to(command, number)]
    if words[0] not in ("show", "export"):  # these are for people, or have no other form
        words.append("--json")
    groups = {"TEXTS": "text", "LARGE": "large", "WORDS": "words"}
    return [name for word in words for name in ([f"{groups[word]}{i}" for i in order] if word in groups else [word])]


def without_time(printed: str) -> object:
    """What a command printed, without the seconds that it took."""
    if not printed.startswith("{"):
        return printed
    content = json.loads(printed)
    content.pop("seconds", None)
    return content


def test_neither_hash_seed_nor_threads_nor_the_order_of_sources_matter(inputs, tmp_path):
    one = run(tmp_path / "one", inputs, hash_seed=0, threads=1, order=[0, 1, 2])
    other = run(tmp_path / "other", inputs, hash_seed=12345, threads=3, order=[2, 0, 1])
    for command, first, second in zip(COMMANDS, one, other, strict=True):
        assert any(first), command
        assert first == second, command


def test_no_command_and_no_choice_is_forgotten():
    assert {command.split()[0] for command in COMMANDS} | set(ELSEWHERE) == set(commands.commands)
    missing = {
        (name, option.opts[-1], choice)
        for name, command in commands.commands.items()
        if name not in ELSEWHERE
        for option in command.params
        if isinstance(option.type, click.Choice)
        for choice in option.type.choices
        if choice != option.default
        and not any(line.split()[0] == name and f"{option.opts[-1]} {choice}" in line for line in COMMANDS)
    }
    assert missing == NOT_TRIED
