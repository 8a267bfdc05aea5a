"""Adaptive against full softmax in training: tokens/s and validation perplexity, in one run.

    python benchmarks/language_model.py train.txt valid.txt --tokens 2_000_000 --dim 256 --min-count 3

Both models are trained by `wordalloc.training.train` on the same ids with the same seed, width and batches; only
the output layer differs. The unigram perplexity says whether the full softmax has learnt anything at all.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch

import wordalloc
from wordalloc.corpus import encode
from wordalloc.training import TrainConfig, train


def unigram_perplexity(vocabulary: wordalloc.Vocabulary, valid: str) -> float:
    """Perplexity on `valid` of the training text's word frequencies."""
    ids = np.asarray(encode([valid], vocabulary).ids)
    log_probability = np.log(np.maximum(vocabulary.counts, 1) / vocabulary.total)
    return float(np.exp(-log_probability[ids].mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train")
    parser.add_argument("valid")
    parser.add_argument("--tokens", type=int, default=2_000_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--min-count", type=int, default=3)
    parser.add_argument("--min-head-mass", type=float, nargs="*", default=[None])
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--skip-full", action="store_true")
    arguments = parser.parse_args()

    vocabulary = wordalloc.count(arguments.train, min_count=arguments.min_count)
    config = {"width": arguments.dim, "max_tokens": arguments.tokens, "learning_rate": arguments.learning_rate}
    batch = TrainConfig().batch * TrainConfig().bptt
    allocations: dict[str, object] = {} if arguments.skip_full else {"full": vocabulary}
    for mass in arguments.min_head_mass:
        constraint = {} if mass is None else {"min_head_mass": mass}
        best = wordalloc.adaptive_cutoffs(vocabulary, dim=arguments.dim, batch=batch, **constraint)
        allocations[f"adaptive {best.cutoffs.tolist()}"] = best

    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; V = {vocabulary.size:,}")
    print(f"unigram: perplexity {unigram_perplexity(vocabulary, arguments.valid):.1f}")
    for seed in arguments.seeds:
        for name, allocation in allocations.items():
            with tempfile.TemporaryDirectory() as folder:
                result = train(
                    [arguments.train],
                    valid=[arguments.valid],
                    allocation=allocation,
                    run=Path(folder) / "run",
                    config=TrainConfig(**config, seed=seed),
                )
            row = {
                "layer": name,
                "seed": seed,
                "perplexity": round(result.best_perplexity, 2),
                "tokens_per_second": round(result.tokens_per_second),
                "output_parameters": result.n_output_parameters,
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
