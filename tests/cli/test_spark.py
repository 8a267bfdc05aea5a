"""``--engine spark`` as a process: what is missing is said in one line, and a real cluster that loses a worker."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import wordalloc as package
from wordalloc.corpus import encode

needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java here")
needs_pyspark = pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="pyspark is not installed")
CONF = {
    "spark.sql.shuffle.partitions": 2,
    "spark.sql.files.maxPartitionBytes": 40_000,
    "spark.driver.host": "127.0.0.1",
    "spark.executor.memory": "512m",
}
LOOPBACK = {
    "SPARK_LOCAL_IP": "127.0.0.1",
    "PYSPARK_SUBMIT_ARGS": " ".join(f"--conf {name}={value}" for name, value in CONF.items()) + " pyspark-shell",
    "PYSPARK_PYTHON": sys.executable,
}
ENV = {**os.environ, **LOOPBACK}


# --- refused before anything starts


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--master", "local[2]"), "add --engine spark"),
        (("--engine", "spark", "--memory-limit", "1GB"), "spark.executor.memory"),
        (("--column", "text"), "is text, but --column names a column of a Parquet, JSONL or Arrow file"),
    ],
    ids=["master alone", "memory limit", "column"],
)
def test_options_that_do_not_go_together(refused, corpus, options, said):
    assert said in refused("count", corpus / "train.txt", *options)


@needs_pyspark
@pytest.mark.parametrize(
    ("master", "said"), [("elsewhere", "is no master"), ("spark://host", "expected spark://host:port")]
)
def test_a_url_that_is_no_masters(refused, corpus, master, said):
    assert said in refused("bigrams", corpus / "train.txt", "--engine", "spark", "--master", master)


@needs_pyspark
def test_a_master_that_cannot_be_reached(wordalloc, corpus, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        master = f"spark://127.0.0.1:{taken.getsockname()[1]}"
        status, out, err = wordalloc("count", corpus / "train.txt", "--engine", "spark", "--master", master)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert f"the Spark master {master} cannot be reached: connection refused" in err
    assert list(tmp_path.iterdir()) == []


def test_without_pyspark(refused, corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("without")
    (folder / "pyspark.py").write_text("raise ImportError('none')\n")
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    line = refused("count", corpus / "train.txt", "--engine", "spark", env={"PYTHONPATH": path})
    assert "pip install 'wordalloc[spark]'" in line


@needs_pyspark
@pytest.mark.parametrize(
    "env", [{"JAVA_HOME": "/nowhere"}, {"JAVA_HOME": "", "PATH": "/nowhere"}], ids=["home", "path"]
)
def test_without_java(refused, corpus, env):
    assert "Spark needs Java 17" in refused("count", corpus / "train.txt", "--engine", "spark", env=env)


# --- a cluster


@contextlib.contextmanager
def service(folder: Path, name: str, *arguments: str):
    """Run a part of a cluster in a group of processes of its own; yield its process and its log."""
    import pyspark

    log = folder / f"{name}.log"
    script = Path(pyspark.__file__).parent / "bin" / "spark-class"
    env = {**ENV, "SPARK_HOME": str(script.parent.parent), "SPARK_WORKER_DIR": str(folder / name)}
    env["SPARK_DAEMON_MEMORY"] = "256m"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [str(script), *arguments], stdout=stream, stderr=stream, env=env, cwd=folder, start_new_session=True
        )
    try:
        yield process, log
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def wait_for(log: Path, pattern: str) -> str:
    for _ in range(1200):
        found = re.search(pattern, log.read_text(errors="replace"))
        if found:
            return found[0]
        time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace")[-3000:])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A master and two workers on loopback: the master's URL, the second worker's process, and the folder of it all."""
    folder = tmp_path_factory.mktemp("cluster")
    place = ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
    deploy = "org.apache.spark.deploy"
    with contextlib.ExitStack() as stack:
        _, log = stack.enter_context(service(folder, "master", f"{deploy}.master.Master", *place))
        url = wait_for(log, r"spark://127\.0\.0\.1:\d+")
        workers = [
            stack.enter_context(
                service(folder, name, f"{deploy}.worker.Worker", *place, "--cores", "1", "--memory", "600m", url)
            )
            for name in ("one", "two")
        ]
        for _, log in workers:
            wait_for(log, "Successfully registered with master")
        yield url, workers[1][0], folder


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("large") / "large.txt"
    path.write_text("".join(f"w{i * i % 9973} É{i % 331} v{i % 7}\n" for i in range(50_000)))
    return path


def finished_tasks(folder: Path) -> int:
    """How many tasks the executors of a worker, or of all, have done, by their logs."""
    return sum(log.read_text(errors="replace").count("Finished task") for log in folder.glob("**/app-*/*/stderr"))


@needs_java
@needs_pyspark
def test_a_worker_that_is_killed_changes_nothing(cluster, large, wordalloc, tmp_path):
    url, victim, folder = cluster
    options = ("--lowercase", "--max-size", "500", "--json", "-o")
    command = [sys.executable, "-m", "wordalloc", "count", str(large), *options, "found", "--engine", "spark"]
    process = subprocess.Popen(
        [*command, "--master", url], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENV
    )
    while not finished_tasks(folder / "two"):
        time.sleep(0.05)
        assert process.poll() is None
    os.killpg(victim.pid, signal.SIGKILL)
    assert finished_tasks(folder) < large.stat().st_size // CONF["spark.sql.files.maxPartitionBytes"]
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, b"")
    _, expected, _ = wordalloc("count", large, *options, "expected")
    assert json.loads(out) == {**json.loads(expected), "output": "found"}
    assert (tmp_path / "found").read_bytes() == (tmp_path / "expected").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["expected", "found"]


@pytest.mark.long
@needs_java
@needs_pyspark
def test_pairs_and_ids_on_the_worker_that_is_left(cluster, large, wordalloc, tmp_path):
    url, _, _ = cluster
    wordalloc("count", large, "-o", "v", "--min-count", 3)
    for engine, options in {"here": (), "there": ("--engine", "spark", "--master", url)}.items():
        given = ("--vocabulary", "v", "-o", engine, "--json", *options)
        status, out, err = wordalloc("encode", large, *given, env=LOOPBACK)
        assert (status, err, json.loads(out)["lines"]) == (0, "", 50_000)
        status, _, err = wordalloc("bigrams", large, "-o", f"{engine}.pairs", "--min-count", 3, *options, env=LOOPBACK)
        assert (status, err) == (0, "")
    assert (tmp_path / "here.pairs").read_bytes() == (tmp_path / "there.pairs").read_bytes()
    here, there = (encode(tmp_path / name, package.load(tmp_path / "v")) for name in ("here", "there"))
    assert (here.ids == there.ids).all() and (here.line_ends == there.line_ends).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "here.pairs", "there", "there.pairs", "v"]


@needs_java
@needs_pyspark
def test_ctrl_c_ends_the_jobs_and_the_jvm(large, tmp_path):
    env = {**ENV, "TMPDIR": str(tmp_path / "temporary")}
    (tmp_path / "temporary").mkdir()
    (tmp_path / "here").mkdir()
    command = [sys.executable, "-m", "wordalloc", "count", str(large), "--engine", "spark", "--master", "local[1]"]
    process = subprocess.Popen(
        command, cwd=tmp_path / "here", stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, start_new_session=True
    )
    while not list((tmp_path / "temporary").glob("blockmgr-*")):  # the context is there, and the work begins
        time.sleep(0.05)
        assert process.poll() is None
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, b"")
    assert err.decode() == "wordalloc: interrupted: nothing half-written was left behind\n"
    assert list((tmp_path / "here").iterdir()) == []
    for _ in range(100):  # the group of processes ends with its last one, the virtual machine
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError("a process is left")
