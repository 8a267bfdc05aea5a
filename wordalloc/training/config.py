"""What a training run depends on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from wordalloc.errors import InputError
from wordalloc.nn.sampled_softmax import LOSSES, NEGATIVES, NOISES, NORMALISERS

# AdamW's rates with the schedule below, by output layer or sampled loss: the best of those tried over two million
# tokens (benchmarks/RESULTS.md).
LEARNING_RATES = {
    "full": 8e-3,
    "adaptive": 8e-3,
    "classes": 8e-3,
    "tree": 8e-3,
    "table": 8e-3,
    "lightrnn": 1e-2,
    "importance": 8e-3,
    "sampled-softmax": 8e-3,
    "nce": 8e-3,
    "blackout": 8e-3,
    "negative": 8e-3,
}
SGD_LEARNING_RATE = 1.0


@dataclass(frozen=True)
class TrainConfig:
    """A word-level language model and how it is trained.

    Attributes
    ----------
    cell : {"lstm", "gru", "rnn"}
        The recurrent cell.
    width : int
        d: of embeddings, hidden states and the output layer's input.
    layers : int
        Recurrent layers.
    dropout : float
        Before, between and after the recurrent layers.
    input : {"auto", "full", "adaptive", "classes", "table"}
        A full embedding, an adaptive one over the allocation's cutoffs, vectors of classes and of places in them, or of
        rows and columns of its table. auto is the last where the allocation is a table, else the first.
    recurrence : {"plain", "classes"}
        With "classes" the class (or the row) of the word that a step reads scales the state that the step begins from.
    table_model : {"softmax", "lightrnn"}
        What a table asks for: a `TableSoftmax`, one step a word, or a `LightRNN`, two. Without a table, "softmax".
    own_words : int, optional
        How many of the most frequent words have an input vector of their own, where others have what they share with
        their class, row or column. Default: 12 for each class or row, 6 for each row of a LightRNN.
    bias : bool
        Whether scores have biases, which begin at the unigram distribution; tables always have theirs.
    tie : bool
        Share the word vectors of input and output.
    loss : {"softmax", "importance", "sampled-softmax", "nce", "blackout", "negative"}
        What trains a full output layer: all words, or some that are drawn (`wordalloc.nn.SampledSoftmax`). Perplexities
        are those of the softmax in any case.
    samples, noise, noise_power, negatives, normaliser, effective_samples
        Of `wordalloc.nn.SampledSoftmax`.
    batch : int
        Sequences in a step, of all processes together.
    bptt : int
        Tokens of each sequence in a step.
    by_sentence : bool
        A line is a sequence of its own, from a zero state, instead of one stream cut into `batch` parts.
    accumulate : int
        Compute each step, or what a process has of it, in so many parts, one after the other, to save memory; the step
        is the same.
    optimizer : {"adamw", "sgd"}
    learning_rate : float, optional
        Default: by optimiser and output layer.
    schedule : {"linear", "cosine", "constant"}
        How the learning rate falls, to 2 % of itself at the end.
    warmup : int
        Steps over which the learning rate rises.
    clip : float
        Largest norm of the gradient; 0 does not clip.
    epochs : int
        Passes over the text.
    max_tokens : int, optional
        Stop after so many tokens, if that comes first.
    max_seconds : float, optional
        Stop after so many seconds of training, if that comes first; the rate falls by whichever budget is nearer its
        end. What comes of it depends on the machine.
    patience : int, optional
        Stop after so many epochs without a better validation perplexity.
    validations : int
        How often the perplexity of a part of the validation text is taken on the way, at equal distances; last at the
        end.
    seed : int
    device : {"auto", "cpu", "cuda", "mps"}
    amp : bool
        bfloat16 autocast where the device is CUDA.
    compile : bool
        Have ``torch.compile`` translate the model; that takes a minute and a C++ compiler.
    checkpoint_seconds : float
        Time between checkpoints; it has no influence on the result.

    Raises
    ------
    InputError
        If a value is impossible; the message names it.

    Examples
    --------
    >>> config = TrainConfig(cell="gru", width=64)
    >>> config.with_defaults("adaptive").learning_rate == LEARNING_RATES["adaptive"]
    True
    >>> TrainConfig.from_json(config.to_json()) == config
    True
    """

    cell: str = "lstm"
    width: int = 256
    layers: int = 1
    dropout: float = 0.0
    input: str = "auto"
    table_model: str = "softmax"
    recurrence: str = "plain"
    own_words: int | None = None
    bias: bool = True
    tie: bool = False
    loss: str = "softmax"
    samples: int = 1024
    noise: str = "unigram"
    noise_power: float = 0.75
    negatives: str = "shared"
    normaliser: str = "fixed"
    effective_samples: int | None = None
    batch: int = 32
    bptt: int = 35
    by_sentence: bool = False
    accumulate: int = 1
    optimizer: str = "adamw"
    learning_rate: float | None = None
    schedule: str = "linear"
    warmup: int = 50
    clip: float = 1.0
    epochs: int = 1
    max_tokens: int | None = None
    max_seconds: float | None = None
    patience: int | None = None
    validations: int = 0
    seed: int = 0
    device: str = "auto"
    amp: bool = True
    compile: bool = False
    checkpoint_seconds: float = 60.0

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(f"{name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}")
        for name in _COUNTS:
            _check(name, getattr(self, name), int, lambda value: value >= 1, "a positive whole number")
        for name in ("warmup", "validations", "own_words"):
            _check(name, getattr(self, name), int, lambda value: value >= 0, "a whole number of at least 0")
        _check("seed", self.seed, int, lambda value: 0 <= value < 2**63, "a whole number from 0 to 2**63 - 1")
        _check("dropout", self.dropout, float, lambda value: 0 <= value < 1, "a number from 0 to below 1")
        _check("learning_rate", self.learning_rate, float, lambda value: 0 < value < 3e38, "a positive float32 number")
        _check("max_seconds", self.max_seconds, float, lambda value: value > 0, "a number of seconds above 0")
        _check("noise_power", self.noise_power, float, lambda value: value >= 0, "a number of at least 0")
        _check("clip", self.clip, float, lambda value: value >= 0, "a number of at least 0")
        _check("checkpoint_seconds", self.checkpoint_seconds, float, lambda value: value >= 0, "at least 0 seconds")
        if self.batch % self.accumulate:
            raise InputError(
                f"batch {self.batch} cannot be computed in {self.accumulate} equal parts (accumulate); "
                "give a divisor of it"
            )

    def with_defaults(self, layer: str, embedding: str = "full") -> TrainConfig:
        """Return the configuration with the rate settled for the output layer `layer`, and the input."""
        rate = LEARNING_RATES[layer] if self.optimizer == "adamw" else SGD_LEARNING_RATE
        return replace(
            self,
            learning_rate=rate if self.learning_rate is None else self.learning_rate,
            input=embedding if self.input == "auto" else self.input,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what the result depends on: all but `checkpoint_seconds`."""
        content = asdict(self)
        del content["checkpoint_seconds"]
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> TrainConfig:
        """Make a configuration from what `to_json` wrote.

        What an earlier version could not choose has its default, but for `bias` and `own_words`: there were none.
        """
        known = {field.name for field in fields(cls)}
        content = {"bias": False, "own_words": 0, **content}
        return cls(**{name: value for name, value in content.items() if name in known})


_COUNTS = (
    *("width", "layers", "samples", "effective_samples", "batch", "bptt", "accumulate"),
    *("epochs", "max_tokens", "patience"),
)
_OPTIONAL = ("own_words", "max_tokens", "max_seconds", "patience", "learning_rate", "effective_samples")
_CHOICES = {
    "cell": ("lstm", "gru", "rnn"),
    "input": ("auto", "full", "adaptive", "classes", "table"),
    "recurrence": ("plain", "classes"),
    "loss": ("softmax", *LOSSES),
    "noise": NOISES,
    "negatives": NEGATIVES,
    "normaliser": NORMALISERS,
    "table_model": ("softmax", "lightrnn"),
    "optimizer": ("adamw", "sgd"),
    "schedule": ("linear", "cosine", "constant"),
    "device": ("auto", "cpu", "cuda", "mps"),
}


def _check(name: str, value: Any, kind: type, holds: Callable[[Any], bool], expected: str) -> None:
    if value is None and name in _OPTIONAL:
        return
    numeric = isinstance(value, int) if kind is int else isinstance(value, int | float)
    if isinstance(value, bool) or not numeric or not math.isfinite(value) or not holds(value):
        raise InputError(f"{name} must be {expected}, not {value!r}")
