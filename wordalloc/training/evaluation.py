"""Perplexity of a trained model on a text."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass

import torch

from wordalloc.allocations import Allocation
from wordalloc.corpus import EncodedText, encode
from wordalloc.corpus.reading import Paths
from wordalloc.errors import InputError
from wordalloc.nn import SampledSoftmax
from wordalloc.training.checkpoint import damage_reported, load_checkpoint
from wordalloc.training.config import TrainConfig
from wordalloc.training.data import IGNORED, Sentences, Streams
from wordalloc.training.distributed import sums
from wordalloc.training.model import LanguageModel, LightRNNModel, State, choose_device, make_model
from wordalloc.training.run_directory import RunDirectory
from wordalloc.vocabulary import Vocabulary

EVALUATION_STREAMS = 16  # few, so that little context is lost; many enough to keep the device busy
MOST_UNKNOWN = 0.5


@dataclass(frozen=True)
class Evaluation:
    """What a model makes of a text.

    Attributes
    ----------
    nll : float
        Nats a token, ``<eos>`` included.
    perplexity : float
        exp(nll).
    tokens : int
    unknown_share : float
        Share of tokens out of the vocabulary, scored as the unknown word.
    """

    nll: float
    perplexity: float
    tokens: int
    unknown_share: float


def evaluate(
    run: str | os.PathLike[str],
    paths: Paths,
    *,
    device: str = "auto",
    column: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Return the perplexity of a run's best weights on texts.

    Parameters
    ----------
    run : path-like
        A run directory of `train`.
    paths : path-like or iterable of path-like
        Text, read as the training text was.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    column : str, optional
        The column of text, as in `wordalloc.count`.
    progress : callable, optional
        Called as ``progress(tokens done, tokens in all)``.

    Raises
    ------
    InputError
        If the run has no finished epoch yet, or more than half of the text is out of its vocabulary.
    FormatError
        If a file of the run is damaged.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from wordalloc.training import train
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     text = pathlib.Path(folder) / "text.txt"
    ...     _ = text.write_text("tick tock " * 500)
    ...     config = TrainConfig(width=8, batch=4, bptt=10, device="cpu")
    ...     result = train(text, valid=text, run=f"{folder}/run", config=config, eos=False)
    ...     evaluation = evaluate(f"{folder}/run", text)
    >>> evaluation.tokens, abs(evaluation.perplexity - result.best_perplexity) < 1e-3
    (1000, True)
    """
    model, allocation, config = load_model(run)
    vocabulary = allocation if isinstance(allocation, Vocabulary) else allocation.vocabulary
    text = encode(paths, vocabulary, column=column)
    check_fit(text, "the text")
    place = choose_device(device)
    nll = mean_nll(model.to(place), text, config, vocabulary, place, progress)
    return Evaluation(nll, perplexity(nll), int(text.ids.size), text.n_unknown / text.ids.size)


def load_model(
    run: str | os.PathLike[str],
) -> tuple[LanguageModel | LightRNNModel, Allocation | Vocabulary, TrainConfig]:
    """Return a run's model with its best weights, its allocation, and its configuration.

    Raises
    ------
    InputError
        If the run has no finished epoch yet.
    FormatError
        If a file of the run is damaged.
    """
    directory = RunDirectory(run)
    config = TrainConfig.from_json(directory.read_config()["train"])
    allocation = directory.read_allocation()
    if not directory.best.exists():
        raise InputError(f"{directory.path}: has no finished epoch yet; continue it with: wordalloc train --resume")
    tensors, content = load_checkpoint(directory.best)
    with damage_reported(directory.best):
        n_bytes = sum(tensor.nbytes for tensor in tensors.values())
        if 4 * config.layers * config.width**2 > n_bytes:  # before a model of that width is made
            raise ValueError(f"its {n_bytes:,} bytes are too few for {config.layers} layers of width {config.width}")
        model = make_model(directory.read_table(content["table"]) if content.get("table") else allocation, config)
        model.load_state_dict(tensors)
    return model, allocation, config


def check_fit(text: EncodedText, name: str) -> None:
    """Refuse a text that the vocabulary was evidently not made for."""
    share = text.n_unknown / text.ids.size
    if share > MOST_UNKNOWN:
        raise InputError(
            f"{100 * share:.0f} % of the tokens of {name} are not in the vocabulary: the allocation was made for "
            "another text; make one from this text"
        )


@torch.no_grad()
def mean_nll(
    model: LanguageModel | LightRNNModel,
    text: EncodedText,
    config: TrainConfig,
    vocabulary: Vocabulary,
    device: torch.device,
    progress: Callable[[int, int], None] | None = None,
) -> float:
    """Return the mean nll of all tokens of a text, in nats; of several processes, each reads its rows."""
    start = vocabulary.eos_rank or 0
    kind = Sentences if config.by_sentence else Streams
    batches = kind(text, EVALUATION_STREAMS, config.bptt, start)
    was_training = model.training
    model.eval()
    total, done, state = 0.0, 0, None
    for batch in batches.steps():
        own = batch.own()
        if own.n_rows:
            state = initial_state(state, batch.fresh)
            loss, state = model.loss(own.inputs.to(device), own.targets.to(device), state)
            total += float(loss)
        done += batch.n_tokens
        if progress is not None:
            progress(done, batches.n_tokens)
    model.train(was_training)
    return sums([total])[0] / batches.n_tokens


@torch.no_grad()
def mean_log_normaliser(
    model: LanguageModel, text: EncodedText, config: TrainConfig, vocabulary: Vocabulary, device: torch.device
) -> float:
    """Return the mean of log Σ exp(score) over the tokens of a text: what a sampled loss takes for known, or learns."""
    output = model.output
    assert isinstance(output, SampledSoftmax)
    was_training = model.training
    model.eval()
    total, state = 0.0, None
    for batch in Streams(text, EVALUATION_STREAMS, config.bptt, vocabulary.eos_rank or 0).steps():
        own = batch.own()
        if not own.n_rows:
            continue
        hidden, state = model.hidden(own.inputs.to(device), initial_state(state, batch.fresh))
        counted = (own.targets != IGNORED).to(device)
        total += float(output.log_normaliser(hidden[counted], own.targets.to(device)[counted]).sum())
    model.train(was_training)
    return sums([total])[0] / text.ids.size


def initial_state(state: State, fresh: bool) -> State:
    """Return the state a step starts from: none (zeros) where it is fresh."""
    return None if fresh else state


def perplexity(nll: float) -> float:
    """Return exp(nll), infinite where that is too large for a float."""
    return math.exp(nll) if nll < 700 else math.inf
