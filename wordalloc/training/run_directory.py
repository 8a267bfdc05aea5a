"""A run directory: everything one training run writes, and nothing of any other.

``config.json``, ``metrics.jsonl`` (reproducible figures), ``timings.jsonl`` (whatever is measured in seconds),
``allocation.safetensors`` (the words, and their addresses), ``checkpoint/latest.safetensors`` and
``checkpoint/best.safetensors``. A lock that ends with the process keeps two runs from sharing a directory.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wordalloc.allocations import Allocation, load, save
from wordalloc.errors import FormatError, InputError, OutputError
from wordalloc.files import write_text
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

        Raises
        ------
        InputError
            If it is not empty and `resume` is not given, belongs to another configuration, or is in use.
        """
        own = {self.config.name, self.allocation.name, self.latest.parent.name, "lock"}
        if self.path.is_dir() and not self.config.exists() and {entry.name for entry in self.path.iterdir()} - own:
            raise InputError(f"the folder {self.path} is not empty and holds no run; name another --run")
        try:
            self.latest.parent.mkdir(parents=True, exist_ok=True)
            lock = (self.path / "lock").open("w")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise OutputError(f"cannot make the run directory {self.path}: {reason}") from error
        with lock:
            _lock(lock, self.path)
            if self.config.exists():
                if not resume:
                    raise InputError(
                        f"the run directory {self.path} holds a run already; "
                        "give --resume to continue it, or another --run"
                    )
                self._compare(config)
            else:
                save(allocation, self.allocation)
                write_text(self.config, json.dumps(config, indent=2, sort_keys=True) + "\n")
            yield

    def read_config(self) -> dict[str, Any]:
        """Return what the run was configured with."""
        try:
            content = json.loads(self.config.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise InputError(f"{self.path}: no run is here; make one with: wordalloc train TEXT --run ...") from error
        except (OSError, ValueError) as error:
            raise FormatError(f"{self.config}: damaged: {error}") from error
        if not isinstance(content, dict) or not isinstance(content.get("train"), dict):
            raise FormatError(f"{self.config}: damaged: no training configuration is in it")
        return content

    def read_allocation(self) -> Any:
        """Return the run's own copy of its allocation."""
        return load(self.allocation)

    def append(self, file: Path, entry: dict[str, Any]) -> None:
        """Add one line."""
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(entry, allow_nan=False) + "\n")

    def read_lines(self, file: Path) -> list[dict[str, Any]]:
        """Return the whole lines of a file; what a crash left of the last one is no line."""
        if not file.exists():
            return []
        whole = file.read_text(encoding="utf-8").rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def keep_until(self, step: int) -> None:
        """Drop the metrics of steps after `step`: they will be made again."""
        kept = [entry for entry in self.read_lines(self.metrics) if entry["step"] <= step]
        write_text(self.metrics, "".join(json.dumps(entry) + "\n" for entry in kept))

    def _compare(self, config: dict[str, Any]) -> None:
        """Refuse to continue another run, and say where they differ."""
        there = self.read_config()
        flat = {"here": _flatten(config), "there": _flatten(there)}
        for name in sorted(flat["here"].keys() | flat["there"].keys()):
            ours, theirs = flat["here"].get(name), flat["there"].get(name)
            if ours != theirs:
                raise InputError(
                    f"the run in {self.path} cannot be continued with another {name}: "
                    f"it was {theirs!r}, now {ours!r}; use another --run"
                )


def _flatten(config: dict[str, Any]) -> dict[str, Any]:
    nested = {name: value for name, value in config.items() if isinstance(value, dict)}
    inner = {key: item for value in nested.values() for key, item in value.items()}
    return {**{name: value for name, value in config.items() if name not in nested}, **inner}


def _lock(file: Any, path: Path) -> None:
    """Hold `file` locked until it is closed, which the end of the process does in any case."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise InputError(
            f"the run directory {path} is in use by another process; wait for it, or use another"
        ) from error
