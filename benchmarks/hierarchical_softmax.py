"""Forward and backward time of the class and tree softmax against a full softmax, and the Huffman code's own time.

    python benchmarks/hierarchical_softmax.py --sizes 44371 267735

Targets are drawn from the Zipf-Mandelbrot law that the allocations are made for, 1 / (rank + 2.7). All layers take the
same batches in turn; figures are medians. "optimiser" is a step of Adagrad, which is left out of the ratio. "products"
is the least that the class softmax's two levels could take: its matrix products alone, a class at a time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

import wordalloc
from wordalloc.nn import ClassSoftmax, FullSoftmax, OutputLayer, TreeSoftmax

torch.sparse.check_sparse_tensor_invariants.disable()


def zipf(size: int) -> wordalloc.Vocabulary:
    return wordalloc.Vocabulary.from_counts([f"w{i}" for i in range(size)], (1e9 / (np.arange(size) + 2.7)).astype(int))


def seconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def products(layer: ClassSoftmax, hidden: torch.Tensor, target: torch.Tensor) -> None:
    """The six matrix products of each level, forward and backward, without softmax, sorting or gradients kept."""
    with torch.no_grad():
        for matrix, rows in [(layer.classes, hidden)] + [
            (layer.words[layer.offsets[c] : layer.offsets[c + 1]], hidden[layer.word_class[target] == c])
            for c in layer.word_class[target].unique().tolist()
        ]:
            scores = rows @ matrix.t()
            scores @ matrix
            scores.t() @ rows


def measure(layers: dict[str, OutputLayer], dim: int, batch: int, repeats: int) -> dict[str, tuple[float, float]]:
    """Median seconds of loss and backward, and of an optimiser's step, for each layer."""
    size = next(iter(layers.values())).vocab_size
    weights = 1 / (np.arange(size) + 2.7)
    rng = np.random.default_rng(0)
    optimizers = {name: torch.optim.Adagrad(layer.parameters(), lr=0.01) for name, layer in layers.items()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in layers}
    for repeat in range(repeats + 1):
        target = torch.from_numpy(rng.choice(size, batch, p=weights / weights.sum()))
        hidden = torch.randn(batch, dim)
        for name, layer in layers.items():
            states = hidden.clone().requires_grad_()
            passes = seconds(lambda layer=layer, states=states, target=target: layer.loss(states, target).backward())
            step = seconds(optimizers[name].step)
            optimizers[name].zero_grad()
            if repeat:  # the first warms up
                times[name].append((passes, step))
    return {name: tuple(map(statistics.median, zip(*taken, strict=True))) for name, taken in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[44_371, 267_735])
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--huffman", type=int, default=1_000_000, metavar="V")
    arguments = parser.parse_args()

    wordalloc.huffman(zipf(100))  # compiles
    vocabulary = zipf(arguments.huffman)
    taken = min(seconds(lambda: wordalloc.huffman(vocabulary)) for _ in range(5))
    print(f"huffman, V = {arguments.huffman:,}: {taken:.3f} s\n")
    for size in arguments.sizes:
        vocabulary = zipf(size)
        classes, tree = wordalloc.frequency_classes(vocabulary, by="equal-size"), wordalloc.huffman(vocabulary)
        layers: dict[str, OutputLayer] = {"full": FullSoftmax.from_allocation(vocabulary, arguments.dim)}
        for kind, sparse in (("row-sparse", True), ("dense", False)):
            layers[f"classes, {kind}"] = ClassSoftmax.from_allocation(classes, arguments.dim, sparse=sparse)
            layers[f"tree, {kind}"] = TreeSoftmax.from_allocation(tree, arguments.dim, sparse=sparse)
        found = measure(layers, arguments.dim, arguments.batch, arguments.repeats)
        print(f"V = {size:,}, d = {arguments.dim}, N = {arguments.batch:,}, {torch.get_num_threads()} threads")
        print(f"{'layer':<22}{'ms':>9}{'full / it':>11}{'optimiser, ms':>15}")
        for name, (passes, step) in found.items():
            ratio = found["full"][0] / passes
            print(f"{name:<22}{1000 * passes:>9.1f}{ratio:>10.1f} ×{1000 * step:>15.1f}")
        target = torch.from_numpy(
            np.random.default_rng(0).choice(size, arguments.batch, p=vocabulary.counts / vocabulary.total)
        )
        hidden, layer = torch.randn(arguments.batch, arguments.dim), layers["classes, row-sparse"]
        least = min(seconds(lambda: products(layer, hidden, target)) for _ in range(5))  # noqa: B023
        print(f"{'products':<22}{1000 * least:>9.1f}{found['full'][0] / least:>10.1f} ×\n")


if __name__ == "__main__":
    main()
