"""Arrow files: both IPC formats, the stream (which Hugging Face's datasets write) and the file (Feather, too).

Record batches are read one after the other, from a mapped file; of each only the columns asked for, checked in full,
for what a file claims of its buffers is not to be believed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from wordalloc.corpus.columns import NULLS, NUMBERS, STRINGS, Columns
from wordalloc.errors import FormatError, InputError

if TYPE_CHECKING:
    from wordalloc.corpus.reading import Input

_FILE, _STREAM = b"ARROW1\0\0", b"\xff\xff\xff\xff"  # what each begins with: the latter before a length and a schema
_ROWS = 2048  # that are Python objects at a time


def is_arrow(start: bytes) -> bool:
    """Tell whether a file begins as Arrow does, damaged or not.

    >>> [is_arrow(start) for start in (b"ARROW1\\0\\0", b"\\xff\\xff\\xff\\xff\\x88\\x01\\0\\0", b"ARROW1 is a word")]
    [True, True, False]
    """
    return start.startswith(_FILE) or (start.startswith(_STREAM) and b"\0" in start[4:8])


def read_columns(file: Input) -> Columns:
    """Return the names and types of a file's columns."""
    with _opened(file) as (_, schema, _):
        return [(field.name, _kind(field.type)) for field in schema]


def read_rows(file: Input, names: Sequence[str], errors: str) -> Iterator[tuple[int, list[tuple[Any, ...]], int]]:
    """Yield rows of some columns, many at a time: the number of the first, the rows, and how far the file is read.

    Parameters
    ----------
    file : Input
        In Arrow.
    names : sequence of str
        Of the columns.
    errors : {"strict", "replace"}
        Not looked at: strings that are not UTF-8 are no strings of Arrow's.
    """
    first = 0
    with _opened(file, names) as (batches, _, position):
        for batch in batches:
            batch.validate(full=True)
            columns = [batch.column(name) for name in names]
            for start in range(0, batch.num_rows, _ROWS):
                rows = list(zip(*(column.slice(start, _ROWS).to_pylist() for column in columns), strict=True))
                yield first, rows, position()
                first += len(rows)


@contextlib.contextmanager
def _opened(file: Input, names: Sequence[str] | None = None) -> Iterator[tuple[Iterator[Any], Any, Any]]:
    """Yield a file's record batches, its schema, and a callable that says how many of its bytes are read."""
    pyarrow = _load()
    with file.open() as raw:
        start = raw.read(8)
    if not is_arrow(start):
        raise InputError(f"{file.name}: is an Arrow file compressed as a whole; unpack it first")
    is_stream = start.startswith(_STREAM)
    opened = pyarrow.ipc.open_stream if is_stream else pyarrow.ipc.open_file
    try:
        with pyarrow.memory_map(str(file.path)) as source:
            schema = opened(source).schema
            source.seek(0)
            fields = None if names is None else [_place(file, schema, name) for name in names]
            with opened(source, options=pyarrow.ipc.IpcReadOptions(included_fields=fields)) as reader:
                if is_stream:
                    yield iter(reader), schema, source.tell
                else:
                    numbers = range(reader.num_record_batches)
                    done = iter(file.size * (number + 1) // len(numbers) for number in numbers)
                    yield map(reader.get_batch, numbers), schema, lambda: next(done, file.size)
    except (pyarrow.ArrowException, OSError, ValueError, MemoryError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FormatError(f"{file.name}: damaged Arrow file: {reason:.160}") from error


def _load() -> ModuleType:
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError as error:
        raise InputError(
            "reading an Arrow file needs the package pyarrow: pip install 'wordalloc[huggingface]'"
        ) from error
    return pyarrow


def _place(file: Input, schema: Any, name: str) -> int:
    places = schema.get_all_field_indices(name)
    if len(places) != 1:
        raise InputError(f"{file.name}: {len(places)} columns are called {name!r}")
    return places[0]


def _kind(kind: Any) -> str:
    types = _load().types
    while types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return STRINGS
    return NUMBERS if types.is_integer(kind) else NULLS if types.is_null(kind) else str(kind)
