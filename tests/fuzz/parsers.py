"""Every parser as a function of one file's bytes: it returns, or it raises a WordallocError; anything else is a bug."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.allocations import raw
from tests.faults.hostile_allocations import sound
from tests.faults.hostile_parsers import TEXT, formats, vectors
from tests.faults.invariants import check
from wordalloc import Vocabulary, load
from wordalloc.cli.cutoffs import read_profile
from wordalloc.corpus import read_vocabulary
from wordalloc.corpus.reading import Input, read_blocks
from wordalloc.corpus.word_vectors import read_vectors
from wordalloc.corpus.wordnet import read_wordnet
from wordalloc.errors import WordallocError
from wordalloc.pipelines.importing import import_file
from wordalloc.training.checkpoint import load_checkpoint
from wordalloc.training.run_directory import RunDirectory

IMPORTED = ("JSON", "Parquet", "TSV")
VOCABULARY = Vocabulary.from_counts(["the", "cat", "saw", "dog", "a", "man", "went", "<eos>", "<unk>"], range(9, 0, -1))


def _allocation(file: Path) -> None:
    check(load(file))


def _text(file: Path) -> None:
    for errors in ("strict", "replace"):
        with contextlib.suppress(WordallocError):
            blocks = [block for block, _ in read_blocks(Input(file, "text", 0), errors, block_bytes=16)]
            "".join(blocks).encode()


def _counts(file: Path) -> None:
    check(read_vocabulary(file, threads=1))


def _tokenizer(file: Path) -> None:
    counts = file.with_name("counts.tsv")
    counts.write_bytes(b"the\t4\n")
    check(read_vocabulary(file, counts=counts))


def _imported(file: Path) -> None:
    check(import_file(file))


def _vectors(file: Path) -> None:
    read_vectors(file, VOCABULARY)


def _tensors(file: Path) -> None:
    file = file.rename(file.with_suffix(".safetensors"))
    read_vectors(file, VOCABULARY)


def _wordnet(name: str) -> Callable[[Path], None]:
    def parse(file: Path) -> None:
        for path, content in formats()["WordNet"].files.items():
            if path.startswith("w/"):
                (file.parent / path[2:]).write_bytes(content)
        file.rename(file.with_name(name))
        read_wordnet(file.parent).hierarchy(VOCABULARY)

    return parse


def _profile(file: Path) -> None:
    read_profile(str(file))


def _config(file: Path) -> None:
    file.rename(file.with_name("config.json"))
    RunDirectory(file.parent).read_config()


def _metrics(file: Path) -> None:
    RunDirectory(file.parent).read_lines(file)


def _checkpoint(file: Path) -> None:
    load_checkpoint(file)


PARSERS: dict[str, Callable[[Path], None]] = {
    "allocation": _allocation,
    "text": _text,
    "counts": _counts,
    "tokenizer": _tokenizer,
    "imported": _imported,
    "vectors": _vectors,
    "tensors": _tensors,
    "wordnet-data": _wordnet("data.noun"),
    "wordnet-index": _wordnet("index.noun"),
    "wordnet-exceptions": _wordnet("noun.exc"),
    "profile": _profile,
    "config": _config,
    "metrics": _metrics,
    "checkpoint": _checkpoint,
}


def parse(name: str, content: bytes) -> bool:
    """Tell whether a parser takes `content`; raise what is no WordallocError."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        file = Path(folder) / "file"
        file.write_bytes(content)
        try:
            PARSERS[name](file)
        except WordallocError as error:
            assert len(str(error).splitlines()) == 1
            return False
    return True


def seeds(name: str) -> list[bytes]:
    """Return sound files to begin with."""
    known = formats()
    of_format = {
        "counts": ["counts as TSV", "counts as JSON", "counts as Parquet", "text as JSONL"],
        "tokenizer": ["tokenizer.json", "vocab.json"],
        "imported": ["brown paths", "word classes", "SRILM's classes", *(f"allocation as {x}" for x in IMPORTED)],
        "tensors": ["vectors as tensors"],
        "wordnet-data": ["WordNet"],
        "wordnet-index": ["WordNet's index"],
        "wordnet-exceptions": ["WordNet's exceptions"],
        "profile": ["profile.json"],
    }
    if name in of_format:
        return [known[form].files[known[form].target] for form in of_format[name]]
    kinds = ("vocabulary", "bigrams", "cutoffs", "classes", "tree", "table", "costs")
    return {
        "allocation": [sound(kind) for kind in kinds],
        "text": [TEXT, "é \u2028\ufeff\r\n".encode()],
        "vectors": [vectors()],
        "config": [b'{"train": {"cell": "lstm", "width": 4}, "text": "x", "valid": null}'],
        "metrics": [b'{"step": 5, "tokens": 9, "epoch": 1, "train_nll": 1.5, "valid_perplexity": 2.5}\n'],
        "checkpoint": [_renamed(sound("costs"))],
    }[name]


def _renamed(content: bytes) -> bytes:
    """Return an allocation file as a checkpoint, which keeps its metadata under another name."""
    header, data = raw.split(content)
    return raw.join({**header, "__metadata__": {"wordalloc_checkpoint": header["__metadata__"]["wordalloc"]}}, data)
