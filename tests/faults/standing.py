"""What a fault left standing: whether every file with a final name is whole, and what must be the same again."""

from __future__ import annotations

import csv
import hashlib
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

import wordalloc

MEASURED = ("timings.jsonl", "lock")  # in seconds, or empty
DRAWN = (".png", ".svg", ".csv")  # from what was measured


def is_temporary(path: Path) -> bool:
    """Tell whether a name is one of files that are not finished."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


def files(folder: Path) -> list[Path]:
    """Return all files below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def half_files(folder: Path) -> list[str]:
    """Return the files that carry a final name and are not whole, each with what is wrong."""
    found = []
    for path in files(folder):
        if not is_temporary(path):
            try:
                _check(path)
            except (OSError, ValueError, LookupError, TypeError, SafetensorError, ET.ParseError) as error:
                found.append(f"half a file: {path.relative_to(folder)}: {error}")
    return found


def temporary_files(folder: Path) -> list[str]:
    """Return the files and folders that only a kill may leave."""
    return [f"a temporary file: {path.relative_to(folder)}" for path in folder.rglob("*") if is_temporary(path)]


def results(folder: Path) -> dict[str, Any]:
    """Return everything below a folder that a repeated command must bring forth again, timings aside."""
    found: dict[str, Any] = {}
    for path in files(folder):
        if is_temporary(path) or path.name in MEASURED or path.suffix in DRAWN:
            continue
        name = str(path.relative_to(folder))
        if path.suffix == ".json":
            found[name] = _without_measurements(json.loads(path.read_text(encoding="utf-8")))
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def difference(found: dict[str, Any], expected: dict[str, Any]) -> str | None:
    """Return where results differ."""
    wrong = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    return f"other than unbroken: {', '.join(wrong)}" if wrong else None


def _without_measurements(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _without_measurements(value) for name, value in content.items() if name != "measured"}
    return [_without_measurements(value) for value in content] if isinstance(content, list) else content


def _check(path: Path) -> None:
    """Read a file as its readers do; raise what they would."""
    if path.suffix == ".safetensors" and path.parent.name == "checkpoint":
        with safe_open(path, "pt") as checkpoint:
            json.loads(checkpoint.metadata()["wordalloc_checkpoint"])
            for name in checkpoint.keys():  # noqa: SIM118
                checkpoint.get_tensor(name)
    elif path.suffix == ".safetensors":
        wordalloc.load(path)
    elif path.suffix == ".json":
        json.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".jsonl":
        for line in path.read_text(encoding="utf-8").split("\n")[:-1]:  # the last one may be cut: it is added to
            json.loads(line)
    elif path.suffix == ".svg":
        ET.parse(path)
    elif path.suffix == ".csv":
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
        if len({len(row) for row in rows}) != 1:
            raise ValueError("rows of several lengths")
    elif path.suffix == ".png":
        content = path.read_bytes()
        if not (content.startswith(b"\x89PNG") and b"IEND" in content[-12:]):
            raise ValueError("no whole picture")
