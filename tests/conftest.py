"""Options of the whole test suite."""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest
from hypothesis import settings

# Tests run side by side, one process a core; threads that wait for each other would only get in each other's way.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# A first call that compiles, or a busy machine, is no failure.
settings.register_profile("wordalloc", deadline=None)
settings.load_profile("wordalloc")


# Files that take over half a minute by themselves. They come first: one that began at the end would run alone.
LONGEST = (
    "tests/corpus/test_spark.py",
    "tests/cli/test_spark.py",
    "tests/training/test_distributed.py",
    "tests/faults/test_faults.py",
    "tests/test_readme.py",
    "tests/cli/test_classes.py",
    "tests/cli/test_comparing.py",
    "tests/faults/test_hostile.py",
    "tests/test_safety.py",
    "tests/nn/test_sampled_softmax.py",
    "tests/nn/test_ragged_kernels.py",
    "tests/algorithms/test_reallocation.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    place = {file: number for number, file in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], len(LONGEST)))  # stable
    if not config.getoption("--long"):
        for item in items:
            if "long" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="takes long: run pytest --long"))


def pytest_configure(config: pytest.Config) -> None:
    """Keep the user's own cache out of the tests, and the tests out of it; their processes and workers share one.

    Before anything is imported: a module's compiled loops lie where the cache is then.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ["WORDALLOC_CACHE"] = cache = tempfile.mkdtemp(prefix="wordalloc-tests-")
        config.add_cleanup(lambda: shutil.rmtree(cache, ignore_errors=True))
