"""A text whose entropy is known: a Markov chain over a few words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

torch.set_num_threads(1)  # two spin against each other where the machine is busy: a hundred times slower


@dataclass(frozen=True)
class Chain:
    """Texts drawn from a Markov chain, and its entropy rate in nats a token."""

    train: Path
    valid: Path
    entropy: float
    unigram_entropy: float


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    folder = tmp_path_factory.mktemp("chain")
    rng = np.random.default_rng(0)
    size = 40
    transitions = rng.dirichlet(np.full(size, 0.08), size) * 0.97 + 0.03 / size
    stationary = np.linalg.matrix_power(transitions, 200)[0]
    cumulative = transitions.cumsum(1)

    def write(name: str, n: int) -> Path:
        word, words = 0, []
        for draw in rng.random(n):
            word = min(int(np.searchsorted(cumulative[word], draw)), size - 1)
            words.append(f"w{word}")
        path = folder / name
        path.write_text("\n".join(" ".join(words[i : i + 20]) for i in range(0, n, 20)) + "\n")
        return path

    entropy = -float((stationary[:, None] * transitions * np.log(transitions)).sum())
    unigram = -float(stationary @ np.log(stationary))
    return Chain(write("train.txt", 40_000), write("valid.txt", 4_000), entropy, unigram)
