"""Which packages wordalloc needs, and which its extras add, by its own metadata; and which of them are here."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

DISTRIBUTION = "wordalloc"
# What the metadata has no place for.
ADDS = {
    "train": "the PyTorch layers, and all that trains or measures: train, compare, calibrate, lightrnn, demo",
    "huggingface": "text counted by a tokenizer.json; heads for models of transformers",
    "report": "pictures: of compare, report and plot",
    "tensorboard": "event files of a training, for TensorBoard (--tensorboard)",
    "spark": "counting and encoding on a cluster (--engine spark); needs Java 17",
    "onnx": "layers exported as ONNX",
    "docs": "the documentation as a site",
}
_DEVELOPMENT = "dev"  # the tests', not a user's
_REQUIREMENT = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?")
_OF_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


@dataclass(frozen=True)
class Package:
    """A package that is needed; `version` is None where it is missing, `wanted` such as ``>=1.26``."""

    name: str
    wanted: str
    version: str | None

    @property
    def fits(self) -> bool:
        """Whether it is here, and new enough."""
        least = re.search(r">=\s*([\d.]+)", self.wanted)
        return self.version is not None and (least is None or _numbers(self.version) >= _numbers(least[1]))


@dataclass(frozen=True)
class Extra:
    """Packages that are installed together, on request; `adds` says what for."""

    name: str
    adds: str
    packages: list[Package]

    @property
    def fits(self) -> bool:
        """Whether all of it is here."""
        return all(package.fits for package in self.packages)

    @property
    def command(self) -> str:
        """What installs it."""
        return f"pip install '{DISTRIBUTION}[{self.name}]'"


def core_packages() -> list[Package]:
    """Return what every command may need, by name.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        If wordalloc itself is run without being installed.
    """
    return _required(None)


def extras() -> list[Extra]:
    """Return the extras for users, in the order of the metadata; the errors are those of `core_packages`."""
    names = importlib.metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    return [Extra(name, ADDS.get(name, ""), _required(name)) for name in names if name != _DEVELOPMENT]


def torch_build() -> str | None:
    """Return the kind of device that the torch here is built for, ``cuda``, ``hip`` or ``cpu``, without importing it.

    None where there is no torch.
    """
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return None
    try:
        built = (Path(found.origin).parent / "version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    kinds = [kind for kind in ("cuda", "hip") if re.search(rf"^{kind}\b.*=\s*['\"]", built, re.MULTILINE)]
    return kinds[0] if kinds else "cpu"


def _required(extra: str | None) -> list[Package]:
    """Return the packages of an extra, or those without one."""
    found = []
    for line in importlib.metadata.requires(DISTRIBUTION) or []:
        parts = _REQUIREMENT.match(line)
        if parts is None:
            continue
        name, wanted, marker = parts[1], parts[2].strip(), parts[3] or ""
        of = _OF_EXTRA.search(marker)
        if (of[1] if of else None) == extra:
            found.append(Package(name, wanted, _version(name)))
    return sorted(found, key=lambda package: package.name)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """``2.13.0+cpu`` as (2, 13, 0): enough to tell whether a version is old."""
    return tuple(int(number) for number in re.findall(r"\d+", re.split(r"[+a-z]", version)[0])[:3])
