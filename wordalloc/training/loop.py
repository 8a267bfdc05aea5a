"""Training a language model on texts: read them, train in a run directory, say what came of it.

Started by torchrun, every process is here at once (`wordalloc.training.distributed`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wordalloc.allocations import Allocation, Table, load
from wordalloc.corpus import EncodedText, encode
from wordalloc.corpus.counting import count_inputs
from wordalloc.corpus.kinds import texts
from wordalloc.corpus.reading import STDIN, Input, Paths, open_inputs
from wordalloc.errors import FormatError, InputError
from wordalloc.training.config import TrainConfig
from wordalloc.training.distributed import (
    allocation_from_first,
    barrier,
    first_of_machine,
    is_first,
    joined,
    json_from_first,
    own_device,
    rank,
    size,
)
from wordalloc.training.evaluation import check_fit, perplexity
from wordalloc.training.model import choose_device, settled
from wordalloc.training.position import TrainProgress
from wordalloc.training.rounds import Rounds, RoundTrainer
from wordalloc.training.run_directory import RunDirectory, difference
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
    column: str | None = None,
    **text_options: Any,
) -> TrainResult:
    """Train a word-level language model whose output layer an allocation picks.

    Under ``torchrun`` the processes train it together: `config.batch` stays the whole batch, each process reads some of
    its rows, and the first one writes the run. Figures are those of one process up to the order of sums, but
    for what chance decides: dropout and negatives are drawn otherwise. The same number of processes gives the same
    figures again; a run may be resumed with another number. There `config.compile` translates a loss that draws
    negatives in parts, for those come from a generator that the translation does not know.

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
    column : str, optional
        The column of text in the sources, as in `wordalloc.count`.
    **text_options
        As of `wordalloc.count`, for counting where no allocation is given.

    Raises
    ------
    InputError
        If the texts and the allocation do not fit, or the run directory is another run's or in use.
    OutputError
        If the run directory cannot be written.
    RunError
        If the loss or a weight is no longer a number, or another process is lost; the last checkpoint stands.
    ToldElsewhere
        If another process of this training raises what happened.

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
    with joined():
        device = own_device(choose_device(config.device))
        addressed, text, valid_text = _read(paths, valid, allocation, column, text_options)
        config = settled(addressed, config)
        if (costs or rounds is not None) and not isinstance(addressed, Table):
            raise InputError(
                "costs and rounds of reallocation need a table; make one with: wordalloc lightrnn-init TEXT"
            )
        identity = _identity(config, addressed, text, valid_text, rounds)
        _check_same(identity)
        directory = RunDirectory(run)
        with _own_randomness(device):
            # The model before the directory: a combination it refuses leaves nothing behind.
            parts = (config, addressed, text, valid_text, directory, device, progress, tensorboard)
            trainer = Trainer(*parts) if rounds is None else RoundTrainer(*parts, rounds=rounds)
            with directory.begin(identity, addressed, resume):
                trainer.run()
                if costs:
                    _take_costs(trainer)
                return _result(trainer)


def _take_costs(trainer: Trainer) -> None:
    """Write the costs of the last weights with the table that stands, in place of any that a round took with it."""
    parts = (trainer.model, trainer.standing_table(), trainer.text, trainer.config, trainer.device)
    taken = table_costs(*parts, progress=trainer.show_costs)
    if is_first():
        taken.save(trainer.directory.costs(trainer.at.table))


def _read(
    paths: Paths, valid: Paths | None, given: Any, column: str | None, text_options: dict[str, Any]
) -> tuple[Allocation | Vocabulary, EncodedText, EncodedText | None]:
    """Return the allocation (loaded, or the vocabulary counted from the text) and the texts in its ids."""
    _check_readable(paths, () if valid is None else valid)
    if given is None:
        with open_inputs(paths) as files:  # standard input can be read only once, so its copy is counted and encoded
            vocabulary = allocation_from_first(lambda: _count(texts(files, column), **text_options))
            text = _encode([file.path for file in files], vocabulary, column)
        addressed: Allocation | Vocabulary = vocabulary
    else:
        addressed = given if isinstance(given, Allocation | Vocabulary) else load(given)
        if not isinstance(addressed, Allocation | Vocabulary):
            raise InputError(
                f"{given}: {addressed.kind} are no allocation; give cutoffs, classes, a tree, a table or a vocabulary"
            )
        text = _encode(paths, _vocabulary(addressed), column)
    check_fit(text, "the training text")
    if valid is None:
        return addressed, text, None
    valid_text = _encode(valid, _vocabulary(addressed), column)
    check_fit(valid_text, "the validation text")
    return addressed, text, valid_text


def _check_readable(*sources: Paths) -> None:
    """Refuse what only one process could read."""
    for source in sources if size() > 1 else ():
        for name in [source] if isinstance(source, str | os.PathLike) else list(source):
            path = Path(name)
            if os.fspath(name) == STDIN or (path.exists() and not (path.is_file() or path.is_dir())):
                raise InputError(f"{name}: only one process can read it, and here are {size()}; give a file")


def _encode(paths: Paths, vocabulary: Vocabulary, column: str | None) -> EncodedText:
    with first_of_machine():
        return encode(paths, vocabulary, column=column)


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


def _check_same(identity: dict[str, Any]) -> None:
    """Refuse processes that were given different things, as may happen on several machines."""
    if found := difference(identity, json_from_first(lambda: identity)):
        name, ours, theirs = found
        raise InputError(
            f"the processes were given different things: {name} is {theirs!r} in process 0 and {ours!r} in process "
            f"{rank()}; give all of them the same files and options"
        )
    barrier()  # before any of them makes the run directory


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
    read = directory.read_lines
    metrics, timings = json_from_first(lambda: [read(directory.metrics), read(directory.timings)])
    epochs = [entry for entry in metrics if "epoch" in entry]
    if not epochs:
        raise FormatError(f"{directory.metrics}: damaged: no epoch is in it; train anew in another --run")
    timings = [entry for entry in timings if "train_seconds" in entry]
    seconds = sum(entry["train_seconds"] for entry in timings)
    return TrainResult(
        epochs=epochs,
        best_perplexity=None if best is None else perplexity(best),
        tokens_per_second=sum(entry["tokens"] for entry in timings) / max(seconds, 1e-9),
        n_parameters=sum(parameter.numel() for parameter in trainer.model.parameters()),
        n_output_parameters=trainer.model.output.n_parameters,
        unknown_share=text.n_unknown / text.ids.size,
        run=directory.path,
        rounds=_rounds(metrics),
    )


def _rounds(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rounds among the metrics, each with what was judged of it later."""
    judged = {entry["judged"]: entry for entry in metrics if "judged" in entry}
    rounds = [entry for entry in metrics if "moved" in entry]
    return [{**entry, "taken_back": judged.get(entry["table"], {}).get("taken_back")} for entry in rounds]
