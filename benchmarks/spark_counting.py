"""Counting a text on DuckDB and on Spark, local[2]: the time of each, and whether the bytes are the same.

    python benchmarks/spark_counting.py TEXT [TEXT ...]

Each engine runs as a process of its own, so that the time has its start in it, Spark's JVM included.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ENGINES = {"duckdb": [], "spark": ["--engine", "spark", "--master", "local[2]"]}


def main() -> None:
    """Count, print a line an engine, and fail where the results differ."""
    texts = sys.argv[1:]
    if not texts:
        sys.exit(__doc__)
    size = sum(Path(text).stat().st_size for text in texts)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for engine, options in ENGINES.items():
            target = Path(folder) / engine
            begin = time.monotonic()
            command = [sys.executable, "-m", "wordalloc", "count", *texts, "--json", "-o", str(target), *options]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds = time.monotonic() - begin
            results[engine] = target.read_bytes()
            print(f"{engine:8} {seconds:8.1f} s {size / seconds / 1e6:8.1f} MB/s")
    same = len(set(results.values())) == 1
    print(f"the bytes are {'the same' if same else 'DIFFERENT'}")
    sys.exit(not same)


if __name__ == "__main__":
    main()
