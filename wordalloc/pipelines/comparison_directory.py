"""The folder of a comparison: its configuration, allocations, runs and rows, and what is drawn from them.

``config.json``, ``KIND.safetensors`` (or ``METHOD-….safetensors`` of files given), ``runs/METHOD-SEED/`` (run
directories; of a finished run only the best weights are kept), ``rows/METHOD-SEED.json``, ``comparison.json`` and
``comparison.csv``, and the pictures. ``train.txt`` and ``valid.txt`` where a part of the text was held out.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wordalloc.errors import FormatError, InputError, OutputError
from wordalloc.files import unwritable, write_text
from wordalloc.pipelines.comparison_methods import Contestant
from wordalloc.pipelines.comparison_table import compared
from wordalloc.training.run_directory import RunDirectory, difference, hold_lock


class ComparisonDirectory:
    """The files of a comparison, by name.

    Parameters
    ----------
    path : path-like
        The folder; it is made when the comparison begins.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"

    @contextlib.contextmanager
    def begin(self, config: dict[str, Any], resume: bool) -> Iterator[None]:
        """Make or take up the folder and hold its lock.

        Raises
        ------
        InputError
            If it is not empty and `resume` is not given, holds another comparison, or is in use.
        OutputError
            If it cannot be made.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path} is a file; name a folder with -o")
        existed = self.path.is_dir()
        taken = existed and any(not self._is_beginning(entry) for entry in self.path.iterdir())
        if taken and not self.config.exists():
            raise InputError(f"the folder {self.path} is not empty and holds no comparison; name another with -o")
        try:
            for folder in (self.path / "runs", self.path / "rows"):
                folder.mkdir(parents=True, exist_ok=True)
            lock = (self.path / "lock").open("w")
        except OSError as error:
            raise OutputError(f"cannot make the folder {self.path}: {unwritable(error)}") from error
        with lock:
            hold_lock(lock, f"the comparison in {self.path} is in use by another process; wait for it, or name another")
            if not self.config.exists():
                write_text(self.config, json.dumps(config, indent=2, sort_keys=True) + "\n")
            elif not resume:
                raise InputError(
                    f"the folder {self.path} holds a comparison already; give --resume to go on with it, or another -o"
                )
            else:
                self._compare(config)
            for leftover in (*self.path.glob(".*.tmp"), *(self.path / "rows").glob(".*.tmp")):
                leftover.unlink(missing_ok=True)
            try:
                yield
            except InputError:
                if not taken and not any((self.path / "runs").iterdir()):
                    self._remove(existed)
                raise

    def allocation(self, kind: str) -> Path:
        """Return where the allocation of a kind lies that was made from the text."""
        return self.path / f"{kind}.safetensors"

    def allocation_of(self, one: Contestant) -> Path:
        """Return where a contestant's allocation lies."""
        return self.allocation(one.method.kind if one.given is None else one.folder)

    def run(self, one: Contestant, seed: int) -> Path:
        """Return the run directory of a contestant and a seed."""
        return self.path / "runs" / f"{one.folder}-{seed}"

    def row(self, one: Contestant, seed: int) -> Path:
        """Return where the row of a contestant and a seed lies."""
        return self.path / "rows" / f"{one.folder}-{seed}.json"

    def read_row(self, file: Path) -> dict[str, Any]:
        """Return a row."""
        try:
            row = json.loads(file.read_text(encoding="utf-8"))
            compared("", [row]).check()
        except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
            raise FormatError(f"{file}: damaged: {error}; remove it and give --resume") from error
        return row

    def finish(self, one: Contestant, seed: int) -> None:
        """Drop what only the continuation of a run would need: it is most of its bytes."""
        RunDirectory(self.run(one, seed)).latest.unlink(missing_ok=True)

    def _is_beginning(self, entry: Path) -> bool:
        """Tell whether an entry is all that a comparison leaves that was killed before its configuration stood."""
        if entry.name in ("runs", "rows"):
            return entry.is_dir() and not any(entry.iterdir())
        return entry.name == "lock" or entry.match(f".{self.config.name}.*.tmp")

    def _remove(self, keep_folder: bool) -> None:
        """Remove what was begun just now, of a comparison that turned out to be impossible."""
        for entry in self.path.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        if not keep_folder:
            self.path.rmdir()

    def _compare(self, config: dict[str, Any]) -> None:
        """Refuse to go on with another comparison, and say where they differ."""
        try:
            there = json.loads(self.config.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise FormatError(f"{self.config}: damaged: {error}; name another folder with -o") from error
        if found := difference(json.loads(json.dumps(config)), there if isinstance(there, dict) else {}):
            name, ours, theirs = found
            raise InputError(
                f"the comparison in {self.path} cannot go on with another {name}: it was {theirs!r}, now {ours!r}; "
                "name another with -o"
            )
