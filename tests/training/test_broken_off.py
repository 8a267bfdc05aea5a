"""Runs broken off, damaged or diverged: what is continued, what is refused, and what is kept."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import wordalloc
from wordalloc.errors import FormatError, InputError, OutputError, RunError
from wordalloc.training import TrainConfig, evaluate, train, trainer
from wordalloc.training.checkpoint import load_checkpoint, save_checkpoint
from wordalloc.training.optimisation import learning_rate
from wordalloc.training.run_directory import RunDirectory

# 4,000 tokens in steps of 200: an epoch ends at step 20, where a report and a checkpoint fall too.
TINY = TrainConfig(
    width=8, batch=8, bptt=25, epochs=3, dropout=0.1, warmup=5, learning_rate=0.03, device="cpu", checkpoint_seconds=0
)


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


@pytest.fixture(scope="module")
def vocabulary(chain):
    return wordalloc.count(chain.valid, eos=False)


@pytest.fixture
def run(chain, vocabulary, tmp_path):
    """Train on the small text; the directory's name and changes of the configuration come from the test."""

    def start(name="run", *, resume=False, allocation=vocabulary, progress=None, **changes):
        options = {"resume": resume, "progress": progress, "allocation": allocation}
        config = replace(TINY, **changes)
        return train(chain.valid, valid=chain.valid, run=tmp_path / name, config=config, **options)

    return start


@pytest.mark.parametrize(
    "changes",
    [
        {},
        pytest.param({"optimizer": "sgd", "learning_rate": 1.0, "cell": "gru", "layers": 2}, marks=pytest.mark.long),
        {"by_sentence": True},
    ],
    ids=str,
)
def test_a_run_that_dies_before_any_of_its_writes_resumes_to_the_same_bytes(run, tmp_path, monkeypatch, changes):
    changes = {"epochs": 2, **changes}
    run("unbroken", **changes)
    expected = (tmp_path / "unbroken" / "metrics.jsonl").read_bytes()
    best = (tmp_path / "unbroken" / "checkpoint" / "best.safetensors").read_bytes()
    writes = {"append": RunDirectory.append, "save_checkpoint": trainer.save_checkpoint}
    left = math.inf

    def dying(write):
        def die_or_write(*arguments):
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            write(*arguments)

        return die_or_write

    monkeypatch.setattr(RunDirectory, "append", dying(writes["append"]))
    monkeypatch.setattr(trainer, "save_checkpoint", dying(writes["save_checkpoint"]))
    for number in range(1000):
        left = number
        try:
            run(f"broken{number}", **changes)
        except Killed:
            left = math.inf
            result = run(f"broken{number}", resume=True, **changes)
            assert (tmp_path / f"broken{number}" / "metrics.jsonl").read_bytes() == expected
            assert (tmp_path / f"broken{number}" / "checkpoint" / "best.safetensors").read_bytes() == best
            assert len(result.epochs) == 2
        else:
            break
    assert number >= 2 * 6  # each epoch: two lines, a checkpoint, the validation's time, best, a line, a checkpoint


def test_half_written_lines_and_files_are_made_again(run, tmp_path):
    run("unbroken")
    calls = []

    def interrupt(at):
        calls.append(at)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(progress=interrupt)
    assert calls[0].total_tokens == 12_000 and 0 < calls[0].tokens <= 12_000 and calls[0].nll > 0
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 40, "tokens": 80')
    with (tmp_path / "run" / "timings.jsonl").open("a") as file:
        file.write('{"step": 40, "tok')
    for leftover in (".config.json.a1b2.tmp", "checkpoint/.latest.safetensors.c3d4.tmp"):
        (tmp_path / "run" / leftover).write_text("half")
    run(resume=True)
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == (tmp_path / "unbroken" / "metrics.jsonl").read_bytes()
    assert all("step" in json.loads(line) for line in (tmp_path / "run" / "timings.jsonl").read_text().splitlines())
    assert not list((tmp_path / "run").rglob("*.tmp"))


def test_a_run_that_died_while_it_began_begins_again(run, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".allocation.safetensors.a1b2.tmp").write_text("half")
    assert len(run(resume=True).epochs) == 3


@pytest.mark.parametrize(
    ("file", "damage", "says"),
    [
        ("checkpoint/latest.safetensors", lambda path: os.truncate(path, 1000), "damaged checkpoint"),
        ("checkpoint/latest.safetensors", lambda path: save_tensors(path, {}), "damaged checkpoint"),
        ("checkpoint/latest.safetensors", lambda path: save_tensors(path, {"surprise": 1}), "damaged checkpoint"),
        ("metrics.jsonl", lambda path: os.truncate(path, 10), "cut short"),
        ("checkpoint/latest.safetensors", lambda path: stand_at(path, metrics_size=0), "damaged: no epoch is in it"),
        ("metrics.jsonl", lambda path: replace_figure(path, "train_nll", 10**400), "damaged: train_nll is '1000"),
        ("timings.jsonl", lambda path: replace_figure(path, "tokens", 10**400), "damaged: tokens is '1000"),
        ("config.json", lambda path: path.write_text("{"), "damaged"),
        ("config.json", lambda path: path.write_text("[]"), "damaged"),
        ("config.json", lambda path: path.unlink(), "holds no run"),
    ],
)
def test_a_damaged_run_is_refused_in_one_line(run, tmp_path, file, damage, says):
    run()
    damage(tmp_path / "run" / file)
    with pytest.raises(InputError, match=says) as error:
        run(resume=True)
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


def stand_at(path, **changes):
    tensors, content = load_checkpoint(path)
    save_checkpoint(path, tensors, {**content, **changes})


def replace_figure(path, name, value):
    """Put another figure into every line that has it, in as many bytes of the file as before or more."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    changed = [{**line, name: value} if name in line else line for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in changed))


def save_tensors(path, content):
    save_file({"model.strange": torch.zeros(2)}, path, metadata={"wordalloc_checkpoint": json.dumps(content)})


def test_weights_of_another_model_are_refused(run, chain, tmp_path):
    run()
    save_tensors(tmp_path / "run" / "checkpoint" / "best.safetensors", {})
    with pytest.raises(FormatError, match=r"best\.safetensors: damaged checkpoint"):
        evaluate(tmp_path / "run", chain.valid)


def test_evaluation_needs_a_finished_epoch(run, chain, tmp_path):
    with pytest.raises(InputError, match="no run is here"):
        evaluate(tmp_path / "run", chain.valid)
    run()
    (tmp_path / "run" / "checkpoint" / "best.safetensors").unlink()
    with pytest.raises(InputError, match="no finished epoch"):
        evaluate(tmp_path / "run", chain.valid)


def test_the_same_cutoffs_with_other_widths_are_another_run(run, vocabulary):
    wide, narrow = (wordalloc.Cutoffs(vocabulary, [10, 20], {"div_value": value}) for value in (2.0, 4.0))
    run(allocation=wide)
    with pytest.raises(InputError, match="another allocation"):
        run(allocation=narrow, resume=True)


def test_divergence_names_the_step_and_keeps_the_last_good_checkpoint(run, tmp_path):
    run()
    good = (tmp_path / "run" / "checkpoint" / "latest.safetensors").read_bytes()
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    with pytest.raises(RunError, match=r"at step \d+ .*no checkpoint was taken yet"):
        run("wild", optimizer="sgd", learning_rate=1e30, clip=0.0, cell="rnn", warmup=0)
    # The same run, continued at a rate that ruins it: the checkpoint it stands on stays.
    config["train"] |= {"epochs": 4, "learning_rate": 1e30, "clip": 0.0}
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    rewrite_as_unfinished(tmp_path / "run" / "checkpoint" / "latest.safetensors")
    unfinished = (tmp_path / "run" / "checkpoint" / "latest.safetensors").read_bytes()
    with pytest.raises(RunError, match=r"step \d+.*the last checkpoint stands"):
        run(resume=True, epochs=4, learning_rate=1e30, clip=0.0)
    assert (tmp_path / "run" / "checkpoint" / "latest.safetensors").read_bytes() == unfinished != good


def rewrite_as_unfinished(path):
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        content = json.loads(file.metadata()["wordalloc_checkpoint"])
    content["finished"] = False
    save_file(tensors, path, metadata={"wordalloc_checkpoint": json.dumps(content)})


def test_a_weight_ruined_by_the_very_last_step_is_not_saved(run, tmp_path, monkeypatch):
    class Ruinous(torch.optim.SGD):
        def step(self):
            super().step()
            self.param_groups[0]["params"][0].data[0] = math.nan

    monkeypatch.setattr(trainer, "make_optimizer", lambda model, config, device: Ruinous(model.parameters(), lr=0.0))
    # One step: its loss, taken before the step, is a good number.
    with pytest.raises(RunError, match="a weight is no longer a number after step 1:"):
        run(max_tokens=1)
    assert not list((tmp_path / "run" / "checkpoint").iterdir())


def test_the_callers_randomness_is_left_alone(run):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    run()
    assert torch.equal(torch.rand(3), expected)


def test_a_target_that_cannot_be_written_is_an_output_error(run, tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(OutputError, match="cannot make the run directory"):
        run()
    directory = RunDirectory(tmp_path / "nowhere")
    with pytest.raises(OutputError, match=r"cannot write .*metrics\.jsonl"):
        directory.append(directory.metrics, {})


@pytest.mark.parametrize(
    ("schedule", "expected"), [("constant", [1, 1, 1]), ("linear", [1, 0.51, 0.02]), ("cosine", [1, 0.51, 0.02])]
)
def test_the_learning_rate_rises_and_falls(schedule, expected):
    config = TrainConfig(learning_rate=1.0, warmup=3, schedule=schedule)
    assert [learning_rate(config, 3, done) for done in (0.0, 0.5, 1.0)] == pytest.approx(expected)
    assert [learning_rate(config, step, 0.0) for step in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1, 1])
