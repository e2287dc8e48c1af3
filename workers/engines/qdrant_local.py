"""Qdrant's client in its local mode: numpy in this process, a folder on disk, no server.

Only that mode was ever run, so only that mode can be opened here. One process may have the folder
open at a time, so no gallery can be kept in it: its worker and its search are two.
"""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from workers.engines.protocol import (
    Candidates,
    Collection,
    EngineUnavailableError,
    Metadata,
    Rows,
    Scalar,
)
from workers.errors import PermanentError
from workers.indexing.protocol import Distance, Vectors

try:
    from qdrant_client import QdrantClient, models
except ImportError as exc:
    raise PermanentError("engine_not_installed", "the package qdrant-client is missing") from exc

DISTANCES = {
    # Its cosine would normalise again what has length one; the inner product leaves it as it is.
    Distance.COSINE: models.Distance.DOT,
    Distance.INNER_PRODUCT: models.Distance.DOT,
    Distance.EUCLIDEAN: models.Distance.EUCLID,
}


class QdrantLocalAdapter:
    """The ``Adapter`` over one folder, open in one process at a time."""

    label = "Qdrant, the local mode of its client only; no server was run"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = threading.RLock()
        self._opened: QdrantClient | None = None

    def create(self, collection: Collection) -> Collection:
        with self._client() as client:
            there = self.find(collection.name)
            if there is None:
                client.create_collection(
                    collection.name,
                    models.VectorParams(
                        size=collection.dimension, distance=DISTANCES[collection.distance]
                    ),
                    metadata={"distance": collection.distance.value, "space": collection.space},
                )
            return there or collection

    def find(self, name: str) -> Collection | None:
        with self._client() as client:
            if not client.collection_exists(name):
                return None
            config = client.get_collection(name).config
        said = config.metadata
        return Collection(
            name, config.params.vectors.size, Distance(said["distance"]), said["space"]
        )

    def names(self) -> list[str]:
        with self._client() as client:
            return [one.name for one in client.get_collections().collections]

    def upsert(
        self,
        collection: Collection,
        rows: Rows,
        vectors: Vectors,
        metadata: Sequence[Metadata] | None,
    ) -> None:
        payloads = [_payload(one) for one in metadata or [{}] * len(rows)]
        batch = models.Batch(ids=rows.tolist(), vectors=vectors.tolist(), payloads=payloads)
        with self._client() as client:
            client.upsert(collection.name, batch)

    def delete(self, collection: Collection, rows: Rows) -> None:
        with self._client() as client:
            client.delete(collection.name, models.PointIdsList(points=rows.tolist()))

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
        """As ``Adapter.compared``: more are asked for until the last is worse than the n-th."""
        wanted = n + 1
        with self._client() as client:
            while True:
                found = client.query_points(
                    collection.name,
                    query=query[0].tolist(),
                    query_filter=_filter(where, among),
                    limit=wanted,
                    with_payload=False,
                    with_vectors=True,
                ).points
                if len(found) < wanted or found[-1].score != found[n - 1].score:
                    break
                wanted *= 2
        sign = -1 if collection.distance is Distance.EUCLIDEAN else 1
        best = sorted(found, key=lambda point: (-sign * point.score, point.id))[:n]
        return _candidates(best, collection.dimension)

    def fetch(self, collection: Collection, rows: Rows) -> Candidates:
        with self._client() as client:
            found = client.retrieve(
                collection.name, rows.tolist(), with_payload=False, with_vectors=True
            )
        return _candidates(found, collection.dimension)

    def held(self, collection: Collection, rows: Rows) -> Rows:
        with self._client() as client:
            found = client.retrieve(collection.name, rows.tolist(), with_payload=False)
        return np.array([point.id for point in found], dtype=np.int64)

    def count(self, collection: Collection) -> int:
        with self._client() as client:
            return client.count(collection.name, exact=True).count

    def arrange(self, collection: Collection, *, approximate: bool) -> str:
        return "flat"

    def drop(self, collection: Collection) -> None:
        with self._client() as client:
            client.delete_collection(collection.name)

    def close_thread(self) -> None:
        """Nothing belongs to a thread."""

    def close(self) -> None:
        """Let another process open the folder."""
        with self._guard:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    @contextmanager
    def _client(self) -> Iterator[QdrantClient]:
        """Give the client, which one thread at a time may use."""
        with self._guard:
            if self._opened is None:
                try:
                    self._opened = QdrantClient(
                        path=str(self._folder), force_disable_check_same_thread=True
                    )
                except RuntimeError as exc:  # another process has it open
                    raise EngineUnavailableError(f"qdrant, local: {exc}") from exc
            yield self._opened


def _payload(metadata: Metadata) -> dict[str, str]:
    """Return metadata with their types: to the local mode a truth equals 1."""
    return {key: _told(value) for key, value in metadata.items()}


def _told(value: Scalar) -> str:
    return json.dumps(value)


def _filter(where: Metadata | None, among: Rows | None) -> models.Filter | None:
    conditions: list[models.Condition] = [
        models.FieldCondition(key=key, match=models.MatchValue(value=_told(value)))
        for key, value in (where or {}).items()
    ]
    if among is not None:
        conditions.append(models.HasIdCondition(has_id=among.tolist()))
    return models.Filter(must=conditions) if conditions else None


def _candidates(points: Sequence[models.ScoredPoint | models.Record], dimension: int) -> Candidates:
    rows = np.array([point.id for point in points], dtype=np.int64)
    vectors = np.array([point.vector for point in points], dtype=np.float32)
    return rows, vectors.reshape(-1, dimension)
