"""The output layers in training: tokens/s and validation perplexity of the same model, in one run.

    python benchmarks/language_model.py train.txt valid.txt --layers full adaptive exchange huffman

All models are trained by `wordalloc.training.train` on the same ids with the same seed, width and batches; only the
output layer differs. The unigram perplexity says whether the full softmax has learnt anything at all. Classes are ⌈√V⌉
by the method named, the Brown tree is over 500.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch

import wordalloc
from wordalloc.corpus import count_bigrams, encode
from wordalloc.pipelines.allocate import CLASS_METHODS, TREE_METHODS, Text, make_classes, make_tree
from wordalloc.training import TrainConfig, train

WORDNET = "/usr/share/wordnet"  # where Debian has it
LAYERS = ["full", "adaptive", *CLASS_METHODS, *TREE_METHODS]


def unigram_perplexity(vocabulary: wordalloc.Vocabulary, valid: str) -> float:
    """Perplexity on `valid` of the training text's word frequencies."""
    ids = np.asarray(encode([valid], vocabulary).ids)
    log_probability = np.log(np.maximum(vocabulary.counts, 1) / vocabulary.total)
    return float(np.exp(-log_probability[ids].mean()))


def allocation_for(layer: str, text: Text, dim: int) -> object:
    """The vocabulary, cutoffs, classes or tree that a layer's name stands for."""
    if layer == "full":
        return text.counted
    if layer == "adaptive":
        batch = TrainConfig().batch * TrainConfig().bptt
        return wordalloc.adaptive_cutoffs(text.counted, dim=dim, batch=batch)
    if layer in CLASS_METHODS:
        return make_classes(text, layer)
    wordnet = WORDNET if layer == "wordnet" else None
    return make_tree(text, layer, n_classes=500 if layer == "brown" else None, wordnet=wordnet)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train")
    parser.add_argument("valid")
    parser.add_argument("--layers", nargs="*", default=["full", "adaptive"], help=f"of {', '.join(LAYERS)}")
    parser.add_argument("--tokens", type=int, default=2_000_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--min-count", type=int, default=3)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    arguments = parser.parse_args()

    vocabulary = wordalloc.count(arguments.train, min_count=arguments.min_count)
    text = Text(lambda: vocabulary, lambda: count_bigrams(arguments.train, vocabulary))
    config = {"width": arguments.dim, "max_tokens": arguments.tokens, "learning_rate": arguments.learning_rate}

    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; V = {vocabulary.size:,}")
    print(f"unigram: perplexity {unigram_perplexity(vocabulary, arguments.valid):.1f}", flush=True)
    for layer in arguments.layers:
        allocation = allocation_for(layer, text, arguments.dim)
        for seed in arguments.seeds:
            with tempfile.TemporaryDirectory() as folder:
                result = train(
                    [arguments.train],
                    valid=[arguments.valid],
                    allocation=allocation,
                    run=Path(folder) / "run",
                    config=TrainConfig(**config, seed=seed),
                )
            row = {
                "layer": layer,
                "seed": seed,
                "perplexity": round(result.best_perplexity, 2),
                "tokens_per_second": round(result.tokens_per_second),
                "output_parameters": result.n_output_parameters,
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
