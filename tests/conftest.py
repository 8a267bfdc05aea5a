"""Options of the whole test suite."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# Tests run side by side, one process a core; threads that wait for each other would only get in each other's way.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# A first call that compiles, or a busy machine, is no failure.
settings.register_profile("wordalloc", deadline=None)
settings.load_profile("wordalloc")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--long"):
        for item in items:
            if "long" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="takes long: run pytest --long"))


@pytest.fixture(autouse=True, scope="session")
def private_cache(tmp_path_factory: pytest.TempPathFactory):
    """Keep the user's own cache out of the tests, and the tests out of it."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.getbasetemp()
        if "PYTEST_XDIST_WORKER" in os.environ:
            folder = folder.parent  # that of all workers: what one has compiled the other need not
        cache = folder / "cache"
        cache.mkdir(exist_ok=True)
        patch.setenv("WORDALLOC_CACHE", str(cache))
        yield
