"""A classifier with many classes: adaptive against full softmax on the same task, in a minute.

    python examples/many_classes.py [number of classes]

The classes are Zipf-distributed, as words, products and labels are, and each has a centre in feature space; the
features are the centre and noise. Nothing here is a language model: any layer that ends in a hidden state will do.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch

import wordalloc
from wordalloc.nn import OutputLayer, output_layer

DIM, BATCH, STEPS = 64, 512, 60


def train(layer: OutputLayer, centres: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """Return the nll of the last batches and the seconds a step took."""
    torch.manual_seed(0)
    encoder = torch.nn.Sequential(torch.nn.Linear(DIM, DIM), torch.nn.Tanh(), torch.nn.Linear(DIM, DIM))
    optimizer = torch.optim.AdamW([*encoder.parameters(), *layer.parameters()], lr=1e-2)
    losses = []
    began = time.perf_counter()
    for step in range(STEPS):
        target = labels[step * BATCH : (step + 1) * BATCH]
        features = centres[target] + 0.1 * torch.randn(BATCH, DIM)
        loss = layer.loss(encoder(features), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses[-10:]) / 10, (time.perf_counter() - began) / STEPS


def main(n_classes: int) -> None:
    rng = np.random.default_rng(0)
    weights = 1 / (np.arange(n_classes) + 3.0)
    labels = rng.choice(n_classes, size=STEPS * BATCH, p=weights / weights.sum())
    counts = np.bincount(labels, minlength=n_classes)

    # Ranks are the layer's ids: rank 0 is the most frequent class.
    vocabulary = wordalloc.Vocabulary.from_counts([f"class {i}" for i in range(n_classes)], counts)
    rank_of_class = vocabulary.index(f"class {i}" for i in range(n_classes))
    targets = torch.from_numpy(rank_of_class[labels])
    cutoffs = wordalloc.adaptive_cutoffs(vocabulary, dim=DIM, batch=BATCH)
    print(f"{n_classes:,} classes, cutoffs {cutoffs.cutoffs.tolist()}")

    torch.manual_seed(0)
    centres = torch.randn(n_classes, DIM)
    for allocation in (vocabulary, cutoffs):
        layer = output_layer(allocation, DIM)
        nll, seconds = train(layer, centres, targets)
        print(
            f"{type(layer).__name__:<16} {1000 * seconds:7.1f} ms a step   "
            f"nll {nll:.3f} nats   {layer.n_parameters:,} parameters"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
