"""Training on several processes: the figures of one, files written once, and ranks that are lost."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import wordalloc
from tests.training.several_processes import command, environment, run_job, started, together
from wordalloc.allocations import save
from wordalloc.corpus.encode_to_folder import encode_to_folder
from wordalloc.errors import InputError, RunError
from wordalloc.training import distributed, trainer
from wordalloc.training.checkpoint import load_checkpoint

# 7 rows: one process has four of them, the other three.
TINY = {"width": 16, "batch": 7, "bptt": 20, "max_tokens": 3000, "warmup": 5, "learning_rate": 0.02, "device": "cpu"}
CASES = {
    "full": {"accumulate": 7, "validations": 2},
    "adaptive": {"batch": 4, "input": "adaptive", "tie": True, "layers": 2},
    "classes": {"cell": "gru"},
    "tree": {"optimizer": "sgd", "learning_rate": 5.0, "clip": 0.0},
    "table": {},
    "lightrnn": {"table_model": "lightrnn"},
    "sentences": {"by_sentence": True, "batch": 2, "epochs": 2},
    "one row": {"batch": 1, "bptt": 200, "epochs": 2, "cell": "rnn"},  # the second process has none
    "counted": {"epochs": 2, "max_tokens": 5000, "checkpoint_seconds": 0.0},
    "nce": {"loss": "nce", "samples": 20, "normaliser": "learnt"},
    "sampled-softmax": {"loss": "sampled-softmax", "samples": 20},
}


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A text whose second half holds five words only, so that the rest of them are in the first process's rows."""
    folder = tmp_path_factory.mktemp("texts")
    rng = np.random.default_rng(0)
    words = [*rng.integers(0, 40, 1500).tolist(), *rng.integers(0, 5, 1500).tolist()]
    lines = [" ".join(f"w{word}" for word in words[i : i + 15]) for i in range(0, len(words), 15)]
    (folder / "train.txt").write_text("\n".join(lines) + "\n")
    (folder / "valid.txt").write_text("\n".join(lines[::5]) + "\n")
    return folder


@pytest.fixture(scope="module")
def jobs(texts, tmp_path_factory):
    """The trainings that one process does, and two do together, without the folder of their run."""
    folder = tmp_path_factory.mktemp("allocations")
    vocabulary = wordalloc.count(texts / "train.txt")
    made = {
        "full": vocabulary,
        "adaptive": wordalloc.Cutoffs(vocabulary, [8, 20]),
        "classes": wordalloc.frequency_classes(vocabulary),
        "tree": wordalloc.huffman(vocabulary),
        "table": wordalloc.initial_table(vocabulary, 6, by="random", seed=3),
    }
    made |= {"lightrnn": made["table"], "sentences": made["adaptive"], "one row": made["full"]}
    for name, allocation in made.items():
        save(allocation, folder / f"{name}.safetensors")
    plain = {"text": str(texts / "train.txt"), "valid": str(texts / "valid.txt"), "costs": False}
    found = [{**plain, "name": name, "config": {**TINY, **changes}} for name, changes in CASES.items()]
    for job in found:
        job["allocation"] = str(folder / f"{job['name']}.safetensors") if job["name"] in made else None
        job |= {"table": {"costs": True}, "lightrnn": {"rounds": 2, "costs": True}}.get(job["name"], {})
    return {job["name"]: job for job in found}


@pytest.fixture(scope="module")
def one(jobs, tmp_path_factory):
    """Runs of one process."""
    folder = tmp_path_factory.mktemp("one")
    # Two processes draw the negatives of a step by its number; here one does.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "size", lambda: 2)
        for name, job in jobs.items():
            run_job({**job, "run": str(folder / name)})
    return folder


def with_dropout(job):
    return {**job, "config": {**job["config"], "dropout": 0.1}}


@pytest.fixture(scope="module")
def two(jobs, one, tmp_path_factory):
    """Runs of two processes; also some that are stopped, by them or by one, and taken up again."""
    folder = tmp_path_factory.mktemp("two")
    plan = [{**job, "run": str(folder / name)} for name, job in jobs.items()]

    def add(name, job, run, **more):
        plan.append({**job, "name": name, "run": str(folder / run), **more})

    counted, dropped = jobs["counted"], with_dropout(jobs["counted"])
    run_job({**counted, "run": str(folder / "taken up"), "saves": 3})
    add("taken up", counted, "taken up", resume=True)
    add("stopped", counted, "stopped", saves=3)
    encode_to_folder([jobs["full"]["text"]], wordalloc.load(jobs["full"]["allocation"]), folder / "text.ids")
    add("encoded", {**jobs["full"], "text": str(folder / "text.ids")}, "encoded")
    add("unbroken", dropped, "unbroken")
    add("broken", dropped, "broken", saves=3)
    add("continued", dropped, "broken", resume=True)
    add("clock", {**counted, "config": {**counted["config"], "max_tokens": None, "max_seconds": 0.3}}, "clock")
    do_together(folder / "plan.json", {"jobs": plan})
    return folder


def do_together(plan, content, n=2):
    """Do a plan with several processes; return what each found."""
    plan.write_text(json.dumps(content))
    for status, _, err in together(n, "tests.training.several_processes", plan, cwd=plan.parent):
        assert not status, err
    return [json.loads(plan.with_suffix(f".{rank}.json").read_text()) for rank in range(n)]


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def found(two, rank):
    return json.loads((two / f"plan.{rank}.json").read_text())


def assert_same_figures(expected, got):
    assert [entry.keys() for entry in got] == [entry.keys() for entry in expected]
    for entry, other in zip(expected, got, strict=True):
        for key, value in entry.items():
            assert other[key] == pytest.approx(value, rel=2e-4, abs=1e-6), (key, entry, other)


@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_as_one(one, two, name):
    assert_same_figures(read(one / name / "metrics.jsonl"), read(two / name / "metrics.jsonl"))


def test_processes_read_an_encoded_folder_as_its_text(two):
    assert (two / "encoded" / "metrics.jsonl").read_bytes() == (two / "full" / "metrics.jsonl").read_bytes()


def test_only_a_lost_connection_is_called_one():
    with pytest.raises(RuntimeError, match=r"^view size is not compatible$"), distributed._answered():
        raise RuntimeError("view size is not compatible")
    with pytest.raises(RunError, match=r"waited for another .* Connection closed by peer"), distributed._answered():
        raise RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer\nmore")


def test_all_processes_end_with_the_same_weights(two):
    first, second = found(two, 0), found(two, 1)
    assert first == {**second, "shared": first["shared"]}
    assert all(digests[0] == digests[1] for name, digests in first.items() if name != "shared")


def test_gradients_are_summed_and_one_that_nobody_has_stays_none(two):
    expected = [[3.0, 3.0, 3.0], [1.0, 2.0, 3.0], None, [[0.0, 4.0], [2.0, 6.0]], 5.0]
    assert found(two, 0)["shared"] == {"gradients": expected, "rows": [[0, 3], [0, 2], [0, 1]]}
    assert found(two, 1)["shared"] == {"gradients": expected, "rows": [[3, 5], [2, 4], [1, 1]]}


@pytest.mark.parametrize("name", ["table", "lightrnn"])
def test_costs_are_those_of_one_process(one, two, name):
    files = sorted((one / name).glob("costs-*"))
    assert [file.name for file in files] == [file.name for file in sorted((two / name).glob("costs-*"))] != []
    for file in files:
        expected, got = wordalloc.load(file), wordalloc.load(two / name / file.name)
        assert got.cell.tolist() == expected.cell.tolist()
        np.testing.assert_allclose(got.row_nll, expected.row_nll, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(got.col_nll, expected.col_nll, rtol=1e-3, atol=1e-3)


def test_a_run_may_be_continued_by_another_number_of_processes(one, two, jobs):
    tensors, _ = load_checkpoint(two / "stopped" / "checkpoint" / "latest.safetensors")
    assert tensors["state.0"].shape == (1, 7, 16) and "random.cpu.1" in tensors
    run_job({**jobs["counted"], "run": str(two / "stopped"), "resume": True})
    for name in ("taken up", "stopped"):
        assert_same_figures(read(one / "counted" / "metrics.jsonl"), read(two / name / "metrics.jsonl"))


def test_the_same_number_of_processes_continues_to_the_same_bytes(two):
    for file in ("metrics.jsonl", "checkpoint/latest.safetensors"):
        assert (two / "broken" / file).read_bytes() == (two / "unbroken" / file).read_bytes()


def torchrun(*arguments, options=()):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", *options]
    return [*launcher, "-m", "--", "wordalloc", *map(str, arguments)]


def command_of(job, *more):
    words = [job["text"], "--valid", job["valid"], *more]
    for name, value in job["config"].items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return ["train", *words]


def workers(agent: int) -> dict[int, int]:
    """The processes that torchrun has started, by rank."""
    ranks = {}
    for pid in Path(f"/proc/{agent}/task/{agent}/children").read_text().split():
        with contextlib.suppress(OSError):
            if rank := re.search(rb"\0RANK=(\d+)\0", b"\0" + Path(f"/proc/{pid}/environ").read_bytes()):
                ranks[int(rank[1])] = int(pid)
    return ranks


def kill_in_the_middle(agent, rank, run, seen):
    """Kill a rank after a checkpoint that was not there before; return the checkpoint's time."""
    latest = run / "checkpoint" / "latest.safetensors"
    for _ in range(1200):
        if agent.poll() is None and latest.exists() and latest.stat().st_mtime_ns != seen:
            seen = latest.stat().st_mtime_ns
            os.kill(workers(agent.pid)[rank], signal.SIGKILL)
            return seen
        time.sleep(0.05)
    raise AssertionError("no checkpoint was taken")


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")


def killed_under_torchrun(jobs, two, tmp_path, ranks, *options):
    command = torchrun(*command_of(with_dropout(jobs["counted"])), options=[f"--max-restarts={len(ranks)}", *options])
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as agent:
        seen = 0
        try:
            for rank in ranks:
                seen = kill_in_the_middle(agent, rank, tmp_path / "wordalloc-run", seen)
            out, err = agent.communicate(timeout=240)
        finally:
            agent.kill()
    assert agent.returncode == 0, err
    assert out.count("written to wordalloc-run") == 1
    expected = (two / "unbroken" / "metrics.jsonl").read_bytes()
    assert (tmp_path / "wordalloc-run" / "metrics.jsonl").read_bytes() == expected


@needs_proc
def test_a_killed_process_restarts_from_the_checkpoint(jobs, two, tmp_path):
    killed_under_torchrun(jobs, two, tmp_path, [1], "--standalone")


@needs_proc
@pytest.mark.long
def test_any_process_may_be_killed_again_and_again(jobs, two, tmp_path):
    killed_under_torchrun(jobs, two, tmp_path, [0, 1, 0], "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0")


REFUSED = {
    "missing.txt: cannot be read": ["train", "missing.txt"],
    "Invalid value for '--width'": ["train", "TEXT", "--width", "none"],
    "-: only one process can read it": ["train", "-"],
    "learning_rate must be a positive": ["lightrnn", "TEXT", "--learning-rate", "nan"],
}


def test_the_command_line_speaks_once(texts, tmp_path):
    """Bad input, a table that the first process makes, and another that does not answer."""
    text = str(texts / "train.txt")
    lightrnn = ["lightrnn", text, "--valid", str(texts / "valid.txt"), "--by", "random", "--rounds", "1"]
    lightrnn += ["--width", "8", "--device", "cpu"]
    refused = [[text if word == "TEXT" else word for word in arguments] for arguments in REFUSED.values()]
    found = do_together(tmp_path / "plan.json", {"commands": [*refused, lightrnn]})
    *refusals, ended = zip(*(each["commands"] for each in found), strict=True)
    for message, answers in zip(REFUSED, refusals, strict=True):
        assert 2 in {answer[0] for answer in answers} and not any(answer[1] for answer in answers)
        said = "".join(answer[2] for answer in answers)
        assert said.startswith("wordalloc: ") and said.count("\n") == 1 and message in said
    assert [answer[0] for answer in ended] == [0, 0]
    assert "written to wordalloc-run" in ended[0][1] and ended[1][1] == ""
    assert found[1]["differing"].startswith("InputError: the processes were given different things: text is '0' in")
    assert found[0]["differing"].startswith("ToldElsewhere")
    waited = "RunError: process 0 of 2 waited for another that has ended or does not answer"
    assert found[0]["silence"].startswith(waited) and found[1]["silence"].startswith("ToldElsewhere")

    assert command([*lightrnn, "--run", str(tmp_path / "one")])[0] == 0
    assert_same_figures(*(read(tmp_path / run / "metrics.jsonl") for run in ("one", "wordalloc-run")))


@pytest.mark.long
def test_what_only_the_first_process_refuses_ends_the_others(texts, two, tmp_path):
    answers = together(2, "wordalloc", "train", texts / "train.txt", "--run", two / "full", cwd=tmp_path)
    assert answers[0][0] == 2 and answers[1][0] != 0
    said = "".join(err for _, _, err in answers)
    assert "holds a run already; give --resume" in said and said.count("\n") == 1


def test_a_restart_continues_only_what_the_same_launch_began(jobs, tmp_path, monkeypatch):
    job = {**jobs["counted"], "run": str(tmp_path / "run")}
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "first")
    run_job({**job, "saves": 2})
    for name, restarts in (("second", "1"), ("first", "0")):  # the last is another launch of the same name
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", name)
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", restarts)
        with pytest.raises(InputError, match="holds a run already"):
            run_job(job)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    run_job(job)
    assert read(tmp_path / "run" / "metrics.jsonl")[-1]["epoch"] == 2


@pytest.mark.long
def test_a_lost_process_ends_the_others_with_one_line(jobs, tmp_path):
    job = jobs["counted"]
    endless = {**job, "config": {**job["config"], "max_tokens": 10**9, "epochs": 10**6}}
    with started(2, "wordalloc", *command_of(endless), cwd=tmp_path) as (first, second):
        latest = tmp_path / "wordalloc-run" / "checkpoint" / "latest.safetensors"
        for _ in range(1200):
            if latest.exists() or first.poll() is not None:
                break
            time.sleep(0.05)
        assert latest.exists()
        second.kill()
        _, err = first.communicate(timeout=60)
    assert first.returncode == 1
    assert err.startswith("wordalloc: process 0 of 2 waited for another that has ended") and err.count("\n") == 1


@pytest.mark.long
def test_three_processes_give_the_same_bytes_twice(jobs, one, tmp_path):
    dropped = with_dropout(jobs["counted"])
    plan = [{**dropped, "name": name, "run": str(tmp_path / name)} for name in "ab"]
    plan += [{**job, "run": str(tmp_path / name)} for name, job in jobs.items()]
    do_together(tmp_path / "plan.json", {"jobs": plan}, n=3)
    for file in ("metrics.jsonl", "checkpoint/latest.safetensors"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    for name in jobs:
        assert_same_figures(read(one / name / "metrics.jsonl"), read(tmp_path / name / "metrics.jsonl"))


@pytest.mark.long
def test_chance_leaves_the_perplexity_as_it_is(chain, tmp_path):
    """Where each process has random numbers of its own: another seed of one process makes as much of a difference."""
    plain = {"text": str(chain.train), "valid": str(chain.valid), "costs": False, "count": {"eos": False}}
    config = {**TINY, "max_tokens": 160_000, "epochs": 4, "samples": 40, "negatives": "per-token"}
    chances = [{"dropout": 0.1}, {"loss": "nce"}, {"loss": "sampled-softmax"}]
    plan = [{**plain, "name": f"{number}", "config": {**config, **more}} for number, more in enumerate(chances)]
    for job in plan:
        run_job({**job, "run": str(tmp_path / "one" / job["name"])})
    do_together(tmp_path / "plan.json", {"jobs": [{**job, "run": str(tmp_path / "two" / job["name"])} for job in plan]})
    nll = [
        [read(tmp_path / n / job["name"] / "metrics.jsonl")[-1]["valid_nll"] for job in plan] for n in ("one", "two")
    ]
    ratio = np.exp(np.subtract(*nll))
    # Over four seeds of one process with shared negatives, perplexities lay within 1 % of each other.
    assert ratio == pytest.approx(np.ones(3), abs=1e-2) and ratio.mean() == pytest.approx(1, abs=5e-3), ratio


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs: one for each process")
@pytest.mark.parametrize("name", ["adaptive", "lightrnn", "nce"])
def test_two_gpus_train_as_one(jobs, tmp_path, name):
    config = {**jobs[name]["config"], "device": "cuda", "amp": False}
    job = {**jobs[name], "config": config}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "size", lambda: 2)
        run_job({**job, "run": str(tmp_path / "one")})
    do_together(tmp_path / "plan.json", {"jobs": [{**job, "run": str(tmp_path / "two")}]})
    one, two = (read(tmp_path / run / "metrics.jsonl")[-1] for run in ("one", "two"))
    assert two["valid_perplexity"] == pytest.approx(one["valid_perplexity"], rel=5e-3)


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(distributed, "size", lambda: 3)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    with pytest.raises(InputError, match="3 processes need a GPU each, and here are 2; lower --nproc-per-node"):
        distributed.own_device(torch.device("cuda"))
