"""Write docs/api/*.md, the reference of the public names, from their docstrings: python docs/generate_api.py

The docstrings are the one source. They are parsed by griffe, the library that mkdocstrings itself rests on; the pages
are written into the repository, not made while the site is built, because GitHub does not render the blocks that
mkdocstrings replaces: so they read the same there, on the site and in an editor. tests/test_docs.py fails where a page
is older than its docstrings.
"""

from __future__ import annotations

import re
from pathlib import Path

import griffe

ROOT = Path(__file__).parent.parent
API = ROOT / "docs" / "api"
WIDTH = 100  # of a signature's line
PACKAGES = {  # page: the package whose __all__ it shows
    "wordalloc": "wordalloc",
    "nn": "wordalloc.nn",
    "corpus": "wordalloc.corpus",
    "training": "wordalloc.training",
    "features": "wordalloc.features",
    "report": "wordalloc.report",
}
HIDDEN = {"self", "cls"}
Documented = griffe.Class | griffe.Function | griffe.Attribute


def pages() -> dict[str, str]:
    """Return the text of every page, by its file name."""
    loader = griffe.GriffeLoader(search_paths=[ROOT], docstring_parser="numpy", allow_inspection=False)
    package = loader.load("wordalloc", try_relative_path=False)
    loader.resolve_aliases()
    shown = {page: _public(package, path) for page, path in PACKAGES.items() if _has(package, path)}
    links = _links(shown)
    texts = {f"{page}.md": _page(package, page, names, links) for page, names in shown.items()}
    return {"index.md": _index(package, shown), **texts}


def _has(package: griffe.Module, path: str) -> bool:
    return path == "wordalloc" or path.partition(".")[2] in package.members


def _module(package: griffe.Module, path: str) -> griffe.Module:
    inner = path.partition(".")[2]
    return package[inner] if inner else package


def _public(package: griffe.Module, path: str) -> dict[str, Documented]:
    """Return the names of a package's __all__ with what they name; classes come first, as they sort."""
    module = _module(package, path)
    names = sorted(str(name) for name in module.exports or () if not str(name).startswith("__"))
    return {name: _target(module[name]) for name in names}


def _target(member: griffe.Object | griffe.Alias) -> Documented:
    """Return what a name stands for; where a module has the name of its one function, the function."""
    target = member.final_target if member.is_alias else member
    return _target(target[target.name]) if target.is_module else target


def _links(shown: dict[str, dict[str, Documented]]) -> dict[str, str]:
    """Return where each name is described, by the ways in which a docstring may write it."""
    links: dict[str, str] = {}
    for page, names in shown.items():
        for name, target in names.items():
            place = f"{page}.md#{_anchor(name)}"
            for spelling in (name, f"{PACKAGES[page]}.{name}", target.path):
                links.setdefault(spelling, place)
    return links


def _anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading, and that mkdocs.yml asks the site for."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _index(package: griffe.Module, shown: dict[str, dict[str, Documented]]) -> str:
    lines = ["# API", "", "Every public name, from its docstring. The examples are run by the tests.", ""]
    for page, names in shown.items():
        module = _module(package, PACKAGES[page])
        lines += [f"## `{PACKAGES[page]}`", "", _first_paragraph(module), "", "| name | |", "|---|---|"]
        lines += [
            f"| [`{name}`]({page}.md#{_anchor(name)}) | {_first_sentence(item)} |" for name, item in names.items()
        ]
        lines.append("")
    return "\n".join(lines)


def _first_paragraph(item: griffe.Object) -> str:
    text = item.docstring.value if item.docstring else ""
    return _plain(text.split("\n\n")[0])


def _first_sentence(item: griffe.Object) -> str:
    return _first_paragraph(item).replace("\n", " ").replace("|", "\\|")


def _plain(text: str) -> str:
    """Return reStructuredText's literals as Markdown's."""
    return text.replace("``", "`")


def _page(package: griffe.Module, page: str, names: dict[str, Documented], links: dict[str, str]) -> str:
    title = PACKAGES[page]
    lines = [f"# {title}", "", _first_paragraph(_module(package, title)), ""]
    for name, item in names.items():
        lines += _described(name, item, 2, page, links)
    return "\n".join(lines).rstrip() + "\n"


def _described(name: str, item: Documented, level: int, page: str, links: dict[str, str]) -> list[str]:
    """Return the lines of one name: heading, signature, docstring, and for a class its own public members."""
    lines = [f"{'#' * level} {name}", "", "```python", *_signature(name, item), "```", ""]
    if isinstance(item, griffe.Class) and item.bases:
        lines += [f"Bases: {', '.join(_linked(f'`{base}`', page, links) for base in item.bases)}", ""]
    if item.docstring:
        for section in item.docstring.parsed:
            lines += _section(section, page, links)
    if isinstance(item, griffe.Class):
        for inner, member in item.members.items():
            if _is_public(inner, member):
                lines += _described(f"{name}.{inner}", member, level + 1, page, links)
    return lines


def _is_public(name: str, member: griffe.Object | griffe.Alias) -> bool:
    return not name.startswith("_") and not member.is_alias and member.docstring is not None


def _signature(name: str, item: Documented) -> list[str]:
    """Return a call on one line, or a line for each argument; types stand with the parameters."""
    if isinstance(item, griffe.Attribute):
        return [name if item.annotation is None else f"{name}: {item.annotation}"]
    parts = list(_arguments(item))
    end = f" -> {item.returns}" if isinstance(item, griffe.Function) and item.returns else ""
    line = f"{name}({', '.join(parts)}){end}"
    return [line] if len(line) <= WIDTH else [f"{name}(", *(f"    {part}," for part in parts), f"){end}"]


def _arguments(item: griffe.Class | griffe.Function) -> list[str]:
    parts, bare_star = [], False
    for parameter in item.parameters:
        if parameter.name in HIDDEN:
            continue
        kind = str(parameter.kind.value)
        if kind == "keyword-only" and not bare_star:
            parts.append("*")
            bare_star = True
        star = {"variadic positional": "*", "variadic keyword": "**"}.get(kind, "")
        bare_star = bare_star or star == "*"
        default = "" if parameter.default is None or star else f"={_default(parameter.default)}"
        parts.append(f"{star}{parameter.name}{default}")
    return parts


def _default(value: str | griffe.Expr) -> str:
    """Return a default as it is written, a constant of the package by its value."""
    if isinstance(value, griffe.ExprName):
        try:
            return str(_target(value.parent[value.name]).value)
        except (KeyError, AttributeError, TypeError, griffe.AliasResolutionError):
            pass
    text = str(value)
    return f'"{text[1:-1]}"' if re.fullmatch(r"'[^'\"]*'", text) else text


def _section(section: griffe.DocstringSection, page: str, links: dict[str, str]) -> list[str]:
    kind, value = section.kind.value, section.value
    if kind == "text":
        return [_text(value, page, links), ""]
    if kind == "examples":
        return _examples(value, page, links)
    if kind == "admonition":
        return [f"**{section.title or value.kind}**", "", _text(value.contents, page, links), ""]
    lines = [f"**{kind.capitalize().replace('Other parameters', 'Parameters')}**", ""]
    for entry in value:
        name = getattr(entry, "name", "")
        head = f"`{name}`" if name else ""
        kind_of = "" if entry.annotation is None else _linked(f"`{entry.annotation}`", page, links)
        head = ", ".join(part for part in (head, kind_of) if part)
        body = _text(entry.description, page, links).replace("\n", "\n  ")
        lines.append(f"- {head}" + (f": {body}" if body else ""))
    return [*lines, ""]


def _examples(parts: list[tuple[griffe.DocstringSectionKind, str]], page: str, links: dict[str, str]) -> list[str]:
    lines = ["**Examples**", ""]
    for kind, text in parts:
        lines += [_text(text, page, links), ""] if kind.value == "text" else ["```pycon", text, "```", ""]
    return lines


def _text(text: str, page: str, links: dict[str, str]) -> str:
    return re.sub(r"`[^`\n]+`", lambda match: _linked(match[0], page, links), _plain(text.strip()))


def _linked(code: str, page: str, links: dict[str, str]) -> str:
    """Return a name in backticks as a link to where it is described, if it is a public one."""
    place = links.get(code.strip("`"))
    if place is None:
        return code
    return f"[{code}]({place.removeprefix(f'{page}.md')})"


if __name__ == "__main__":
    API.mkdir(exist_ok=True)
    for name, text in pages().items():
        (API / name).write_text(text, encoding="utf-8")
