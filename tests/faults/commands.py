"""The commands that faults are done to: how each is run and repeated, and where its first checkpoint stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import wordalloc
from tests.faults.processes import Place

OUTPUT = "out.safetensors"  # of the offline commands; an older file stands there


@dataclass(frozen=True)
class Command:
    """A command of ``wordalloc`` under faults.

    Attributes
    ----------
    name : str
    arguments : tuple of str
        As it is run the first time.
    again : tuple of str
        What is added to go on with it, as ``--resume``.
    output : str
        The file or folder that it writes, below its working folder.
    checkpoint : str or None
        Pattern of the file that is a trainer's first checkpoint.
    cold : bool
        Whether it finds nothing compiled.
    """

    name: str
    arguments: tuple[str, ...]
    output: str = OUTPUT
    again: tuple[str, ...] = ()
    checkpoint: str | None = None
    cold: bool = False

    @property
    def keeps_a_folder(self) -> bool:
        """Whether its output is a folder that it goes on with, and cleans up."""
        return bool(self.again)

    def prepare(self, place: Place, inputs: Path) -> None:
        """Put down what stands before: a file of somebody else's, and an older output."""
        (place.work / "thesis.txt").write_text("nobody's business\n")
        if not self.keeps_a_folder:
            (place.work / self.output).write_bytes((inputs / "old.safetensors").read_bytes())


FOLDER = "run"  # of those that train
SMALL = ("--width", "32", "--batch", "8", "--bptt", "20", "--device", "cpu")
TRAINER = (*SMALL, "--dropout", "0.1", "--checkpoint-seconds", "0")


def commands(inputs: Path) -> dict[str, Command]:
    """Return the commands by name, over the files that `make_inputs` made."""
    names = ("big.txt", "train.txt", "valid.txt", "table.safetensors", "costs.safetensors", "words.safetensors")
    big, text, valid, table, costs, words = (str(inputs / name) for name in names)
    rounds = ("--by", "frequency", "--rounds", "3", "--epochs", "3", "--costs")
    contest = ("--layers", "full,adaptive", "--budget-tokens", "40000", "--min-count", "2")
    listed = [
        Command("count", ("count", big, "-o", OUTPUT)),
        Command("bigrams", ("bigrams", big, "--max-size", "5000", "-o", OUTPUT)),
        Command("cutoffs", ("cutoffs", big, "-o", OUTPUT)),
        Command("cutoffs, nothing compiled", ("cutoffs", big, "-o", OUTPUT), cold=True),
        Command("classes", ("classes", text, "-o", OUTPUT)),
        Command("tree", ("tree", text, "--method", "brown", "-o", OUTPUT)),
        Command("export", ("export", words, "--to", "tsv", "-o", "out.tsv"), "out.tsv"),
        Command("lightrnn-realloc", ("lightrnn-realloc", "--table", table, "--costs", costs, "-o", OUTPUT)),
        _trainer("train", (text, "--valid", valid, "--epochs", "3", *TRAINER), "--run"),
        _trainer("lightrnn", (text, "--valid", valid, *rounds, *TRAINER), "--run"),
        _trainer("compare", (text, "--valid", valid, *contest, *SMALL), "-o"),
    ]
    return {command.name: command for command in listed}


def _trainer(name: str, arguments: tuple[str, ...], option: str) -> Command:
    """Return a command that keeps a folder, which `option` names; a comparison has runs inside it."""
    checkpoint = "runs/*/checkpoint" if name == "compare" else "checkpoint"
    arguments = (name, *arguments, option, FOLDER)
    return Command(name, arguments, FOLDER, ("--resume",), f"{FOLDER}/{checkpoint}/latest.safetensors")


def make_inputs(folder: Path) -> None:
    """Generate texts, and make from them what the commands read."""
    folder.mkdir(parents=True)
    _write_text(folder / "train.txt", 1500, 800, seed=1)
    _write_text(folder / "valid.txt", 100, 800, seed=2)
    _write_text(folder / "big.txt", 100_000, 20_000, seed=3)
    wordalloc.save(wordalloc.count(folder / "valid.txt"), folder / "old.safetensors")
    wordalloc.save(wordalloc.count(folder / "big.txt"), folder / "words.safetensors")
    table = wordalloc.initial_table(wordalloc.count(folder / "train.txt"), by="frequency")
    table.save(folder / "table.safetensors")
    # What a word costs anywhere: its count times so many nats, drawn at random.
    rng, counts = np.random.default_rng(4), table.vocabulary.counts[:, None]
    row_nll, col_nll = (counts * rng.exponential(3.0, (table.vocabulary.size, n)) for n in table.shape)
    wordalloc.Costs(table.vocabulary, row_nll, col_nll, table.cell).save(folder / "costs.safetensors")


def _write_text(path: Path, n_lines: int, n_words: int, seed: int) -> None:
    """Write lines of Zipf-distributed words."""
    rng = np.random.default_rng(seed)
    weights = 1 / (np.arange(n_words) + 2.0)
    ids = rng.choice(n_words, size=(n_lines, 12), p=weights / weights.sum())
    path.write_text("".join(" ".join(f"w{i}" for i in line) + "\n" for line in ids.tolist()))
