"""The counting engines: DuckDB, loaded when it is first needed, or Spark."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

from wordalloc.errors import InputError, RunError
from wordalloc.files import temporary_folder
from wordalloc.interrupts import deferred_interrupts

if TYPE_CHECKING:
    import duckdb

Progress = Callable[[int, int], None]


def load_duckdb() -> ModuleType:
    """Return the module ``duckdb``."""
    with deferred_interrupts():
        import duckdb
    return duckdb


def on_spark(engine: str, master: str | None, memory_limit: str | None = None, threads: int | None = None) -> bool:
    """Tell whether Spark is to count, and refuse options that are the other engine's."""
    if engine not in ("duckdb", "spark"):
        raise InputError(f"the engine must be 'duckdb' or 'spark', not {engine!r}")
    if engine == "duckdb" and master is not None:
        raise InputError(f"--master {master} is for Spark: add --engine spark")
    if engine == "spark" and (memory_limit is not None or threads is not None):
        raise InputError(
            "Spark's memory and threads are set in its own configuration (spark.executor.memory and "
            "others); leave --memory-limit out"
        )
    return engine == "spark"


@contextlib.contextmanager
def connect(**config: Any) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a private database; a Ctrl-C that arrives inside a query is one here too, not a plain RuntimeError."""
    duckdb = load_duckdb()
    try:
        with duckdb.connect(":memory:", config=config) as connection:
            yield connection
    except (duckdb.InterruptException, RuntimeError) as error:
        if "interrupt" in str(error).lower():
            raise KeyboardInterrupt from error
        raise


@contextlib.contextmanager
def open_database(memory_limit: str | None, threads: int | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a private database that spills into a temporary folder, removed at the end whatever happens."""
    duckdb = load_duckdb()
    config: dict[str, Any] = {"threads": threads or os.cpu_count() or 1, "preserve_insertion_order": False}
    if memory_limit is not None:
        if not re.fullmatch(r"\d+(\.\d+)?\s*([KMGT]i?B)", memory_limit.strip(), re.IGNORECASE):
            raise InputError(f"the memory limit must be a number and a unit, such as 512MB, not {memory_limit!r}")
        config["memory_limit"] = memory_limit
    with temporary_folder("wordalloc-count-") as folder:
        config["temp_directory"] = str(folder)
        try:
            with connect(**config) as connection:
                yield connection
        except duckdb.OutOfMemoryException as error:
            raise RunError(f"counting does not fit the memory limit {memory_limit or ''}: raise it") from error
        except duckdb.IOException as error:
            raise RunError(
                f"counting could not spill to {folder}: {str(error).splitlines()[0]}; make room, or name "
                "another place with TMPDIR"
            ) from error
