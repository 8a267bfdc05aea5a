"""`wordalloc doctor` on this machine, and on ones where something is wrong."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from wordalloc import machine
from wordalloc.installation import ADDS, Package

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.fixture
def diagnosed(wordalloc, monkeypatch):
    """Run ``wordalloc doctor --json`` under an environment; return its status and what it found."""

    def run(**environment: str) -> tuple[int, dict]:
        for name in (*machine.THREAD_VARIABLES, "NUMBA_DISABLE_JIT"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        status, out, err = wordalloc("doctor", "--json")
        assert err == ""
        return status, json.loads(out)

    return run


def warnings(found: dict) -> str:
    return "\n".join(f"{one['what']}; {one['remedy']}" for one in found["findings"])


def test_a_healthy_machine(diagnosed, tmp_path):
    status, found = diagnosed(WORDALLOC_CACHE=str(tmp_path / "cache"))
    assert status == 0 and found["healthy"]
    assert found["wordalloc"] == importlib.metadata.version("wordalloc")
    versions = {package["name"]: package["version"] for package in found["packages"]}
    assert versions["numpy"] == importlib.metadata.version("numpy")
    devices = found["devices"]
    assert 1 <= devices["usable_cores"] <= devices["cores"] == os.cpu_count()
    assert found["memory"] > 10**8
    assert found["cache"]["writable"] and found["cache"]["files"] == 0 and found["cache"]["oldest"] is None
    assert not (tmp_path / "cache").exists()  # it leaves nothing behind


def test_the_extras_are_those_of_the_metadata(diagnosed):
    _, found = diagnosed()
    named = set(importlib.metadata.metadata("wordalloc").get_all("Provides-Extra"))
    assert {extra["name"] for extra in found["extras"]} == named - {"dev"}
    for extra in found["extras"]:
        assert extra["command"] == f"pip install 'wordalloc[{extra['name']}]'"
        assert extra["packages"]


def test_what_every_extra_adds_is_said():
    extras = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(extras) - {"dev"} <= set(ADDS)


def test_a_cache_that_cannot_be_written_is_broken(wordalloc, diagnosed, tmp_path):
    (tmp_path / "file").write_text("")
    status, found = diagnosed(WORDALLOC_CACHE=str(tmp_path / "file" / "cache"))
    assert status == 1 and not found["healthy"]
    assert "WORDALLOC_CACHE" in warnings(found)
    status, out, _ = wordalloc("doctor")
    assert status == 1
    assert re.search(r"broken: [^:]*cannot be written", " ".join(out.split()))  # long paths go on in the next line


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="who may write is told on POSIX systems")
def test_a_cache_that_others_may_write_to(diagnosed, tmp_path):
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "loop").write_bytes(b"12345")
    (tmp_path / "numba").chmod(0o777)
    status, found = diagnosed(WORDALLOC_CACHE=str(tmp_path))
    assert status == 0
    assert found["cache"]["not_private"] == ["numba"] and "numba" in warnings(found)
    assert (found["cache"]["files"], found["cache"]["bytes"]) == (1, 5)


def test_threads(diagnosed, monkeypatch):
    monkeypatch.setattr(machine, "usable_cores", lambda: 8)
    monkeypatch.setattr(machine, "core_limit", lambda: None)
    assert "OMP" not in warnings(diagnosed()[1])
    assert "OMP_NUM_THREADS is 1, so training uses 1 of 8 cores" in warnings(diagnosed(OMP_NUM_THREADS="1")[1])
    assert "OMP_NUM_THREADS is 16, but there are 8 cores" in warnings(diagnosed(OMP_NUM_THREADS="16")[1])
    monkeypatch.setattr(machine, "core_limit", lambda: 2.0)
    assert "export OMP_NUM_THREADS=2" in warnings(diagnosed()[1])
    assert "OMP" not in warnings(diagnosed(OMP_NUM_THREADS="2")[1])
    for wrong in ("two", "0", "-1", "2.5", "2,", "2,0"):
        assert f"OMP_NUM_THREADS is '{wrong}', which is no number of threads" in warnings(
            diagnosed(OMP_NUM_THREADS=wrong)[1]
        )
    assert "OMP" not in warnings(diagnosed(OMP_NUM_THREADS="4,2")[1])  # of one level in another
    assert "NUMBA_DISABLE_JIT" in warnings(diagnosed(NUMBA_DISABLE_JIT="1")[1])


def test_packages_that_are_missing_or_old(wordalloc, diagnosed, monkeypatch):
    lines = ["numpy>=1.26", "zstandard>=999", "no-such-package>=2", 'torch>=999; extra == "train"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: lines)
    status, found = diagnosed()
    assert status == 1
    told = warnings(found)
    assert "no-such-package is missing; pip install 'no-such-package>=2'" in told
    assert "zstandard" in told and "is too old" in told and "numpy" not in told
    essential = {one["what"].split()[0] for one in found["findings"] if one["essential"]}
    assert {"no-such-package", "zstandard"} <= essential and "torch" not in essential
    assert "wordalloc[train]" in wordalloc("doctor")[1]


def test_a_card_that_torch_cannot_use(diagnosed, monkeypatch, tmp_path):
    """The driver's own program is looked for on the path."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H100'\n")
    program.chmod(0o755)
    monkeypatch.setattr("wordalloc.pipelines.doctor.torch_build", lambda: "cpu")
    _, found = diagnosed(PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert found["devices"]["cards"] == ["NVIDIA H100"]
    assert "torch is built for the CPU alone, but here is NVIDIA H100" in warnings(found)


def test_spark_without_java(diagnosed, monkeypatch, tmp_path):
    spark = [*importlib.metadata.requires("wordalloc"), "numpy; extra == 'spark'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: spark)
    metadata = importlib.metadata.metadata("wordalloc")
    if "spark" not in metadata.get_all("Provides-Extra"):
        metadata["Provides-Extra"] = "spark"
        monkeypatch.setattr(importlib.metadata, "metadata", lambda name: metadata)
    _, found = diagnosed(JAVA_HOME=str(tmp_path))
    assert found["java"] is None and "Java is missing" in warnings(found)
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_392\"' >&2\n")
    java.chmod(0o755)
    _, found = diagnosed(JAVA_HOME=str(tmp_path))
    assert found["java"] == "1.8.0_392" and "Spark needs Java 17" in warnings(found)


def test_torch_is_told_without_importing_it(wordalloc):
    code = "from wordalloc.installation import torch_build as t; import sys; print(t(), 'torch' in sys.modules)"
    kind, imported = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert imported == "False"
    try:
        version = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        version = ""
    assert kind == ("None" if not version else kind) and (kind == "cpu" or "+cpu" not in version)


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("1.26.4", ">=1.26", True),
        ("2.13.0+cpu", ">=2.6", True),
        ("0.9", ">=0.22", False),
        ("4.0.0.dev2", ">=4.0", True),
        (None, ">=1", False),
        ("1", "", True),
    ],
)
def test_versions_are_compared_as_numbers(version, wanted, fits):
    assert Package("name", wanted, version).fits is fits


def test_control_groups_of_both_versions(monkeypatch, tmp_path):
    """The least limit on the way from the process's own group to the root holds."""
    groups, own = tmp_path / "cgroup", tmp_path / "self"
    (groups / "job" / "step").mkdir(parents=True)
    (groups / "job" / "cpu.max").write_text("150000 100000\n")
    (groups / "job" / "step" / "cpu.max").write_text("max 100000\n")
    (groups / "job" / "memory.max").write_text("1000000\n")
    texts = {"/proc/self/cgroup": own, "/proc/meminfo": tmp_path / "none"}
    read = machine._text
    monkeypatch.setattr(machine, "_text", lambda path: read(texts.get(str(path), path)))
    monkeypatch.setattr(machine, "_CGROUPS", groups)
    own.write_text("0::/job/step\n")
    assert machine.core_limit() == 1.5
    assert machine.memory()[0] == 1_000_000
    (groups / "cpu" / "old").mkdir(parents=True)
    (groups / "cpu" / "old" / "cpu.cfs_quota_us").write_text("300000\n")
    (groups / "cpu" / "old" / "cpu.cfs_period_us").write_text("100000\n")
    own.write_text("3:memory:/\n2:cpu,cpuacct:/old\n")
    assert machine.core_limit() == 3.0


@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be removed there")
def test_the_current_folder_is_gone(tmp_path):
    script = "import os, sys; os.rmdir(os.getcwd()); from wordalloc.cli import main; main(sys.argv[1:])"
    told = []
    for arguments in (("doctor", "--json"), ("count", "a.txt")):
        (tmp_path / "here").mkdir()
        command = [sys.executable, "-c", script, *arguments]
        done = subprocess.run(command, cwd=tmp_path / "here", capture_output=True, text=True, timeout=300, check=False)
        told.append((done.returncode, done.stdout, done.stderr))
    status, out, _ = told[0]
    assert status != 0 and "the current folder is gone; choose another" in warnings(json.loads(out))
    assert told[1] == (2, "", "wordalloc: the current folder is gone; choose another (cd)\n")
