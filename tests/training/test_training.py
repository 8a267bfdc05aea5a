"""Training end to end: what is learnt, what is repeated, what is resumed."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import wordalloc
from wordalloc.corpus import encode
from wordalloc.errors import InputError, RunError
from wordalloc.training import TrainConfig, evaluate, train
from wordalloc.training.data import IGNORED, Sentences, Streams, replace_singletons
from wordalloc.training.model import LanguageModel

SMALL = TrainConfig(width=32, batch=8, bptt=20, epochs=2, learning_rate=1e-2, warmup=10, device="cpu")


@pytest.fixture(scope="module")
def cutoffs(chain):
    return wordalloc.Cutoffs(wordalloc.count(chain.train, eos=False), [10, 20])


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def allocation_of(layer: str, cutoffs: wordalloc.Cutoffs):
    """The allocation that asks for a layer over the chain's words."""
    vocabulary = cutoffs.vocabulary
    made = {
        "full": lambda: vocabulary,
        "adaptive": lambda: cutoffs,
        "classes": lambda: wordalloc.frequency_classes(vocabulary),
        "tree": lambda: wordalloc.huffman(vocabulary),
        "wide tree": lambda: wordalloc.random_tree(vocabulary, 4, seed=1),
    }
    return made[layer]()


@pytest.mark.parametrize("layer", ["full", "adaptive", "classes", "tree", "wide tree"])
def test_learns_the_source(chain, cutoffs, tmp_path, layer):
    allocation = allocation_of(layer, cutoffs)
    result = train(chain.train, valid=chain.valid, allocation=allocation, run=tmp_path / "run", config=SMALL)
    # The chain's own perplexity is the floor; tails of width 8 and 2 cannot hold all of its transitions.
    assert 0.97 < result.best_perplexity / math.exp(chain.entropy) < (1.45 if layer == "adaptive" else 1.25)
    assert result.best_perplexity < 0.5 * math.exp(chain.unigram_entropy)
    assert result.best_perplexity == min(entry["valid_perplexity"] for entry in result.epochs)
    found = evaluate(tmp_path / "run", chain.valid)
    assert found.perplexity == pytest.approx(result.best_perplexity, rel=1e-5)
    assert found.tokens == 4_000


def test_two_runs_give_the_same_figures_and_another_seed_others(chain, cutoffs, tmp_path):
    short = replace(SMALL, max_tokens=10_000, dropout=0.2)
    for name, config in (("a", short), ("b", short), ("c", replace(short, seed=1))):
        train(chain.train, valid=chain.valid, allocation=cutoffs, run=tmp_path / name, config=config)
    a, b, c = ((tmp_path / name / "metrics.jsonl").read_bytes() for name in "abc")
    assert a == b != c


def test_a_finished_run_resumes_to_its_result(chain, cutoffs, tmp_path):
    short = replace(SMALL, max_tokens=3_000)
    options = {"valid": chain.valid, "allocation": cutoffs, "run": tmp_path / "run", "config": short}
    first = train(chain.train, **options)
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    again = train(chain.train, **options, resume=True)
    assert again.epochs == first.epochs and again.best_perplexity == first.best_perplexity
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before


def test_another_run_is_never_touched(chain, cutoffs, tmp_path):
    short = replace(SMALL, max_tokens=2_000)
    train(chain.train, allocation=cutoffs, run=tmp_path / "run", config=short)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="--resume"):
        train(chain.train, allocation=cutoffs, run=tmp_path / "run", config=short)
    with pytest.raises(InputError, match="another seed: it was 0, now 5"):
        train(chain.train, allocation=cutoffs, run=tmp_path / "run", config=replace(short, seed=5), resume=True)
    with pytest.raises(InputError, match="another text"):
        train(chain.valid, allocation=cutoffs, run=tmp_path / "run", config=short, resume=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        train(chain.train, allocation=cutoffs, run=tmp_path / "other", config=short)
    assert {path: path.read_bytes() for path in before} == before
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["thesis.txt"]


def test_two_processes_cannot_share_a_run_directory(chain, cutoffs, tmp_path):
    import fcntl

    (tmp_path / "run").mkdir()
    with (tmp_path / "run" / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="in use by another process"):
            train(chain.train, allocation=cutoffs, run=tmp_path / "run", config=SMALL)


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(chain, cutoffs, tmp_path):
    wild = replace(SMALL, optimizer="sgd", learning_rate=1e30, clip=0.0, cell="rnn", max_tokens=20_000)
    with pytest.raises(RunError, match=r"at step \d+ .*--learning-rate"):
        train(chain.train, allocation=cutoffs, run=tmp_path / "run", config=wild)
    assert not (tmp_path / "run" / "checkpoint" / "best.safetensors").exists()


def test_an_allocation_of_another_text_is_refused(chain, tmp_path):
    other = wordalloc.Vocabulary.from_counts(["some", "other", "words", "<unk>"], [5, 4, 3, 2])
    with pytest.raises(InputError, match="100 % of the tokens of the training text are not in the vocabulary"):
        train(chain.train, allocation=other, run=tmp_path / "run", config=SMALL)
    assert not (tmp_path / "run").exists()


def test_early_stopping_counts_epochs_without_gain(chain, cutoffs, tmp_path):
    patient = replace(SMALL, epochs=30, patience=2, learning_rate=0.03, schedule="constant", max_tokens=None)
    result = train(chain.valid, valid=chain.train, allocation=cutoffs, run=tmp_path / "run", config=patient)
    losses = [entry["valid_nll"] for entry in result.epochs]
    assert len(losses) < 30 and losses.index(min(losses)) == len(losses) - 3


def test_accumulated_parts_make_the_same_step(chain, cutoffs, tmp_path):
    short = replace(SMALL, max_tokens=4_000, clip=0.5)
    nll = []
    for parts in (1, 4):
        config = replace(short, accumulate=parts)
        train(chain.train, allocation=cutoffs, run=tmp_path / str(parts), config=config)
        nll.append([entry["nll"] for entry in read(tmp_path / str(parts) / "metrics.jsonl") if "nll" in entry])
    np.testing.assert_allclose(nll[0], nll[1], rtol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "gru"},
        {"cell": "rnn", "layers": 2, "dropout": 0.1},
        {"by_sentence": True},
        {"optimizer": "sgd", "learning_rate": 10.0, "schedule": "cosine"},
    ],
)
def test_every_kind_of_model_learns(chain, cutoffs, tmp_path, options):
    config = replace(SMALL, **{"epochs": 1, **options})
    result = train(chain.train, valid=chain.valid, allocation=cutoffs, run=tmp_path / "run", config=config)
    assert result.best_perplexity < 0.7 * math.exp(chain.unigram_entropy)


@pytest.mark.parametrize(
    ("layer", "options"),
    [("full", {"tie": True}), ("adaptive", {"input": "adaptive", "tie": True}), ("adaptive", {"input": "adaptive"})],
)
def test_tied_and_adaptive_inputs_learn_and_resume(chain, cutoffs, tmp_path, layer, options):
    allocation = cutoffs.vocabulary if layer == "full" else cutoffs
    config = replace(SMALL, epochs=1, **options)
    result = train(chain.train, valid=chain.valid, allocation=allocation, run=tmp_path / "run", config=config)
    assert result.best_perplexity < 0.7 * math.exp(chain.unigram_entropy)
    assert evaluate(tmp_path / "run", chain.valid).perplexity == pytest.approx(result.best_perplexity, rel=1e-5)
    if options.get("tie"):
        assert result.n_parameters < 2 * result.n_output_parameters + 4 * 2 * (32 * 32 + 32)


def test_what_cannot_be_tied_is_refused(chain, cutoffs, tmp_path):
    tree = wordalloc.huffman(cutoffs.vocabulary)
    with pytest.raises(InputError, match="TreeSoftmax cannot share a full input's vectors"):
        train(chain.train, allocation=tree, run=tmp_path / "tree", config=replace(SMALL, tie=True))
    with pytest.raises(InputError, match="--input adaptive"):
        train(chain.train, allocation=cutoffs, run=tmp_path / "run", config=replace(SMALL, tie=True))
    with pytest.raises(InputError, match="cutoffs"):
        train(chain.train, allocation=cutoffs.vocabulary, run=tmp_path / "x", config=replace(SMALL, input="adaptive"))


def test_streams_predict_every_token_once_from_the_one_before(tmp_path):
    (tmp_path / "text.txt").write_text("a b c d e f g h i j k\n")
    vocabulary = wordalloc.count(tmp_path / "text.txt", eos=False)
    text = encode(tmp_path / "text.txt", vocabulary)
    pairs = []
    for batch in Streams(text, batch=3, bptt=2, start=7).steps():
        kept = batch.targets != IGNORED
        pairs += zip(batch.inputs[kept].tolist(), batch.targets[kept].tolist(), strict=True)
    stream = [7, *text.ids.tolist()]
    assert sorted(pairs) == sorted(itertools.pairwise(stream))


def test_sentences_predict_every_line_from_its_start(tmp_path):
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.choice(list("abcdefgh"), size=n)) for n in rng.integers(0, 9, 200)]
    (tmp_path / "text.txt").write_text("\n".join(lines) + "\n")
    vocabulary = wordalloc.count(tmp_path / "text.txt")
    text = encode(tmp_path / "text.txt", vocabulary)
    eos = vocabulary.eos_rank
    found = []
    for batch in Sentences(text, batch=4, bptt=5, start=eos, shuffle=3).steps():
        assert batch.fresh and batch.targets.numel() <= max(20, batch.targets.shape[1])
        for inputs, targets in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
            line = [target for target in targets if target != IGNORED]
            assert inputs[: len(line)] == [eos, *line[:-1]]
            found.append(tuple(line))
    expected = [tuple(vocabulary.index([*line.split(), "<eos>"]).tolist()) for line in lines]
    assert sorted(found) == sorted(expected)


def test_padding_does_not_change_a_sentences_nll(chain, cutoffs):
    torch.manual_seed(0)
    model = LanguageModel(cutoffs, SMALL)
    text = encode(chain.valid, cutoffs.vocabulary)
    model.requires_grad_(False)
    together = sum(float(model.loss(b.inputs, b.targets, None)[0]) for b in Sentences(text, 8, 40, 0).steps())
    alone = 0.0
    for begin, end in zip([0, *text.line_ends[:-1].tolist()], text.line_ends.tolist(), strict=True):
        line = torch.from_numpy(text.ids[begin:end].astype(np.int64))[None]
        inputs = torch.cat([torch.zeros(1, 1, dtype=torch.long), line[:, :-1]], 1)
        alone += float(model.loss(inputs, line, None)[0])
    assert together == pytest.approx(alone, rel=1e-5)


def test_half_of_the_words_seen_once_train_the_unknown_word():
    words = [f"w{i}" for i in range(1000)]
    counts = [5] * 200 + [1] * 800
    vocabulary = wordalloc.Vocabulary.from_counts([*words, "<unk>"], [*counts, 0])
    ranks = replace_singletons(vocabulary, seed=0, epoch=0)
    changed = ranks != np.arange(1001)
    assert set(vocabulary.counts[changed].tolist()) == {1} and set(ranks[changed].tolist()) == {vocabulary.unk_rank}
    assert 340 < changed.sum() < 460
    assert (replace_singletons(vocabulary, 0, 1) != ranks).any()
    dropped = wordalloc.Vocabulary.from_counts([*words, "<unk>"], [*counts, 3])
    assert replace_singletons(dropped, 0, 0) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width", 0),
        ("dropout", 1.0),
        ("cell", "transformer"),
        ("batch", 2.5),
        ("learning_rate", -1),
        ("learning_rate", math.nan),
        ("learning_rate", 1e300),
        ("seed", -1),
    ],
)
def test_an_impossible_configuration_is_named(name, value):
    with pytest.raises(InputError, match=name):
        TrainConfig(**{name: value})


def test_the_command_lines_defaults_are_the_configurations():
    from wordalloc.cli.training import train as command

    defaults = command.make_context("train", ["text.txt"]).params
    for name in TrainConfig.__dataclass_fields__:
        assert defaults[name] == getattr(TrainConfig(), name), name
