"""Training a language model, so that it can be broken off anywhere and continued to the same figures."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from wordalloc.allocations import Allocation, Cutoffs, load
from wordalloc.corpus import EncodedText, encode, read_vocabulary
from wordalloc.corpus.reading import Paths
from wordalloc.errors import RunError
from wordalloc.training.checkpoint import load_checkpoint, pack, save_checkpoint, unpack
from wordalloc.training.config import TrainConfig
from wordalloc.training.data import Batch, Sentences, Streams, replace_singletons
from wordalloc.training.evaluation import check_fit, initial_state, mean_nll, perplexity
from wordalloc.training.model import LanguageModel, State, choose_device, detach, layer_name
from wordalloc.training.run_directory import RunDirectory
from wordalloc.vocabulary import Vocabulary

REPORT_STEPS = 20  # between looks at the loss, each of which waits for the device
LOWEST_RATE = 0.02  # of the learning rate, at the end of a schedule


@dataclass(frozen=True)
class TrainProgress:
    """How far a training is: for whoever draws a bar."""

    epoch: int
    tokens: int
    total_tokens: int
    nll: float
    tokens_per_second: float


@dataclass(frozen=True)
class TrainResult:
    """What a training came to.

    Attributes
    ----------
    epochs : list of dict
        Of each epoch: ``epoch``, ``step``, ``tokens``, ``train_nll`` and, with a validation text, ``valid_nll``
        and ``valid_perplexity``.
    best_perplexity : float or None
        The least validation perplexity; None without a validation text.
    tokens_per_second : float
        Of training alone.
    n_parameters, n_output_parameters : int
        Of the model, and of its output layer (words tied to the input counted in both).
    unknown_share : float
        Share of the training text out of the vocabulary.
    run : Path
        The run directory.
    """

    epochs: list[dict[str, Any]]
    best_perplexity: float | None
    tokens_per_second: float
    n_parameters: int
    n_output_parameters: int
    unknown_share: float
    run: os.PathLike[str]


def train(
    paths: Paths,
    *,
    valid: Paths | None = None,
    allocation: Allocation | Vocabulary | str | os.PathLike[str] | None = None,
    run: str | os.PathLike[str] = "wordalloc-run",
    config: TrainConfig | None = None,
    resume: bool = False,
    progress: Callable[[TrainProgress], None] | None = None,
    **text_options: Any,
) -> TrainResult:
    """Train a word-level language model whose output layer an allocation picks.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        The training text.
    valid : path-like or iterable of path-like, optional
        The text whose perplexity is taken after each epoch, and picks the best weights.
    allocation : Allocation, Vocabulary or path-like, optional
        Default: the vocabulary counted from the text, and a full softmax.
    run : path-like
        The run directory.
    config : TrainConfig, optional
        Default: ``TrainConfig()``.
    resume : bool
        Continue a run of the same configuration; its figures are those of an unbroken one.
    progress : callable, optional
        Given a `TrainProgress` a few times a second.
    **text_options
        As of `wordalloc.count`, for counting where no allocation is given.

    Raises
    ------
    InputError
        If the texts and the allocation do not fit, or the run directory is another run's or in use.
    RunError
        If the loss is no longer a number; the last checkpoint stands.
    """
    config = config or TrainConfig()
    addressed = _allocation(allocation, paths, text_options)
    vocabulary = addressed if isinstance(addressed, Vocabulary) else addressed.vocabulary
    config = config.with_defaults(layer_name(addressed))
    device = choose_device(config.device)
    text = encode(paths, vocabulary)
    valid_text = None if valid is None else encode(valid, vocabulary)
    for part, name in ((text, "the training text"), (valid_text, "the validation text")):
        if part is not None:
            check_fit(part, name)
    directory = RunDirectory(run)
    identity = {
        "train": config.to_json(),
        "vocabulary": vocabulary.fingerprint,
        "allocation": addressed.cutoffs.tolist() if isinstance(addressed, Cutoffs) else "vocabulary",
        "text": _digest(text),
        "valid": None if valid_text is None else _digest(valid_text),
    }
    trainer = _Trainer(config, addressed, vocabulary, text, valid_text, directory, device, progress)
    with directory.begin(identity, addressed, resume):
        return trainer.run()


def _allocation(given: Any, paths: Paths, text_options: dict[str, Any]) -> Allocation | Vocabulary:
    """Return what was given, loaded if it is a file, or the vocabulary counted from the text."""
    if given is None:
        return read_vocabulary(paths, **text_options)
    return given if isinstance(given, Allocation | Vocabulary) else load(given)


@dataclass
class _Position:
    """Where a training stands: all that a checkpoint keeps besides tensors."""

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    tokens: int = 0
    epoch_nll: float = 0.0
    epoch_tokens: int = 0
    best_nll: float | None = None
    epochs_without_gain: int = 0
    finished: bool = False


class _Trainer:
    def __init__(
        self,
        config: TrainConfig,
        allocation: Allocation | Vocabulary,
        vocabulary: Vocabulary,
        text: EncodedText,
        valid: EncodedText | None,
        directory: RunDirectory,
        device: torch.device,
        progress: Callable[[TrainProgress], None] | None,
    ) -> None:
        self.config, self.vocabulary, self.text, self.valid = config, vocabulary, text, valid
        self.directory, self.device, self.progress = directory, device, progress
        torch.manual_seed(config.seed)
        self.model = LanguageModel(allocation, config).to(device)
        self.optimizer = _optimizer(self.model, config, device)
        self.at = _Position()
        self.state: State = None
        self.total_tokens = min(config.max_tokens or 2**62, config.epochs * int(text.ids.size))
        self.window = _Window()

    def run(self) -> TrainResult:
        """Train from where the directory stands to the end."""
        if self.directory.latest.exists():
            tensors, content = load_checkpoint(self.directory.latest)
            self.at = _Position(**content)
            self.state = unpack(tensors, self.model, self.optimizer, self.device)
        self.directory.keep_until(self.at.step)
        self.model.train()
        while not self.at.finished:
            self._epoch()
        return self._result()

    def _epoch(self) -> None:
        config, at = self.config, self.at
        batches = self._batches(at.epoch)
        ranks = replace_singletons(self.vocabulary, config.seed, at.epoch)
        self.window = _Window()
        saved = time.monotonic()
        for batch in batches.steps(at.step_in_epoch, ranks):
            if at.tokens >= self.total_tokens:
                break
            self._step(batch)
            if at.step % REPORT_STEPS == 0:
                self._report()
                if time.monotonic() - saved > config.checkpoint_seconds:
                    self._save()
                    saved = time.monotonic()
        self._report()
        self._end_epoch()

    def _batches(self, epoch: int) -> Streams | Sentences:
        config, start = self.config, self.vocabulary.eos_rank or 0
        if config.by_sentence:
            shuffle = int(np.random.default_rng((config.seed, epoch)).integers(2**63))
            return Sentences(self.text, config.batch, config.bptt, start, shuffle)
        return Streams(self.text, config.batch, config.bptt, start)

    def _step(self, batch: Batch) -> None:
        """Take one optimiser step; the loss stays on the device."""
        config, at = self.config, self.at
        n_tokens = batch.n_tokens
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.optimizer.zero_grad(set_to_none=True)
        state = initial_state(self.state, batch.fresh)
        rows = -(-batch.inputs.shape[0] // config.accumulate)
        states = []
        for part in range(0, batch.inputs.shape[0], rows):
            chosen = slice(part, part + rows)
            inputs, targets = batch.inputs[chosen].to(self.device), batch.targets[chosen].to(self.device)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=config.amp and self.device.type == "cuda"):
                loss, after = self.model.loss(inputs, targets, _rows(state, chosen))
            (loss / n_tokens).backward()
            self.window.add(loss.detach())
            states.append(detach(after))
        self.state = _join(states)
        if config.clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        self.optimizer.step()
        at.step += 1
        at.step_in_epoch += 1
        at.tokens += n_tokens
        self.window.tokens += n_tokens

    def _learning_rate(self) -> float:
        config, at = self.config, self.at
        done = min(1.0, at.tokens / self.total_tokens)
        fall = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[config.schedule]
        rise = min(1.0, (at.step + 1) / (config.warmup + 1))
        return (config.learning_rate or 0.0) * rise * (LOWEST_RATE + (1 - LOWEST_RATE) * fall)

    def _report(self) -> None:
        """Look at the loss since the last report, and tell whoever listens."""
        at, window = self.at, self.window
        if not window.tokens:
            return
        nll, seconds = window.take()
        if not math.isfinite(nll):
            raise RunError(
                f"the loss is no longer a number at step {at.step} (epoch {at.epoch + 1}): "
                "lower --learning-rate or --clip; the last checkpoint stands"
            )
        at.epoch_nll += nll
        at.epoch_tokens += window.tokens
        self.directory.append(
            self.directory.metrics, {"step": at.step, "tokens": at.tokens, "nll": nll / window.tokens}
        )
        self.directory.append(
            self.directory.timings, {"step": at.step, "tokens": window.tokens, "train_seconds": seconds}
        )
        if self.progress is not None:
            speed = window.tokens / seconds
            self.progress(TrainProgress(at.epoch + 1, at.tokens, self.total_tokens, nll / window.tokens, speed))
        self.window = _Window()

    def _end_epoch(self) -> None:
        at = self.at
        at.epoch += 1
        entry: dict[str, Any] = {"step": at.step, "tokens": at.tokens, "epoch": at.epoch}
        entry["train_nll"] = at.epoch_nll / max(at.epoch_tokens, 1)
        better = self.valid is None
        if self.valid is not None:
            began = time.monotonic()
            nll = mean_nll(self.model, self.valid, self.config, self.vocabulary, self.device)
            seconds = time.monotonic() - began
            if not math.isfinite(nll):
                raise RunError(
                    f"the validation loss is no longer a number after epoch {at.epoch}; lower --learning-rate"
                )
            self.directory.append(self.directory.timings, {"step": at.step, "valid_seconds": seconds})
            entry |= {"valid_nll": nll, "valid_perplexity": perplexity(nll)}
            better = at.best_nll is None or nll < at.best_nll
            at.best_nll = nll if better else at.best_nll
        at.epochs_without_gain = 0 if better else at.epochs_without_gain + 1
        at.step_in_epoch, at.epoch_nll, at.epoch_tokens = 0, 0.0, 0
        out_of_patience = self.config.patience is not None and at.epochs_without_gain >= self.config.patience
        at.finished = at.epoch >= self.config.epochs or at.tokens >= self.total_tokens or out_of_patience
        if better:
            save_checkpoint(self.directory.best, self.model.state_dict(), {"epoch": at.epoch})
        self.directory.append(self.directory.metrics, entry)
        self._save()

    def _save(self) -> None:
        save_checkpoint(self.directory.latest, pack(self.model, self.optimizer, self.state), dict(vars(self.at)))

    def _result(self) -> TrainResult:
        epochs = [entry for entry in self.directory.read_lines(self.directory.metrics) if "epoch" in entry]
        timings = [entry for entry in self.directory.read_lines(self.directory.timings) if "train_seconds" in entry]
        seconds = sum(entry["train_seconds"] for entry in timings)
        best = self.at.best_nll
        return TrainResult(
            epochs=epochs,
            best_perplexity=None if best is None else perplexity(best),
            tokens_per_second=sum(entry["tokens"] for entry in timings) / max(seconds, 1e-9),
            n_parameters=sum(parameter.numel() for parameter in self.model.parameters()),
            n_output_parameters=self.model.output.n_parameters,
            unknown_share=self.text.n_unknown / self.text.ids.size,
            run=self.directory.path,
        )


class _Window:
    """The loss and the time since the last report."""

    def __init__(self) -> None:
        self.tokens = 0
        self._nll: torch.Tensor | None = None
        self._began = time.monotonic()

    def add(self, loss: torch.Tensor) -> None:
        """Add a summed loss, on its device and in float64 where the device has it."""
        loss = loss.double() if loss.device.type != "mps" else loss
        self._nll = loss if self._nll is None else self._nll + loss

    def take(self) -> tuple[float, float]:
        """Return the summed nll and the seconds; waits for the device."""
        nll = float(self._nll) if self._nll is not None else 0.0
        return nll, max(time.monotonic() - self._began, 1e-9)


def _optimizer(model: LanguageModel, config: TrainConfig, device: torch.device) -> torch.optim.Optimizer:
    rate = config.learning_rate or 0.0
    if config.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), lr=rate)
    fused = device.type in ("cpu", "cuda")  # one pass over weights and moments
    return torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.0, fused=fused)


def _rows(state: State, rows: slice) -> State:
    """Return the recurrent state of some of the batch's sequences: (layers, B, d) along B."""
    if state is None:
        return None
    if isinstance(state, tuple):
        return tuple(part[:, rows].contiguous() for part in state)
    return state[:, rows].contiguous()


def _join(states: list[State]) -> State:
    if len(states) == 1:
        return states[0]
    if isinstance(states[0], tuple):
        return tuple(torch.cat(parts, dim=1) for parts in zip(*states, strict=True))
    return torch.cat(states, dim=1)


def _digest(text: EncodedText) -> str:
    return hashlib.sha256(np.ascontiguousarray(text.ids).view(np.uint8).data).hexdigest()
