"""What `wordalloc doctor` examines: packages, devices, threads, caches and places, and what is wrong with them."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wordalloc import machine
from wordalloc.errors import InputError
from wordalloc.files import cache_root, is_private
from wordalloc.installation import DISTRIBUTION, Extra, Package, core_packages, extras, torch_build

LITTLE = 10**9  # bytes of memory or disk below which ordinary work may fail
_JAVA = 17


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, and what to do about it; without what is `essential` nothing works as it should."""

    what: str
    remedy: str
    essential: bool = False


@dataclass(frozen=True)
class Devices:
    """Where can be computed: `cards` are those the driver shows, `usable` those that torch can use."""

    processor: str
    cores: int
    usable_cores: int
    core_limit: float | None
    torch: str | None
    cards: list[str]
    usable: list[str]


@dataclass(frozen=True)
class Cache:
    """The folder of the caches; `oldest` and `newest` are days, None where it is empty."""

    path: str
    writable: bool
    bytes: int
    files: int
    oldest: str | None
    newest: str | None
    not_private: list[str]


@dataclass(frozen=True)
class Place:
    """A folder that is written to, and the bytes free there (None where it is not told)."""

    use: str
    path: str
    free: int | None


@dataclass(frozen=True)
class Diagnosis:
    """All that was found."""

    wordalloc: str | None
    python: str
    system: str
    packages: list[Package]
    extras: list[Extra]
    devices: Devices
    threads: dict[str, str | None]
    memory: int | None
    memory_free: int | None
    cache: Cache
    places: list[Place]
    java: str | None
    findings: list[Finding]

    @property
    def healthy(self) -> bool:
        """Whether nothing essential is broken."""
        return not any(finding.essential for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        content = {**asdict(self), "healthy": self.healthy}
        for told, extra in zip(content["extras"], self.extras, strict=True):
            told |= {"installed": extra.fits, "command": extra.command}
        return content


def examine() -> Diagnosis:
    """Examine this machine and installation; nothing is left behind, and torch is imported only for its cards."""
    findings: list[Finding] = []
    packages, optional, version = _installation(findings)
    devices = _devices(findings)
    threads = {name: os.environ.get(name) for name in machine.THREAD_VARIABLES}
    findings += _thread_findings(devices)
    total, free = machine.memory()
    if free is not None and free < LITTLE:
        findings.append(Finding("little memory is free", "end other programs, or limit the counting (--memory-limit)"))
    cache, places = _cache(findings), _places(findings)
    java = _java(findings, needed=any(extra.name == "spark" and extra.fits for extra in optional))
    return Diagnosis(
        wordalloc=version,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        packages=packages,
        extras=optional,
        devices=devices,
        threads=threads,
        memory=total,
        memory_free=free,
        cache=cache,
        places=places,
        java=java,
        findings=findings,
    )


def _installation(findings: list[Finding]) -> tuple[list[Package], list[Extra], str | None]:
    """Return the core's packages, the extras and the version of wordalloc."""
    try:
        packages, optional, version = core_packages(), extras(), importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        findings.append(Finding("wordalloc is run without being installed", "pip install wordalloc", essential=True))
        return [], [], None
    for package in packages:
        if not package.fits:
            findings.append(_package_finding(package, essential=True))
    for extra in optional:
        # An extra that is wholly absent is nothing wrong; one that is there in part or too old is.
        if any(package.version for package in extra.packages):
            findings += [_package_finding(package) for package in extra.packages if not package.fits]
    return packages, optional, version


def _package_finding(package: Package, essential: bool = False) -> Finding:
    wanted = f"{package.name}{package.wanted}"
    what = f"{package.name} is missing" if package.version is None else f"{package.name} {package.version} is too old"
    return Finding(what, f"pip install '{wanted}'", essential)


def _devices(findings: list[Finding]) -> Devices:
    build, cards, usable = torch_build(), machine.nvidia_cards(), []
    if build in ("cuda", "hip") or (build and sys.platform == "darwin"):
        usable = _usable_by_torch(findings)
    if build == "cpu" and cards:
        remedy = "install a build for CUDA: https://pytorch.org/get-started/locally"
        findings.append(Finding(f"torch is built for the CPU alone, but here is {cards[0]}", remedy))
    elif build == "cuda" and cards and not usable:
        findings.append(Finding(f"torch cannot use {cards[0]}", "bring the NVIDIA driver up to date, or torch to it"))
    return Devices(
        processor=machine.processor_name(),
        cores=os.cpu_count() or 1,
        usable_cores=machine.usable_cores(),
        core_limit=machine.core_limit(),
        torch=build,
        cards=cards,
        usable=usable,
    )


def _usable_by_torch(findings: list[Finding]) -> list[str]:
    try:
        import torch
    except Exception as error:  # whatever a damaged installation raises
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        findings.append(Finding(f"torch cannot be imported: {reason}", "install it again"))
        return []
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return names + (["mps"] if torch.backends.mps.is_available() else [])


def _thread_findings(devices: Devices) -> Iterator[Finding]:
    there = devices.usable_cores
    granted = there if devices.core_limit is None else max(1, min(there, round(devices.core_limit)))
    set_to = os.environ.get("OMP_NUM_THREADS", "").strip()
    if set_to and re.fullmatch("0*[1-9][0-9]*(,0*[1-9][0-9]*)*", set_to) is None:
        yield Finding(
            f"OMP_NUM_THREADS is {set_to!r:.40}, which is no number of threads", f"set it to {granted}, or unset it"
        )
    elif set_to.isdecimal() and int(set_to) < granted:
        yield Finding(
            f"OMP_NUM_THREADS is {set_to}, so training uses {set_to} of {granted} cores",
            "unset it, unless other work runs beside it",
        )
    elif set_to.isdecimal() and int(set_to) > granted:
        yield Finding(
            f"OMP_NUM_THREADS is {set_to}, but there are {granted} cores", f"set it to {granted}, or unset it"
        )
    elif not set_to and granted < there:
        yield Finding(
            f"{there} threads will share the {granted} cores' worth of time that this container has",
            f"export OMP_NUM_THREADS={granted}",
        )
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        yield Finding("NUMBA_DISABLE_JIT is set, so nothing is compiled and all is slow", "unset it")


def _cache(findings: list[Finding]) -> Cache:
    root = cache_root()
    there = next((folder for folder in (root, *root.parents) if folder.exists()), root)
    writable = False
    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=there):
        writable = True
    if not writable:
        remedy = "make it writable, or name another folder with WORDALLOC_CACHE"
        findings.append(
            Finding(f"the cache {root} cannot be written: every start compiles anew", remedy, essential=True)
        )
    times, total, not_private = [], 0, []
    with contextlib.suppress(OSError):  # what is put away while it is looked at
        not_private = [folder.name for folder in root.iterdir() if folder.is_dir() and not is_private(folder)]
        for file in (Path(folder) / name for folder, _, names in os.walk(root) for name in names):
            found = file.lstat()
            times.append(found.st_mtime)
            total += found.st_size
    if not_private:
        remedy = "look who may write there, then remove them: what is needed is made again"
        findings.append(Finding(f"others may write to the caches {', '.join(sorted(not_private))} in {root}", remedy))
    days = [datetime.fromtimestamp(time, UTC).date().isoformat() for time in sorted(times)]
    oldest, newest = (days[0], days[-1]) if days else (None, None)
    return Cache(str(root), writable, total, len(times), oldest, newest, sorted(not_private))


def _places(findings: list[Finding]) -> list[Place]:
    """Return where results and what does not fit into memory go."""
    try:
        temporary = tempfile.gettempdir()
    except OSError:
        remedy = "name a folder that can be written to with TMPDIR"
        findings.append(Finding("there is no folder for temporary files", remedy, essential=True))
        return []
    places = [
        Place("temporary files", temporary, _free(temporary)),
        Place("cache", str(cache_root()), _free(str(cache_root()))),
    ]
    try:
        places.append(Place("results", str(Path.cwd()), _free(str(Path.cwd()))))
    except FileNotFoundError:
        findings.append(Finding("the current folder is gone", "choose another (cd)", essential=True))
    elsewhere = {"temporary files": "TMPDIR", "cache": "WORDALLOC_CACHE", "results": "-o"}
    for place in places:
        if place.free is not None and place.free < LITTLE:
            remedy = f"make room, or name another place with {elsewhere[place.use]}"
            findings.append(Finding(f"little room is left for {place.use} in {place.path}", remedy))
    return places


def _free(path: str) -> int | None:
    for folder in (Path(path), *Path(path).parents):
        with contextlib.suppress(OSError):
            usage = shutil.disk_usage(folder)
            return usage.free if usage.total else None
    return None


def _java(findings: list[Finding], needed: bool) -> str | None:
    """Return the version of the Java that Spark would run; where Spark is here, it must be one that it can run."""
    from wordalloc.corpus.spark.session import find_java

    try:
        version = machine.java_version(find_java())
    except InputError as error:
        if needed:
            findings.append(Finding("Java is missing", str(error)))
        return None
    numbers = [int(part) for part in (version or "").split(".")[:2] if part.isdecimal()]
    major = numbers[1] if numbers[:1] == [1] and len(numbers) > 1 else next(iter(numbers), 0)
    if needed and major < _JAVA:
        remedy = f"install Java {_JAVA}, and name it in JAVA_HOME"
        findings.append(Finding(f"Spark needs Java {_JAVA}, but here is {version or 'one that does not run'}", remedy))
    return version
