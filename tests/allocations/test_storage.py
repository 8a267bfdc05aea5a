"""What is saved comes back, the bytes are the same every time, and they are what the format says."""

import hashlib
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wordalloc
from tests.allocations import raw
from tests.allocations.trees import Drawn, trees_with_classes
from wordalloc import Bigrams, Classes, Cutoffs, TextOptions, Vocabulary, load, save
from wordalloc.allocations.storage import is_allocation_file
from wordalloc.errors import FormatError, OutputError

words = st.text(
    st.sampled_from("ab\x00\t\n\r\x1f\x85\u2028\ue000\U00010000😀") | st.characters(exclude_categories=["Cs"]),
    min_size=1,
    max_size=6,
)
unknown_words = words.filter(lambda word: word != "<eos>" and not set(word) & set(" \t\n\v\f\r"))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(words, json_values, max_size=3)
texts = st.none() | st.builds(
    TextOptions,
    lowercase=st.booleans(),
    unk=unknown_words,
    eos=st.booleans(),
    errors=st.sampled_from(["strict", "replace"]),
)


@st.composite
def vocabularies(draw) -> Vocabulary:
    counted = draw(st.dictionaries(words, st.integers(0, 3) | st.integers(0, 2**59), min_size=1, max_size=12))
    ids = st.lists(st.integers(0, 2**63 - 1), min_size=len(counted), max_size=len(counted), unique=True)
    return Vocabulary.from_counts(
        list(counted),
        list(counted.values()),
        ids=draw(st.none() | ids),
        text=draw(texts),
        source=draw(objects),
        parameters=draw(objects),
    )


@st.composite
def allocations(draw) -> Cutoffs:
    vocabulary = draw(vocabularies())
    chosen = draw(st.sets(st.integers(1, vocabulary.size - 1))) if vocabulary.size > 1 else []
    parameters = {key: value for key, value in draw(objects).items() if key != "vocabulary"}
    return Cutoffs(vocabulary, sorted(chosen), parameters)


def assert_same_vocabulary(found: Vocabulary, expected: Vocabulary) -> None:
    assert found.words == expected.words
    assert found.counts.tolist() == expected.counts.tolist()
    assert (found.ids is None) == (expected.ids is None)
    assert found.ids is None or found.ids.tolist() == expected.ids.tolist()
    assert found.text == expected.text
    assert found.source == expected.source
    assert found.parameters == expected.parameters
    assert found.fingerprint == expected.fingerprint


@given(vocabularies())
def test_a_vocabulary_comes_back(tmp_path_factory, vocabulary: Vocabulary) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.safetensors"
    save(vocabulary, path)
    first = path.read_bytes()
    found = load(path)
    assert isinstance(found, Vocabulary)
    assert_same_vocabulary(found, vocabulary)
    save(found, path)
    assert path.read_bytes() == first


@given(allocations())
def test_cutoffs_come_back(tmp_path_factory, cutoffs: Cutoffs) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.safetensors"
    cutoffs.save(path)
    first = path.read_bytes()
    found = load(path)
    assert isinstance(found, Cutoffs)
    assert found.cutoffs.tolist() == cutoffs.cutoffs.tolist()
    assert found.parameters == cutoffs.parameters
    assert_same_vocabulary(found.vocabulary, cutoffs.vocabulary)
    save(found, path)
    assert path.read_bytes() == first


@given(allocations())
def test_a_file_written_by_hand_loads(tmp_path_factory, cutoffs: Cutoffs) -> None:
    vocabulary = cutoffs.vocabulary
    arrays = {"cutoffs": cutoffs.cutoffs, "counts": vocabulary.counts, **raw.words(*vocabulary.words)}
    if vocabulary.ids is not None:
        arrays["ids"] = vocabulary.ids
    meta = {
        "format_version": 1,
        "kind": "cutoffs",
        "text": vocabulary.text and vars(vocabulary.text),
        "source": vocabulary.source,
        "parameters": {**cutoffs.parameters, "vocabulary": vocabulary.parameters},
    }
    path = raw.write(tmp_path_factory.getbasetemp() / "by_hand.safetensors", raw.pack(arrays, meta))
    found = load(path)
    assert found.cutoffs.tolist() == cutoffs.cutoffs.tolist()
    assert found.parameters == cutoffs.parameters
    assert_same_vocabulary(found.vocabulary, vocabulary)


@st.composite
def bigrams(draw) -> Bigrams:
    vocabulary = draw(vocabularies())
    ranks = st.integers(0, vocabulary.size - 1)
    counted = draw(st.dictionaries(st.tuples(ranks, ranks), st.integers(1, 2**58), max_size=12))
    left, right = ([pair[side] for pair in sorted(counted)] for side in (0, 1))
    return Bigrams(vocabulary, left, right, [counted[pair] for pair in sorted(counted)], draw(objects_of_a_kind))


@st.composite
def classes(draw) -> Classes:
    vocabulary = draw(vocabularies())
    number: dict[int, int] = {}
    word_class = [number.setdefault(draw(st.integers(0, 3)), len(number)) for _ in vocabulary.words]
    return Classes(vocabulary, word_class, draw(objects_of_a_kind))


objects_of_a_kind = objects.map(lambda object_: {key: object_[key] for key in object_ if key != "vocabulary"})


@given(bigrams() | classes())
def test_bigrams_and_classes_come_back(tmp_path_factory, content: Bigrams | Classes) -> None:
    assert_comes_back(tmp_path_factory.getbasetemp() / "round_trip.safetensors", content)


@given(trees_with_classes(), st.booleans(), objects_of_a_kind)
def test_trees_come_back(tmp_path_factory, drawn: Drawn, names_classes: bool, parameters: dict) -> None:
    tree = drawn.tree(class_depth=drawn.class_depth if names_classes else None, parameters=parameters)
    path = tmp_path_factory.getbasetemp() / "round_trip.safetensors"
    assert_comes_back(path, tree)
    expected = {**drawn.arrays(), "arity": [drawn.arity]}
    if names_classes:
        expected["class_depth"] = drawn.class_depth
    found = {name: array.tolist() for name, array in raw.tensors(path.read_bytes()).items()}
    assert {name: values for name, values in found.items() if not name.startswith(("words.", "counts"))} == expected


def assert_comes_back(path: Path, content) -> None:
    content.save(path)
    first = path.read_bytes()
    found = load(path)
    assert type(found) is type(content)
    assert {name: (array.dtype, array.tolist()) for name, array in found.arrays().items()} == {
        name: (array.dtype, array.tolist()) for name, array in content.arrays().items()
    }
    assert found.parameters == content.parameters
    assert_same_vocabulary(found.vocabulary, content.vocabulary)
    save(found, path)
    assert path.read_bytes() == first


def test_the_file_is_what_the_format_says(tmp_path: Path) -> None:
    text = TextOptions(lowercase=True)
    vocabulary = Vocabulary(["é", "<unk>", "b"], [9, 4, 4], ids=[7, 0, 2], text=text, parameters={"min_count": 4})
    # "<" sorts before "b", as its byte does.
    Cutoffs(vocabulary, [2], {"by": "mass"}).save(tmp_path / "a.safetensors")
    content = (tmp_path / "a.safetensors").read_bytes()
    found = {name: (array.dtype.name, array.tolist()) for name, array in raw.tensors(content).items()}
    assert found == {
        "words.bytes": ("uint8", list("é<unk>b".encode())),
        "words.offsets": ("int64", [0, 2, 7, 8]),
        "counts": ("int64", [9, 4, 4]),
        "ids": ("int64", [7, 0, 2]),
        "cutoffs": ("int64", [2]),
    }
    assert list(raw.split(content)[0]["__metadata__"]) == ["wordalloc"]
    assert raw.metadata(content) == {
        "format_version": 1,
        "kind": "cutoffs",
        "wordalloc_version": wordalloc.__version__,
        "text": {"lowercase": True, "unk": "<unk>", "eos": True, "errors": "strict"},
        "source": {},
        "parameters": {"by": "mass", "vocabulary": {"min_count": 4}},
    }
    assert list(raw.metadata(content)) == sorted(raw.metadata(content))


def test_the_order_of_parameters_does_not_change_the_bytes(tmp_path: Path) -> None:
    vocabulary = Vocabulary("ab", [2, 1])
    Cutoffs(vocabulary, [1], {"x": 1, "y": {"a": 1, "b": 2}}).save(tmp_path / "1")
    Cutoffs(vocabulary, [1], {"y": {"b": 2, "a": 1}, "x": 1}).save(tmp_path / "2")
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_the_hash_seed_does_not_change_the_bytes(tmp_path: Path) -> None:
    code = """
        import sys
        from wordalloc import Cutoffs, TextOptions, Vocabulary
        words = {f"word{i}" for i in range(500)}  # a set: its order follows the hash seed
        counts = {word: len(word) for word in words}
        vocabulary = Vocabulary.from_counts(words, [counts[word] for word in words], text=TextOptions(),
                                            source={word: 1 for word in words})
        Cutoffs(vocabulary, [10, 100], {word: 2 for word in words}).save(sys.argv[1])
    """
    digests = set()
    for seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        path = tmp_path / seed
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), str(path)], env=environment, check=True, timeout=60
        )
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_what_is_loaded_is_read_only(tmp_path: Path) -> None:
    Cutoffs(Vocabulary("abc", [3, 2, 1], ids=[5, 6, 7]), [1]).save(tmp_path / "a")
    found = load(tmp_path / "a")
    for array in (found.cutoffs, found.vocabulary.counts, found.vocabulary.ids):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize("name", ["no suffix", "line\nend", "😀" * 60, os.fsdecode(b"caf\xe9.safetensors")])
def test_any_file_name(tmp_path: Path, name: str) -> None:
    save(Vocabulary(["a"], [1]), tmp_path / name)
    assert load(tmp_path / name).words == ("a",)
    assert load(str(tmp_path / name)).words == ("a",)


def test_saving_over_a_file_that_is_still_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save(Vocabulary(["old"], [1]), path)
    loaded = load(path)
    save(Vocabulary(["new"] + [f"word{i}" for i in range(999)], range(1000, 0, -1)), path)
    assert loaded.words == ("old",) and loaded.counts.tolist() == [1]


def test_the_mode_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        save(Vocabulary(["a"], [1]), tmp_path / "a.safetensors")  # the library makes its files for the owner alone
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.safetensors").stat().st_mode) == 0o640


def test_saving_into_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no such file or directory"):
        save(Vocabulary(["a"], [1]), tmp_path / "nowhere" / "a.safetensors")


def test_is_allocation_file(tmp_path: Path) -> None:
    save(Vocabulary(["a"], [1]), tmp_path / "ours")
    raw.write(tmp_path / "foreign", raw.pack({"weight": np.zeros(3, dtype=np.float32)}, None))
    raw.write(tmp_path / "text", b"a text of many words {\n" * 9)
    raw.write(tmp_path / "json", b'{"a": 1}')
    raw.write(tmp_path / "cut", (tmp_path / "ours").read_bytes()[:20])
    raw.write(tmp_path / "empty", b"")
    answers = {file.name: is_allocation_file(file) for file in tmp_path.iterdir()}
    assert answers == {
        "ours": True,
        "foreign": True,
        "text": False,
        "json": False,
        "cut": False,
        "empty": False,
    }
    assert not is_allocation_file(tmp_path)
    assert not is_allocation_file(tmp_path / "missing")


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
def test_looking_at_a_pipe_takes_nothing_from_it(tmp_path: Path) -> None:
    save(Vocabulary(["a"], [1]), tmp_path / "a")
    content = (tmp_path / "a").read_bytes()
    reading, writing = os.pipe()
    try:
        os.write(writing, content)
        os.close(writing)
        assert not is_allocation_file(f"/dev/fd/{reading}")
        with pytest.raises(FormatError, match="not a file"):
            load(f"/dev/fd/{reading}")
        assert os.read(reading, len(content) + 1) == content
    finally:
        os.close(reading)
