"""Processes that train together, as the tests start them: one pair does many trainings, for its start takes seconds."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def environment(**more: str) -> dict[str, str]:
    """The environment of a process whose figures are to be compared: one thread."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, **more}


def start(n: int, *arguments: object, cwd: Path, **more: str) -> list[subprocess.Popen[str]]:
    """Start ``python -m arguments`` n times, each with the rank that torchrun would give it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = {"WORLD_SIZE": str(n), "LOCAL_WORLD_SIZE": str(n), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    group |= {"TORCHELASTIC_RUN_ID": "test", **more}
    return [
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


def finish(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Wait for processes; return status, stdout and stderr of each."""
    try:
        outputs = [process.communicate(timeout=240) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *output) for process, output in zip(processes, outputs, strict=True)]


class Stopped(BaseException):
    """Ends a training at a checkpoint, in all of its processes."""


def run_job(job: dict[str, Any]) -> list[str]:
    """Do one training; return the digests of the weights that each process ends with."""
    import pytest

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
    import torch
    from pytest import MonkeyPatch

    from wordalloc.training import distributed

    parameters = [torch.nn.Parameter(torch.zeros(3)) for _ in range(3)]
    parameters += [torch.nn.Parameter(torch.zeros(2, 2, dtype=torch.float64)), torch.nn.Parameter(torch.zeros(()))]
    parameters[0].grad = torch.full((3,), 1.0 + distributed.rank())
    if distributed.is_first():
        parameters[1].grad = torch.tensor([1.0, 2.0, 3.0])
        parameters[4].grad = torch.tensor(5.0)
    parameters[3].grad = torch.arange(4, dtype=torch.float64).view(2, 2).t()  # not contiguous
    with MonkeyPatch.context() as patch:
        patch.setattr(distributed, "BUCKET_BYTES", 16)
        distributed.sum_gradients(parameters)
    found = [None if parameter.grad is None else parameter.grad.tolist() for parameter in parameters]
    return {"gradients": found, "rows": [distributed.own_rows(n).indices(n)[:2] for n in (5, 4, 1)]}


def main(plan: Path) -> None:
    """Do the jobs of a plan; each process writes what it found beside it."""
    from wordalloc.training.distributed import joined, rank

    with joined():
        found = {"shared": shared_gradients()} | {job["name"]: run_job(job) for job in json.loads(plan.read_text())}
        plan.with_suffix(f".{rank()}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
