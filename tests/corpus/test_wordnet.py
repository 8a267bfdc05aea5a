"""A small WordNet written by the rules of wndb(5WN), damaged in every way; and the real one, where it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from wordalloc import Vocabulary
from wordalloc.corpus.wordnet import read_wordnet
from wordalloc.errors import FormatError, InputError

LICENCE = "  1 This software and database is being provided to you, the LICENSEE, by\n"
REAL = Path("/usr/share/wordnet")

# Each synset: its words, the number of its hypernym with the symbol, its part of speech.
NOUNS = [
    ("entity", None, ""),
    ("animal", 0, "@"),
    ("dog domestic_dog", 1, "@"),
    ("box", 0, "@"),
    ("man", 1, "@"),
    ("rex", 2, "@i"),  # an instance: a dog of that name
    ("helium he", 0, "@"),
    ("spoon spoonful", 0, "@"),
    ("saw", 0, "@"),
]
VERBS = [("see", None, ""), ("go", None, ""), ("chase", 1, "@"), ("saw", 1, "@"), ("dog", 2, "@"), ("make", None, "")]
TAGGED = {("dog", "n"): 3, ("dog", "v"): 1, ("see", "v"): 5, ("go", "v"): 4, ("man", "n"): 2}


def data_file(synsets: list[tuple[str, int | None, str]], part: str) -> tuple[str, list[int]]:
    """Return a data file and where its synsets begin; a synset's length does not depend on the offsets in it."""
    offsets = [0] * len(synsets)
    for _ in range(2):
        text = LICENCE
        for number, (words, above, symbol) in enumerate(synsets):
            offsets[number] = len(text)
            named = " ".join(f"{word} 0" for word in words.split())
            pointers = [f"+ {offsets[0]:08} {part} 0101"]  # a derivation, which is no hypernym
            if above is not None:
                pointers.append(f"{symbol} {offsets[above]:08} {part} 0000")
            count, frames = f"{len(words.split()):02x}", "01 + 02 00 " if part == "v" else ""
            listed = " ".join(pointers)
            text += (
                f"{offsets[number]:08} 05 {part} {count} {named} {len(pointers):03} {listed} {frames}| @ a | gloss\n"
            )
    return text, offsets


def index_file(synsets: list[tuple[str, int | None, str]], offsets: list[int], part: str) -> str:
    senses: dict[str, list[int]] = {}
    for (words, _, _), offset in zip(synsets, offsets, strict=True):
        for word in words.split():
            senses.setdefault(word, []).append(offset)
    lines = [
        f"{word} {part} {len(found)} 2 @ + {len(found)} {TAGGED.get((word, part), 0)} "
        + " ".join(f"{offset:08}" for offset in found)
        for word, found in sorted(senses.items())
    ]
    return LICENCE + "".join(f"{line}  \n" for line in lines)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, synsets, part in (("noun", NOUNS, "n"), ("verb", VERBS, "v")):
        data, offsets = data_file(synsets, part)
        (tmp_path / f"data.{name}").write_text(data)
        (tmp_path / f"index.{name}").write_text(index_file(synsets, offsets, part))
    (tmp_path / "noun.exc").write_text("dogge dogg dog\nwent_along nothing\n")
    (tmp_path / "verb.exc").write_text("saw see\nwent go\n")
    return tmp_path


def names(wordnet, path: tuple[str, ...]) -> list[str]:
    """Return a path with the first lemma of each synset in its place."""
    lemmas: dict[str, str] = {}
    for part in ("noun", "verb"):
        for lemma, sense in wordnet.senses[part].items():
            lemmas.setdefault(sense.synset, lemma)
    return [path[0], *(lemmas[synset] for synset in path[1:])]


@pytest.mark.parametrize(
    ("word", "part", "lemma"),
    [
        ("dog", "noun", "dog"),
        ("DOGS", "noun", "dog"),
        ("boxes", "noun", "box"),
        ("men", "noun", "man"),
        ("spoonsful", "noun", "spoonful"),
        ("spoonfuls", "noun", "spoonful"),
        ("dogge", "noun", "dog"),  # the first of the exception's bases that is a lemma
        ("went_along", "noun", None),
        ("went", "verb", "go"),
        ("saw", "verb", "see"),  # exceptions come before the word itself
        ("saw", "noun", "saw"),
        ("goes", "verb", "go"),
        ("chased", "verb", "chase"),
        ("chasing", "verb", "chase"),
        ("making", "verb", "make"),
        ("seeing", "verb", "see"),
        ("gos", "verb", "go"),
        ("s", "noun", None),
        ("", "verb", None),
        ("Straße", "noun", None),
    ],
)
def test_base_forms(folder, word, part, lemma):
    assert read_wordnet(folder).lemma(word, part) == lemma


def test_paths_climb_hypernyms_and_instances(folder):
    wordnet = read_wordnet(folder)
    vocabulary = Vocabulary.from_counts(["the", "Rex", "dogs", "chased", "went"], [99999, 4, 3, 2, 1])
    found = {vocabulary.words[rank]: names(wordnet, path) for rank, path in wordnet.hierarchy(vocabulary).items()}
    assert found == {
        "Rex": ["noun", "entity", "animal", "dog", "rex"],
        "dogs": ["noun", "entity", "animal", "dog"],
        "chased": ["verb", "go", "chase"],
        "went": ["verb", "go"],
    }


def test_the_part_of_speech_is_what_more_senses_are_tagged_as(folder):
    wordnet = read_wordnet(folder)
    assert wordnet.sense("dogs").synset[0] == "n"  # 3 to 1
    assert wordnet.sense("saw").synset == wordnet.senses["verb"]["see"].synset  # 0 to 5
    assert wordnet.sense("boxes").synset[0] == "n"


def test_a_common_word_that_is_never_tagged_is_another_part_of_speech(folder):
    wordnet = read_wordnet(folder)
    common = Vocabulary.from_counts(["dog", "he"], [9999, 3])
    assert set(wordnet.hierarchy(common)) == {0}
    rare = Vocabulary.from_counts(["dog", "he"], [9999, 2])
    assert set(wordnet.hierarchy(rare)) == {0, 1}
    assert set(wordnet.hierarchy(Vocabulary.from_counts(["dog", "he"], [0, 0]))) == {0, 1}


def test_circles_lose_the_first_synsets_link(folder):
    circle = [("go", None, ""), ("restrain", 3, "@"), ("bind", 1, "@"), ("inhibit", 2, "@"), ("stop", 3, "@")]
    data, offsets = data_file(circle, "v")
    (folder / "data.verb").write_text(data)
    (folder / "index.verb").write_text(index_file(circle, offsets, "v"))
    wordnet = read_wordnet(folder)
    assert names(wordnet, wordnet.path(wordnet.sense("stops").synset)) == [
        "verb",
        "restrain",
        "bind",
        "inhibit",
        "stop",
    ]


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("index.noun", "box n 1 2", "box n 1", r"index.noun: line 3: damaged: 'box n 1 @"),
        ("index.noun", "box n 1 2", "box x 1 2", "index.noun: line 3: damaged"),
        ("index.noun", "box n 1 2 @ +", "box n 2 2 @ +", "index.noun: line 3: damaged"),
        ("index.noun", "box n 1 2 @ + 1 0", "box n 1 2 @ + 1 0 99999999", "line 3: damaged"),
        (
            "data.noun",
            "| @ a | gloss\n",
            "| longer than before @ a | gloss\n",
            "it begins at byte .*; the file was cha",
        ),
        ("data.noun", "05 n 01 animal 0 002", "05 n 01 animal 0 009", "data.noun: line 3: damaged"),
        ("data.noun", "05 n 01 animal", "05 n zz animal", "data.noun: line 3: damaged"),
        ("data.verb", "05 v 01 go", "05 v 01 g\xf6", "data.verb: line 3: damaged"),
        ("verb.exc", "went go", "went", "verb.exc: line 2: damaged: 'went' is no line"),
    ],
)
def test_a_damaged_line_is_named(folder, name, old, new, message):
    content = (folder / name).read_text()
    assert old in content
    (folder / name).write_text(content.replace(old, new))
    with pytest.raises(FormatError, match=message):
        read_wordnet(folder)


def test_files_cut_short(folder):
    whole = (folder / "data.noun").read_text().splitlines(keepends=True)
    (folder / "data.noun").write_text("".join(whole[:5]))
    with pytest.raises(FormatError, match=r"index.noun: line \d+: damaged: the synset n\d{8} is not in data.noun"):
        read_wordnet(folder)
    (folder / "data.noun").write_text(whole[0] + "".join(whole[1:]).replace("@ 0000", "@ 0009", 1))
    with pytest.raises(FormatError, match=r"the hypernym of n\d{8}, is missing"):
        read_wordnet(folder)


def test_other_line_ends(folder):
    content = (folder / "data.noun").read_bytes()
    (folder / "data.noun").write_bytes(content.replace(b"\n", b"\r\n"))
    with pytest.raises(FormatError, match=r"data.noun: line 2: .* the file was changed, perhaps its line ends"):
        read_wordnet(folder)


def test_what_is_missing_is_named(folder):
    with pytest.raises(InputError, match=r"nowhere: no such folder; WordNet's dict folder is expected \(Debian"):
        read_wordnet(folder / "nowhere")
    with pytest.raises(InputError, match=r"noun.exc: is a file"):
        read_wordnet(folder / "noun.exc")
    (folder / "verb.exc").unlink()
    with pytest.raises(InputError, match=r": verb.exc is missing; WordNet's"):
        read_wordnet(folder)
    (folder / "index.noun").unlink()
    with pytest.raises(InputError, match=r": index.noun, verb.exc are missing"):
        read_wordnet(folder)


@pytest.fixture(scope="module")
def real():
    if not (REAL / "data.noun").exists():
        pytest.skip("WordNet is not installed (Debian: wordnet-base)")
    return read_wordnet(REAL)


def test_the_real_one(real):
    assert len(real.senses["noun"]) > 100_000 and len(real.senses["verb"]) > 10_000
    path = real.path(real.sense("Dogs").synset)
    above = [real.senses["noun"][lemma].synset for lemma in ("entity", "animal", "mammal", "carnivore", "dog")]
    assert path[0] == "noun" and path[1] == above[0] and path[-1] == above[-1]
    assert [synset for synset in path if synset in above[:4]] == above[:4]
    assert real.lemma("children", "noun") == "child"
    assert real.lemma("geese", "noun") == "goose"
    assert real.lemma("ran", "verb") == "run"
    assert real.sense("was").synset == real.senses["verb"]["be"].synset
    for part in ("noun", "verb"):
        for sense in real.senses[part].values():
            assert 2 <= len(real.path(sense.synset)) <= 25
