"""Processes that train together, as the tests start them: one pair does many trainings, for its start takes seconds."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[2]


def environment(**more: str) -> dict[str, str]:
    """The environment of a process whose figures are to be compared: one thread."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, **more}


@contextlib.contextmanager
def started(n: int, *arguments: object, cwd: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Start ``python -m arguments`` n times, as torchrun would: it tells each its rank, and holds what they share."""
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    group = {"WORLD_SIZE": str(n), "LOCAL_WORLD_SIZE": str(n), "MASTER_ADDR": "127.0.0.1"}
    group |= {"MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RUN_ID": "test"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", *map(str, arguments)],
            cwd=cwd,
            env=environment(**group, RANK=str(rank), LOCAL_RANK=str(rank)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(n)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def together(n: int, *arguments: object, cwd: Path) -> list[tuple[int, str, str]]:
    """Return status, stdout and stderr of n processes."""
    with started(n, *arguments, cwd=cwd) as processes:
        with ThreadPoolExecutor(n) as pool:  # at once, or one would wait for another whose pipe is full
            outputs = list(pool.map(lambda process: process.communicate(timeout=240), processes))
        return [(process.returncode, *output) for process, output in zip(processes, outputs, strict=True)]


class Stopped(BaseException):
    """Ends a training at a checkpoint, in all of its processes."""


def run_job(job: dict[str, Any]) -> list[str]:
    """Do one training; return the digests of the weights that each process ends with."""
    import wordalloc
    from wordalloc.pipelines.lightrnn import train_in_rounds
    from wordalloc.training import TrainConfig, train
    from wordalloc.training.distributed import tensors_of_all
    from wordalloc.training.trainer import Trainer

    trained: list[Trainer] = []
    saves = iter(range(job.get("saves", 10**9)))

    def remember(trainer: Trainer, *arguments: Any, **options: Any) -> None:
        make(trainer, *arguments, **options)
        trained.append(trainer)

    def save_or_stop(trainer: Trainer) -> None:
        save(trainer)
        if next(saves, None) is None:
            raise Stopped

    make, save = Trainer.__init__, Trainer._save
    allocation = None if job.get("allocation") is None else wordalloc.load(job["allocation"])
    options = {"valid": job["valid"], "run": job["run"], "config": TrainConfig(**job["config"]), "costs": job["costs"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "__init__", remember)
        patch.setattr(Trainer, "_save", save_or_stop)
        try:
            if job.get("rounds"):
                train_in_rounds(job["text"], allocation, rounds=job["rounds"], **options)
            else:
                resume = job.get("resume", False)
                train(job["text"], allocation=allocation, resume=resume, **options, **job.get("count", {}))
        except Stopped:
            pass
    return [_digest(tensors) for tensors in tensors_of_all(trained[0].model.state_dict())]


def _digest(tensors: dict[str, Any]) -> str:
    return hashlib.sha256(b"".join(tensors[name].numpy().tobytes() for name in sorted(tensors))).hexdigest()


def shared_gradients() -> dict[str, Any]:
    """What becomes of gradients that both processes, one of them, or neither has."""
    from wordalloc.training import distributed

    parameters = [torch.nn.Parameter(torch.zeros(3)) for _ in range(3)]
    parameters += [torch.nn.Parameter(torch.zeros(2, 2, dtype=torch.float64)), torch.nn.Parameter(torch.zeros(()))]
    parameters[0].grad = torch.full((3,), 1.0 + distributed.rank())
    if distributed.is_first():
        parameters[1].grad = torch.tensor([1.0, 2.0, 3.0])
        parameters[4].grad = torch.tensor(5.0)
    parameters[3].grad = torch.arange(4, dtype=torch.float64).view(2, 2).t()  # not contiguous
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distributed, "BUCKET_BYTES", 16)
        distributed.sum_gradients(parameters)
    found = [None if parameter.grad is None else parameter.grad.tolist() for parameter in parameters]
    return {"gradients": found, "rows": [distributed.own_rows(n).indices(n)[:2] for n in (5, 4, 1)]}


def silence() -> str:
    """What a process says of another one that does not answer."""
    from wordalloc.training import distributed

    with distributed.joined():
        pass  # so that both are here
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distributed, "TIMEOUT", timedelta(seconds=3))
        try:
            with distributed.joined() as first:
                if not first:
                    time.sleep(5)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return "nothing"


def differing() -> str:
    """What a process says where each was given another text."""
    from wordalloc.training import distributed, loop

    try:
        with distributed.joined():
            loop._check_same({"text": str(distributed.rank())})
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def command(arguments: list[str]) -> tuple[object, str, str]:
    """Run the command line; return status, stdout and stderr."""
    from wordalloc.cli import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as end:
            return end.code, out.getvalue(), err.getvalue()


def main(plan: Path) -> None:
    """Do what a plan says; each process writes what it found beside it."""
    from wordalloc.training.distributed import joined

    content = json.loads(plan.read_text())
    if "commands" in content:
        found = {"commands": [command(arguments) for arguments in content["commands"]]}
        found |= {"differing": differing(), "silence": silence()}
    else:
        with joined():
            found = {"shared": shared_gradients()} | {job["name"]: run_job(job) for job in content["jobs"]}
    plan.with_suffix(f".{os.environ['RANK']}.json").write_text(json.dumps(found))
    os._exit(0)  # as the command line does: threads of torch's may abort a process that is taken down


if __name__ == "__main__":
    main(Path(sys.argv[1]))
