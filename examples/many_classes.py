"""Classifiers with many classes: full softmax against the cheap ones, on the same tasks, in a minute.

    python examples/many_classes.py [number of classes]

Nothing here is a language model: any layer that ends in a hidden state will do. The first task is real and small,
scikit-learn's images of digits; the second is synthetic and as large as you ask for (10,000 to 1,000,000 classes are
interesting): Zipf-distributed classes, as words, products and labels are, each with a centre in feature space, and
features that are the centre and noise.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from sklearn.datasets import load_digits

import wordalloc
from wordalloc.nn import AdaptiveSoftmax, ClassSoftmax, FullSoftmax, OutputLayer, TreeSoftmax

DIM, BATCH, STEPS = 64, 512, 40
torch.sparse.check_sparse_tensor_invariants.disable()  # torch asks to say so where sparse gradients are used
Task = tuple[torch.Tensor, torch.Tensor]  # features (N, DIM) and ranks (N,)


def vocabulary_of(labels: np.ndarray, n_classes: int) -> tuple[wordalloc.Vocabulary, np.ndarray]:
    """Return the classes sorted by how often they occur, and each example's rank: the layers' ids are ranks."""
    counts = np.bincount(labels, minlength=n_classes)
    vocabulary = wordalloc.Vocabulary.from_counts([f"class {i}" for i in range(n_classes)], counts)
    return vocabulary, vocabulary.index(f"class {i}" for i in range(n_classes))[labels]


def layers_for(vocabulary: wordalloc.Vocabulary) -> dict[str, Callable[[], OutputLayer]]:
    cutoffs = wordalloc.adaptive_cutoffs(vocabulary, dim=DIM, batch=BATCH)
    classes = wordalloc.frequency_classes(vocabulary, by="equal-size")  # √V classes of √V
    tree = wordalloc.huffman(vocabulary)
    return {
        "full": lambda: FullSoftmax.from_allocation(vocabulary, DIM),
        "adaptive": lambda: AdaptiveSoftmax.from_allocation(cutoffs, DIM),
        "classes": lambda: ClassSoftmax.from_allocation(classes, DIM, sparse=True),
        "tree": lambda: TreeSoftmax.from_allocation(tree, DIM, sparse=True),
    }


def train(layer: OutputLayer, task: Task, epochs: int = 1) -> tuple[torch.nn.Module, float, float]:
    """Return the encoder, the nll of the last batches and the seconds a step took."""
    torch.manual_seed(0)
    encoder = torch.nn.Sequential(torch.nn.Linear(DIM, DIM), torch.nn.Tanh(), torch.nn.Linear(DIM, DIM))
    optimizer = torch.optim.Adagrad([*encoder.parameters(), *layer.parameters()], lr=0.1)  # takes sparse gradients
    losses = []
    began = time.perf_counter()
    for _ in range(epochs):
        for features, target in zip(*(part.split(BATCH) for part in task), strict=True):
            loss = layer.loss(encoder(features), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return encoder, sum(losses[-10:]) / 10, (time.perf_counter() - began) / len(losses)


def digits() -> None:
    """Images of 8 × 8 pixels: with ten classes nothing is gained, and nothing lost either."""
    images, labels = load_digits(return_X_y=True)
    features = torch.tensor(images / 16, dtype=torch.float32)
    vocabulary, ranks = vocabulary_of(labels, 10)
    target = torch.from_numpy(ranks)
    print(f"digits: {len(labels):,} images, 10 classes; every fourth is kept for the test")
    test = torch.arange(len(labels)) % 4 == 0
    for name, make in layers_for(vocabulary).items():
        torch.manual_seed(0)
        layer = make()
        encoder, _, _ = train(layer, (features[~test], target[~test]), epochs=30)
        found = layer.topk(encoder(features[test]), 1)[1].squeeze(-1)
        print(f"  {name:<10} {100 * (found == target[test]).float().mean():5.1f} % right")


def synthetic(n_classes: int) -> None:
    rng = np.random.default_rng(0)
    weights = 1 / (np.arange(n_classes) + 3.0)
    labels = rng.choice(n_classes, size=STEPS * BATCH, p=weights / weights.sum())
    vocabulary, ranks = vocabulary_of(labels, n_classes)
    torch.manual_seed(0)
    target = torch.from_numpy(ranks)
    features = torch.randn(n_classes, DIM)[target] + 0.1 * torch.randn(len(target), DIM)
    print(f"synthetic: {n_classes:,} classes, {BATCH} examples a step")
    times = {}
    for name, make in layers_for(vocabulary).items():
        torch.manual_seed(0)
        layer = make()
        _, nll, times[name] = train(layer, (features, target))
        print(
            f"  {name:<10} {1000 * times[name]:8.1f} ms a step, {times['full'] / times[name]:6.1f} ×   "
            f"nll {nll:.3f} nats   {layer.n_parameters:,} parameters"
        )


if __name__ == "__main__":
    digits()
    synthetic(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
