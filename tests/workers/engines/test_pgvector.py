"""What pgvector does beyond the contract: a graph that is used, left and rebuilt, on a server."""

import threading

import numpy as np
import pytest
from django.db import connections
from pgvector.django import L2Distance

from tests.builders.engines import SPACE, collection, counted, f32, ids
from workers.engines import pgvector as module
from workers.engines.engine import Engine
from workers.engines.pgvector import PgvectorAdapter
from workers.engines.protocol import EngineUnavailableError
from workers.engines.vectors.models import StoredVector
from workers.indexing.conditions import comparable
from workers.indexing.faiss_flat import FaissFlat
from workers.indexing.protocol import Distance

pytestmark = pytest.mark.django_db(transaction=True, databases=["vectors"])

DIMENSION = 16
ROWS = 1500


@pytest.fixture
def engine():
    return Engine(PgvectorAdapter())


@pytest.fixture
def few_rows_are_worth_a_graph(monkeypatch):
    """Nor does PostgreSQL read a table from end to end where an index will do."""
    monkeypatch.setattr(module, "INDEXED_FROM", ROWS)
    with connections["vectors"].cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
    yield
    connections["vectors"].close()


@pytest.fixture
def graph(engine, few_rows_are_worth_a_graph):
    """A collection with a graph."""
    fill(engine)
    assert engine.arrange("g1-s1") == "hnsw"
    yield "g1-s1"
    engine.drop("g1-s1")


def vectors(rows=ROWS, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, DIMENSION)).astype(np.float32)


def fill(engine, rows=ROWS, distance=Distance.EUCLIDEAN):
    engine.create(collection("g1-s1", DIMENSION, distance))
    metadata = [{"rare": n % 500 == 0} for n in range(rows)]
    engine.upsert(
        "g1-s1",
        np.arange(rows),
        comparable(vectors(rows), distance),
        space=SPACE,
        metadata=metadata,
    )


def plans(search):
    """Return how PostgreSQL carries out what ``search`` asks of the rows."""
    asked = []

    def note(execute, sql, values, many, context):
        if "vector_send" in sql and "ORDER BY" in sql:
            *before, statement = sql.split("; ")
            asked.append(("; ".join([*before, f"EXPLAIN {statement}"]), values))
        return execute(sql, values, many, context)

    connection = connections["vectors"]
    with connection.execute_wrapper(note):
        search()
    found = []
    for sql, values in asked:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            found.append("\n".join(line for (line,) in cursor.fetchall()))
    return found


@pytest.mark.parametrize("distance", list(Distance))
def test_a_graph_is_used_and_finds_nearly_all(engine, distance, few_rows_are_worth_a_graph):
    fill(engine, distance=distance)
    assert engine.arrange("g1-s1") == "hnsw"
    queries = comparable(vectors(20, seed=1), distance)
    flat = FaissFlat(DIMENSION, distance)
    flat.add(comparable(vectors(), distance))

    assert all("vectors_g1_s1_hnsw" in plan for plan in plans(lambda: search(engine, queries)))
    found, exact = search(engine, queries), flat.search(queries, 10)[1]
    shares = [len({*a} & {*b}) / 10 for a, b in zip(found, exact, strict=True)]
    assert np.mean(shares) >= 0.95
    engine.drop("g1-s1")


def search(engine, queries, k=10, **asked):
    return engine.search("g1-s1", queries, k, space=SPACE, **asked)[1].tolist()


def test_an_exact_search_does_not_use_the_graph(engine, graph):
    [plan] = plans(lambda: search(engine, vectors(1, seed=1), exact=True))

    assert "hnsw" not in plan


def test_a_filter_that_few_rows_pass_finds_them_all(engine, graph):
    found = search(engine, vectors(1, seed=1), k=5, where={"rare": True})

    assert sorted(found[0]) == [-1, -1, 0, 500, 1000]


def test_as_many_neighbours_as_there_are_rows_are_found(engine, graph):
    [found] = search(engine, vectors(1, seed=1), k=ROWS)

    assert sorted(found) == list(range(ROWS))


def test_rows_that_come_after_the_graph_are_found_by_it_and_replaced_ones_where_they_are(
    engine, graph
):
    far = f32([[90] * DIMENSION], DIMENSION)
    engine.upsert(graph, ids(9000, 3), np.repeat(far, 2, axis=0), space=SPACE)

    [plan] = plans(lambda: search(engine, far))
    assert "hnsw" in plan
    assert search(engine, far, k=2) == [[3, 9000]]
    assert engine.count(graph) == ROWS + 1


def test_a_collection_that_is_to_be_exact_loses_its_graph(engine, graph):
    assert engine.arrange(graph, approximate=False) == "flat"

    [plan] = plans(lambda: search(engine, vectors(1, seed=1)))
    assert "hnsw" not in plan


def test_vectors_that_are_too_long_for_a_graph_are_compared_one_by_one(engine, monkeypatch):
    monkeypatch.setattr(module, "INDEXED_FROM", 1)
    engine.create(collection("g1-s2", 2001))
    engine.upsert("g1-s2", ids(0), np.ones((1, 2001), np.float32), space=SPACE)

    assert engine.arrange("g1-s2") == "flat"
    found = engine.search("g1-s2", np.ones((1, 2001), np.float32), 1, space=SPACE)
    assert found[1].tolist() == [[0]]
    engine.drop("g1-s2")


def test_rows_are_read_by_the_models_of_django_too(engine, graph):
    query = vectors(1, seed=1)
    nearest = StoredVector.objects.filter(collection__name=graph).order_by(
        L2Distance("vector", query[0])
    )

    assert list(nearest.values_list("row", flat=True)[:3]) == search(engine, query, k=3)[0]
    assert nearest.get(row=500).metadata == {"rare": True}


def test_a_dropped_collection_leaves_no_table(engine, graph):
    engine.drop(graph)

    tables = connections["vectors"].introspection.table_names()
    assert [name for name in tables if name.startswith("vectors_g")] == []


def test_a_server_that_is_not_there_is_told_and_asked_again(engine, graph, monkeypatch):
    connection = connections["vectors"]
    connection.close()
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "HOST", "/nowhere")
        with pytest.raises(EngineUnavailableError, match="OperationalError"):
            engine.count(graph)
        with pytest.raises(EngineUnavailableError):
            search(engine, vectors(1))

    assert engine.count(graph) == ROWS


def test_a_connection_that_broke_is_replaced(engine, graph):
    with connections["vectors"].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    other = connections["vectors"].copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    other.close()

    with pytest.raises(EngineUnavailableError):
        engine.count(graph)
    assert engine.count(graph) == ROWS


def test_writers_in_opposite_orders_wait_in_one_line(engine):
    engine.create(collection("g1-s3"))
    rows, numbers = counted(0, 4000)
    start, failures = threading.Barrier(2), []

    def write(order):
        try:
            for _ in range(3):
                start.wait(30)
                engine.upsert("g1-s3", rows[::order], numbers[::order], space=SPACE)
        except Exception as exc:
            failures.append(exc)
            start.abort()
        finally:
            engine.close_thread()

    threads = [threading.Thread(target=write, args=(order,)) for order in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    np.testing.assert_array_equal(engine.fetch("g1-s3", rows), numbers)
    engine.drop("g1-s3")


def test_a_database_that_was_not_migrated_is_told(engine):
    with connections["vectors"].cursor() as cursor:
        cursor.execute("ALTER TABLE vectors_collection RENAME TO elsewhere")
    try:
        with pytest.raises(EngineUnavailableError, match="vectors_collection"):
            engine.find("g1-s1")
    finally:
        with connections["vectors"].cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO vectors_collection")
