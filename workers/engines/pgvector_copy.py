"""Rows in PostgreSQL's binary form: float32 numbers go in and come out to the bit."""

import json
import struct
from collections.abc import Iterator, Sequence

import numpy as np

from workers.engines.protocol import Metadata, Rows
from workers.indexing.protocol import Vectors

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
JSONB_VERSION = b"\x01"


def binary_rows(rows: Rows, vectors: Vectors, metadata: Sequence[Metadata] | None) -> bytes:
    """Return rows of (bigint, vector, jsonb) as ``COPY ... WITH (FORMAT binary)`` reads them."""
    if metadata is None:
        metadata = [{}] * len(rows)
    return b"".join([HEADER, *_tuples(rows, vectors, metadata), TRAILER])


def vectors_of(sent: Sequence[memoryview], dimension: int) -> Vectors:
    """Return (n, D) vectors out of what ``vector_send`` gave for each."""
    numbers = np.frombuffer(b"".join(sent), dtype=_vector(dimension))["numbers"]
    return numbers.astype(np.float32)


def _vector(dimension: int) -> np.dtype:
    return np.dtype([("dimension", ">i2"), ("unused", ">i2"), ("numbers", ">f4", (dimension,))])


def _tuples(rows: Rows, vectors: Vectors, metadata: Sequence[Metadata]) -> Iterator[bytes]:
    kind = _vector(vectors.shape[1])
    head = np.dtype(
        [
            ("fields", ">i2"),
            ("row_bytes", ">i4"),
            ("row", ">i8"),
            ("vector_bytes", ">i4"),
            ("vector", kind),
        ]
    )
    heads = np.zeros(len(rows), dtype=head)
    heads["fields"], heads["row_bytes"], heads["vector_bytes"] = 3, 8, kind.itemsize
    heads["row"] = rows
    heads["vector"]["dimension"], heads["vector"]["numbers"] = vectors.shape[1], vectors
    for one, entry in zip(heads, metadata, strict=True):
        text = JSONB_VERSION + json.dumps(entry, ensure_ascii=False).encode()
        yield one.tobytes() + struct.pack(">i", len(text)) + text
