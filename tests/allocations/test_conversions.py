"""The table of formats in the README: every cell is tried, and loses exactly what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wordalloc
from wordalloc import Bigrams, Classes, Cutoffs, Table, TextOptions, Tree, Vocabulary
from wordalloc.allocations import Costs, save
from wordalloc.cli import main

ORIGIN = {"ids", "text", "source", "limits", "parameters"}
VOCABULARY = Vocabulary(
    ["the", "b'b\"", "\u4e16\u754c", "cat", "1", "z"],
    [9, 5, 5, 3, 1, 0],
    ids=[3, 1, 0, 2, 7, 5],
    text=TextOptions(lowercase=True, eos=False),
    source={"names": ["corpus's.txt"], "sizes": [70], "tokens": 23},
    parameters={"max_size": 6, "min_count": 1},
)
PARAMETERS = {"algorithm": "by hand", "objective": 1.5}
# A chain, and the inner nodes on it, which stand out of order.
CODES = ["0", "10", "110", "1110", "11110", "11111"]
CHAIN = [0, 4, 2, 3, 1]


def chain(codes: list[str], class_depth: list[int] | None = None) -> Tree:
    """The tree in which each rank has one of `CODES`."""
    nodes = [CHAIN[depth] for code in codes for depth in range(len(code))]
    offsets = np.concatenate(([0], np.cumsum(list(map(len, codes)))))
    return Tree(VOCABULARY, offsets, nodes, list(map(int, "".join(codes))), 2, class_depth, PARAMETERS)


TERNARY = ([0, 1, 3, 5, 7, 9, 11], [0, 0, 2, 0, 2, 0, 2, 0, 1, 0, 1], [0, 1, 0, 1, 1, 1, 2, 2, 0, 2, 1])
NLL = np.arange(12).reshape(6, 2) / 7, np.arange(18).reshape(6, 3) / 9
SAMPLES: dict[str, Any] = {
    "vocabulary": VOCABULARY,
    "bigrams": Bigrams(VOCABULARY, [0, 2, 2], [2, 1, 3], [4, 1, 2], PARAMETERS),
    "cutoffs, buckets": Cutoffs(VOCABULARY, [1, 4], PARAMETERS),
    "classes": Classes(VOCABULARY, [1, 0, 1, 2, 0, 1], PARAMETERS),
    "tree, binary": chain(CODES),
    "tree with classes": chain(CODES[::-1], [1] * 6),  # the rarest word has the shortest code: no Huffman tree
    "tree of more digits": Tree(VOCABULARY, *TERNARY, 4, None, PARAMETERS),
    "table": Table(VOCABULARY, [0, 5, 1, 3, 6, 4], (4, 4), PARAMETERS),
    "costs": Costs(VOCABULARY, *NLL, [0, 5, 1, 3, 4, 2], PARAMETERS),
}


def cells() -> list[tuple[str, str, str]]:
    """The cells of the table: kind, format, and what is said."""
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    lines = text.partition("<!-- conversions -->")[2].partition("<!-- end -->")[0].strip().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    forms = [name.strip("`") for name in rows[0][1:]]
    return [(row[0], form, said) for row in rows[2:] for form, said in zip(forms, row[1:], strict=True)]


def fields(content: Any) -> dict[str, Any]:
    """What there is to lose, by word, whatever its rank."""
    vocabulary = content if isinstance(content, Vocabulary) else content.vocabulary
    words = vocabulary.words

    def by_word(values: Any) -> dict[str, Any]:
        return dict(zip(words, list(values), strict=True))

    found = {
        "words": set(words),
        "counts": by_word(vocabulary.counts.tolist()),
        "ids": None if vocabulary.ids is None else by_word(vocabulary.ids.tolist()),
        "text": vocabulary.text,
        "source": vocabulary.source,
        "limits": vocabulary.parameters,
        "parameters": {} if isinstance(content, Vocabulary) else content.parameters,
    }
    if isinstance(content, Bigrams):
        pairs = zip(content.left.tolist(), content.right.tolist(), content.count.tolist(), strict=True)
        found["pairs"] = {(words[left], words[right]): count for left, right, count in pairs}
    elif isinstance(content, Cutoffs):
        found["bands"] = by_word(content.addresses()["cluster"].tolist())
    elif isinstance(content, Classes):
        found |= {"classes": _partition(content), "class numbers": by_word(content.word_class.tolist())}
    elif isinstance(content, Table):
        cells = zip(content.row.tolist(), content.column.tolist(), strict=True)
        found |= {"rows and columns": by_word(cells), "shape": content.shape}
    elif isinstance(content, Tree):
        nodes = np.split(content.path_nodes, content.path_offsets[1:-1])
        found |= {"tree": True, "arity": content.arity, "node numbers": by_word(path.tolist() for path in nodes)}
        found["codes below classes"] = by_word(content.codes)
        depths = content.code_lengths if content.class_depth is None else content.class_depth
        found["codes"] = by_word(code[:depth] for code, depth in zip(content.codes, depths.tolist(), strict=True))
        found["classes"] = None if content.class_depth is None else _partition(content.cut())
    return found


def _partition(classes: Classes) -> set[frozenset[str]]:
    words = np.array(classes.vocabulary.words, dtype=object)
    return {frozenset(words[classes.word_class == number]) for number in range(classes.n_classes)}


def lost(before: Any, after: Any) -> set[str]:
    """The names of what differs; of a tree that is none any more, nothing further."""
    old, new = fields(before), fields(after)
    gone = {name for name in old if name not in new or old[name] != new[name]}
    return gone - {"arity", "node numbers", "codes below classes", "codes"} if "tree" in gone else gone


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in a folder of its own; return its exit status and what it said."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[Any, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        return ended.value.code, capsys.readouterr()[1]

    return call


def test_the_table_has_every_kind_and_format():
    export = wordalloc_formats()
    assert {kind for kind, _, _ in cells()} == set(SAMPLES)
    assert [form for kind, form, _ in cells() if kind == "costs"] == export


def wordalloc_formats() -> list[str]:
    from wordalloc.cli.files import export

    (option,) = (option for option in export.params if "--to" in option.opts)
    wanted = ["tsv", "json", "parquet", "brown-paths", "word2vec-classes", "mkcls-classes", "srilm-classes", "dot"]
    assert sorted(option.type.choices) == sorted(wanted)
    return wanted


@pytest.mark.parametrize(("kind", "form", "said"), cells(), ids=lambda value: value)
def test_a_cell_says_what_is_lost(run, kind, form, said):
    before = SAMPLES[kind]
    save(before, "before.safetensors")
    status, error = run("export", "before.safetensors", "--to", form, "-o", "between")
    if said == "–":
        assert status == 2 and len(error.splitlines()) == 1 and not Path("between").exists()
        return
    assert (status, error) == (0, "")
    arguments = ["import", "between", "-o", "after.safetensors"]
    arguments += ["--from", "tsv"] if (kind, form) == ("vocabulary", "tsv") else []
    if said == "write only":
        status, error = run(*arguments)
        assert status == 2 and len(error.splitlines()) == 1
        return
    said, _, needs = said.partition("; needs ")
    if needs:
        status, error = run(*arguments)
        assert status == 2 and error.endswith(f"without the words' own counts; give those with {needs.strip('`')}\n")
        arguments += [needs.strip("`"), "before.safetensors"]
    assert run(*arguments) == (0, "")
    if said == "exact":
        assert Path("before.safetensors").read_bytes() == Path("after.safetensors").read_bytes()
        return
    names = set(said.removeprefix("loses ").split(", "))
    expected = names - {"origin"} | (ORIGIN if "origin" in names else set())
    if kind == "vocabulary":
        expected -= {"parameters"}
    assert lost(before, wordalloc.load("after.safetensors")) == expected


@pytest.mark.parametrize("form", ["word2vec-classes", "mkcls-classes", "srilm-classes"])
def test_counts_can_be_given_back(run, form):
    save(SAMPLES["classes"], "before.safetensors")
    run("export", "before.safetensors", "--to", form, "-o", "between")
    run("import", "between", "--counts", "before.safetensors", "-o", "after.safetensors", "--from", form)
    assert lost(SAMPLES["classes"], wordalloc.load("after.safetensors")) == ORIGIN - {"text", "source"}


def test_what_is_told_by_content_is_what_from_says(run):
    for kind, form, said in cells():
        if said in ("–", "write only") or kind == "bigrams":
            continue
        save(SAMPLES[kind], "before.safetensors")
        run("export", "before.safetensors", "--to", form, "-o", "between")
        assert run("import", "between", "--from", form, "-o", "named.safetensors") == (0, "")
        if (kind, form) != ("vocabulary", "tsv"):
            assert run("import", "between", "-o", "told.safetensors") == (0, "")
            assert Path("named.safetensors").read_bytes() == Path("told.safetensors").read_bytes()


def test_from_where_content_does_not_tell(run):
    Path("a").write_text("the\t5\ncat\t2\n")
    assert run("import", "a", "-o", "classes") == run("import", "a", "--from", "tsv", "-o", "counts") == (0, "")
    assert isinstance(wordalloc.load("classes"), Classes) and wordalloc.load("counts").counts.tolist() == [5, 2]
    Path("b").write_text("NOUN cat\nNOUN dog\nVERB sees\n")
    assert run("import", "b", "--from", "srilm-classes", "-o", "srilm") == (0, "")
    assert wordalloc.load("srilm").vocabulary.words == ("cat", "dog", "sees")
    assert wordalloc.load("srilm").word_class.tolist() == [0, 0, 1]
    status, error = run("import", "b", "-o", "told")
    assert status == 2 and "'NOUN' stands on line 1 already" in error


def test_parquet_is_not_printed(run):
    save(VOCABULARY, "v")
    assert run("export", "v", "--to", "parquet") == (2, "wordalloc: Parquet is no text to print; name a file with -o\n")
