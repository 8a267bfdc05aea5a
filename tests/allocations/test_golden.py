"""The files in tests/golden load, and today's code still writes them (see tests/golden/README.md).

``python -m tests.allocations.test_golden`` writes the files that are not there yet; it never replaces one.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.allocations import raw
from wordalloc import Bigrams, Classes, Costs, Cutoffs, Table, TextOptions, Tree, Vocabulary, load, save
from wordalloc.allocations import KINDS, VOCABULARY_KIND, Stored

GOLDEN = Path(__file__).parent.parent / "golden"


def vocabulary() -> Vocabulary:
    """Foreign ids, no text options; words of one to four bytes, and of control characters."""
    return Vocabulary(
        ["the", "naïve", "😀", "\x00", "\t\n", "\ue000", "\U00010000"],
        [2**62, 1000, 7, 2, 2, 0, 0],
        ids=[5, 2**62, 0, 1, 3, 4, 6],
        source={"files": [{"name": "tokenizer.json", "bytes": 1234}], "tokens": 2**62 + 1011},
        parameters={"max_size": 7, "min_count": None},
    )


def counted() -> Vocabulary:
    """Text options, no foreign ids."""
    return Vocabulary(
        ["<eos>", "the", "<unk>", "cat", "sat"],
        [6, 5, 2, 1, 1],
        text=TextOptions(lowercase=True, unk="<unk>", eos=True, errors="replace"),
        source={"files": [{"name": "corpus.txt", "bytes": 60}], "tokens": 15},
        parameters={"max_size": 5, "min_count": 1},
    )


def cutoffs() -> Cutoffs:
    """Parameters of every JSON type."""
    parameters = {"by": "mass", "n": 3, "expected_cost": 0.1, "exact": True, "profile": None, "λ": [1e-300, -0.0, {}]}
    return Cutoffs(counted(), [1, 3], parameters)


def bigrams() -> Bigrams:
    """Pairs of a word with itself, words without pairs, a count that takes more than 32 bits."""
    return Bigrams(counted(), [0, 1, 1, 3, 4], [1, 1, 3, 4, 0], [5, 2**40, 1, 1, 1], {"eos": True})


def classes() -> Classes:
    """Classes that do not begin in the order of their numbers; one of a single word."""
    return Classes(counted(), [1, 0, 1, 2, 0], {"algorithm": "exchange_classes", "seed": 0, "objective": 0.75})


def tree() -> Tree:
    """Arity 3 with nodes of two and three children; classes at the root's children and one step further down."""
    offsets, nodes, digits = [0, 1, 3, 5, 8, 11], [0, 0, 1, 0, 1, 0, 1, 2, 0, 1, 2], [0, 1, 0, 1, 1, 1, 2, 0, 1, 2, 1]
    return Tree(counted(), offsets, nodes, digits, 3, [1, 2, 2, 2, 2], {"algorithm": "brown_tree", "n_classes": 4})


def table() -> Table:
    """A table of three columns with an empty cell in each row."""
    return Table(counted(), [4, 0, 7, 1, 3], (3, 3), {"algorithm": "initial_table", "by": "random", "seed": 1})


def costs() -> Costs:
    """Costs of zero, of more decades than a table has words, and one that float32 holds only as a subnormal."""
    row_nll = [[0, 1.5, 2], [1e30, 0, 1e-30], [3, 1e-42, 3], [0.1, 0.2, 0.3], [0, 0, 0]]
    return Costs(counted(), row_nll, [[1, 2, 3]] * 5, [4, 0, 7, 1, 3], {"tokens": 15, "round": 0})


MAKERS: dict[str, Callable[[], Vocabulary | Stored]] = {
    "vocabulary": vocabulary,
    "cutoffs": cutoffs,
    "bigrams": bigrams,
    "classes": classes,
    "tree": tree,
    "table": table,
    "costs": costs,
}


def test_every_kind_has_a_golden_file() -> None:
    assert set(MAKERS) == {VOCABULARY_KIND, *KINDS}
    assert {file.name for file in GOLDEN.glob("*.safetensors")} == {f"{kind}.safetensors" for kind in MAKERS}


@pytest.mark.parametrize("kind", MAKERS)
def test_golden_files_are_still_written(kind: str, tmp_path: Path) -> None:
    save(MAKERS[kind](), tmp_path / "today")
    (header, data), (golden_header, golden_data) = (
        raw.split(file.read_bytes()) for file in (tmp_path / "today", GOLDEN / f"{kind}.safetensors")
    )
    assert data == golden_data
    today, golden = (json.loads(each.pop("__metadata__")["wordalloc"]) for each in (header, golden_header))
    assert header == golden_header and list(header) == list(golden_header)
    assert today.pop("wordalloc_version") and golden.pop("wordalloc_version")  # the one thing that may change
    assert json.dumps(today) == json.dumps(golden)


def test_the_golden_vocabulary_loads() -> None:
    found, expected = load(GOLDEN / "vocabulary.safetensors"), vocabulary()
    assert isinstance(found, Vocabulary)
    assert found.words == expected.words
    assert found.counts.tolist() == [2**62, 1000, 7, 2, 2, 0, 0]
    assert found.ids.tolist() == [5, 2**62, 0, 1, 3, 4, 6]
    assert found.text is None
    assert found.source == expected.source and found.parameters == expected.parameters
    assert found.total == 2**62 + 1011


def test_the_golden_cutoffs_load() -> None:
    found, expected = load(GOLDEN / "cutoffs.safetensors"), cutoffs()
    assert isinstance(found, Cutoffs)
    assert found.cutoffs.tolist() == [1, 3]
    assert found.sizes.tolist() == [1, 2, 2]
    assert found.parameters == expected.parameters


@pytest.mark.parametrize("kind", KINDS)
def test_the_vocabulary_of_a_golden_file_loads(kind: str) -> None:
    found = load(GOLDEN / f"{kind}.safetensors").vocabulary
    assert found.words == ("<eos>", "the", "<unk>", "cat", "sat")
    assert found.counts.tolist() == [6, 5, 2, 1, 1]
    assert found.ids is None
    assert found.text == TextOptions(lowercase=True, errors="replace")
    assert (found.eos_rank, found.unk_rank) == (0, 2)
    assert found.parameters == {"max_size": 5, "min_count": 1}


def test_the_golden_bigrams_load() -> None:
    found = load(GOLDEN / "bigrams.safetensors")
    assert isinstance(found, Bigrams)
    assert found.left.tolist() == [0, 1, 1, 3, 4]
    assert found.right.tolist() == [1, 1, 3, 4, 0]
    assert found.count.tolist() == [5, 2**40, 1, 1, 1]
    assert found.parameters == {"eos": True}


def test_the_golden_classes_load() -> None:
    found = load(GOLDEN / "classes.safetensors")
    assert isinstance(found, Classes)
    assert found.word_class.tolist() == [1, 0, 1, 2, 0]
    assert found.slots.tolist() == [0, 0, 1, 0, 1]
    assert found.parameters == {"algorithm": "exchange_classes", "seed": 0, "objective": 0.75}


def test_the_golden_tree_loads() -> None:
    found = load(GOLDEN / "tree.safetensors")
    assert isinstance(found, Tree)
    assert (found.arity, found.codes) == (3, ["0", "10", "11", "120", "121"])
    assert found.path_nodes.tolist() == [0, 0, 1, 0, 1, 0, 1, 2, 0, 1, 2]
    assert found.class_depth.tolist() == [1, 2, 2, 2, 2]
    assert found.cut().word_class.tolist() == [0, 1, 2, 3, 3]
    assert found.parameters == {"algorithm": "brown_tree", "n_classes": 4}


def test_the_golden_table_loads() -> None:
    found = load(GOLDEN / "table.safetensors")
    assert isinstance(found, Table)
    assert (found.shape, found.cell.tolist()) == ((3, 3), [4, 0, 7, 1, 3])
    assert found.parameters == {"algorithm": "initial_table", "by": "random", "seed": 1}


def test_the_golden_costs_load() -> None:
    found = load(GOLDEN / "costs.safetensors")
    assert isinstance(found, Costs)
    assert found.shape == (3, 3) and found.row_nll.dtype == np.float32
    assert found.row_nll[1].tolist() == [float(np.float32(1e30)), 0.0, float(np.float32(1e-30))]
    assert 0 < found.row_nll[2, 1] < 1e-40
    assert found.col_nll.tolist() == [[1, 2, 3]] * 5 and found.cell.tolist() == [4, 0, 7, 1, 3]
    found.check_table(load(GOLDEN / "table.safetensors"))


@pytest.mark.parametrize("kind", MAKERS)
def test_golden_files_agree_with_the_safetensors_library(kind: str) -> None:
    from safetensors.numpy import load_file

    path = GOLDEN / f"{kind}.safetensors"
    by_hand, by_library = raw.tensors(path.read_bytes()), load_file(path)
    assert by_hand.keys() == by_library.keys()
    for name, array in by_library.items():
        assert array.dtype == by_hand[name].dtype and array.tolist() == by_hand[name].tolist()


if __name__ == "__main__":
    for kind, make in MAKERS.items():
        if not (GOLDEN / f"{kind}.safetensors").exists():
            save(make(), GOLDEN / f"{kind}.safetensors")
