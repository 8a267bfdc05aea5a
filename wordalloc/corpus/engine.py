"""The counting engine, DuckDB, loaded when it is first needed."""

from __future__ import annotations

from types import ModuleType

from wordalloc.interrupts import deferred_interrupts


def load_duckdb() -> ModuleType:
    """Return the module ``duckdb``."""
    with deferred_interrupts():
        import duckdb
    return duckdb
