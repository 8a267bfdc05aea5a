"""The file format read and written by hand, from its description alone: what the tests hold the real code against.

A ``.safetensors`` file is the length of a JSON header (8 bytes, little-endian), the header, and the tensors'
bytes. The header gives each tensor its dtype, shape and place, and holds ``__metadata__``.
"""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

CODES = {"uint8": "U8", "int32": "I32", "int64": "I64", "float32": "F32", "float64": "F64", "bool": "BOOL"}

Header = dict[str, Any]


def split(content: bytes) -> tuple[Header, bytes]:
    """Return the safetensors header and the bytes that follow it."""
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def join(header: Header | bytes, data: bytes) -> bytes:
    """Return a whole file."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensors(content: bytes) -> dict[str, np.ndarray]:
    """Return the tensors of a sound file."""
    header, data = split(content)
    codes = {code: dtype for dtype, code in CODES.items()}
    return {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], dtype=codes[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def metadata(content: bytes) -> dict[str, Any]:
    """Return the object under the one key of ``__metadata__``."""
    return json.loads(split(content)[0]["__metadata__"]["wordalloc"])


def pack(arrays: dict[str, np.ndarray], meta: dict[str, Any] | str | None) -> bytes:
    """Return a file of these tensors; `meta` is the metadata object, or any text in its place, or nothing."""
    header: Header = {}
    data = b""
    if meta is not None:
        header["__metadata__"] = {"wordalloc": meta if isinstance(meta, str) else json.dumps(meta)}
    for name, array in arrays.items():
        end = len(data) + array.nbytes
        header[name] = {"dtype": CODES[array.dtype.name], "shape": array.shape, "data_offsets": [len(data), end]}
        data += array.tobytes()
    return join(header, data)


def words(*listed: str | bytes) -> dict[str, np.ndarray]:
    """Return the two tensors that hold these words."""
    pieces = [word.encode() if isinstance(word, str) else word for word in listed]
    return {
        "words.bytes": np.frombuffer(b"".join(pieces), dtype=np.uint8),
        "words.offsets": np.cumsum([0, *map(len, pieces)], dtype=np.int64),
    }


def write(path: Path, content: bytes) -> Path:
    """Write the bytes and return the path."""
    path.unlink(missing_ok=True)  # a new file: some file systems wait for the disk when one is overwritten
    path.write_bytes(content)
    return path
