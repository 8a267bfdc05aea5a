"""Batches: a text as parallel streams cut into steps, or as padded sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wordalloc.corpus import EncodedText
from wordalloc.training.distributed import own_rows
from wordalloc.vocabulary import Vocabulary

IGNORED = -1  # the target of padding
LONGEST_SENTENCE = 1024  # tokens; longer lines are cut, so that one line cannot fill the memory
_BUCKET_BATCHES = 50  # sentences are sorted by length within so many batches


@dataclass(frozen=True)
class Batch:
    """One step's input and target ranks, (B, T), and whether the recurrent state starts from zero."""

    inputs: Tensor
    targets: Tensor
    fresh: bool

    @property
    def n_tokens(self) -> int:
        """Targets that count."""
        return int((self.targets != IGNORED).sum())

    @property
    def n_rows(self) -> int:
        """B."""
        return self.inputs.shape[0]

    def rows(self, chosen: slice) -> Batch:
        """Return some of the rows."""
        return Batch(self.inputs[chosen], self.targets[chosen], self.fresh)

    def own(self) -> Batch:
        """Return the rows of this process, perhaps none: all of them where there is only one."""
        return self.rows(own_rows(self.n_rows))


def replace_singletons(vocabulary: Vocabulary, seed: int, epoch: int) -> npt.NDArray[np.int32] | None:
    """Return the rank that each rank is trained as, shape (V,): half of the words seen once become unknown.

    Only where the vocabulary dropped nothing, for then the unknown word would never be trained. None: no change.
    """
    unk = vocabulary.unk_rank
    if unk is None or vocabulary.counts[unk] > 0:
        return None
    ranks = np.arange(vocabulary.size, dtype=np.int32)
    chosen = np.random.default_rng((seed, epoch)).random(vocabulary.size) < 0.5
    ranks[chosen & (vocabulary.counts == 1)] = unk
    return ranks


def part_of(text: EncodedText, max_tokens: int) -> EncodedText:
    """Return about `max_tokens` of a text: every n-th of its lines; its beginning where that comes to another size."""
    if text.ids.size <= max_tokens:
        return text
    begins = np.concatenate(([0], text.line_ends[:-1]))
    every = -(-text.ids.size // max_tokens)
    lengths = (text.line_ends - begins)[::every]
    if not max_tokens // 2 <= lengths.sum() <= 2 * max_tokens:
        return replace(text, ids=text.ids[:max_tokens], line_ends=np.array([max_tokens]))
    chosen = np.concatenate(
        [text.ids[begin:end] for begin, end in zip(begins[::every], text.line_ends[::every], strict=True)]
    )
    return replace(text, ids=chosen, line_ends=np.cumsum(lengths))


class Streams:
    """A text as `batch` contiguous streams, read `bptt` tokens at a time; the state is carried over.

    Every token is predicted once: the first of the text from `start`, the first of each other stream from the
    token before it. The last step is padded.
    """

    def __init__(self, text: EncodedText, batch: int, bptt: int, start: int) -> None:
        self.ids, self.bptt, self.start = text.ids, bptt, start
        self.length = -(-text.ids.size // batch)  # tokens of a stream, rounded up
        self.batch = batch
        self.n_steps = -(-self.length // bptt)
        self.n_tokens = int(text.ids.size)

    def steps(self, first: int = 0, ranks: npt.NDArray[np.int32] | None = None) -> Iterator[Batch]:
        """Yield the steps from `first` on; `ranks` maps the ids."""
        for step in range(first, self.n_steps):
            begin = step * self.bptt
            width = min(self.bptt, self.length - begin)
            window = np.full((self.batch, width + 1), IGNORED, dtype=np.int64)
            for row in range(self.batch):
                at = row * self.length + begin
                end = min(at + width, (row + 1) * self.length, self.ids.size)
                if at < end:
                    window[row, 0] = self.ids[at - 1] if at else self.start
                    window[row, 1 : 1 + end - at] = self.ids[at:end]
            yield _batch(window, ranks, fresh=step == 0)


class Sentences:
    """A text as its lines, each from a zero state, padded to the longest of its batch.

    A batch holds as many lines as fit `batch` · `bptt` tokens with padding. With `shuffle`, lines are drawn in an
    order given by the seed and sorted by length within stretches of 50 batches, so that little is padded.
    """

    def __init__(self, text: EncodedText, batch: int, bptt: int, start: int, shuffle: int | None = None) -> None:
        self.ids, self.start = text.ids, start
        begins = np.concatenate(([0], text.line_ends[:-1]))
        pieces = -(-(text.line_ends - begins) // LONGEST_SENTENCE)
        self.begins = np.concatenate([np.arange(n) * LONGEST_SENTENCE for n in pieces]) + np.repeat(begins, pieces)
        self.ends = np.minimum(self.begins + LONGEST_SENTENCE, np.repeat(text.line_ends, pieces))
        self.batches = self._batches(batch, bptt, shuffle)
        self.n_steps = len(self.batches)
        self.n_tokens = int(text.ids.size)

    def _batches(self, batch: int, bptt: int, shuffle: int | None) -> list[npt.NDArray[np.int64]]:
        order = np.arange(self.begins.size)
        rng = None if shuffle is None else np.random.default_rng(shuffle)
        if rng is not None:
            order = rng.permutation(order)
        lengths = self.ends - self.begins
        batches = []
        stretch = max(1, batch * _BUCKET_BATCHES)
        for low in range(0, order.size, stretch):
            part = order[low : low + stretch]
            part = part[np.argsort(lengths[part], kind="stable")]
            first = 0
            for place in range(1, part.size + 1):
                if place == part.size or (place - first + 1) * lengths[part[place]] > batch * bptt:
                    batches.append(part[first:place])
                    first = place
        if rng is not None:
            batches = [batches[i] for i in rng.permutation(len(batches))]
        return batches

    def steps(self, first: int = 0, ranks: npt.NDArray[np.int32] | None = None) -> Iterator[Batch]:
        """Yield the batches from `first` on; `ranks` maps the ids."""
        for lines in self.batches[first:]:
            begins, ends = self.begins[lines], self.ends[lines]
            window = np.full((lines.size, int((ends - begins).max()) + 1), IGNORED, dtype=np.int64)
            window[:, 0] = self.start
            for row, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
                window[row, 1 : 1 + end - begin] = self.ids[begin:end]
            yield _batch(window, ranks, fresh=True)


def _batch(window: npt.NDArray[np.int64], ranks: npt.NDArray[np.int32] | None, fresh: bool) -> Batch:
    """Split (B, T + 1) tokens into inputs and targets, padding kept out of the inputs."""
    if ranks is not None:
        window = np.where(window == IGNORED, IGNORED, ranks[window])
    inputs = np.maximum(window[:, :-1], 0)
    return Batch(torch.from_numpy(inputs), torch.from_numpy(window[:, 1:].copy()), fresh)
