"""One training by one process and by several: tokens/s, perplexity, and the share of time that summing gradients takes.

    python benchmarks/distributed.py train.txt valid.txt --allocation corpus.cutoffs.safetensors --processes 1 2

All have the same global batch, and each process has one thread, so that n processes have n cores. The share is that of
the first process's time in training; it includes what it waits for the others. torchrun starts the processes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from wordalloc.training import TrainConfig, train, trainer
from wordalloc.training.distributed import joined, size


def measured(arguments: argparse.Namespace) -> dict[str, float] | None:
    """Train together with the other processes; return the figures in the first one."""
    torch.set_num_threads(1)
    seconds, sum_gradients = [], trainer.sum_gradients

    def timed(parameters: object) -> None:
        began = time.perf_counter()
        sum_gradients(parameters)
        seconds.append(time.perf_counter() - began)

    trainer.sum_gradients = timed
    config = TrainConfig(
        width=arguments.dim,
        batch=arguments.batch,
        max_tokens=arguments.tokens,
        epochs=1000,
        device="cpu",  # gradients are timed without waiting for a device
        seed=arguments.seed,
        checkpoint_seconds=1e9,
    )
    with joined() as first, tempfile.TemporaryDirectory() as folder:
        options = {"valid": arguments.valid, "allocation": arguments.allocation, "run": Path(folder) / "run"}
        result = train(arguments.train, **options, config=config)
        spent = result.epochs[-1]["tokens"] / result.tokens_per_second
        figures = {
            "processes": size(),
            "tokens_per_second": round(result.tokens_per_second),
            "perplexity": round(result.best_perplexity, 3),
            "summing_share": round(sum(seconds) / spent, 3),
        }
        return figures if first else None


def started(n: int) -> dict[str, float]:
    """Return the figures of n processes."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n}", "--"]
    command = [*launcher, __file__, *sys.argv[1:]]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train")
    parser.add_argument("valid")
    parser.add_argument("--allocation")
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    if "RANK" in os.environ:  # one of the processes that are measured
        if (figures := measured(arguments)) is not None:
            print(json.dumps(figures), flush=True)
        return
    rows = [started(n) for n in arguments.processes]
    for row in rows:
        row["speed_ratio"] = round(row["tokens_per_second"] / rows[0]["tokens_per_second"], 3)
        row["perplexity_ratio"] = round(row["perplexity"] / rows[0]["perplexity"], 5)
        print(json.dumps(row))


if __name__ == "__main__":
    main()
