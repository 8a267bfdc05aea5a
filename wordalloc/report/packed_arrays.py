"""Arrays as a page carries them: one gzip stream in base64, and where in it each array lies.

Numbers lie in planes, first the lowest byte of every number, then the next one: what changes slowly from number to
number is then long runs of the same byte, and compresses to a fraction.
"""

from __future__ import annotations

import base64
import gzip
from typing import Any

import numpy as np
import numpy.typing as npt

from wordalloc.vocabulary import Vocabulary


class PackedArrays:
    """Collects arrays; `add` says where each will lie, and `base64` is all of them.

    Examples
    --------
    >>> packed = PackedArrays()
    >>> packed.add(np.array([1, 258])), packed.add_text(b"be")
    ({'type': 'int32', 'start': 0, 'length': 2}, {'type': 'text', 'start': 8, 'length': 2})
    >>> gzip.decompress(base64.b64decode(packed.base64()))
    b'\\x01\\x02\\x00\\x01\\x00\\x00\\x00\\x00be'
    """

    def __init__(self) -> None:
        self._bytes = bytearray()

    def add(self, values: npt.NDArray[Any]) -> dict[str, Any]:
        """Add whole numbers that fit int32, or floats; return what finds them again.

        Parameters
        ----------
        values : ndarray of int or float64, flat
            What the page needs.
        """
        kind = "float64" if values.dtype.kind == "f" else "int32"
        numbers = np.ascontiguousarray(values, dtype=np.dtype(kind).newbyteorder("<"))
        planes = numbers.view(np.uint8).reshape(numbers.size, numbers.itemsize).T.tobytes()
        return self._placed(kind, planes, numbers.size)

    def add_text(self, text: bytes) -> dict[str, Any]:
        """Add UTF-8 text; return what finds it again.

        Parameters
        ----------
        text : bytes
            Its length is given in bytes.
        """
        return self._placed("text", text, len(text))

    def add_vocabulary(self, vocabulary: Vocabulary) -> dict[str, Any]:
        """Add words and counts: the words end to end, and the length of each in UTF-16, as JavaScript counts it.

        Parameters
        ----------
        vocabulary : Vocabulary
            Counts beyond 2**53 are rounded.
        """
        text, offsets = vocabulary.encoded
        # A byte that begins a character counts 1, one that begins a character beyond U+FFFF 2, and the others nothing.
        units = np.concatenate(([0], np.cumsum((text & 0xC0 != 0x80).astype(np.int64) + (text >= 0xF0))))
        return {
            "words": self.add_text(text.tobytes()),
            "lengths": self.add(np.diff(units[offsets])),
            "counts": self.add(vocabulary.counts.astype(np.float64)),
        }

    def base64(self) -> str:
        """Return all of them; the same arrays give the same text."""
        return compressed(bytes(self._bytes))

    def _placed(self, kind: str, content: bytes, length: int) -> dict[str, Any]:
        start = len(self._bytes)
        self._bytes += content
        return {"type": kind, "start": start, "length": length}


def compressed(content: bytes) -> str:
    """Return bytes as a gzip stream in base64, which a browser unfolds."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode("ascii")
