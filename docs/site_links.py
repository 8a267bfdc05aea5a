"""A hook of mkdocs: the repository's other pages join the site, and links to them keep working there.

On GitHub a page in docs/ reaches the rest of the repository by ``../``; mkdocs knows only docs/. So the files below
become files of the site, and every relative link is led from where its page stands in the repository to where its
target stands on the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/*.md")
SOURCES = ("LICENSE", "constraints.txt", "pyproject.toml", "wordalloc/**/*.py", "examples/*.py", "benchmarks/*.py")
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, and of the other files those that a page links to."""
    linked = {target for file in files.documentation_pages() for target in _targets(_in_repository(file.src_uri))}
    for path in _matching(PAGES):
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
        linked |= set(_targets(path))
    for path in _matching(SOURCES):
        if path in linked:
            files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lead the links of a page to where their targets stand on the site."""
    here = page.file.src_uri
    return LINK.sub(lambda match: _led(match[1], here), markdown)


def _led(link: str, here: str) -> str:
    target = posixpath.normpath(posixpath.join(posixpath.dirname(_in_repository(here)), link))
    there = "index.md" if target == "README.md" else target.removeprefix("docs/")
    return posixpath.relpath(there, posixpath.dirname(here) or ".")


def _targets(path: str) -> list[str]:
    folder = posixpath.dirname(path)
    return [posixpath.normpath(posixpath.join(folder, link)) for link in LINK.findall((ROOT / path).read_text("utf-8"))]


def _in_repository(uri: str) -> str:
    return uri if uri in _matching(PAGES) else f"docs/{uri}"


def _matching(patterns: tuple[str, ...]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for pattern in patterns for path in sorted(ROOT.glob(pattern))]
