"""The commands classes and tree: every method, what they print and write, and what they refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest

from wordalloc import Bigrams, Classes, Tree, Vocabulary, load


@pytest.fixture(scope="module")
def bigrams(tmp_path_factory):
    """Bigrams of a generated text, stored."""
    rng = np.random.default_rng(0)
    weights = 1 / (np.arange(300) + 2.0)
    ids = rng.choice(300, 20_000, p=weights / weights.sum())
    counts = np.bincount(ids, minlength=300)
    rank = np.empty(300, int)
    rank[np.argsort(-counts, kind="stable")] = np.arange(300)
    vocabulary = Vocabulary([f"w{place:03}" for place in range(300)], np.sort(counts)[::-1])
    pairs, count = np.unique(rank[ids[:-1]] * 300 + rank[ids[1:]], return_counts=True)
    path = tmp_path_factory.mktemp("bigrams") / "text.bigrams.safetensors"
    Bigrams(vocabulary, pairs // 300, pairs % 300, count).save(path)
    return path


@pytest.mark.parametrize("method", ["frequency", "sqrt-frequency", "equal-size", "cost", "exchange", "kmeans"])
def test_every_method_of_classes(wordalloc, bigrams, tmp_path, method):
    number = [] if method == "cost" else ["-k", 7]
    status, out, err = wordalloc("classes", bigrams, "--method", method, *number, "--effort", "fast", "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    classes = load(tmp_path / "text.classes.safetensors")
    assert isinstance(classes, Classes) and found["n_classes"] == classes.n_classes
    assert classes.n_classes == (7 if number else classes.parameters["n_classes"])
    assert (found["ami_bits"] is not None) == (method == "exchange")
    assert found["smallest"] == classes.sizes.min() and found["largest"] == classes.sizes.max()
    assert found["output"] == "text.classes.safetensors"


@pytest.mark.parametrize("model", ["predictive", "bidirectional"])
def test_other_models_of_exchange(wordalloc, bigrams, tmp_path, model):
    status, out, _ = wordalloc("classes", bigrams, "-k", 5, "--model", model, "-o", "out.safetensors")
    assert status == 0 and "written to out.safetensors" in out
    assert load(tmp_path / "out.safetensors").parameters["direction"] == model


@pytest.mark.parametrize("method", ["huffman", "brown", "clustering", "balanced", "random"])
def test_every_method_of_tree(wordalloc, bigrams, tmp_path, method):
    number = ["-k", 7] if method == "brown" else []
    status, out, err = wordalloc("tree", bigrams, "--method", method, *number, "--effort", "fast", "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    tree = load(tmp_path / "text.tree.safetensors")
    assert isinstance(tree, Tree) and found["mean_code_length"] == tree.mean_code_length
    assert found["mean_code_length"] >= found["entropy_bits"]
    if method == "brown":
        assert found["n_classes"] == tree.cut().n_classes == 7


def test_a_tree_of_any_arity_and_liangs_leaves(wordalloc, bigrams, tmp_path):
    assert wordalloc("tree", bigrams, "--arity", 5)[0] == 0
    assert load(tmp_path / "text.tree.safetensors").arity == 5
    status, out, _ = wordalloc("tree", bigrams, "--method", "brown", "-k", 6, "--leaves", "windowed")
    assert status == 0 and "6 classes, average mutual information" in out


def test_classes_prints_each_sweep_and_the_classes(wordalloc, bigrams):
    status, out, _ = wordalloc("classes", bigrams, "-k", 6, "--effort", "fast")
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "text.bigrams.safetensors: 20,000 tokens, 300 words"
    header = lines.index("sweep   stage    AMI, bits   words moved")
    sweeps = [line.split() for line in lines[header + 1 : lines.index("", header)]]
    assert [sweep[0] for sweep in sweeps] == [str(number) for number in range(1, len(sweeps) + 1)]
    assert float(sweeps[-1][2]) >= float(sweeps[0][2])
    assert any(line.startswith("6 classes by exchange, average mutual information") for line in lines)


def test_two_runs_write_the_same_bytes_and_init_goes_on(wordalloc, bigrams, tmp_path):
    for name in ("one", "two"):
        assert wordalloc("classes", bigrams, "-k", 6, "-o", f"{name}.safetensors")[0] == 0
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    status, out, _ = wordalloc("classes", bigrams, "--init", "one.safetensors", "-o", "three.safetensors", "--json")
    assert status == 0
    assert json.loads(out)["ami_bits"] >= load(tmp_path / "one.safetensors").parameters["objective"]


@pytest.mark.long
@pytest.mark.parametrize(
    "arguments",
    [
        ["tree", "--method", "brown", "-k", 20],
        ["tree", "--method", "brown", "-k", 20, "--leaves", "windowed"],
        ["classes", "-k", 220],
        ["classes", "-k", 20, "--model", "bidirectional"],
        ["tree", "--method", "clustering"],
    ],
)
def test_a_process_that_compiles_and_one_that_need_not_write_the_same_bytes(wordalloc, bigrams, tmp_path, arguments):
    files = []
    for name in ("cold", "warm"):
        env = {"WORDALLOC_CACHE": str(tmp_path / "cache")}
        status, _, err = wordalloc(arguments[0], bigrams, *arguments[1:], "-o", name, env=env)
        assert status == 0, err
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]


def test_k_curve_compares_and_writes_nothing(wordalloc, bigrams, tmp_path):
    status, out, _ = wordalloc("classes", bigrams, "--k-curve", "2,5,300", "--effort", "fast", "--json")
    assert status == 0 and not list(tmp_path.iterdir())
    curve = json.loads(out)["curve"]
    assert [row["n_classes"] for row in curve] == [2, 5, 300]
    amis = [row["ami_bits"] for row in curve]
    assert amis == sorted(amis)
    perplexities = [row["class_bigram_perplexity"] for row in curve]
    assert perplexities == sorted(perplexities, reverse=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["classes", "-k", 301], "from 1 to 300, not 301"),
        (["classes", "-k", 0], "0 is not in the range x>=1"),
        (["classes", "--method", "frequency", "-k", 301], "from 1 to 300, not 301"),
        (["classes", "--method", "kmeans", "-k", 301], "from 1 to 300, not 301"),
        (["classes", "--method", "cost", "-k", 3], "finds the number of classes itself"),
        (["classes", "--method", "frequency", "--init", "missing"], "missing: no such file"),
        (["classes", "--method", "frequency", "--equal-sizes"], "--equal-sizes goes with the method kmeans"),
        (["classes", "--method", "kmeans", "--model", "predictive"], "--model goes with the method exchange"),
        (["classes", "--k-curve", "5,x"], "whole numbers with commas"),
        (["classes", "--k-curve", "5", "-k", 3], "give -k in a second command"),
        (["classes", "--counts", "missing"], "--counts are counts of words"),
        (["tree", "--method", "brown", "-k", 301], "from 1 to 300, not 301"),
        (["tree", "-k", 3], "-k goes with the method brown, not with huffman"),
        (["tree", "--method", "brown", "--arity", 3], "--arity goes with the method huffman"),
        (["tree", "--wordnet", "x"], "--wordnet goes with the method wordnet"),
        (["tree", "--method", "wordnet"], "needs --wordnet DIR"),
        (["tree", "--arity", 1], "1 is not in the range x>=2"),
    ],
)
def test_what_does_not_fit_is_refused(refused, bigrams, arguments, said):
    assert said in refused(arguments[0], bigrams, *arguments[1:])


def test_a_wordnet_folder_without_its_files_is_refused(refused, bigrams, tmp_path):
    (tmp_path / "dict").mkdir()
    assert "data.noun" in refused("tree", bigrams, "--method", "wordnet", "--wordnet", "dict")


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ("1 2\nelsewhere 0.5 0.5\n", "holds no word of the vocabulary"),
        ("2 2\nw000 0.5 nan\nw001 1 1\n", "nan"),
    ],
)
def test_wrong_vectors_are_refused(refused, bigrams, tmp_path, vectors, said):
    (tmp_path / "vectors.txt").write_text(vectors)
    line = refused("classes", bigrams, "--method", "kmeans", "-k", 2, "--vectors", "vectors.txt")
    assert said in line.lower()


@pytest.mark.parametrize("text", ["a", "a a a a", "a\n\na\n"])
def test_a_corpus_of_one_word_is_refused(refused, tmp_path, text):
    (tmp_path / "one.txt").write_text(text)
    for arguments in (["classes"], ["classes", "--method", "cost"], ["tree"], ["tree", "--method", "brown"]):
        assert "holds one word, 'a'" in refused(arguments[0], "one.txt", *arguments[1:])


def test_a_text_without_two_words_in_a_row_is_refused(refused, tmp_path):
    (tmp_path / "single.txt").write_text("a")
    assert "no two words in a row" in refused("classes", "single.txt", "--no-eos")
