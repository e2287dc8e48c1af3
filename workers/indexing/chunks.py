"""Chunk files: float32 rows one after the other, under their sha256 as the name."""

import hashlib
from pathlib import Path

import numpy as np

from workers.errors import PermanentError
from workers.indexing.protocol import Vectors


def read_chunk(path: Path, dimension: int) -> Vectors:
    """Return the rows of a chunk; the bytes that are checked are the bytes that are returned.

    Raises:
        PermanentError: ``chunk_missing``; ``chunk_corrupt``: they are not what the name says, or
            no whole number of rows.
    """
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise PermanentError("chunk_missing", f"chunk {path.name[:12]}: {exc.strerror}") from exc
    if hashlib.sha256(data).hexdigest() != path.name:
        raise PermanentError("chunk_corrupt", f"the bytes of chunk {path.name[:12]} have changed")
    if len(data) % (4 * dimension):
        raise PermanentError(
            "chunk_corrupt", f"chunk {path.name[:12]} holds no rows of {dimension} numbers"
        )
    return np.frombuffer(data, dtype="<f4").reshape(-1, dimension)
