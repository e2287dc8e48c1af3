"""Milvus, a server that is reached by its own client; both are installed apart from the project.

Rows are compared one by one (``FLAT``), whatever their number. Its approximate indexes leave rows
that were just written to an interim index with a fixed effort, so nobody can say what share of the
nearest they find, nor ask them for the exact answer; see ``docs/engines.md``.
"""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import numpy as np

from workers.engines.protocol import (
    Candidates,
    Collection,
    EngineUnavailableError,
    Metadata,
    Rows,
)
from workers.errors import PermanentError
from workers.indexing.memory import MemoryIndex
from workers.indexing.protocol import Distance, Vectors

try:
    import grpc
    import pymilvus
    from pymilvus import DataType, FieldSchema, MilvusException, connections, utility
    from pymilvus.client.types import LoadState
    from pymilvus.exceptions import SchemaNotReadyException
except ImportError as exc:
    raise PermanentError("engine_not_installed", f"a package is missing: {exc.name}") from exc

PREFIX = "graceful_"
"""Of the names of our collections; who shares the server has others."""

DEFAULT_PORT = 19530

METRICS = {
    Distance.COSINE: "IP",  # of unit vectors it is the cosine; theirs would normalise again
    Distance.INNER_PRODUCT: "IP",
    Distance.EUCLIDEAN: "L2",
}

ROWS_PER_CALL = 10_000
"""Rows that one expression names (chosen: 10,000 are read in a third of a second)."""

CALL_BYTES = 32 << 20
"""Of vectors and metadata in one message: half of what the server takes unless it is told to."""

MOST_HITS = 16_384
"""Rows that one search of Milvus returns at most."""

LONGEST_METADATA = 65_536
"""Bytes of JSON that Milvus keeps with a row."""

ANSWER_TIMEOUT_S = 5
"""To connect, and to say what a collection is, which every call asks first. The client tries again
until then; without any it would go on for minutes."""

CALL_TIMEOUT_S = 20
"""Less than the web process waits for an answer."""

LOAD_TIMEOUT_S = 120


class MilvusAdapter:
    """The ``Adapter`` over one server, at ``http://[user:password@]host:port[/database]``."""

    label = "Milvus 2.3.5, its real server on one machine"

    def __init__(self, url: str) -> None:
        """Connect with the first call.

        Raises:
            PermanentError: ``engine_not_configured``: that is no address.
        """
        self._address = _address(url)
        self._alias = f"graceful-{uuid4().hex}"
        self._guard = threading.Lock()

    def create(self, collection: Collection) -> Collection:
        """As ``Adapter.create``; of a collection that is there, finish what was broken off."""
        with self._answering():
            schema = pymilvus.CollectionSchema(
                [
                    FieldSchema("row", DataType.INT64, is_primary=True),
                    FieldSchema("vector", DataType.FLOAT_VECTOR, dim=collection.dimension),
                    FieldSchema("metadata", DataType.JSON),
                ],
                json.dumps({"distance": collection.distance, "space": collection.space}),
            )
            there = self.find(collection.name)
            if there is None:
                pymilvus.Collection(
                    _stored_name(collection.name),
                    schema,
                    self._alias,
                    num_shards=1,
                    consistency_level="Strong",
                    timeout=CALL_TIMEOUT_S,
                )
            self._serve(there or collection)
        return there or self.find(collection.name) or collection

    def find(self, name: str) -> Collection | None:
        with self._answering():
            try:
                stored = self._stored(name)
            except SchemaNotReadyException:
                return None
        dimension = next(one for one in stored.schema.fields if one.name == "vector").params["dim"]
        said = json.loads(stored.description)
        return Collection(name, dimension, Distance(said["distance"]), said["space"])

    def names(self) -> list[str]:
        with self._answering():
            stored = utility.list_collections(CALL_TIMEOUT_S, self._alias)
        ours = (name for name in stored if name.startswith(PREFIX))
        return [name.removeprefix(PREFIX).replace("_", "-") for name in ours]

    def upsert(
        self,
        collection: Collection,
        rows: Rows,
        vectors: Vectors,
        metadata: Sequence[Metadata] | None,
    ) -> None:
        """As ``Adapter.upsert``.

        Raises:
            PermanentError: ``invalid_metadata``: as JSON they are longer than Milvus keeps;
                nothing was written.
        """
        entries = [dict(one) for one in metadata or [{}] * len(rows)]
        lengths = np.array([_json_bytes(one) for one in entries])
        if lengths.max() > LONGEST_METADATA:
            raise PermanentError(
                "invalid_metadata", f"Milvus keeps {LONGEST_METADATA} bytes, not {lengths.max()}"
            )
        with self._answering():
            stored = self._stored(collection.name)
            for block in _blocks(lengths + vectors.itemsize * collection.dimension):
                stored.upsert(
                    [rows[block].tolist(), list(vectors[block]), [entries[n] for n in block]],
                    timeout=CALL_TIMEOUT_S,
                )

    def delete(self, collection: Collection, rows: Rows) -> None:
        with self._answering():
            stored = self._stored(collection.name)
            for some in _calls(rows):
                stored.delete(_one_of(some), timeout=CALL_TIMEOUT_S)

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
        """As ``Adapter.compared``, and more: all ties, the nearest of each part of ``among``."""
        conditions = [_equal(where)]
        if among is not None:
            conditions = [_both(_one_of(some), _equal(where)) for some in _calls(among)]
        found = [self._nearest(collection, query, n, condition) for condition in conditions]
        return _joined([_none(collection), *found])

    def fetch(self, collection: Collection, rows: Rows) -> Candidates:
        found = [_none(collection)]
        for some in _calls(rows, _most_hits(collection)):
            found.append(
                _candidates(collection, self._queried(collection, _one_of(some), "vector"))
            )
        return _joined(found)

    def held(self, collection: Collection, rows: Rows) -> Rows:
        found = [
            one["row"]
            for some in _calls(rows)
            for one in self._queried(collection, _one_of(some), "row")
        ]
        return np.array(found, dtype=np.int64)

    def count(self, collection: Collection) -> int:
        return self._queried(collection, "", "count(*)")[0]["count(*)"]

    def arrange(self, collection: Collection, *, approximate: bool) -> str:
        with self._answering():
            self._serve(collection)
        return "flat"

    def drop(self, collection: Collection) -> None:
        with self._answering():
            name = _stored_name(collection.name)
            utility.drop_collection(name, timeout=CALL_TIMEOUT_S, using=self._alias)

    def close_thread(self) -> None:
        """Nothing belongs to a thread."""

    def close(self) -> None:
        """Close the connection, which all threads share."""
        with self._guard:
            connections.remove_connection(self._alias)

    def _serve(self, collection: Collection) -> None:
        """Index and load a collection, unless it is: before, nobody can read it."""
        stored = self._stored(collection.name)
        if (
            utility.load_state(stored.name, using=self._alias, timeout=ANSWER_TIMEOUT_S)
            == LoadState.Loaded
        ):
            return
        if not stored.has_index(timeout=CALL_TIMEOUT_S):
            kind = {"index_type": "FLAT", "metric_type": METRICS[collection.distance], "params": {}}
            stored.create_index("vector", kind, timeout=LOAD_TIMEOUT_S)
        stored.load(timeout=LOAD_TIMEOUT_S)

    def _stored(self, name: str) -> pymilvus.Collection:
        return pymilvus.Collection(_stored_name(name), using=self._alias, timeout=ANSWER_TIMEOUT_S)

    def _queried(self, collection: Collection, condition: str, wanted: str) -> list[dict]:
        with self._answering():
            return self._stored(collection.name).query(
                condition,
                output_fields=[wanted],
                consistency_level="Strong",
                timeout=CALL_TIMEOUT_S,
            )

    def _nearest(
        self, collection: Collection, query: Vectors, n: int, condition: str
    ) -> Candidates:
        """Return the n nearest and all that tie with the last.

        More are asked for until the last is worse than the n-th: Milvus does not keep the first
        of those that tie. Of more than one search may return, all are read and compared here.
        """
        wanted = n + 1
        while wanted <= _most_hits(collection):
            with self._answering():
                (hits,) = self._stored(collection.name).search(
                    list(query),
                    "vector",
                    {"metric_type": METRICS[collection.distance], "params": {}},
                    wanted,
                    condition or None,
                    output_fields=["vector"],
                    consistency_level="Strong",
                    timeout=CALL_TIMEOUT_S,
                )
            if len(hits) < wanted or hits.distances[-1] != hits.distances[n - 1]:
                found = [{"row": hit.id, "vector": hit.entity.get("vector")} for hit in hits]
                return _candidates(collection, found)
            wanted *= 2
        return self._read_through(collection, query, n, condition)

    def _read_through(
        self, collection: Collection, query: Vectors, n: int, condition: str
    ) -> Candidates:
        every = self._queried(collection, condition or "row >= 0", "row")
        rows = np.array([one["row"] for one in every], dtype=np.int64)
        best = _none(collection)
        for some in _calls(rows, _most_hits(collection)):
            best = _best(collection, query, n, [best, self.fetch(collection, some)])
        return best

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Connect if need be; turn whatever Milvus says into what every engine says."""
        try:
            with self._guard:
                if not connections.has_connection(self._alias):
                    connections.connect(self._alias, timeout=ANSWER_TIMEOUT_S, **self._address)
            yield
        except MilvusException as exc:
            raise EngineUnavailableError(f"milvus: {str(exc.message)[:300]}") from exc
        except (grpc.RpcError, grpc.FutureTimeoutError) as exc:  # a deadline, for one
            raise EngineUnavailableError(f"milvus: {type(exc).__name__}") from exc


def _address(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    try:
        port = parts.port or DEFAULT_PORT
    except ValueError:
        port = 0
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port:
        raise PermanentError("engine_not_configured", "MILVUS_URL is no address of a server")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return {
        "uri": f"{parts.scheme}://{host}:{port}",
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "db_name": parts.path.strip("/"),
    }


def _stored_name(name: str) -> str:
    """Return what Milvus calls a collection: a name has no underscore of its own."""
    return PREFIX + name.replace("-", "_")


def _most_hits(collection: Collection) -> int:
    """Return how many rows come back with their vectors in one message."""
    return min(MOST_HITS, CALL_BYTES // (4 * collection.dimension))


def _calls(rows: Rows, most: int = ROWS_PER_CALL) -> list[Rows]:
    most = min(most, ROWS_PER_CALL)
    return [rows[start : start + most] for start in range(0, len(rows), most)]


def _blocks(sizes: np.ndarray) -> list[Rows]:
    """Return the places of rows of so many bytes, in shares that fit into one message."""
    message = np.cumsum(sizes) // CALL_BYTES
    return np.split(np.arange(len(sizes)), np.flatnonzero(np.diff(message)) + 1)


def _json_bytes(metadata: Metadata) -> int:
    return len(json.dumps(metadata, ensure_ascii=False).encode())


def _one_of(rows: Rows) -> str:
    return f"row in {rows.tolist()}"


def _equal(where: Metadata | None) -> str:
    told = ((key, json.dumps(value, ensure_ascii=False)) for key, value in (where or {}).items())
    return " and ".join(f'metadata["{key}"] == {value}' for key, value in told)


def _both(first: str, second: str) -> str:
    return f"{first} and {second}" if second else first


def _candidates(collection: Collection, found: list[dict]) -> Candidates:
    rows = np.array([one["row"] for one in found], dtype=np.int64)
    vectors = np.array([one["vector"] for one in found], dtype=np.float32)
    return rows, vectors.reshape(-1, collection.dimension)


def _none(collection: Collection) -> Candidates:
    return np.empty(0, np.int64), np.empty((0, collection.dimension), np.float32)


def _joined(found: Sequence[Candidates]) -> Candidates:
    rows, vectors = zip(*found, strict=True)
    return np.concatenate(rows), np.concatenate(vectors)


def _best(
    collection: Collection, query: Vectors, n: int, found: Sequence[Candidates]
) -> Candidates:
    """Return the n nearest of what was found, of those that tie the first."""
    rows, vectors = _joined(found)
    order = np.argsort(rows)
    rows, vectors = rows[order], vectors[order]
    index = MemoryIndex(collection.dimension, collection.distance)
    index.add(vectors)
    places = index.search(query, n)[1][0, : len(rows)]
    return rows[places], vectors[places]
