"""Random trees over vocabularies, with their paths made by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from wordalloc import Tree, Vocabulary

Path = list[tuple[int, int]]  # inner nodes from the root, and the digit taken at each


@dataclass
class Drawn:
    """A tree as its words' paths."""

    vocabulary: Vocabulary
    arity: int
    paths: list[Path]
    class_depth: list[int] | None = None
    parameters: dict[str, Any] = field(default_factory=dict)

    def arrays(self) -> dict[str, list[int]]:
        """Return the three arrays of the paths."""
        offsets = [0]
        for path in self.paths:
            offsets.append(offsets[-1] + len(path))
        entries = [entry for path in self.paths for entry in path]
        return {
            "path_offsets": offsets,
            "path_nodes": [node for node, _ in entries],
            "path_digits": [digit for _, digit in entries],
        }

    def tree(self, **changes: Any) -> Tree:
        """Return the Tree, with arguments changed."""
        arguments = {
            **self.arrays(),
            "arity": self.arity,
            "class_depth": self.class_depth,
            "parameters": self.parameters,
            **changes,
        }
        return Tree(self.vocabulary, **arguments)

    def codes(self) -> list[tuple[int, ...]]:
        """Return each word's digits."""
        return [tuple(digit for _, digit in path) for path in self.paths]


def vocabulary_of(size: int) -> Vocabulary:
    """Return `size` words whose counts fall."""
    return Vocabulary.from_counts([f"w{rank:05}" for rank in range(size)], list(range(size, 0, -1)))


@st.composite
def drawn_trees(draw: st.DrawFn, max_size: int = 12, max_arity: int = 4, least: int = 1) -> Drawn:
    """Draw a tree: every set of two or more words is divided into 2 … arity parts; nodes are numbered at random."""
    size, arity = draw(st.integers(least, max_size)), draw(st.integers(2, max_arity))
    words = draw(st.permutations(range(size)))
    paths: list[Path] = [[] for _ in range(size)]
    n_nodes, waiting = 0, [words]
    while waiting:
        below = waiting.pop(draw(st.integers(0, len(waiting) - 1)) if n_nodes else 0)
        if len(below) == 1:
            continue
        m = draw(st.integers(2, min(arity, len(below))))
        cuts = sorted(draw(st.sets(st.integers(1, len(below) - 1), min_size=m - 1, max_size=m - 1)))
        for digit, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(below)], strict=True)):
            for word in below[start:end]:
                paths[word].append((n_nodes, digit))
            waiting.append(below[start:end])
        n_nodes += 1
    return Drawn(vocabulary_of(size), arity, paths)


@st.composite
def trees_with_classes(draw: st.DrawFn, max_size: int = 12) -> Drawn:
    """Draw a tree that names classes: from the root down every node may be one, and a word of its own always is."""
    drawn = draw(drawn_trees(max_size))
    is_class: dict[int, bool] = {}
    drawn.class_depth = []
    for path in drawn.paths:
        depth = len(path)
        for place, (node, _) in enumerate(path):
            if node not in is_class:
                is_class[node] = draw(st.booleans())
            if is_class[node]:
                depth = place
                break
        drawn.class_depth.append(depth)
    return drawn


def chain(size: int) -> Tree:
    """Return the deepest binary tree: inner node i has the word i and node i + 1 below, the last one two words."""
    n_nodes = size - 1
    return Tree.from_nodes(
        vocabulary_of(size),
        node_parent=[-1, *range(n_nodes - 1)],
        node_digit=[0] + [1] * (n_nodes - 1),
        word_parent=[*range(n_nodes), n_nodes - 1],
        word_digit=[0] * n_nodes + [1],
    )
