"""``bigrams``, ``score``, ``export`` and ``import``: what goes out comes back in."""

from __future__ import annotations

import gzip
import io
import json
import math
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

import wordalloc as package
from wordalloc.cli import main

PATHS = "0\tthe\t5\n10\tcat\t3\n11\tdog\t2\n11\tpig\t1\n"
CLASSES = "the 0\ncat 1\ndog 1\npig 1\n"


@pytest.fixture
def wordalloc(tmp_path, monkeypatch, capsys):
    """Run the command in this process: there are many calls here, and a process takes its time to start."""

    def run(*arguments: object, stdin: bytes = b"") -> tuple[object, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments)])
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def made(tmp_path_factory, corpus) -> Path:
    """A folder with a tree, one with classes, classes, and cutoffs over the words of the corpus."""
    folder = tmp_path_factory.mktemp("made")
    vocabulary = package.count(corpus / "train.txt")
    tree = package.huffman(vocabulary)
    tree.save(folder / "plain.tree.safetensors")
    codes = [code[:4] if code.startswith(("00", "11")) else code for code in tree.codes]
    package.tree_from_codes(vocabulary, codes).save(folder / "brown.tree.safetensors")
    package.huffman(vocabulary, arity=3).save(folder / "ternary.tree.safetensors")
    package.Classes(vocabulary, [rank % 7 for rank in range(vocabulary.size)]).save(folder / "c.classes.safetensors")
    package.Cutoffs(vocabulary, [10]).save(folder / "cut.cutoffs.safetensors")
    return folder


def done(result: tuple[int, str, str]) -> str:
    """Return what a command printed, having checked that it went well."""
    status, out, err = result
    assert (status, err) == (0, ""), (status, err)
    return out


# --- bigrams


@pytest.mark.parametrize("eos", [True, False])
def test_bigrams_are_the_pairs_of_the_text(wordalloc, corpus, tmp_path, eos):
    out = done(wordalloc("bigrams", corpus / "train.txt", "--json", *([] if eos else ["--no-eos"])))
    stream: list[str] = []
    for line in (corpus / "train.txt").read_text().splitlines():
        stream += [*line.split(), "<eos>"] if eos else line.split()
    expected = Counter(pairwise(stream))
    bigrams = package.load(tmp_path / "train.bigrams.safetensors")
    words = bigrams.vocabulary.words
    pairs = zip(bigrams.left.tolist(), bigrams.right.tolist(), bigrams.count.tolist(), strict=True)
    assert {(words[i], words[j]): n for i, j, n in pairs} == expected
    assert json.loads(out) == {
        "vocab_size": len(words),
        "tokens": len(stream),
        "pairs": len(stream) - 1,
        "distinct_pairs": len(expected),
        "output": "train.bigrams.safetensors",
    }


def test_bigrams_of_standard_input_and_of_two_files(wordalloc, tmp_path):
    out = done(wordalloc("bigrams", "-", "--no-eos", stdin=b"a b\na b\n"))
    assert (
        out.startswith("standard input: 4 tokens, 3 words") and "3 pairs of adjacent words, 2 of them distinct" in out
    )
    assert package.load(tmp_path / "stdin.bigrams.safetensors").count.tolist() == [2, 1]
    (tmp_path / "1.txt").write_text("a b\n")
    (tmp_path / "2.txt").write_text("a b\n")
    done(wordalloc("bigrams", "1.txt", "2.txt", "--no-eos", "-o", "two.safetensors"))
    assert package.load(tmp_path / "two.safetensors").count.tolist() == [2]


def test_bigrams_are_the_same_bytes_twice(wordalloc, corpus, tmp_path):
    for name in ("1", "2"):
        done(wordalloc("bigrams", corpus / "train.txt", "-o", name, "--min-count", 3))
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_bigrams_are_shown_and_exported(wordalloc, tmp_path):
    (tmp_path / "t.txt").write_text("a b a\n")
    done(wordalloc("bigrams", "t.txt", "--no-eos"))
    out = done(wordalloc("show", "t.bigrams.safetensors"))
    assert out.startswith("t.bigrams.safetensors: bigrams of 3 tokens") and "2 pairs of adjacent words, 2 of" in out
    shown = json.loads(done(wordalloc("show", "t.bigrams.safetensors", "--json")))
    assert (shown["kind"], shown["pairs"], shown["distinct_pairs"]) == ("bigrams", 2, 2)
    assert done(wordalloc("export", "t.bigrams.safetensors", "--to", "tsv")) == "left\tright\tcount\na\tb\t1\nb\ta\t1\n"
    exported = json.loads(done(wordalloc("export", "t.bigrams.safetensors", "--to", "json")))
    assert (exported["left"], exported["right"], exported["count"]) == ([0, 1], [1, 0], [1, 1])


# --- round trips


@pytest.mark.parametrize("name", ["plain", "brown"])
def test_a_tree_comes_back_from_its_paths(wordalloc, made, tmp_path, name):
    done(wordalloc("export", made / f"{name}.tree.safetensors", "--to", "brown-paths", "-o", "paths"))
    out = json.loads(done(wordalloc("import", "paths", "--json")))
    first, again = package.load(made / f"{name}.tree.safetensors"), package.load(tmp_path / "paths.tree.safetensors")
    assert again.codes == first.codes
    assert again.vocabulary.words == first.vocabulary.words
    assert again.vocabulary.counts.tolist() == first.vocabulary.counts.tolist()
    assert (again.class_depth is None) == (first.class_depth is None) == (name == "plain")
    assert name == "plain" or again.class_depth.tolist() == first.class_depth.tolist()
    assert (out["kind"], out["output"], out["mean_code_length"]) == (
        "tree",
        "paths.tree.safetensors",
        first.mean_code_length,
    )
    done(wordalloc("export", "paths.tree.safetensors", "--to", "brown-paths", "-o", "again"))
    assert (tmp_path / "again").read_bytes() == (tmp_path / "paths").read_bytes()


def test_classes_come_back_from_word_classes(wordalloc, made, corpus, tmp_path):
    done(wordalloc("export", made / "c.classes.safetensors", "--to", "word2vec-classes", "-o", "classes.txt"))
    done(wordalloc("import", "classes.txt", "--counts", corpus / "train.txt"))
    first, again = (
        package.load(path) for path in (made / "c.classes.safetensors", tmp_path / "classes.classes.safetensors")
    )
    assert again.vocabulary.fingerprint == first.vocabulary.fingerprint
    assert again.vocabulary.text == first.vocabulary.text
    assert again.word_class.tolist() == first.word_class.tolist()
    # Without counts the words are the same, with 0 of each, and so in another order.
    done(wordalloc("import", "classes.txt", "-o", "uncounted"))
    uncounted = package.load(tmp_path / "uncounted")
    assert (
        sorted(uncounted.vocabulary.words) == sorted(first.vocabulary.words) and not uncounted.vocabulary.counts.any()
    )
    assert partition(uncounted) == partition(first)


def partition(classes) -> set[frozenset[str]]:
    parts: dict[int, set[str]] = {}
    for word, number in zip(classes.vocabulary.words, classes.word_class.tolist(), strict=True):
        parts.setdefault(number, set()).add(word)
    return set(map(frozenset, parts.values()))


def test_a_trees_classes_as_word_classes(wordalloc, made, tmp_path):
    done(wordalloc("export", made / "brown.tree.safetensors", "--to", "word2vec-classes", "-o", "classes.txt"))
    done(wordalloc("import", "classes.txt"))
    cut = package.load(made / "brown.tree.safetensors").cut()
    assert partition(package.load(tmp_path / "classes.classes.safetensors")) == partition(cut)


def test_import_reads_standard_input_and_compressed_files(wordalloc, tmp_path):
    assert done(wordalloc("import", "-", stdin=PATHS.encode())).startswith("standard input: tree of 11 tokens, 4 words")
    (tmp_path / "paths.gz").write_bytes(gzip.compress(PATHS.replace("\n", "\r\n").encode()))
    out = done(wordalloc("import", "paths.gz"))
    assert "3 classes" not in out and "written to paths.tree.safetensors" in out
    one, two = (package.load(tmp_path / f"{name}.tree.safetensors") for name in ("stdin", "paths"))
    assert one.codes == two.codes == ["0", "10", "110", "111"]
    assert one.class_depth.tolist() == [1, 2, 2, 2]


@pytest.mark.parametrize("separator", [" ", "\t"])
def test_words_that_were_never_counted(wordalloc, tmp_path, separator):
    (tmp_path / "c.txt").write_text(CLASSES.replace(" ", separator) + f"<unk>{separator}2\n")
    out = done(wordalloc("import", "c.txt"))
    assert out.startswith("c.txt: classes of 0 tokens, 5 words") and "nan" not in out
    shown = json.loads(done(wordalloc("show", "c.classes.safetensors", "--json")))
    assert (shown["sizes"], shown["masses"]) == ([1, 3, 1], [0.0, 0.0, 0.0])


def test_an_imported_tree_is_drawn(wordalloc, tmp_path):
    (tmp_path / "paths").write_text('0\tsay "hi"\t2\n1\tback\\slash\t1\n')
    done(wordalloc("import", "paths"))
    out = done(wordalloc("export", "paths.tree.safetensors", "--to", "dot"))
    assert out.startswith("digraph tree {\n") and out.endswith("}\n")
    assert '  w0 [label="say \\"hi\\" (2)"];\n' in out and '  w1 [label="back\\\\slash (1)"];\n' in out


# --- score


def entropy(counts) -> float:
    total = sum(counts)
    return -sum(n / total * math.log2(n / total) for n in counts if n)


def test_score_against_the_formulas(wordalloc, made, corpus, tmp_path):
    found = json.loads(done(wordalloc("score", made / "c.classes.safetensors", corpus / "valid.txt", "--json")))
    classes = package.load(made / "c.classes.safetensors")
    words = set(classes.vocabulary.words)
    stream = []
    for line in (corpus / "valid.txt").read_text().splitlines():
        stream += [word if word in words else "<unk>" for word in line.split()] + ["<eos>"]
    number = dict(zip(classes.vocabulary.words, classes.word_class.tolist(), strict=True))
    pairs = list(pairwise(stream))
    joint = Counter((number[one], number[two]) for one, two in pairs)
    ami = (
        entropy(Counter(number[one] for one, _ in pairs).values())
        + entropy(Counter(number[two] for _, two in pairs).values())
        - entropy(joint.values())
    )
    assert found["ami_bits"] == pytest.approx(ami, rel=1e-9)
    assert found["ami_nats"] == pytest.approx(ami * math.log(2), rel=1e-9)
    words_bits = entropy(Counter(two for _, two in pairs).values())
    assert found["class_bigram_perplexity"] == pytest.approx(2 ** (words_bits - ami), rel=1e-9)
    assert found["unigram_entropy_bits"] == pytest.approx(entropy(Counter(stream).values()), rel=1e-9)
    unknown = sum(word not in words for word in (corpus / "valid.txt").read_text().split())
    assert (found["tokens"], found["unknown_share"]) == (len(stream), unknown / len(stream))
    assert (found["n_classes"], found["mean_code_length_bits"]) == (7, None)
    assert not list(tmp_path.iterdir())


def test_score_of_trees(wordalloc, made, corpus):
    text = (corpus / "valid.txt").read_bytes()
    plain = json.loads(done(wordalloc("score", made / "plain.tree.safetensors", "-", "--json", stdin=text)))
    assert plain["n_classes"] is plain["ami_bits"] is plain["class_bigram_perplexity"] is None
    assert plain["mean_code_length_bits"] >= plain["unigram_entropy_bits"] > 1
    brown = done(wordalloc("score", made / "brown.tree.safetensors", corpus / "valid.txt"))
    for said in ("unigram entropy:", "expected code length:", "average mutual information:", "expected time a step:"):
        assert said in brown
    ternary = json.loads(done(wordalloc("score", made / "ternary.tree.safetensors", "-", "--json", stdin=text)))
    tree = package.load(made / "ternary.tree.safetensors")
    counts = Counter(word if word in tree.vocabulary.ranks else "<unk>" for word in text.decode().split())
    counts["<eos>"] = text.count(b"\n")
    starts, nodes, bits = tree.path_offsets, tree.path_nodes, [math.log2(m) for m in tree.node_sizes.tolist()]
    length = {
        word: sum(bits[node] for node in nodes[starts[rank] : starts[rank + 1]])
        for rank, word in enumerate(tree.vocabulary.words)
    }
    expected = sum(n * length[word] for word, n in counts.items()) / sum(counts.values())
    assert ternary["mean_code_length_bits"] == pytest.approx(expected, rel=1e-9)


# --- refusals


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "paths: empty"),
        (PATHS + "11\tthe\t1\n", "paths: line 5: the word 'the' stands on line 1 already"),
        (PATHS + "1\tx\t1\n", "the code '1' is the beginning of another one, '10'"),
        (PATHS + "102\tx\t1\n", "the code '102' of the word 'x' has digits other than 0 and 1"),
        (PATHS.replace("10\tcat\t3\n", ""), "no code begins with '10'"),
        ("a single word\nand then lines\nof a text\n", "line 1: expected a word and its class, not 'a single word'"),
        ("first 1\nlast 1\nlast 1\n", "line 3: the word 'last'"),
        (b"0\tcaf\xe9\t1\n", "paths: byte 5 (0xe9) is not UTF-8"),
    ],
)
def test_damaged_clusters_are_refused(refused, tmp_path, content, says):
    (tmp_path / "paths").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert says in refused("import", "paths")


def test_what_import_cannot_use(refused, made, corpus, tmp_path):
    assert "missing: " in refused("import", "missing")
    assert "a folder" in refused("import", ".")
    (tmp_path / "paths").write_text(PATHS)
    assert "no word of the clusters" in refused("import", "paths", "--counts", corpus / "train.txt")
    assert "would overwrite its own source" in refused("import", "paths", "-o", "paths")
    assert "nowhere/x" in refused("import", "paths", "-o", "nowhere/x")
    assert "is a .safetensors file, which needs no import" in refused("import", made / "c.classes.safetensors")


@pytest.mark.parametrize(
    ("name", "form", "says"),
    [
        ("c.classes", "brown-paths", "brown-paths needs a binary tree, not classes"),
        ("ternary.tree", "brown-paths", "brown-paths needs a binary tree, not a tree of arity 3"),
        ("plain.tree", "word2vec-classes", "word2vec-classes needs classes, or a tree that names classes"),
        ("cut.cutoffs", "dot", "dot draws trees, not cutoffs"),
        ("c.classes", "pickle", "'pickle' is not known; There are tsv, json"),
    ],
)
def test_what_export_cannot_carry(refused, made, name, form, says):
    assert says in refused("export", made / f"{name}.safetensors", "--to", form, "-o", "out")


@pytest.mark.parametrize("form", ["tsv", "brown-paths", "word2vec-classes"])
def test_words_that_break_a_format_leave_nothing_behind(refused, tmp_path, form):
    vocabulary = package.Vocabulary(["fine", "also fine\t", "x"], [3, 2, 1])
    package.tree_from_codes(vocabulary, ["0", "1", "1"]).save(tmp_path / "t")
    for target in ([], ["-o", "out"]):
        assert "holds white space" in refused("export", "t", "--to", form, *target)


def test_what_bigrams_and_score_cannot_use(refused, made, corpus, tmp_path):
    (tmp_path / "one.txt").write_text("alone\n")
    assert "no two words in a row" in refused("bigrams", "one.txt", "--no-eos")
    (tmp_path / "counts.tsv").write_text("a\t1\n")
    assert "counts.tsv: adjacent words are counted from text" in refused("bigrams", "counts.tsv")
    assert "--counts are counts of words" in refused("bigrams", "one.txt", "--counts", "counts.tsv")
    assert "score takes classes or a tree, not cutoffs" in refused(
        "score", made / "cut.cutoffs.safetensors", corpus / "valid.txt"
    )
    package.save(package.Vocabulary(["a"], [1]), tmp_path / "v")
    assert "v: score takes classes or a tree" in refused("score", "v", "one.txt")
    package.Classes(package.Vocabulary(["a", "b"], [1, 1]), [0, 1]).save(tmp_path / "c")
    assert "'alone' is not in the vocabulary" in refused("score", "c", "one.txt")
    assert "-: byte 1 " in refused("score", made / "c.classes.safetensors", "-", stdin=b"a\xff")
    assert "TEXT" in refused("score", made / "c.classes.safetensors")


@pytest.mark.parametrize("command", ["bigrams", "score", "import"])
def test_every_command_has_help_with_an_example(wordalloc, command):
    out = done(wordalloc(command, "--help"))
    assert "Example" in out and f"wordalloc {command} " in out
