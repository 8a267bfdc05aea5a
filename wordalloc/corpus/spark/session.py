"""Spark, started when it is first needed and stopped when the work is over.

What Spark's own configuration says (spark-defaults.conf, ``SPARK_CONF_DIR``, ``PYSPARK_SUBMIT_ARGS``) holds. A session
that the Python process has already is used as it is, and left running.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import tempfile
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

from wordalloc.corpus.engine import Progress
from wordalloc.errors import InputError, RunError, WordallocError
from wordalloc.interrupts import deferred_interrupts

if TYPE_CHECKING:
    from pyspark import SparkContext as Context
    from pyspark.sql import SparkSession

T = TypeVar("T")

_MASTER = re.compile(r"local(\[[^\]]*\])?|local-cluster\[[^\]]*\]|(spark|k8s)://.+|yarn")
_CONNECT = 10  # seconds until a master counts as unreachable
_POLL = 0.1  # seconds between two looks at the progress
# Results must not depend on these, or a file that is damaged or gone would be left out without a word.
_OPTIONS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "true",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
}


@contextlib.contextmanager
def open_session(master: str | None) -> Iterator[SparkSession]:
    """Yield a session with options of its own.

    Parameters
    ----------
    master : str, optional
        The cluster's URL. Default: what Spark's own configuration says, else all cores of this machine.

    Raises
    ------
    InputError
        If pyspark or Java is missing, or the URL is none.
    RunError
        If the master cannot be reached, or Spark fails.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            from pyspark import SparkContext
            from pyspark.sql import SparkSession
    except ImportError as error:
        raise InputError("counting on Spark needs the package pyspark: pip install 'wordalloc[spark]'") from error
    if master is not None:
        _check_master(master)
    with _one_line(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"pyspark\.")  # of packages that are not used here
        if SparkContext._active_spark_context is not None:
            active = SparkSession.builder.getOrCreate()
            if master not in (None, active.sparkContext.master):
                raise InputError(f"this process has a Spark session on {active.sparkContext.master} already: stop it")
            yield _private(active)
            return
        context = _start(master)
        try:
            yield _private(SparkSession(context))
        except Exception as error:
            if not isinstance(error, WordallocError) and context._jsc.sc().isStopped():
                raise RunError(
                    f"Spark stopped while it worked, perhaps for lack of memory (spark.driver.memory, "
                    f"spark.executor.memory): {root_cause(error)}"
                ) from error
            raise
        finally:
            context.stop()


def run(master: str | None, work: Callable[[SparkSession, Callable[[int], None]], T], progress: Progress | None) -> T:
    """Do some work on Spark in a thread of its own, while this one shows how far it is.

    An interruption that fell into a call of the virtual machine would break the connection to it; so this thread, the
    one that is interrupted, makes none but those it holds interruptions back from.

    Parameters
    ----------
    master : str, optional
        As for `open_session`.
    work : callable
        Called with a session, and with a callable to be told how many bytes will be read; gives the result.
    progress : callable, optional
        Called as ``progress(bytes done, bytes in all)``.
    """
    group = f"wordalloc-{uuid.uuid4()}"
    sessions: list[SparkSession] = []
    sizes: list[int] = []
    results: list[T] = []
    errors: list[BaseException] = []
    stopped = threading.Event()

    def job() -> None:
        try:
            with open_session(master) as session:
                session.sparkContext.setJobGroup(group, "wordalloc", interruptOnCancel=True)
                sessions.append(session)
                if not stopped.is_set():
                    results.append(work(session, sizes.append))
        except BaseException as error:
            errors.append(error)
        finally:
            sessions.clear()

    thread = threading.Thread(target=job, name=group, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_POLL)
            if progress is not None and sizes:
                share = 1.0
                with deferred_interrupts(), contextlib.suppress(Exception):  # the session may be over by now
                    share = _share_read(sessions[0], group)
                progress(int(sizes[0] * share), sizes[0])
    except BaseException:
        with deferred_interrupts(), contextlib.suppress(Exception):
            stopped.set()
            if sessions:  # the job that runs, and those that would come after it
                sessions[0].sparkContext._jsc.sc().cancelJobGroupAndFutureJobs(group)
            thread.join(_CONNECT)
        raise
    if errors:
        raise errors[0]
    return results[0]


def root_cause(error: BaseException) -> str:
    """Return the first line of what lies at the bottom of an error of Spark's."""
    cause = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    if cause is None:
        return next(iter(str(error).splitlines()), type(error).__name__)
    while cause.getCause() is not None:
        cause = cause.getCause()
    return next(iter((cause.getMessage() or cause.toString()).splitlines()), "")


def _share_read(session: SparkSession, group: str) -> float:
    """Return which share of the tasks that read the sources is done: those of the first stage."""
    tracker = session.sparkContext.statusTracker()
    jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group)]
    stages = [stage for job in jobs if job is not None for stage in job.stageIds]
    first = tracker.getStageInfo(min(stages)) if stages else None
    return first.numCompletedTasks / max(1, first.numTasks) if first is not None else 0.0


def _private(session: SparkSession) -> SparkSession:
    session = session.newSession()
    for name, value in _OPTIONS.items():
        session.conf.set(name, value)
    return session


def _start(master: str | None) -> Context:
    """Start a JVM, unless one waits, and a context in it. What Spark has to say goes to a file, not to stderr."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway

    find_java()
    given = SparkConf(loadDefaults=False)
    if master is not None:
        given.setMaster(master)
    with tempfile.TemporaryFile() as log:
        try:
            gateway = SparkContext._gateway or launch_gateway(given, {"stderr": log})
            conf = SparkConf(_jvm=gateway.jvm)
            if master is not None:
                conf.setMaster(master)
            conf.setIfMissing("spark.master", "local[*]")
            conf.setIfMissing("spark.app.name", "wordalloc").setIfMissing("spark.log.level", "ERROR")
            conf.setIfMissing("spark.ui.enabled", "false")
            conf.setIfMissing("spark.local.dir", tempfile.gettempdir())
            return SparkContext(gateway=gateway, conf=conf)
        except WordallocError:
            raise
        except Exception as error:
            said = root_cause(error) if hasattr(error, "java_exception") else _last_line(log) or root_cause(error)
            raise RunError(f"Spark could not start{f' on {master}' if master else ''}: {said}") from error


def find_java() -> str:
    """Return the program that Spark will run.

    Raises
    ------
    InputError
        If there is none.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None:
        raise InputError("Spark needs Java 17, and there is no java on this machine (Debian: openjdk-17-jre-headless)")
    if not Path(java).exists():
        raise InputError(f"Spark needs Java 17, but JAVA_HOME is {home}, where there is no bin/java; correct it")
    return java


def _check_master(master: str) -> None:
    """Refuse a URL that is none, and a master of Spark's own cluster that does not answer."""
    if not _MASTER.fullmatch(master):
        raise InputError(f"{master!r} is no master of Spark's: expected spark://host:7077, local[4], yarn or k8s://…")
    if not master.startswith("spark://"):
        return
    reasons = []
    for address in master.removeprefix("spark://").split(","):
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise InputError(f"{master}: expected spark://host:port")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT).close()
            return
        except OSError as error:
            reasons.append(error.strerror or str(error))
    raise RunError(f"the Spark master {master} cannot be reached: {', '.join(reasons).lower()}; is it running?")


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """Turn what Spark raises into one line."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JError, PySparkException, ConnectionError, EOFError) as error:
        raise RunError(f"Spark failed: {root_cause(error)}") from error
