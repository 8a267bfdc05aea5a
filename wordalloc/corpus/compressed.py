"""Compressed files as the bytes that they unfold to: gzip, bzip2 and Zstandard, told by their first bytes."""

from __future__ import annotations

import bz2
import gzip
import sys
import zlib
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, cast

from wordalloc.errors import InputError
from wordalloc.files import unreadable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from wordalloc.corpus.reading import Input

ZSTANDARD, GZIP, BZIP2 = MAGICS = (b"\x28\xb5\x2f\xfd", b"\x1f\x8b", b"BZh")


def chunks(file: Input, size: int) -> Iterator[tuple[bytes, int]]:
    """Yield decompressed chunks, and how many bytes of the file they took.

    Parameters
    ----------
    file : Input
        Plain, or gzip, bzip2 or Zstandard, told by its first bytes.
    size : int
        The longest chunk.

    Raises
    ------
    InputError
        If the file cannot be read, or its compression is damaged or cut short.
    """
    try:
        with file.open() as raw:
            magic = raw.read(4)
            raw.seek(0)
            stream: IO[bytes] = raw
            if magic.startswith(ZSTANDARD):
                stream = cast("IO[bytes]", zstd.ZstdFile(raw))
            elif magic.startswith(GZIP):
                stream = cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
            elif magic.startswith(BZIP2):
                stream = bz2.BZ2File(raw)
            while chunk := stream.read(size):
                yield chunk, raw.tell()
    except EOFError as error:
        raise InputError(f"{file.name}: the compressed file is cut short; fetch it again") from error
    except (OSError, zlib.error, zstd.ZstdError) as error:
        # The decompressors raise OSError too, but without a number.
        if not isinstance(error, OSError) or error.errno is None:
            raise InputError(f"{file.name}: the compressed file is damaged: {error}; fetch it again") from error
        raise InputError(f"{file.name}: cannot be read: {unreadable(file.name, error)}") from error
