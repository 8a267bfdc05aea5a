"""Every parser on what the fuzzer found, and on bytes that hypothesis draws; and what is written is read as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.hostile_parsers import AWKWARD
from tests.fuzz.__main__ import FINDINGS
from tests.fuzz.parsers import PARSERS, parse, seeds
from wordalloc import Classes, Vocabulary
from wordalloc.allocations.interchange import to_brown_paths, to_tsv, to_word_classes
from wordalloc.corpus import read_clusters, read_vocabulary
from wordalloc.corpus.word_vectors import read_vectors
from wordalloc.pipelines.importing import from_clusters

FOUND = sorted(path for path in FINDINGS.rglob("*") if path.is_file())
# Words that no separator and no tab divides.
WORDS = st.lists(
    st.text(st.characters(exclude_characters="\0\t\n\v\f\r ", exclude_categories=("Cs",)), min_size=1, max_size=6),
    min_size=2,
    max_size=8,
    unique=True,
).filter(lambda words: not words[0].startswith("\ufeff"))


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_is_parsed_or_refused(path: Path) -> None:
    parse(path.parent.name, path.read_bytes())


@pytest.mark.parametrize("name", PARSERS)
def test_sound_files_are_parsed(name: str) -> None:
    assert all(parse(name, content) for content in seeds(name))


@pytest.mark.parametrize("name", PARSERS)
def test_any_bytes_are_parsed_or_refused(name: str) -> None:
    sound = seeds(name)
    places = st.sampled_from(sound).flatmap(
        lambda file: st.tuples(st.just(file), st.integers(0, len(file)), st.integers(0, 40), st.sampled_from(AWKWARD))
    )
    altered = places.map(lambda drawn: drawn[0][: drawn[1]] + drawn[3] + drawn[0][drawn[1] + drawn[2] :])

    @settings(max_examples=25, database=None, derandomize=True)
    @given(st.one_of(altered, altered, st.binary(max_size=200)))
    def holds(content: bytes) -> None:
        parse(name, content)

    holds()


@settings(max_examples=25)
@given(WORDS, st.data())
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], data: st.DataObject
) -> None:
    counts = data.draw(st.lists(st.integers(0, 2**62), min_size=len(words), max_size=len(words)))
    vocabulary = Vocabulary.from_counts(words, counts)
    file = tmp_path_factory.mktemp("written") / "file"

    file.write_text("".join(to_tsv(vocabulary)), encoding="utf-8", newline="")
    assert read_vocabulary(file).fingerprint == vocabulary.fingerprint

    classes = Classes(vocabulary, [rank % 2 for rank in range(vocabulary.size)])
    file.write_text("".join(to_word_classes(classes)), encoding="utf-8", newline="")
    assert dict(zip(*_columns(read_clusters(file)), strict=True)) == {
        word: str(rank % 2) for rank, word in enumerate(vocabulary.words)
    }

    chain = [f"{'1' * rank}{'0' if rank < len(words) - 1 else ''}" for rank in range(len(words))]
    lines = [f"{code}\t{word}\t{count}\n" for code, word, count in zip(chain, words, counts, strict=True)]
    file.write_text("".join(lines), encoding="utf-8", newline="")
    tree = from_clusters(read_clusters(file))
    file.write_text("".join(to_brown_paths(tree)), encoding="utf-8", newline="")
    again = from_clusters(read_clusters(file))
    assert (again.codes, again.vocabulary.fingerprint) == (tree.codes, vocabulary.fingerprint)

    values = data.draw(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=3))
    rows = "".join(f"{word} {' '.join(map(repr, values))}\n" for word in words)
    file.write_text(f"{len(words)} {len(values)}\n{rows}", encoding="utf-8", newline="")
    assert read_vectors(file, vocabulary).tolist() == [values] * len(words)


def _columns(clusters) -> tuple[list[str], list[str]]:
    return clusters.words, clusters.labels
