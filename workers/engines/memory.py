"""The reference: dictionaries, every score by numpy; for small numbers of rows."""

import threading
from collections.abc import Sequence

import numpy as np

from compat.metadata import equals
from workers.engines.protocol import Candidates, Collection, Metadata, Rows
from workers.indexing.memory import MemoryIndex
from workers.indexing.protocol import Vectors

Kept = dict[int, tuple[Vectors, Metadata]]
"""By row: its (D,) vector and its metadata."""


class MemoryAdapter:
    """The ``Adapter`` that the others are compared with; it ends with its process."""

    label = "in memory, the reference"

    def __init__(self) -> None:
        self._collections: dict[str, tuple[Collection, Kept]] = {}
        self._guard = threading.RLock()

    def create(self, collection: Collection) -> Collection:
        with self._guard:
            return self._collections.setdefault(collection.name, (collection, {}))[0]

    def find(self, name: str) -> Collection | None:
        return self._collections.get(name, (None,))[0]

    def names(self) -> list[str]:
        return list(self._collections)

    def upsert(
        self,
        collection: Collection,
        rows: Rows,
        vectors: Vectors,
        metadata: Sequence[Metadata] | None,
    ) -> None:
        entries = [{}] * len(rows) if metadata is None else [dict(one) for one in metadata]
        values = zip(vectors.copy(), entries, strict=True)
        with self._guard:
            self._kept(collection).update(zip(rows.tolist(), values, strict=True))

    def delete(self, collection: Collection, rows: Rows) -> None:
        with self._guard:
            for row in rows.tolist():
                self._kept(collection).pop(row, None)

    def nearest(
        self, collection: Collection, query: Vectors, n: int, where: Metadata | None
    ) -> Candidates:
        return self.compared(collection, query, n, where, None)

    def compared(
        self,
        collection: Collection,
        query: Vectors,
        n: int,
        where: Metadata | None,
        among: Rows | None,
    ) -> Candidates:
        with self._guard:
            kept = self._kept(collection)
            asked = (
                sorted(kept) if among is None else [row for row in among.tolist() if row in kept]
            )
            chosen = [row for row in asked if where is None or equals(kept[row][1], where)]
            rows, vectors = self.fetch(collection, np.array(chosen, dtype=np.int64))
        index = MemoryIndex(collection.dimension, collection.distance)
        index.add(vectors)
        places = index.search(query, n)[1][0, : len(rows)]
        return rows[places], vectors[places]

    def fetch(self, collection: Collection, rows: Rows) -> Candidates:
        with self._guard:
            kept = self._kept(collection)
            held = self.held(collection, rows)
            vectors = [kept[row][0] for row in held.tolist()]
        return held, np.array(vectors, dtype=np.float32).reshape(-1, collection.dimension)

    def held(self, collection: Collection, rows: Rows) -> Rows:
        with self._guard:
            kept = self._kept(collection)
            return np.array([row for row in rows.tolist() if row in kept], dtype=np.int64)

    def count(self, collection: Collection) -> int:
        return len(self._kept(collection))

    def arrange(self, collection: Collection, *, approximate: bool) -> str:
        return "flat"

    def drop(self, collection: Collection) -> None:
        with self._guard:
            self._collections.pop(collection.name, None)

    def close_thread(self) -> None:
        """Nothing belongs to a thread."""

    def close(self) -> None:
        """Nothing is open."""

    def _kept(self, collection: Collection) -> Kept:
        return self._collections[collection.name][1]
