"""PostgreSQL with pgvector, by the connection that Django keeps for it.

A collection is one partition: loading, indexing and dropping it lock no other. Its index is built
after the rows are there.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO

import numpy as np
from django.db import Error as DatabaseError
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from pgvector import Vector

from workers.engines.pgvector_copy import binary_rows, vectors_of
from workers.engines.protocol import (
    Candidates,
    Collection,
    EngineUnavailableError,
    Metadata,
    Rows,
)
from workers.engines.vectors.models import Collection as StoredCollection
from workers.engines.vectors.router import ALIAS
from workers.indexing.protocol import Distance, Vectors

INDEXED_FROM = 5_000
"""Rows from which a collection gets a graph: to compare fewer takes a few milliseconds (chosen)."""

MOST_INDEXED = 2_000
"""Numbers of a vector that pgvector can index; longer ones are compared one by one."""

NEIGHBOURS_PER_NODE = 16
CONSTRUCTION_EFFORT = 80
"""As the graphs of FAISS files (``workers.indexing.choice``)."""

LEAST_EFFORT, MOST_EFFORT = 100, 1_000
"""Candidates of the graph that a search looks at; pgvector takes at most 1,000."""

EFFORT_PER_HIT = 4

BUILD_MEMORY = "1GB"
"""A graph that does not fit is built many times slower; it takes only what it needs."""

SEARCH_TIMEOUT_S = 20
"""Less than the web process waits for an answer."""

OPERATORS = {
    Distance.COSINE: ("<#>", "vector_ip_ops"),  # of unit vectors it is the cosine, and cheaper
    Distance.INNER_PRODUCT: ("<#>", "vector_ip_ops"),
    Distance.EUCLIDEAN: ("<->", "vector_l2_ops"),
}


class PgvectorAdapter:
    """The ``Adapter`` over the tables of ``workers.engines.vectors``."""

    label = "PostgreSQL with pgvector, a real server"

    def __init__(self, alias: str = ALIAS) -> None:
        self._alias = alias

    def create(self, collection: Collection) -> Collection:
        with self._cursor(is_atomic=True) as cursor:
            cursor.execute(
                "INSERT INTO vectors_collection (name, dimension, distance, space) "
                "VALUES (%s, %s, %s, %s) ON CONFLICT (name) DO NOTHING RETURNING id",
                [collection.name, collection.dimension, collection.distance, collection.space],
            )
            if made := cursor.fetchone():
                cursor.execute(f"DROP TABLE IF EXISTS {_table(collection)}")  # nobody's
                cursor.execute(
                    f"CREATE TABLE {_table(collection)} PARTITION OF vectors_storedvector "
                    "FOR VALUES IN (%s)",
                    made,
                )
        return self.find(collection.name) or collection

    def find(self, name: str) -> Collection | None:
        with self._answering():
            found = StoredCollection.objects.using(self._alias).filter(name=name).first()
        if found is None:
            return None
        return Collection(found.name, found.dimension, Distance(found.distance), found.space)

    def names(self) -> list[str]:
        with self._answering():
            stored = StoredCollection.objects.using(self._alias)
            return list(stored.values_list("name", flat=True))

    def upsert(
        self,
        collection: Collection,
        rows: Rows,
        vectors: Vectors,
        metadata: Sequence[Metadata] | None,
    ) -> None:
        with self._cursor(is_atomic=True) as cursor:
            cursor.execute(
                "CREATE TEMPORARY TABLE incoming (id bigint, vector vector, metadata jsonb) "
                "ON COMMIT DROP"
            )
            data = BytesIO(binary_rows(rows, vectors, metadata))
            cursor.copy_expert("COPY incoming FROM STDIN WITH (FORMAT binary)", data)
            cursor.execute(  # in the order of rows, so that writers wait in a line
                f'INSERT INTO {_table(collection)} (collection_id, "row", vector, metadata) '
                "SELECT c.id, i.id, i.vector, i.metadata FROM incoming i, vectors_collection c "
                "WHERE c.name = %s ORDER BY i.id "
                'ON CONFLICT (collection_id, "row") DO UPDATE '
                "SET vector = EXCLUDED.vector, metadata = EXCLUDED.metadata",
                [collection.name],
            )
            cursor.execute("DROP TABLE incoming")

    def delete(self, collection: Collection, rows: Rows) -> None:
        with self._cursor() as cursor:
            cursor.execute(
                f'DELETE FROM {_table(collection)} WHERE "row" = ANY(%s::bigint[])', [_array(rows)]
            )

    def nearest(
        self, collection: Collection, query: Vectors, n: int, where: Metadata | None
    ) -> Candidates:
        effort = min(max(LEAST_EFFORT, EFFORT_PER_HIT * n), MOST_EFFORT)
        kind = f"vector({collection.dimension})"
        operator = OPERATORS[collection.distance][0]
        return self._found(
            collection,
            f"SET LOCAL hnsw.iterative_scan = relaxed_order; SET LOCAL hnsw.ef_search = {effort}; "
            f"{_selected(collection)} WHERE true{_filter(where)} "
            f"ORDER BY vector::{kind} {operator} %s::{kind} LIMIT %s",
            [*_filtered(where), _text(query), n],
        )

    def compared(
        self,
        collection: Collection,
        query: Vectors,
        n: int,
        where: Metadata | None,
        among: Rows | None,
    ) -> Candidates:
        chosen = "" if among is None else ' AND "row" = ANY(%s::bigint[])'
        operator = OPERATORS[collection.distance][0]
        return self._found(  # without the cast that the index is on, so that it is not used
            collection,
            f"{_selected(collection)} WHERE true{_filter(where)}{chosen} "
            f'ORDER BY vector {operator} %s::vector, "row" LIMIT %s',
            [*_filtered(where), *([] if among is None else [_array(among)]), _text(query), n],
        )

    def fetch(self, collection: Collection, rows: Rows) -> Candidates:
        return self._found(
            collection,
            f'{_selected(collection)} WHERE "row" = ANY(%s::bigint[])',
            [_array(rows)],
        )

    def held(self, collection: Collection, rows: Rows) -> Rows:
        with self._cursor() as cursor:
            cursor.execute(
                f'SELECT "row" FROM {_table(collection)} WHERE "row" = ANY(%s::bigint[])',
                [_array(rows)],
            )
            return np.array([row for (row,) in cursor.fetchall()], dtype=np.int64)

    def count(self, collection: Collection) -> int:
        with self._cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {_table(collection)}")
            return cursor.fetchone()[0]

    def arrange(self, collection: Collection, *, approximate: bool) -> str:
        table, kind = _table(collection), f"vector({collection.dimension})"
        is_small = self.count(collection) < INDEXED_FROM
        with self._cursor(is_atomic=True) as cursor:
            cursor.execute(f"ANALYZE {table}")
            if is_small or collection.dimension > MOST_INDEXED or not approximate:
                cursor.execute(f"DROP INDEX IF EXISTS {_index(collection)}")
                return "flat"
            cursor.execute(f"SET LOCAL maintenance_work_mem = '{BUILD_MEMORY}'")
            cursor.execute(
                f"CREATE INDEX IF NOT EXISTS {_index(collection)} ON {table} "
                f"USING hnsw ((vector::{kind}) {OPERATORS[collection.distance][1]}) "
                f"WITH (m = {NEIGHBOURS_PER_NODE}, ef_construction = {CONSTRUCTION_EFFORT})"
            )
        return "hnsw"

    def drop(self, collection: Collection) -> None:
        with self._cursor(is_atomic=True) as cursor:
            cursor.execute("DELETE FROM vectors_collection WHERE name = %s", [collection.name])
            cursor.execute(f"DROP TABLE IF EXISTS {_table(collection)}")

    def close_thread(self) -> None:
        """Close the connection of this thread."""
        if not connections[self._alias].in_atomic_block:
            connections[self._alias].close()

    def close(self) -> None:
        """Close the connection of this thread; other threads close their own."""
        self.close_thread()

    def _found(self, collection: Collection, statement: str, values: list[object]) -> Candidates:
        settings = f"SET LOCAL statement_timeout = '{SEARCH_TIMEOUT_S}s'; SET LOCAL jit = off; "
        with self._cursor() as cursor:
            cursor.execute(settings + statement, values)  # one round trip, one transaction
            found = cursor.fetchall()
        rows = np.array([row for row, _ in found], dtype=np.int64)
        return rows, vectors_of([sent for _, sent in found], collection.dimension)

    @contextmanager
    def _cursor(self, *, is_atomic: bool = False) -> Iterator[CursorWrapper]:
        with self._answering():
            if not is_atomic:
                with connections[self._alias].cursor() as cursor:
                    yield cursor
                return
            with (
                transaction.atomic(using=self._alias),
                connections[self._alias].cursor() as cursor,
            ):
                yield cursor

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Turn whatever the database says into what every engine says; connect anew next time."""
        try:
            yield
        except DatabaseError as exc:
            reason = str(exc).strip().partition("\n")[0]
            connection = connections[self._alias]
            if not connection.in_atomic_block:
                connection.close()
            raise EngineUnavailableError(f"pgvector: {type(exc).__name__}: {reason}") from exc


def _table(collection: Collection) -> str:
    """Return the partition of a collection: a name has no underscore of its own."""
    return "vectors_" + collection.name.replace("-", "_")


def _index(collection: Collection) -> str:
    return f"{_table(collection)}_hnsw"


def _selected(collection: Collection) -> str:
    return f'SELECT "row", vector_send(vector) FROM {_table(collection)}'


def _filter(where: Metadata | None) -> str:
    return " AND metadata @> %s::jsonb" if where else ""


def _filtered(where: Metadata | None) -> list[str]:
    return [json.dumps(where, ensure_ascii=False)] if where else []


def _array(rows: Rows) -> str:
    return "{" + ",".join(map(str, rows.tolist())) + "}"


def _text(query: Vectors) -> str:
    return Vector(query[0].tolist()).to_text()
