"""A language model with an adaptive softmax, trained by Lightning's Trainer, in half a minute.

    python examples/with_lightning.py

The output layer is a module like any other: `training_step` returns its `loss`, and everything else is Lightning's,
as precision="bf16-mixed", devices, strategies and checkpoints. The text is the documentation that comes with Python.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter

import lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import wordalloc
from wordalloc.corpus.demo import demo_paragraphs
from wordalloc.nn import AdaptiveSoftmax

DIM, LENGTH, BATCH, EPOCHS = 48, 20, 32, 3


class Model(lightning.LightningModule):
    """A recurrent model of the next word, over batches of sequences of ranks, (B, T + 1)."""

    def __init__(self, cutoffs: wordalloc.Cutoffs) -> None:
        super().__init__()
        self.embedding = nn.Embedding(cutoffs.vocabulary.size, DIM)
        self.recurrent = nn.GRU(DIM, DIM, batch_first=True)
        self.output = AdaptiveSoftmax.from_allocation(cutoffs, DIM, head_bias=True)

    def loss_of(self, ranks: Tensor) -> Tensor:
        hidden, _ = self.recurrent(self.embedding(ranks[:, :-1]))
        return self.output.loss(hidden, ranks[:, 1:])

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        return self.loss_of(*batch)

    def validation_step(self, batch: list[Tensor], _: int) -> None:
        self.log("nll", self.loss_of(*batch))

    def on_validation_epoch_end(self) -> None:
        nll = float(self.trainer.callback_metrics["nll"])
        self.print(f"epoch {self.current_epoch + 1}: nll {nll:.3f} nats a word, perplexity {math.exp(nll):.1f}")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=5e-3)


def demo_text() -> tuple[wordalloc.Vocabulary, Tensor]:
    """Return the vocabulary, most frequent first, and the text as ranks, in sequences of one word more than LENGTH."""
    words = [word for paragraph in itertools.islice(demo_paragraphs(), 500) for word in paragraph.split()]
    counts = Counter(words)
    vocabulary = wordalloc.Vocabulary.from_counts(counts.keys(), list(counts.values()))
    return vocabulary, torch.from_numpy(vocabulary.index(words)).unfold(0, LENGTH + 1, LENGTH)


def main() -> None:
    lightning.seed_everything(0, verbose=False)
    vocabulary, sequences = demo_text()
    model = Model(wordalloc.adaptive_cutoffs(vocabulary, dim=DIM, batch=BATCH * LENGTH))
    print(f"{vocabulary.size:,} words, {vocabulary.total:,} tokens; {model.output}")
    held_out = torch.arange(len(sequences)) % 10 == 0
    training = DataLoader(TensorDataset(sequences[~held_out]), batch_size=BATCH, shuffle=True)
    validation = DataLoader(TensorDataset(sequences[held_out]), batch_size=BATCH)
    trainer = lightning.Trainer(
        max_epochs=EPOCHS,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, training, validation)


if __name__ == "__main__":
    main()
