"""A run directory: everything one training run writes, and nothing of any other.

``config.json``, ``metrics.jsonl`` (reproducible figures), ``timings.jsonl`` (whatever is measured in seconds),
``allocation.safetensors`` (the words, and their addresses), ``checkpoint/latest.safetensors`` and
``checkpoint/best.safetensors``. Of a table also ``table-000.safetensors``, the one the run began with, those that
reallocations made of it, 001, 002 …, and ``costs-NNN.safetensors``, taken with the table of that number. A lock that
ends with the process keeps two runs from sharing a directory. Of several processes of one run only the first writes,
and holds the lock.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wordalloc.allocations import Allocation, Table, load, save
from wordalloc.errors import FormatError, InputError, OutputError
from wordalloc.files import unwritable, write_text
from wordalloc.training.config import TrainConfig
from wordalloc.training.distributed import is_first, is_restart, launch
from wordalloc.vocabulary import Vocabulary


class RunDirectory:
    """The files of a run, by name.

    Parameters
    ----------
    path : path-like
        The folder; it is made when the run begins.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.metrics = self.path / "metrics.jsonl"
        self.timings = self.path / "timings.jsonl"
        self.allocation = self.path / "allocation.safetensors"
        self.latest = self.path / "checkpoint" / "latest.safetensors"
        self.best = self.path / "checkpoint" / "best.safetensors"

    @contextlib.contextmanager
    def begin(self, config: dict[str, Any], allocation: Allocation | Vocabulary, resume: bool) -> Iterator[None]:
        """Make or take up the directory and hold its lock.

        What the same torchrun has begun is resumed in any case once it starts processes anew, as it does where one was
        lost. Where the directory cannot be had, only the first process says so.

        Raises
        ------
        InputError
            If it is not empty and `resume` is not given, belongs to another configuration, or is in use.
        OutputError
            If it cannot be made.
        """
        restarted = is_restart()
        if not is_first():
            yield
            return
        if self._is_foreign():
            raise InputError(f"the folder {self.path} is not empty and holds no run; name another --run")
        try:
            self.latest.parent.mkdir(parents=True, exist_ok=True)
            lock = (self.path / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"cannot make the run directory {self.path}: {unwritable(error)}") from error
        with lock:
            hold_lock(
                lock, f"the run directory {self.path} is in use by another process; wait for it, or name another --run"
            )
            lock.seek(0)
            if self.config.exists():
                if not (resume or (restarted and launch() and lock.read() == launch())):
                    raise InputError(
                        f"the run directory {self.path} holds a run already; "
                        "give --resume to continue it, or another --run"
                    )
                self._compare(config)
            else:
                save(allocation, self.allocation)
                if isinstance(allocation, Table):
                    save(allocation, self.table(0))
                write_text(self.config, json.dumps(config, indent=2, sort_keys=True) + "\n")
            lock.truncate(0)
            lock.write(launch())
            lock.flush()
            for leftover in self._leftovers():
                leftover.unlink(missing_ok=True)
            yield

    def read_config(self) -> dict[str, Any]:
        """Return what the run was configured with."""
        try:
            content = json.loads(self.config.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise InputError(f"{self.path}: no run is here; make one with: wordalloc train TEXT --run ...") from error
        except (OSError, ValueError, RecursionError) as error:
            raise FormatError(f"{self.config}: damaged: {error}; train anew in another --run") from error
        if not isinstance(content, dict) or not isinstance(content.get("train"), dict):
            raise FormatError(
                f"{self.config}: damaged: no training configuration is in it; train anew in another --run"
            )
        return content

    def read_allocation(self) -> Any:
        """Return the run's own copy of its allocation."""
        return load(self.allocation)

    def table(self, number: int) -> Path:
        """Return where a table lies."""
        return self.path / f"table-{number:03d}.safetensors"

    def costs(self, number: int) -> Path:
        """Return where the costs taken with a table lie."""
        return self.path / f"costs-{number:03d}.safetensors"

    def before_round(self, table: int) -> Path:
        """Return where the weights lie that were there before a table was made."""
        return self.path / "checkpoint" / f"before-{table:03d}.safetensors"

    def read_table(self, number: int) -> Table:
        """Return a table of the run."""
        found = load(self.table(number))
        if not isinstance(found, Table):
            raise FormatError(f"{self.table(number)}: damaged: a table was expected; train anew in another --run")
        return found

    def append(self, file: Path, entry: dict[str, Any]) -> None:
        """Add one line."""
        if not is_first():
            return
        try:
            with file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(entry, allow_nan=False) + "\n")
        except OSError as error:
            raise OutputError(f"cannot write {file}: {unwritable(error)}") from error

    def read_lines(self, file: Path) -> list[dict[str, Any]]:
        """Return the entries of a file, none where it is missing."""
        if not file.exists():
            return []
        try:
            return [_entry(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
        except (OSError, ValueError, LookupError, RecursionError) as error:
            raise FormatError(f"{file}: damaged: {error}; train anew in another --run") from error

    def seconds_at(self, step: int) -> float:
        """Return the seconds of training before the last checkpoint, which stands at `step`; 0 where none are told."""
        if not is_first():
            return 0.0
        entries = [entry for entry in self.read_lines(self.timings) if "seconds_at_checkpoint" in entry]
        return next((entry["seconds_at_checkpoint"] for entry in reversed(entries) if entry["step"] == step), 0.0)

    def metrics_size(self) -> int:
        """Return the bytes of the metrics, once the disk holds them: what a checkpoint stands on."""
        if not is_first():
            return 0
        with self.metrics.open("ab") as file:
            os.fsync(file.fileno())
            return file.tell()

    def rewind(self, metrics_size: int) -> None:
        """Drop the metrics after a checkpoint, for they will be made again, and a line of timings cut short.

        Counting bytes, not steps, tells an epoch's figures from the last step's: both carry the same step.
        """
        if not is_first():
            return
        found = self.metrics.stat().st_size if self.metrics.exists() else 0
        if found < metrics_size:
            raise FormatError(
                f"{self.metrics}: cut short: {found} bytes, but the checkpoint was taken at {metrics_size}; "
                "train anew in another --run"
            )
        if found:
            os.truncate(self.metrics, metrics_size)
        if self.timings.exists():
            os.truncate(self.timings, self.timings.read_bytes().rfind(b"\n") + 1)

    def _is_foreign(self) -> bool:
        """Tell whether the folder holds something else than a run, or the beginning of one."""
        if self.config.exists() or not self.path.is_dir():
            return False
        own = {self.allocation, self.table(0), self.latest.parent, self.path / "lock", *self._leftovers()}
        return self.latest.exists() or bool(set(self.path.iterdir()) - own)

    def _leftovers(self) -> list[Path]:
        """Return the temporary files of writes that a killed process did not finish."""
        written = (self.config.name, self.allocation.name, "table-*", "costs-*")
        found = [leftover for name in written for leftover in self.path.glob(f".{name}.*.tmp")]
        return [*found, *self.latest.parent.glob(".*.tmp")]

    def _compare(self, config: dict[str, Any]) -> None:
        """Refuse to continue another run, and say where they differ."""
        there = self.read_config()
        # A run of an earlier version lacks what could not be chosen then: it has the defaults.
        there["train"] = TrainConfig.from_json(there["train"]).to_json()
        if found := difference(config, there):
            name, ours, theirs = found
            raise InputError(
                f"the run in {self.path} cannot be continued with another {name}: it was {theirs!r}, now {ours!r}; "
                "use another --run"
            )


# What a line of metrics or timings holds for whoever reads it: with the one figure, the others.
_FIGURES = {
    "epoch": ("step", "tokens", "train_nll"),
    "valid_perplexity": (),
    "train_seconds": ("tokens",),
    "seconds_at_checkpoint": ("step",),
    "log_z": ("mean_log_normaliser",),
    "moved": ("table", "tokens", "objective_before", "objective"),
    "gap": (),
    "judged": ("taken_back",),
}


def _entry(line: str) -> dict[str, Any]:
    """Return a line of metrics or timings; raise ValueError or LookupError where it is none."""
    entry = json.loads(line)
    if not isinstance(entry, dict):
        raise ValueError(f"{line[:40]!r} is no object")
    for name in entry.keys() & _FIGURES.keys():
        for figure in (name, *_FIGURES[name]):
            value = entry[figure]
            if not (math.isfinite(value) if isinstance(value, float) else _is_whole(value)):
                raise ValueError(f"{figure} is {str(value)[:40]!r}, no number")
    return entry


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and abs(value) < 2**63


def difference(here: dict[str, Any], there: dict[str, Any]) -> tuple[str, Any, Any] | None:
    """Return where two configurations first differ: the name, what is here, what is there; None where they do not."""
    ours, theirs = _flatten(here), _flatten(there)
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            return name, ours.get(name), theirs.get(name)
    return None


def _flatten(config: dict[str, Any]) -> dict[str, Any]:
    nested = {name: value for name, value in config.items() if isinstance(value, dict)}
    inner = {key: item for value in nested.values() for key, item in value.items()}
    return {**{name: value for name, value in config.items() if name not in nested}, **inner}


def hold_lock(file: Any, message: str) -> None:
    """Hold `file` locked until it is closed, which the end of the process does in any case; else say `message`."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise InputError(message) from error
