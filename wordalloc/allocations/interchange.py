"""Allocations as text that other programs read: TSV, JSON, the files of Brown clustering and of classes, and Graphviz.

What each carries, and what is lost in it, is said in docs/formats.md and the README, and tested.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from wordalloc.allocations.base import Allocation, Stored
from wordalloc.allocations.bigrams import Bigrams
from wordalloc.allocations.classes import Classes
from wordalloc.allocations.columns import from_columns, to_columns
from wordalloc.allocations.tree import Tree
from wordalloc.checks import sums_of_groups
from wordalloc.errors import InputError
from wordalloc.vocabulary import Vocabulary

PAIRS = ("left", "right", "count")  # the header of bigrams in TSV


def to_tsv(what: Stored | Vocabulary) -> Iterator[str]:
    """Yield one line a word, most frequent first: word, count, and its address, separated by tabs.

    A header names the columns, but for a vocabulary, whose file is a count file ``word<TAB>count`` again. Of bigrams
    it is one line a pair: both words and the count.

    Parameters
    ----------
    what : Allocation, Bigrams or Vocabulary
        What to write out.

    Raises
    ------
    InputError
        If a word holds a tab or a line end, which the format cannot carry, or for costs, a matrix.

    Examples
    --------
    >>> from wordalloc.allocations import Cutoffs
    >>> list(to_tsv(Cutoffs(Vocabulary.from_counts("ab", [2, 1]), [1])))
    ['word\\tcount\\tcluster\\n', 'a\\t2\\t0\\n', 'b\\t1\\t1\\n']
    """
    if isinstance(what, Bigrams):
        words = _carried(what.vocabulary, "\t\n\r", "TSV")
        yield "\t".join(PAIRS) + "\n"
        for left, right, count in zip(what.left.tolist(), what.right.tolist(), what.count.tolist(), strict=True):
            yield f"{words[left]}\t{words[right]}\t{count}\n"
        return
    if not isinstance(what, Vocabulary | Allocation):
        raise InputError(f"TSV cannot carry {what.kind}; use --to json or parquet")
    vocabulary = what if isinstance(what, Vocabulary) else what.vocabulary
    addresses = {} if isinstance(what, Vocabulary) else what.addresses()
    words = _carried(vocabulary, "\t\n\r", "TSV", "" if addresses else vocabulary.words[0])
    columns = [vocabulary.counts.tolist(), *(address.tolist() for address in addresses.values())]
    if addresses:
        yield "\t".join(("word", "count", *addresses)) + "\n"
    for word, *values in zip(words, *columns, strict=True):
        yield "\t".join([word, *map(str, values)]) + "\n"


def to_json(what: Stored | Vocabulary) -> dict[str, Any]:
    """Return all that a file holds: what it is and was made with, and parallel lists in rank order.

    Parameters
    ----------
    what : Allocation, Bigrams, Costs or Vocabulary
        What to write out.

    Examples
    --------
    >>> content = to_json(Vocabulary.from_counts("ab", [2, 1]))
    >>> content["kind"], content["words"], content["counts"]
    ('vocabulary', ['a', 'b'], [2, 1])
    >>> from_json(content)
    Vocabulary({'a': 2, 'b': 1}, size=2)
    """
    about, columns = to_columns(what)
    lists = {
        name: values.tolist() if isinstance(values, np.ndarray) else list(values) for name, values in columns.items()
    }
    return {**about, **lists}


def from_json(content: Mapping[str, Any]) -> Any:
    """Return what `to_json` was given: the same file, byte by byte, comes of it.

    Parameters
    ----------
    content : mapping
        Of JSON values; see `wordalloc.allocations.columns.from_columns` for what may be left out.

    Raises
    ------
    InputError
        If a list is missing, unknown, or says what the others do not.
    """
    about = {name: content[name] for name in _ABOUT if name in content}
    return from_columns(about, {name: values for name, values in content.items() if name not in _ABOUT})


_ABOUT = ("format_version", "kind", "parameters", "limits", "text", "source", "shape", "arity")


def to_brown_paths(what: Stored | Vocabulary) -> Iterator[str]:
    """Yield the ``paths`` file of Brown clustering: bits, word and count, separated by tabs, sorted by bits.

    The bits are those of a word's class where the tree names classes, else its whole code.

    Parameters
    ----------
    what : Tree
        A binary tree.

    Raises
    ------
    InputError
        If `what` is no binary tree, or a word holds a tab or a line end.

    Examples
    --------
    >>> tree = Tree.from_nodes(Vocabulary.from_counts("abc", [5, 3, 2]), [-1, 0], [0, 1], [0, 1, 1], [0, 0, 1])
    >>> list(to_brown_paths(tree))
    ['0\\ta\\t5\\n', '10\\tb\\t3\\n', '11\\tc\\t2\\n']
    """
    if not isinstance(what, Tree) or what.arity != 2:
        raise InputError(f"brown-paths needs a binary tree, not {_named(what)}; use --to tsv or json")
    depths = what.code_lengths if what.class_depth is None else what.class_depth
    codes = [code[:depth] for code, depth in zip(what.codes, depths.tolist(), strict=True)]
    words, counts = _carried(what.vocabulary, "\t\n\r", "a paths file"), what.vocabulary.counts.tolist()
    for rank in sorted(range(len(words)), key=codes.__getitem__):  # stable: by rank inside a class
        yield f"{codes[rank]}\t{words[rank]}\t{counts[rank]}\n"


def to_word_classes(what: Stored | Vocabulary) -> Iterator[str]:
    """Yield the file that ``word2vec -classes`` writes: a word, a space and the number of its class on each line.

    Parameters
    ----------
    what : Classes, or a Tree that names classes
        What to write out.

    Raises
    ------
    InputError
        If there are no classes, or a word holds white space.

    Examples
    --------
    >>> list(to_word_classes(Classes(Vocabulary.from_counts("abc", [5, 3, 2]), [0, 1, 0])))
    ['a 0\\n', 'b 1\\n', 'c 0\\n']
    """
    classes = _classes(what, "word2vec-classes")
    words = _carried(classes.vocabulary, " \t\n\v\f\r", "a file of word2vec classes", classes.vocabulary.words[0])
    for word, number in zip(words, classes.word_class.tolist(), strict=True):
        yield f"{word} {number}\n"


def to_mkcls_classes(what: Stored | Vocabulary) -> Iterator[str]:
    """Yield the file of classes that mkcls writes: a word, a tab and the number of its class, by the words' bytes.

    Parameters
    ----------
    what : Classes, or a Tree that names classes
        What to write out.

    Raises
    ------
    InputError
        If there are no classes, or a word holds white space.

    Examples
    --------
    >>> list(to_mkcls_classes(Classes(Vocabulary.from_counts("cab", [5, 3, 2]), [0, 1, 0])))
    ['a\\t1\\n', 'b\\t0\\n', 'c\\t0\\n']
    """
    classes = _classes(what, "mkcls-classes")
    words = _carried(classes.vocabulary, " \t\n\v\f\r", "a file of mkcls's classes", min(classes.vocabulary.words))
    for word, number in sorted(zip(words, classes.word_class.tolist(), strict=True)):  # code points sort as UTF-8 does
        yield f"{word}\t{number}\n"


def to_srilm_classes(what: Stored | Vocabulary) -> Iterator[str]:
    """Yield SRILM's ``classes-format(5)``: class, probability of the word in it, and word, class after class.

    Parameters
    ----------
    what : Classes, or a Tree that names classes
        What to write out. Where no word of a class was counted, they are equally probable.

    Raises
    ------
    InputError
        If there are no classes, or a word holds white space.

    Examples
    --------
    >>> list(to_srilm_classes(Classes(Vocabulary.from_counts("abc", [3, 3, 1]), [0, 1, 0])))
    ['CLASS-00000 0.75 a\\n', 'CLASS-00000 0.25 c\\n', 'CLASS-00001 1 b\\n']
    """
    classes = _classes(what, "srilm-classes")
    words = _carried(classes.vocabulary, " \t\n\v\f\r", "a file of SRILM's classes")
    counts, numbers = classes.vocabulary.counts.tolist(), classes.word_class.tolist()
    masses = sums_of_groups(classes.word_class, classes.vocabulary.counts).tolist()
    sizes = classes.sizes.tolist()
    for rank in classes.members.tolist():
        number = numbers[rank]
        share = counts[rank] / masses[number] if masses[number] else 1 / sizes[number]
        yield f"CLASS-{number:05} {share:.10g} {words[rank]}\n"


def to_dot(what: Stored | Vocabulary) -> Iterator[str]:
    """Yield a Graphviz drawing of a tree: inner nodes as points, words with their counts, digits on the edges.

    Parameters
    ----------
    what : Tree
        What to draw.

    Raises
    ------
    InputError
        If `what` is no tree.

    Examples
    --------
    >>> tree = Tree.from_nodes(Vocabulary.from_counts("ab", [5, 3]), [-1], [0], [0, 0], [0, 1])
    >>> print("".join(to_dot(tree)), end="")
    digraph tree {
      rankdir=LR; node [shape=plaintext, fontname="sans-serif"];
      n0 [shape=point];
      n0 -> w0 [label="0"];
      w0 [label="a (5)"];
      n0 -> w1 [label="1"];
      w1 [label="b (3)"];
    }
    """
    if not isinstance(what, Tree):
        raise InputError(f"dot draws trees, not {_named(what)}")
    yield 'digraph tree {\n  rankdir=LR; node [shape=plaintext, fontname="sans-serif"];\n'
    for node, (parent, digit) in enumerate(zip(what.node_parent.tolist(), what.node_digit.tolist(), strict=True)):
        if parent >= 0:
            yield f'  n{parent} -> n{node} [label="{digit}"];\n'
        yield f"  n{node} [shape=point];\n"
    words = zip(what.vocabulary.words, what.vocabulary.counts.tolist(), strict=True)
    places = zip(what.word_parent.tolist(), what.word_digit.tolist(), strict=True)
    for rank, ((word, count), (parent, digit)) in enumerate(zip(words, places, strict=True)):
        if parent >= 0:
            yield f'  n{parent} -> w{rank} [label="{digit}"];\n'
        yield f'  w{rank} [label="{_label(word)} ({count})"];\n'
    yield "}\n"


def _classes(what: Stored | Vocabulary, form: str) -> Classes:
    if isinstance(what, Tree) and what.class_depth is not None:
        what = what.cut()
    if not isinstance(what, Classes):
        raise InputError(f"{form} needs classes, or a tree that names classes, not {_named(what)}")
    return what


def _carried(vocabulary: Vocabulary, separators: str, form: str, first: str = "") -> tuple[str, ...]:
    """Return the words, refusing them before anything is written if the format would break at one.

    `first` is the word that the file begins with, if it begins with one: as a byte order mark U+FEFF would be lost.
    """
    if first.startswith("\ufeff"):
        raise InputError(f"the word {first!r:.40} begins with U+FEFF, with which {form} cannot begin; use --to json")
    breaking = re.compile(f"[{separators}]").search
    wrong = next(filter(breaking, vocabulary.words), None)
    if wrong is not None:
        raise InputError(f"the word {reprlib.repr(wrong)} holds white space that {form} cannot carry; use --to json")
    return vocabulary.words


def _label(word: str) -> str:
    """Return a word as a label of Graphviz that shows it: \\ begins an escape there, & an HTML entity."""
    escapes = {'"': '\\"', "\\": "\\\\", "&": "&amp;"}
    return "".join(escapes.get(c, c if c.isprintable() else "\ufffd") for c in word)


def _named(what: Stored | Vocabulary) -> str:
    if isinstance(what, Tree):
        return f"a tree of arity {what.arity}" if what.arity != 2 else "a tree without classes"
    return "a vocabulary" if isinstance(what, Vocabulary) else what.kind
