"""Word vectors from files: word2vec's text and binary, a tensor of a safetensors file, a training run's embeddings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.allocations import load
from wordalloc.corpus.binary_vectors import blank_vectors, is_binary, read_binary, refuse_foreign
from wordalloc.corpus.reading import Input, first_bytes, open_inputs, read_lines
from wordalloc.errors import FormatError, InputError
from wordalloc.vocabulary import Vocabulary

Vectors = npt.NDArray[np.float32]

_RUN = ("checkpoint/best.safetensors", "checkpoint/latest.safetensors")
_EMBEDDINGS = ("embedding.weight", "model.embedding.weight")  # of best.safetensors and of latest.safetensors
_FLOATS = ("F16", "F32", "F64")


def read_vectors(path: str | os.PathLike[str], vocabulary: Vocabulary, *, name: str | None = None) -> Vectors:
    """Read a vector for each word of a vocabulary.

    Parameters
    ----------
    path : path-like
        One of: a text of ``word v1 … vd`` lines, perhaps compressed, with or without word2vec's line ``V d`` before
        them (GloVe, fastText's ``.vec``, gensim); word2vec's binary format, perhaps compressed; a ``.safetensors``
        file with one tensor of shape (V, d) in rank order, or that of a training run's checkpoint; a training run's
        folder.
    vocabulary : Vocabulary
        V words.
    name : str, optional
        Of the tensor, where a ``.safetensors`` file holds several.

    Returns
    -------
    float32 ndarray, shape (V, d)
        In rank order. Words that a text lacks have rows of zeros, half of all words at most. Of a word that a text
        holds twice the first vector counts.

    Raises
    ------
    InputError
        If the file is missing, belongs to another vocabulary, lacks more than half of the words, or holds nan or
        infinity.
    FormatError
        If it is damaged, a pickle, or a model of fastText's; the message names the line or the tensor.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> vocabulary = Vocabulary.from_counts(["the", "dog", "<unk>"], [3, 2, 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "vectors.txt"
    ...     _ = path.write_text("3 2\\ncat 5 6\\nthe 1 2\\ndog 3 4\\n")
    ...     read_vectors(path, vocabulary).tolist()
    [[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]]
    """
    source = Path(path)
    if source.is_dir():
        return _from_run(source, vocabulary, name)
    with open_inputs(path) as files:
        if len(files) > 1:
            raise InputError(f"{path}: this pattern matches {len(files)} files; vectors are read from one: name it")
        if source.suffix == ".safetensors":
            return _from_tensors(files[0].path, vocabulary, name)
        if name is not None:
            raise InputError(
                f"{path}: a tensor is named, {name!r}, but only a .safetensors file has tensors; leave it out"
            )
        start = first_bytes(files[0])
        refuse_foreign(files[0], start)
        if is_binary(start):
            vectors, found = read_binary(files[0], vocabulary)
            _check_found(files[0], vocabulary, found)
            return vectors
        return _from_text(files[0], vocabulary)


def _from_run(folder: Path, vocabulary: Vocabulary, name: str | None) -> Vectors:
    """Read the embeddings of a run's best weights, or of the latest where it was not validated."""
    checkpoint = next((folder / file for file in _RUN if (folder / file).is_file()), None)
    if checkpoint is None or not (folder / "allocation.safetensors").is_file():
        raise InputError(f"{folder}: is a folder, but no training run with a checkpoint; name a file of vectors")
    content = load(folder / "allocation.safetensors")
    trained = content if isinstance(content, Vocabulary) else content.vocabulary
    if not trained.has_words_of(vocabulary):
        raise InputError(
            f"{folder}: holds embeddings of another vocabulary: the run's has {trained.size} words, "
            f"this one {vocabulary.size}, and some words differ; take the run's own allocation as the source"
        )
    return _from_tensors(checkpoint, vocabulary, name)


def _from_tensors(path: Path, vocabulary: Vocabulary, name: str | None) -> Vectors:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            array = file.get_tensor(_tensor_name(path, file, vocabulary.size, name))
    except (SafetensorError, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise FormatError(
            f"{path}: damaged safetensors file: {' '.join(str(error).split())[:160]}; fetch it again"
        ) from error
    with np.errstate(over="ignore"):
        vectors = np.ascontiguousarray(array, dtype=np.float32)
    wrong = ~np.isfinite(vectors).all(axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{path}: row {row} ({vocabulary.words[row]!r}) holds nan, infinity or a value beyond "
            "float32; train them anew"
        )
    return vectors


def _tensor_name(path: Path, file: Any, size: int, name: str | None) -> str:
    """Return the name of the tensor of vectors, once its shape has been found to fit."""
    slices = {key: file.get_slice(key) for key in sorted(file.keys())}
    shapes = {key: tuple(part.get_shape()) for key, part in slices.items() if part.get_dtype() in _FLOATS}
    tables = {key: shape for key, shape in shapes.items() if len(shape) == 2 and shape[1]}
    listed = ", ".join(f"{key} {shape}" for key, shape in list(tables.items())[:6]) or "none"
    if name is None:
        known = [key for key in _EMBEDDINGS if key in tables] or list(tables)
        if len(known) != 1:
            raise InputError(
                f"{path}: one tensor of shape (V, d) of float16, float32 or float64 is expected, "
                f"but there are {len(known)}: {listed}" + ("; name one of them" if known else "")
            )
        name = known[0]
    elif name not in tables:
        raise InputError(f"{path}: holds no tensor {name!r} of shape (V, d) of floats; of such it has: {listed}")
    if tables[name][0] != size:
        raise InputError(
            f"{path}: holds embeddings of another vocabulary: {name} has {tables[name][0]} rows, "
            f"but the vocabulary has {size} words; take those of this one"
        )
    return name


def _from_text(file: Input, vocabulary: Vocabulary) -> Vectors:
    vectors: Vectors = np.zeros((0, 0), dtype=np.float32)
    found = np.zeros(vocabulary.size, dtype=bool)
    width = 0
    for number, line in enumerate(_lines(file), 1):
        word, *values = line.split(" ")
        if not line or (number == 1 and _is_header(word, values)):
            continue
        if not width:
            width = len(values)
            vectors = blank_vectors(file, vocabulary, width, 2 * width + 1)
        if len(values) != width or not width:
            if len(values) > width and not _is_number(values[0]):
                continue  # a "word" with spaces in it, as GloVe's largest file holds, is none of ours
            raise FormatError(
                f"{file.name}: line {number}: expected a word and {max(width, 1)} numbers, found {line[:60]!r}"
            )
        rank = vocabulary.ranks.get(word)
        if rank is not None and not found[rank]:
            vectors[rank], found[rank] = _numbers(values, f"{file.name}: line {number} ({word!r})"), True
    _check_found(file, vocabulary, found)
    return vectors


def _check_found(file: Input, vocabulary: Vocabulary, found: npt.NDArray[np.bool_]) -> None:
    n_found = int(found.sum())
    if n_found == 0:
        raise InputError(
            f"{file.name}: holds no word of the vocabulary, such as {vocabulary.words[0]!r}; take vectors of this one"
        )
    if 2 * n_found < vocabulary.size:
        raise InputError(
            f"{file.name}: holds {n_found} of the {vocabulary.size} words, less than half of them; "
            f"{vocabulary.words[int(np.argmin(found))]!r} is missing, for one: are these vectors of another vocabulary?"
        )


def _numbers(values: list[str], where: str) -> npt.NDArray[np.float64]:
    try:
        numbers = np.array([float(value) for value in values])
    except ValueError as error:
        wrong = next(value for value in values if not _is_number(value))
        raise FormatError(f"{where}: {wrong[:40]!r} is no number; mend the line") from error
    if not (np.abs(numbers) <= np.finfo(np.float32).max).all():
        raise InputError(f"{where}: a value is nan, infinite or beyond float32; mend the line")
    return numbers


def _is_header(word: str, values: list[str]) -> bool:
    """Tell word2vec's ``V d`` from a vector: one of width 1 for a word that is a number would be one, too."""
    return len(values) == 1 and word.isdecimal() and values[0].isdecimal()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _lines(file: Input) -> Iterator[str]:
    """Yield lines without spaces around them. Bytes that are no UTF-8, as in many published files, are replaced."""
    for lines, _ in read_lines(file, "replace"):
        yield from (line.strip(" ") for line in lines)
