"""Brown clusters as features of a tagger: few labelled files, many without labels, in half a minute.

    python examples/tagger.py [number of labelled files]

Real text and real tags, from what every Python installation carries: the source code of its standard library. The
tagger says of each name that stands alone whether it is a parameter, a variable, a function, a class or a module. It
sees the word and its two neighbours; the right answers come from the syntax tree of the whole file. The clusters come
from the code alone, without any answer, as code without labels is what there is plenty of. Twice: from all files, as
one who labels a few of their own files and wants the rest tagged has them, and from all but those to be tagged.
"""

from __future__ import annotations

import ast
import builtins
import io
import itertools
import sys
import sysconfig
import tokenize
import warnings
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder

from wordalloc.features import BrownFeatures

N_TEST, N_CLASSES, MIN_COUNT = 40, 300, 4  # a token stands in two pairs, so this leaves out words seen once
BUILTINS = {name: "class" if isinstance(value, type) else "function" for name, value in vars(builtins).items()}
SHOWN_AS = {tokenize.STRING: "<string>", tokenize.NUMBER: "<number>", tokenize.NEWLINE: ""}  # "": a line's end
HIDDEN = {tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
File = tuple[list[str], list[str]]  # tokens, and for each its tag or ""


def tags(body: ast.AST, outer: dict[str, str]) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield the place and the tag of each name in a module or function, by where the name was bound."""
    bound, names, functions, waiting = dict(outer), [], [], deque(ast.iter_child_nodes(body))
    while waiting:
        node = waiting.popleft()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            bound[node.name] = "function"
            functions.append(node)
            continue
        if isinstance(node, ast.ClassDef):
            bound[node.name] = "class"
        elif isinstance(node, ast.Import):
            bound |= {(alias.asname or alias.name).partition(".")[0]: "module" for alias in node.names}
        elif isinstance(node, ast.arg):
            bound[node.arg] = "parameter"
        elif isinstance(node, ast.Name):
            names.append(node)
            if isinstance(node.ctx, ast.Store):
                bound.setdefault(node.id, "variable")
        waiting += ast.iter_child_nodes(node)
    yield from (((name.lineno, name.col_offset), bound[name.id]) for name in names if name.id in bound)
    for function in functions:
        yield from tags(function, bound)


def read_library() -> list[File]:
    """Return every other file of the standard library, without its tests, in random order."""
    warnings.simplefilter("ignore", SyntaxWarning)
    library, files = Path(sysconfig.get_paths()["stdlib"]), []
    for path in sorted([*library.glob("*.py"), *library.glob("*/*.py")])[::2]:
        source = path.read_bytes()
        if source.isascii() and not {"test", "tests", "idlelib", "pydoc_data", "site-packages"} & set(path.parts):
            tag_at = dict(tags(ast.parse(source), BUILTINS))
            tokens = [
                t for t in tokenize.generate_tokens(io.StringIO(source.decode()).readline) if t.type not in HIDDEN
            ]
            files.append(([SHOWN_AS.get(t.type, t.string) for t in tokens], [tag_at.get(t.start, "") for t in tokens]))
    return [files[number] for number in np.random.default_rng(0).permutation(len(files))]


def windows(files: list[File]) -> tuple[np.ndarray, np.ndarray]:
    """Return (token before, name, token after) for each name that has a tag, and the tags."""
    rows, found = [], []
    for tokens, tags_ in files:
        padded = ["", *tokens, ""]
        rows += [padded[place : place + 3] for place, tag in enumerate(tags_) if tag]
        found += filter(None, tags_)
    return np.array(rows, dtype=object), np.array(found)


def clusters(files: list[File]) -> BrownFeatures:
    """Return the features of a tree over all tokens of some files; no tag is looked at."""
    pairs = np.array([pair for tokens, _ in files for pair in itertools.pairwise(tokens)], dtype=object)
    made = BrownFeatures(n_classes=N_CLASSES, min_count=MIN_COUNT).fit(pairs)
    return BrownFeatures(tree=made.tree_)


def main(n_labelled: int) -> None:
    files = read_library()
    labelled, test, others = files[:n_labelled], files[-N_TEST:], files[:-N_TEST]
    (X, y), (X_test, y_test) = windows(labelled), windows(test)
    new = ~np.isin(X_test[:, 1], X[:, 1])
    print(f"Python's library: {len(files)} files, {sum(len(tokens) for tokens, _ in files):,} tokens")
    print(
        f"{len(y):,} names in {n_labelled} labelled files; {len(y_test):,} to be tagged, {new.mean():.0%} of them new"
    )
    print(f"{'right':>45}   of new names")
    for name, features in {
        "words alone": [],
        "and bits, clusters of all files": [clusters(files)],
        "and bits, of files not to be tagged": [clusters(others)],
    }.items():
        words = OneHotEncoder(handle_unknown="ignore")
        tagger = make_pipeline(make_union(words, *features), LogisticRegression(max_iter=300)).fit(X, y)
        right = tagger.predict(X_test) == y_test
        print(f"  {name:<35} {100 * right.mean():5.1f} %   {100 * right[new].mean():5.1f} %")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
