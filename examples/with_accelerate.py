"""A language model with an adaptive softmax in a loop of Hugging Face Accelerate, in half a minute.

    python examples/with_accelerate.py                     one process
    accelerate launch examples/with_accelerate.py          as many as there are devices

What is prepared for several processes is wrapped, and the wrapper knows of `forward` alone: so the model's `forward`
returns the loss, and the layer's `loss` is called in there. The text is the documentation that comes with Python.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import wordalloc
from wordalloc.corpus.demo import demo_paragraphs
from wordalloc.nn import AdaptiveSoftmax

DIM, LENGTH, BATCH, EPOCHS = 48, 20, 32, 3


class Model(nn.Module):
    """A recurrent model of the next word; its loss over a batch of sequences of ranks, (B, T + 1)."""

    def __init__(self, cutoffs: wordalloc.Cutoffs) -> None:
        super().__init__()
        self.embedding = nn.Embedding(cutoffs.vocabulary.size, DIM)
        self.recurrent = nn.GRU(DIM, DIM, batch_first=True)
        self.output = AdaptiveSoftmax.from_allocation(cutoffs, DIM, head_bias=True)

    def forward(self, ranks: Tensor) -> Tensor:
        hidden, _ = self.recurrent(self.embedding(ranks[:, :-1]))
        return self.output.loss(hidden, ranks[:, 1:])


def demo_text() -> tuple[wordalloc.Vocabulary, Tensor]:
    """Return the vocabulary, most frequent first, and the text as ranks, in sequences of one word more than LENGTH."""
    words = [word for paragraph in itertools.islice(demo_paragraphs(), 500) for word in paragraph.split()]
    counts = Counter(words)
    vocabulary = wordalloc.Vocabulary.from_counts(counts.keys(), list(counts.values()))
    return vocabulary, torch.from_numpy(vocabulary.index(words)).unfold(0, LENGTH + 1, LENGTH)


def main() -> None:
    set_seed(0)
    accelerator = Accelerator()
    vocabulary, sequences = demo_text()
    model = Model(wordalloc.adaptive_cutoffs(vocabulary, dim=DIM, batch=BATCH * LENGTH))
    accelerator.print(f"{vocabulary.size:,} words, {vocabulary.total:,} tokens; {model.output}")
    batches = DataLoader(TensorDataset(sequences), batch_size=BATCH, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    model, optimizer, batches = accelerator.prepare(model, optimizer, batches)
    for epoch in range(1, EPOCHS + 1):
        losses = []
        for (ranks,) in batches:
            loss = model(ranks)
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.detach())
        nll = accelerator.gather(torch.stack(losses)).mean().item()
        accelerator.print(f"epoch {epoch}: nll {nll:.3f} nats a word, perplexity {math.exp(nll):.1f}")
    accelerator.end_training()


if __name__ == "__main__":
    main()
