"""The demo: the main job, once, on text that every Python installation carries.

Counts the embedded corpus, divides it into Zipf buckets, finds the adaptive-softmax cutoffs, word classes and a Brown
tree, and trains the same small language model with a full softmax and with each of them; then a LightRNN over a table,
whose words are reallocated at the end to a proven optimum. Everything it makes lies in one folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wordalloc.algorithms.adaptive_cutoffs import adaptive_cutoffs
from wordalloc.algorithms.brown import merge_classes
from wordalloc.algorithms.exchange import exchange_classes
from wordalloc.algorithms.reallocation import reallocate
from wordalloc.algorithms.zipf_buckets import zipf_buckets
from wordalloc.allocations import Allocation, Classes, Cutoffs, Tree, load, save
from wordalloc.corpus import count, count_bigrams, write_demo_corpus
from wordalloc.errors import OutputError
from wordalloc.files import unwritable
from wordalloc.pipelines.allocate import Text
from wordalloc.pipelines.lightrnn import train_in_rounds
from wordalloc.pipelines.tables import Reallocated, make_table, reallocate_table
from wordalloc.training import TrainConfig, TrainProgress, TrainResult, train
from wordalloc.training.run_directory import RunDirectory
from wordalloc.vocabulary import Vocabulary

# Chosen so that the demo takes a minute or two on two cores: a vocabulary that a full softmax can still train
# with, and as many tokens as the corpus has.
MAX_SIZE = 12_000
N_CLASSES = 110  # about √V
CONFIG = TrainConfig(width=128, batch=20, epochs=1)


@dataclass(frozen=True)
class Demo:
    """What the demo made.

    Attributes
    ----------
    vocabulary : Vocabulary
        The words of the embedded corpus, at most 12,000.
    buckets, cutoffs : Cutoffs
        Ten bands of equal mass; the adaptive-softmax optimum for the demo's width and batch.
    classes : Classes
        110 classes by exchange.
    tree : Tree
        The Brown tree over them.
    runs : dict of str to TrainResult
        The same model with each output layer: full, adaptive, classes, tree; and a lightrnn.
    reallocated : Reallocated
        The LightRNN's last table, and the best one by its costs.
    folder : Path
        Where the text, the files and the run directories lie.
    """

    vocabulary: Vocabulary
    buckets: Cutoffs
    cutoffs: Cutoffs
    classes: Classes
    tree: Tree
    runs: dict[str, TrainResult]
    reallocated: Reallocated
    folder: Path


def run_demo(
    folder: str | os.PathLike[str] = "wordalloc-demo",
    *,
    stage: Callable[[str], None] = lambda title: None,
    progress: Callable[[TrainProgress], None] | None = None,
) -> Demo:
    """Do the main job on the embedded corpus, in under three minutes on two cores.

    Parameters
    ----------
    folder : path-like
        Where everything is written. A demo that was broken off goes on where it stopped.
    stage : callable
        Told the title of each stage as it begins.
    progress : callable, optional
        Told how each training proceeds.

    Returns
    -------
    Demo
        The files' contents and all training results.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {unwritable(error)}") from error

    stage("reading the documentation of this Python installation")
    text, valid = write_demo_corpus(folder)
    vocabulary = count(text, max_size=MAX_SIZE)
    save(vocabulary, folder / "train.vocabulary.safetensors")

    stage("computing buckets and cutoffs")
    buckets = zipf_buckets(vocabulary, 10)
    buckets.save(folder / "train.buckets.safetensors")
    cutoffs = adaptive_cutoffs(vocabulary, dim=CONFIG.width, batch=CONFIG.batch * CONFIG.bptt)
    cutoffs.save(folder / "train.cutoffs.safetensors")

    stage("clustering words into classes, and classes into a tree")
    bigrams = count_bigrams(text, vocabulary)
    classes = exchange_classes(bigrams, N_CLASSES)
    classes.save(folder / "train.classes.safetensors")
    tree = merge_classes(bigrams, classes)
    tree.save(folder / "train.tree.safetensors")

    def run(name: str, allocation: Vocabulary | Allocation) -> TrainResult:
        stage(f"training with the {name} softmax")
        return train(
            [text],
            valid=[valid],
            allocation=allocation,
            run=folder / f"run-{name}",
            config=CONFIG,
            resume=(folder / f"run-{name}").exists(),
            progress=progress,
        )

    allocations: dict[str, Vocabulary | Allocation] = {
        "full": vocabulary,
        "adaptive": cutoffs,
        "classes": classes,
        "tree": tree,
    }
    runs = {name: run(name, allocation) for name, allocation in allocations.items()}

    stage("putting words into a table")
    table = make_table(Text(lambda: vocabulary, lambda: bigrams), effort="fast")
    table.save(folder / "train.table.safetensors")
    stage("training a LightRNN")
    runs["lightrnn"] = train_in_rounds(
        [text],
        table,
        valid=[valid],
        run=folder / "run-lightrnn",
        config=replace(CONFIG, table_model="lightrnn"),
        resume=(folder / "run-lightrnn").exists(),
        costs=True,
        progress=progress,
    )
    stage("reallocating its words to the best table for its costs")
    reallocated = _reallocate_last(RunDirectory(folder / "run-lightrnn"))
    reallocated.table.save(folder / "train.reallocated.table.safetensors")
    return Demo(vocabulary, buckets, cutoffs, classes, tree, runs, reallocated, folder)


def _reallocate_last(run: RunDirectory) -> Reallocated:
    """Return the best table for the costs of a run over one table; what compiles is compiled first."""
    small = np.array([[0, 1], [0, 2]], np.float32)
    reallocate(small, small)
    return reallocate_table(run.read_table(0), load(run.costs(0)))
