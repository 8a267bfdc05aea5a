"""One page in one browser for all tests of pages in a browser; they leave it as they found it."""

from __future__ import annotations

import shutil

import pytest

from tests.report.browser import open_page
from tests.report.pages import make_comparison, make_files, make_run


@pytest.fixture(scope="session")
def opened(tmp_path_factory):
    """The page, opened from disk once, what the browser has complained of and asked for, and the browser."""
    pytest.importorskip("plotly", reason="pages need plotly: pip install 'wordalloc[report]'")
    playwright = pytest.importorskip("playwright.sync_api", reason="the browser is driven by playwright")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium")
    from wordalloc.pipelines.report import report

    folder = tmp_path_factory.mktemp("browser")
    runs = [make_run(folder / "run"), make_run(folder / "#0072b2")]  # which is a colour of the page
    paths = [*make_files(folder), *runs, make_comparison(folder / "all")]
    report(paths, folder / "page.html")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield *open_page(browser, folder / "page.html"), browser
        browser.close()


@pytest.fixture
def page(opened):
    """The page; whatever a test does with it, nothing is complained of and nothing asked of the network."""
    page, complaints, requests, _ = opened
    yield page
    assert complaints == []
    assert set(requests) == {page.url}
