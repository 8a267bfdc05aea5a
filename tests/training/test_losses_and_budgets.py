"""Sampled losses, class input and recurrence, budgets of seconds, figures on the way, compiled models, event files."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

import wordalloc
from wordalloc.corpus import encode
from wordalloc.errors import InputError, RunError
from wordalloc.training import TrainConfig, evaluate, train
from wordalloc.training.data import part_of
from wordalloc.training.run_directory import RunDirectory

SMALL = TrainConfig(width=32, batch=8, bptt=20, epochs=2, learning_rate=1e-2, warmup=10, device="cpu")
LOSSES = ("importance", "sampled-softmax", "nce", "blackout", "negative")


@pytest.fixture(scope="module")
def vocabulary(chain):
    return wordalloc.count(chain.train, eos=False)


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("loss", LOSSES)
def test_every_sampled_loss_learns_the_source(chain, vocabulary, tmp_path, loss):
    config = replace(SMALL, loss=loss, samples=20)
    result = train(chain.train, valid=chain.valid, allocation=vocabulary, run=tmp_path / "run", config=config)
    # The perplexity is that of the true softmax, whose floor is the chain's own; importance is biased at 20 samples.
    assert 0.97 < result.best_perplexity / math.exp(chain.entropy) < 1.3
    assert evaluate(tmp_path / "run", chain.valid).perplexity == pytest.approx(result.best_perplexity, rel=1e-5)


@pytest.mark.parametrize("normaliser", ["fixed", "learnt"])
def test_nce_tells_its_log_z_beside_the_true_one(chain, vocabulary, tmp_path, normaliser):
    config = replace(SMALL, loss="nce", samples=20, normaliser=normaliser)
    result = train(chain.train, valid=chain.valid, allocation=vocabulary, run=tmp_path / "run", config=config)
    last = result.epochs[-1]
    assert (last["log_z"] == 0) == (normaliser == "fixed")
    assert abs(last["mean_log_normaliser"] - last["log_z"]) < 0.15  # it has learnt to be normalised
    tensors, allocation = load_weights(tmp_path / "run"), vocabulary
    assert allocation.size == tensors["output.head"].shape[0]
    assert ("output.learnt_log_z" in tensors) == (normaliser == "learnt")


def load_weights(run):
    from safetensors.torch import load_file

    return load_file(run / "checkpoint" / "best.safetensors")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("classes", {"input": "classes"}),
        ("classes", {"input": "classes", "recurrence": "classes", "cell": "gru"}),
        ("table", {"recurrence": "classes", "layers": 2}),
    ],
)
def test_factorised_models_learn_and_resume(chain, vocabulary, tmp_path, kind, options):
    made = {
        "classes": lambda: wordalloc.frequency_classes(vocabulary, 8),
        "table": lambda: wordalloc.initial_table(vocabulary, 7, by="frequency"),
    }
    config = replace(SMALL, epochs=1, learning_rate=2e-2, **options)
    options = {"valid": chain.valid, "allocation": made[kind](), "run": tmp_path / "run", "config": config}
    result = train(chain.train, **options)
    assert result.best_perplexity < 0.6 * math.exp(chain.unigram_entropy)
    assert evaluate(tmp_path / "run", chain.valid).perplexity == pytest.approx(result.best_perplexity, rel=1e-5)
    assert train(chain.train, **options, resume=True).best_perplexity == result.best_perplexity


@pytest.mark.parametrize(
    ("allocation", "options", "says"),
    [
        ("vocabulary", {"input": "classes"}, "needs an allocation of classes; give --allocation"),
        ("classes", {"input": "classes", "tie": True}, "--no-tie"),
        ("vocabulary", {"recurrence": "classes"}, "needs an allocation of classes or a table"),
        ("classes", {"loss": "nce"}, "nce samples a full output layer, and classes ask for another"),
        ("table", {"table_model": "lightrnn", "loss": "nce"}, "no full output layer that the loss nce could sample"),
        ("table", {"table_model": "lightrnn", "recurrence": "classes"}, "leave out --recurrence"),
        ("vocabulary", {"own_words": 5}, "a full input has a vector for each word"),
        ("classes", {"input": "classes", "own_words": 42}, "own_words must be a whole number from 0 to 41"),
        ("vocabulary", {"loss": "nce", "samples": 42}, "samples must be from 1 to V"),
        ("vocabulary", {"loss": "blackout", "samples": 20, "effective_samples": 3}, "leave it out"),
        (
            "vocabulary",
            {"loss": "blackout", "samples": 20, "normaliser": "learnt"},
            "learnt normaliser is for the loss nce",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_and_leaves_nothing(
    chain, vocabulary, tmp_path, allocation, options, says
):
    made = {
        "vocabulary": vocabulary,
        "classes": wordalloc.frequency_classes(vocabulary, 8),
        "table": wordalloc.initial_table(vocabulary, 7, by="frequency"),
    }
    with pytest.raises(InputError, match=says):
        train(chain.train, allocation=made[allocation], run=tmp_path / "run", config=replace(SMALL, **options))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("classes", {"input": "classes"}, 24),  # twelve for each of two classes
        ("classes", {"input": "classes", "own_words": 3}, 3),
        ("classes", {}, 0),
        ("table", {}, 36),
        ("table", {"table_model": "lightrnn"}, 18),
    ],
)
def test_words_with_a_vector_of_their_own_by_default(chain, vocabulary, tmp_path, kind, options, expected):
    made = {
        "classes": lambda: wordalloc.frequency_classes(vocabulary, 2),
        "table": lambda: wordalloc.initial_table(vocabulary, 3, by="frequency"),
    }
    config = replace(SMALL, max_tokens=200, **options)
    train(chain.train, valid=chain.valid, allocation=made[kind](), run=tmp_path / "run", config=config)
    own = [tensor for name, tensor in load_weights(tmp_path / "run").items() if name.endswith("own.vectors")]
    assert [len(vectors) for vectors in own] == [expected] * (expected > 0)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["train"]["own_words"] == expected


def test_a_killed_sampled_run_resumes_to_the_bytes_of_an_unbroken_one(chain, tmp_path):
    config = replace(SMALL, epochs=1, loss="nce", samples=20, warmup=50, checkpoint_seconds=0.0, validations=7)
    options = {"valid": chain.valid, "config": config, "tensorboard": True, "eos": False}
    train(chain.train, run=tmp_path / "unbroken", **options)
    command = [sys.executable, "-m", "wordalloc", "train", str(chain.train), "--valid", str(chain.valid), "--no-eos"]
    command += ["--width", "32", "--batch", "8", "--bptt", "20", "--loss", "nce", "--samples", "20", "--device", "cpu"]
    command += ["--learning-rate", "0.01", "--checkpoint-seconds", "0", "--validations", "7", "--tensorboard"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*command, "--run", "broken"], cwd=tmp_path, env=env, stderr=subprocess.DEVNULL)
    latest = tmp_path / "broken" / "checkpoint" / "latest.safetensors"
    while process.poll() is None and not latest.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    time.sleep(1)  # TensorBoard reads event files in the order of their names, which begin with the second
    train(chain.train, run=tmp_path / "broken", resume=True, **options)
    for name in ("metrics.jsonl", "checkpoint/best.safetensors"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "unbroken" / name).read_bytes()
    points = [entry for entry in read(tmp_path / "broken" / "metrics.jsonl") if "part_nll" in entry]
    assert len(points) == 7 and points[-1]["tokens"] == 40_000
    # TensorBoard shows every figure once, also of the run that was broken off.
    shown = events(tmp_path / "broken", "part_perplexity")
    assert [event.step for event in shown] == [entry["step"] for entry in points]
    np.testing.assert_allclose(
        [event.value for event in shown], [entry["part_perplexity"] for entry in points], rtol=1e-6
    )
    steps = [entry["step"] for entry in read(tmp_path / "broken" / "metrics.jsonl") if "nll" in entry]
    assert [event.step for event in events(tmp_path / "broken", "tokens_per_second")] == steps


def events(run, name):
    """Return a figure's events as TensorBoard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    shown = EventAccumulator(str(run / "tensorboard"))
    shown.Reload()
    return shown.Scalars(name)


def test_a_run_broken_off_before_its_first_checkpoint_shows_every_figure_once(chain, vocabulary, tmp_path):
    def break_off(at):
        raise KeyboardInterrupt

    options = {"allocation": vocabulary, "run": tmp_path / "run", "config": replace(SMALL, epochs=1)}
    options["tensorboard"] = True
    with pytest.raises(KeyboardInterrupt):
        train(chain.train, **options, progress=break_off)
    train(chain.train, **options, resume=True)
    assert [event.step for event in events(tmp_path / "run", "nll")] == [*range(20, 250, 20), 250]


def test_a_budget_of_seconds_ends_the_run_and_the_rate_falls_with_it(chain, vocabulary, tmp_path):
    config = replace(SMALL, max_seconds=1.0, epochs=10_000, validations=5)
    began = time.monotonic()
    train(chain.train, valid=chain.valid, allocation=vocabulary, run=tmp_path / "run", config=config)
    assert time.monotonic() - began < 20
    directory = RunDirectory(tmp_path / "run")
    timings = directory.read_lines(directory.timings)
    trained = sum(entry.get("train_seconds", 0) for entry in timings)
    assert 1.0 <= trained < 2.0
    so_far = [entry["seconds_so_far"] for entry in timings if "seconds_so_far" in entry]
    assert len(so_far) == 5 and so_far == sorted(so_far)
    np.testing.assert_allclose(so_far, [0.2, 0.4, 0.6, 0.8, 1.0], atol=0.15)


def test_validation_takes_nothing_off_a_budget_of_seconds(chain, vocabulary, tmp_path):
    (tmp_path / "short.txt").write_text("".join(chain.train.read_text().splitlines(keepends=True)[:8]))
    config = replace(SMALL, max_seconds=0.1, epochs=10_000)  # an epoch is one step; a validation is fifty
    valid = [chain.valid, chain.valid]
    train(tmp_path / "short.txt", valid=valid, allocation=vocabulary, run=tmp_path / "run", config=config)
    directory = RunDirectory(tmp_path / "run")
    assert sum(entry.get("train_seconds", 0) for entry in directory.read_lines(directory.timings)) >= 0.1


def test_the_step_that_ends_a_budget_of_seconds_is_validated(chain, vocabulary, tmp_path):
    # Steps that take as long to put together as to train: half of the budgets end in between.
    config = replace(SMALL, width=2, cell="rnn", batch=500, bptt=2, max_seconds=0.03, epochs=10_000, validations=1)
    for number in range(10):
        run = tmp_path / str(number)
        train(chain.train, valid=chain.valid, allocation=vocabulary, run=run, config=config)
        entries = read(run / "metrics.jsonl")
        assert [entry["step"] for entry in entries if "part_nll" in entry] == [entries[-1]["step"]]


def test_a_budget_shorter_than_a_step_takes_one(chain, vocabulary, tmp_path):
    config = replace(SMALL, max_seconds=1e-9, epochs=10_000, validations=3)
    result = train(chain.train, valid=chain.valid, allocation=vocabulary, run=tmp_path / "run", config=config)
    assert [entry["tokens"] for entry in result.epochs] == [160]


def test_a_finished_budget_of_seconds_resumes_to_its_result(chain, vocabulary, tmp_path):
    options = {"valid": chain.valid, "allocation": vocabulary, "run": tmp_path / "run"}
    options["config"] = replace(SMALL, max_seconds=0.3, epochs=10_000)
    first = train(chain.train, **options)
    assert train(chain.train, **options, resume=True).epochs == first.epochs


def test_a_budget_of_seconds_goes_on_where_the_checkpoint_stood(chain, vocabulary, tmp_path):
    def break_off(at):
        if at.done > 0.5:
            raise KeyboardInterrupt

    options = {"allocation": vocabulary, "run": tmp_path / "run"}
    options["config"] = replace(SMALL, max_seconds=1.5, epochs=10_000, checkpoint_seconds=0.0)
    with pytest.raises(KeyboardInterrupt):
        train(chain.train, **options, progress=break_off)
    directory = RunDirectory(tmp_path / "run")
    before = [
        e["seconds_at_checkpoint"] for e in directory.read_lines(directory.timings) if "seconds_at_checkpoint" in e
    ][-1]
    size = len(directory.read_lines(directory.timings))
    train(chain.train, **options, resume=True)
    rest = [e["train_seconds"] for e in directory.read_lines(directory.timings)[size:] if "train_seconds" in e]
    assert before > 0.3 and sum(rest[:-1]) < 1.5 - before <= sum(rest)


def test_perplexities_on_the_way_do_not_change_the_run(chain, vocabulary, tmp_path):
    short = replace(SMALL, max_tokens=6_000, dropout=0.2)
    for name, validations in (("a", 0), ("b", 3)):
        config = replace(short, validations=validations)
        train(chain.train, valid=chain.valid, allocation=vocabulary, run=tmp_path / name, config=config)
    a, b = (read(tmp_path / name / "metrics.jsonl") for name in "ab")
    assert a[-1] == b[-1] and load_weights(tmp_path / "a")["output.head"].equal(
        load_weights(tmp_path / "b")["output.head"]
    )
    points = [entry for entry in b if "part_nll" in entry]
    assert [entry["tokens"] for entry in points] == [2080, 4000, 6080]  # the first step of 160 after each third
    assert points[-1]["part_nll"] == pytest.approx(b[-1]["valid_nll"], rel=1e-5)  # the part is all of a short text


def test_a_part_of_a_text_is_spread_over_it(tmp_path):
    (tmp_path / "text.txt").write_text("".join(f"w{n} x\n" for n in range(100)))
    (tmp_path / "long.txt").write_text("a b " * 1000 + "\n")
    words = wordalloc.count([tmp_path / "text.txt", tmp_path / "long.txt"])
    text = encode(tmp_path / "text.txt", words)
    part = part_of(text, 60)  # of 300 tokens: every fifth line
    assert part.ids.tolist() == np.concatenate([text.ids[15 * n : 15 * n + 3] for n in range(20)]).tolist()
    assert part.line_ends.tolist() == list(range(3, 63, 3))
    assert part_of(text, 300) is text
    long = encode(tmp_path / "long.txt", words)
    assert part_of(long, 60).ids.tolist() == long.ids[:60].tolist()


def test_a_run_of_an_earlier_version_goes_on(chain, vocabulary, tmp_path):
    short = replace(SMALL, max_tokens=3_000)
    train(chain.train, allocation=vocabulary, run=tmp_path / "run", config=short)
    file = tmp_path / "run" / "config.json"
    content = json.loads(file.read_text())
    for name in ("loss", "samples", "recurrence", "validations", "max_seconds", "compile"):
        del content["train"][name]
    file.write_text(json.dumps(content))
    train(chain.train, allocation=vocabulary, run=tmp_path / "run", config=short, resume=True)
    with pytest.raises(InputError, match="another loss: it was 'softmax', now 'nce'"):
        nce = replace(short, loss="nce", samples=20)
        train(chain.train, allocation=vocabulary, run=tmp_path / "run", config=nce, resume=True)


def test_a_sampled_loss_that_is_no_number_stops_with_the_step(chain, vocabulary, tmp_path):
    wild = replace(SMALL, loss="nce", samples=20, optimizer="sgd", learning_rate=1e30, clip=0.0, cell="rnn")
    with pytest.raises(RunError, match=r"at step \d+ .*--learning-rate"):
        train(chain.train, allocation=vocabulary, run=tmp_path / "run", config=wild)


def test_without_a_compiler_there_is_one_line(chain, vocabulary, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    options = {"allocation": vocabulary, "run": tmp_path / "run"}
    with (
        torch._inductor.config.patch({"cpp.cxx": (None, "no-such-compiler")}),
        pytest.raises(RunError, match=r"no-such-compiler.*leave out --compile") as caught,
    ):
        train(chain.train, **options, config=replace(SMALL, compile=True))
    assert "\n" not in str(caught.value)


@pytest.mark.long
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("loss", ["softmax", "sampled-softmax"])
def test_a_compiled_model_learns_the_same(chain, vocabulary, tmp_path, loss):
    short = replace(SMALL, max_tokens=6_000, loss=loss, samples=20)
    for name, compiled in (("eager", False), ("compiled", True)):
        config = replace(short, compile=compiled)
        train(chain.train, valid=chain.valid, allocation=vocabulary, run=tmp_path / name, config=config)
    eager, compiled = (read(tmp_path / name / "metrics.jsonl")[-1]["valid_nll"] for name in ("eager", "compiled"))
    assert compiled == pytest.approx(eager, rel=1e-3 if loss == "softmax" else 2e-2)


def test_a_compiled_model_is_the_same_function(chain, vocabulary, tmp_path, monkeypatch):
    """The road of --compile, with the compiler's last stage left out, which takes a minute."""
    whole = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function: whole(function, backend="aot_eager"))
    short = replace(SMALL, max_tokens=2_000)
    for name, compiled in (("eager", False), ("compiled", True)):
        config = replace(short, compile=compiled)
        train(chain.train, allocation=vocabulary, run=tmp_path / name, config=config)
    found = [read(tmp_path / name / "metrics.jsonl") for name in ("eager", "compiled")]
    eager, compiled = ([entry["nll"] for entry in entries if "nll" in entry] for entries in found)
    np.testing.assert_allclose(compiled, eager, rtol=1e-4)
