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

needs_spark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java here"),
    pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="pyspark is not installed"),
]
CONF = {
    "spark.sql.shuffle.partitions": 2,
    "spark.sql.files.maxPartitionBytes": 50_000,
    "spark.driver.host": "127.0.0.1",
    "spark.executor.memory": "512m",
}
LOOPBACK = {
    "SPARK_LOCAL_IP": "127.0.0.1",
    "PYSPARK_SUBMIT_ARGS": " ".join(f"--conf {name}={value}" for name, value in CONF.items()) + " pyspark-shell",
    "PYSPARK_PYTHON": sys.executable,
}


# --- refused before anything starts


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--master", "local[2]"), "add --engine spark"),
        (("--engine", "spark", "--memory-limit", "1GB"), "spark.executor.memory"),
        (("--column", "text"), "is text, but --column names a column of a Parquet file"),
    ],
    ids=["master alone", "memory limit", "column"],
)
def test_options_that_do_not_go_together(refused, corpus, options, said):
    assert said in refused("count", corpus / "train.txt", *options)


@pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="pyspark is not installed")
@pytest.mark.parametrize(
    ("master", "said"), [("elsewhere", "is no master"), ("spark://host", "expected spark://host:port")]
)
def test_a_url_that_is_no_masters(refused, corpus, master, said):
    assert said in refused("bigrams", corpus / "train.txt", "--engine", "spark", "--master", master)


@pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="pyspark is not installed")
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


@pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="pyspark is not installed")
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
    env = {**os.environ, **LOOPBACK, "SPARK_HOME": str(script.parent.parent), "SPARK_WORKER_DIR": str(folder / name)}
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
    """A master and two workers on loopback: the master's URL, and the second worker's process."""
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
        yield url, workers[1][0]


# The last worker is killed once some of the text is read, and before the half of it is.
KILLING = """
import json, os, signal, sys, wordalloc
url, text, out, victim = sys.argv[1:]
killed = []
def progress(done, total):
    if done and not killed:
        killed.append(done / total)
        os.killpg(int(victim), signal.SIGKILL)
vocabulary = wordalloc.count(text, lowercase=True, max_size=500, engine="spark", master=url, progress=progress)
wordalloc.save(vocabulary, out)
print(json.dumps(killed))
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("large") / "large.txt"
    path.write_text("".join(f"w{i * i % 9973} É{i % 331} v{i % 7}\n" for i in range(300_000)))
    return path


@pytest.mark.parametrize("_", [pytest.param(None, marks=needs_spark)], ids=["cluster"])
def test_a_worker_that_is_killed_changes_nothing(cluster, large, wordalloc, tmp_path, _):
    url, victim = cluster
    package.save(package.count(large, lowercase=True, max_size=500), tmp_path / "expected")
    command = [sys.executable, "-c", KILLING, url, str(large), str(tmp_path / "found"), str(victim.pid)]
    env = {**os.environ, **LOOPBACK}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=env, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (share,) = json.loads(done.stdout)
    assert 0 < share < 0.6
    assert victim.wait(10) == -signal.SIGKILL
    assert (tmp_path / "found").read_bytes() == (tmp_path / "expected").read_bytes()
    # The command, on the worker that is left.
    options = ("--engine", "spark", "--master", url, "--json")
    given = ("--vocabulary", "expected", "-o", "large.ids")
    status, out, err = wordalloc("encode", large, *given, *options, env=LOOPBACK)
    assert (status, err) == (0, "")
    assert json.loads(out)["lines"] == 300_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["expected", "found", "large.ids"]
    _, out_here, _ = wordalloc("encode", large, "--vocabulary", "expected", "-o", "here.ids", "--json")
    assert {**json.loads(out_here), "output": "large.ids"} == json.loads(out)


@pytest.mark.parametrize("_", [pytest.param(None, marks=needs_spark)], ids=["local"])
def test_ctrl_c_ends_the_jobs_and_the_jvm(large, tmp_path, _):
    env = {**os.environ, **LOOPBACK, "TMPDIR": str(tmp_path / "temporary")}
    (tmp_path / "temporary").mkdir()
    (tmp_path / "here").mkdir()
    command = [sys.executable, "-m", "wordalloc", "count", *[str(large)], "--engine", "spark", "--master", "local[1]"]
    process = subprocess.Popen(
        command, cwd=tmp_path / "here", stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, start_new_session=True
    )
    while not list((tmp_path / "temporary").glob("blockmgr-*")):  # the context is there, and the work begins
        time.sleep(0.05)
        assert process.poll() is None
    time.sleep(1.5)
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
