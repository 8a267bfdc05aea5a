"""Training a language model on texts: read them, train in a run directory, say what came of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch

from wordalloc.allocations import Allocation, Table, load
from wordalloc.corpus import EncodedText, encode
from wordalloc.corpus.counting import count_inputs
from wordalloc.corpus.reading import Input, Paths, open_inputs
from wordalloc.errors import InputError
from wordalloc.training.config import TrainConfig
from wordalloc.training.evaluation import check_fit, perplexity
from wordalloc.training.model import choose_device, settled
from wordalloc.training.position import TrainProgress
from wordalloc.training.rounds import Rounds, RoundTrainer
from wordalloc.training.run_directory import RunDirectory
from wordalloc.training.table_costs import table_costs
from wordalloc.training.trainer import Trainer
from wordalloc.vocabulary import TextOptions, Vocabulary


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
    rounds : list of dict
        Of each reallocation: ``table`` (its number), ``tokens``, ``moved`` (share of the words), ``objective_before``,
        ``objective``, ``gap``, with a validation text ``valid_nll`` before it, and ``taken_back`` once it is judged.
    """

    epochs: list[dict[str, Any]]
    best_perplexity: float | None
    tokens_per_second: float
    n_parameters: int
    n_output_parameters: int
    unknown_share: float
    run: os.PathLike[str]
    rounds: list[dict[str, Any]] = field(default_factory=list)


def train(
    paths: Paths,
    *,
    valid: Paths | None = None,
    allocation: Allocation | Vocabulary | str | os.PathLike[str] | None = None,
    run: str | os.PathLike[str] = "wordalloc-run",
    config: TrainConfig | None = None,
    resume: bool = False,
    costs: bool = False,
    rounds: Rounds | None = None,
    tensorboard: bool = False,
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
        Continue a run of the same configuration, or begin it where there is none. Its figures are those of an
        unbroken run (on the CPU, with the same number of threads).
    costs : bool
        Whether to take costs of the trained model over the training text, for `wordalloc.reallocate`: a pass more, and
        a file ``costs-NNN.safetensors`` beside the table of that number. Only with a table.
    rounds : Rounds, optional
        When and how to reallocate the words of a table while training (`wordalloc.pipelines.lightrnn`).
    tensorboard : bool
        Whether to write the figures as event files, too: ``tensorboard --logdir RUN`` shows them.
    progress : callable, optional
        Given a `TrainProgress` a few times a second.
    **text_options
        As of `wordalloc.count`, for counting where no allocation is given.

    Raises
    ------
    InputError
        If the texts and the allocation do not fit, or the run directory is another run's or in use.
    OutputError
        If the run directory cannot be written.
    RunError
        If the loss or a weight is no longer a number; the last checkpoint stands.

    Examples
    --------
    Two words in turn, so a trained model is in no doubt about the next:

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     text = pathlib.Path(folder) / "text.txt"
    ...     _ = text.write_text("tick tock " * 2000)
    ...     config = TrainConfig(width=8, batch=4, bptt=10, warmup=0, learning_rate=0.02, device="cpu")
    ...     result = train(text, valid=text, run=f"{folder}/run", config=config, eos=False)
    >>> round(result.best_perplexity, 1), result.n_output_parameters
    (1.0, 27)
    """
    config = config or TrainConfig()
    device = choose_device(config.device)
    addressed, text, valid_text = _read(paths, valid, allocation, text_options)
    config = settled(addressed, config)
    if (costs or rounds is not None) and not isinstance(addressed, Table):
        raise InputError("costs and rounds of reallocation need a table; make one with: wordalloc lightrnn-init TEXT")
    directory = RunDirectory(run)
    with _own_randomness(device):
        # The model before the directory: a combination it refuses leaves nothing behind.
        parts = (config, addressed, text, valid_text, directory, device, progress, tensorboard)
        trainer = Trainer(*parts) if rounds is None else RoundTrainer(*parts, rounds=rounds)
        with directory.begin(_identity(config, addressed, text, valid_text, rounds), addressed, resume):
            trainer.run()
            if costs:
                _take_costs(trainer)
            return _result(trainer)


def _take_costs(trainer: Trainer) -> None:
    """Write the costs of the last weights with the table that stands, in place of any that a round took with it."""
    table = trainer.directory.read_table(trainer.at.table)
    parts = (trainer.model, table, trainer.text, trainer.config, trainer.device)
    table_costs(*parts, progress=trainer.show_costs).save(trainer.directory.costs(trainer.at.table))


def _read(
    paths: Paths, valid: Paths | None, given: Any, text_options: dict[str, Any]
) -> tuple[Allocation | Vocabulary, EncodedText, EncodedText | None]:
    """Return the allocation (loaded, or the vocabulary counted from the text) and the texts in its ids."""
    if given is None:
        with open_inputs(paths) as files:  # standard input can be read only once, so its copy is counted and encoded
            vocabulary = _count(files, **text_options)
            text = encode([file.path for file in files], vocabulary)
        addressed: Allocation | Vocabulary = vocabulary
    else:
        addressed = given if isinstance(given, Allocation | Vocabulary) else load(given)
        if not isinstance(addressed, Allocation | Vocabulary):
            raise InputError(
                f"{given}: {addressed.kind} are no allocation; give cutoffs, classes, a tree, a table or a vocabulary"
            )
        text = encode(paths, _vocabulary(addressed))
    check_fit(text, "the training text")
    if valid is None:
        return addressed, text, None
    valid_text = encode(valid, _vocabulary(addressed))
    check_fit(valid_text, "the validation text")
    return addressed, text, valid_text


def _vocabulary(allocation: Allocation | Vocabulary) -> Vocabulary:
    return allocation if isinstance(allocation, Vocabulary) else allocation.vocabulary


def _count(files: list[Input], **options: Any) -> Vocabulary:
    names = {field.name for field in fields(TextOptions)}
    text = TextOptions(**{name: value for name, value in options.items() if name in names})
    return count_inputs(files, text, **{name: value for name, value in options.items() if name not in names})


def _identity(
    config: TrainConfig,
    allocation: Allocation | Vocabulary,
    text: EncodedText,
    valid: EncodedText | None,
    rounds: Rounds | None,
) -> dict[str, Any]:
    """Return all that a run depends on: what must be the same for it to be continued."""
    return {
        "train": config.to_json(),
        "vocabulary": _vocabulary(allocation).fingerprint,
        "allocation": "vocabulary" if isinstance(allocation, Vocabulary) else _fingerprint(allocation),
        "text": _digest(text.ids, text.line_ends),
        "valid": None if valid is None else _digest(valid.ids, valid.line_ends),
        "rounds": None if rounds is None else rounds.to_json(),
    }


def _fingerprint(allocation: Allocation) -> str:
    """Return kind and digest of an allocation; its parameters count, for layers take their widths from them."""
    arrays = allocation.arrays()
    parameters = np.frombuffer(json.dumps(allocation.parameters, sort_keys=True).encode(), np.uint8)
    return f"{allocation.kind} {_digest(*(arrays[name] for name in sorted(arrays)), parameters)}"


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape};".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


def _own_randomness(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Leave the caller's random states as they were."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


def _result(trainer: Trainer) -> TrainResult:
    directory, text, best = trainer.directory, trainer.text, trainer.at.best_nll
    timings = [entry for entry in directory.read_lines(directory.timings) if "train_seconds" in entry]
    seconds = sum(entry["train_seconds"] for entry in timings)
    return TrainResult(
        epochs=[entry for entry in directory.read_lines(directory.metrics) if "epoch" in entry],
        best_perplexity=None if best is None else perplexity(best),
        tokens_per_second=sum(entry["tokens"] for entry in timings) / max(seconds, 1e-9),
        n_parameters=sum(parameter.numel() for parameter in trainer.model.parameters()),
        n_output_parameters=trainer.model.output.n_parameters,
        unknown_share=text.n_unknown / text.ids.size,
        run=directory.path,
        rounds=_rounds(directory.read_lines(directory.metrics)),
    )


def _rounds(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rounds among the metrics, each with what was judged of it later."""
    judged = {entry["judged"]: entry for entry in metrics if "judged" in entry}
    rounds = [entry for entry in metrics if "moved" in entry]
    return [{**entry, "taken_back": judged.get(entry["table"], {}).get("taken_back")} for entry in rounds]
