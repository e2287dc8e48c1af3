"""What a real server of Milvus adds to the contract: it stops, dies, and is shared with others."""

import hashlib
import threading
import time

import numpy as np
import pytest

pytest.importorskip("milvus", reason="Milvus is installed apart: make test-milvus runs this")

import pymilvus

from tests.builders.engines import SPACE, collection, counted, f32, ids
from workers.engines import milvus as adapters
from workers.engines.engine import Engine
from workers.engines.milvus import MilvusAdapter
from workers.engines.part import EnginePart
from workers.engines.protocol import EngineUnavailableError
from workers.engines.publication import Batch, publish
from workers.errors import PermanentError
from workers.indexing.faiss_flat import FaissFlat
from workers.indexing.live import Live
from workers.indexing.protocol import Distance

pytestmark = pytest.mark.engines(["milvus"])

ENDS = pytest.mark.parametrize("end", ["stop", "kill"])


def until_it_answers(call, timeout_s=60):
    """Return what ``call`` returns; a server that was started again loads its collections."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return call()
        except EngineUnavailableError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@ENDS
def test_what_was_acknowledged_is_there_when_the_server_is_started_again(
    milvus, kind, engine, name, end
):
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(500, 8)).astype(np.float32)
    engine.create(collection(name, 8))
    rows = np.arange(500, dtype=np.int64)
    engine.upsert(name, rows, vectors, space=SPACE, metadata=[{"n": n % 5} for n in range(500)])
    engine.upsert(name, ids(7), vectors[:1], space=SPACE, metadata=[{"n": 9}])
    engine.delete(name, ids(8))
    asked = {"k": 20, "space": SPACE, "where": {"n": 3}}
    before = engine.search(name, vectors[:3], **asked)

    getattr(milvus, end)()
    with pytest.raises(EngineUnavailableError):
        engine.search(name, vectors[:3], **asked)
    milvus.start()

    again = kind.open()
    assert until_it_answers(lambda: again.count(name)) == 499
    assert again.find(name) == collection(name, 8)
    after = again.search(name, vectors[:3], **asked)
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[1], before[1])
    np.testing.assert_array_equal(again.fetch(name, ids(7, 9)), vectors[[0, 9]])
    assert again.search(name, vectors[:1], 3, space=SPACE, where={"n": 9})[1].tolist() == [
        [7, -1, -1]
    ]
    assert until_it_answers(lambda: engine.count(name)) == 499
    again.close()


def test_a_server_that_hangs_is_unavailable_until_it_goes_on(milvus, engine, name):
    engine.create(collection(name))
    engine.upsert(name, ids(0), f32([[1, 0]]), space=SPACE)

    with milvus.hanging():
        began = time.monotonic()
        with pytest.raises(EngineUnavailableError):
            engine.count(name)
        assert time.monotonic() - began < 20

    assert until_it_answers(lambda: engine.count(name)) == 1


def test_killed_under_its_writers_it_keeps_every_row_that_it_acknowledged(milvus, engine, name):
    engine.create(collection(name))
    acknowledged, enough = [[], []], threading.Event()

    def write(done, first):
        for start in range(first, first + 100_000, 20):
            rows, vectors = counted(start, 20)
            try:
                engine.upsert(name, rows, vectors, space=SPACE)
            except EngineUnavailableError:
                return
            done.append(start)
            if min(map(len, acknowledged)) >= 10:
                enough.set()

    writers = [
        threading.Thread(target=write, args=(done, first))
        for done, first in zip(acknowledged, (0, 1_000_000), strict=True)
    ]
    for writer in writers:
        writer.start()
    assert enough.wait(30)
    milvus.kill()
    for writer in writers:
        writer.join()
    milvus.start()

    for start in sum(acknowledged, []):
        rows, vectors = counted(start, 20)
        held = until_it_answers(lambda rows=rows: engine.fetch(name, rows))
        np.testing.assert_array_equal(held, vectors)
    for done in acknowledged:  # what was not acknowledged may be there; done again it is, once
        rows, vectors = counted(done[-1] + 20, 20)
        engine.upsert(name, rows, vectors, space=SPACE)
        engine.upsert(name, rows, vectors, space=SPACE)
    assert engine.count(name) == 20 * (sum(map(len, acknowledged)) + 2)


@pytest.mark.parametrize("distance", [Distance.INNER_PRODUCT, Distance.EUCLIDEAN])
def test_rows_that_were_just_written_are_compared_exactly_and_so_are_flushed_ones(
    milvus, engine, name, distance
):
    """An interim index would take over from 5,000 rows on, and find half of these."""
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(12_000, 32)).astype(np.float32)
    queries = rng.normal(size=(10, 32)).astype(np.float32)
    engine.create(collection(name, 32, distance))
    engine.upsert(name, np.arange(12_000), vectors, space=SPACE)
    flat = FaissFlat(32, distance)
    flat.add(vectors)
    nearest = flat.search(queries, 10)[1]

    assert engine.arrange(name) == "flat"
    np.testing.assert_array_equal(engine.search(name, queries, 10, space=SPACE)[1], nearest)
    flush(milvus, name)
    np.testing.assert_array_equal(engine.search(name, queries, 10, space=SPACE)[1], nearest)


def test_a_segment_is_published_completed_and_searched_as_a_part(tmp_path, engine, name):
    vectors = np.random.default_rng(9).normal(size=(3000, 16)).astype("<f4")
    batches = []
    for pk, rows in ((3, vectors[:2000]), (7, vectors[2000:])):
        chunk = tmp_path / hashlib.sha256(rows.tobytes()).hexdigest()
        chunk.write_bytes(rows.tobytes())
        batches.append(Batch(pk, len(rows), chunk, False))
    there = collection(name, 16, Distance.EUCLIDEAN)
    flat = FaissFlat(16, Distance.EUCLIDEAN)
    flat.add(vectors)
    is_live = np.arange(3000) % 3 > 0

    first = publish(engine, there, batches[:1], lambda done, total: None)
    engine.delete(name, batches[0].numbers[:5])
    done = publish(engine, there, batches, lambda done, total: None)
    part = EnginePart("milvus", engine, there, [(3, 2000), (7, 1000)])

    assert (first.written, done.written, done.arranged) == (2000, 1005, "flat")
    for live in (None, Live(is_live)):
        for expected, got in zip(
            flat.search(vectors[:9], 10, live), part.search(vectors[:9], 10, live), strict=True
        ):
            np.testing.assert_array_equal(got, expected)


def flush(milvus, name):
    """Have Milvus put away what it holds in memory, as it does by itself in time."""
    pymilvus.connections.connect("flush", uri=milvus.url)
    pymilvus.Collection(adapters._stored_name(name), using="flush").flush()
    pymilvus.connections.remove_connection("flush")


def test_more_than_one_message_carries_is_written_read_and_searched(monkeypatch, engine, name):
    monkeypatch.setattr(adapters, "MOST_HITS", 64)
    monkeypatch.setattr(adapters, "ROWS_PER_CALL", 50)
    monkeypatch.setattr(adapters, "CALL_BYTES", 1000)
    rows, vectors = counted(0, 300)
    engine.create(collection(name))
    engine.upsert(
        name, rows, vectors, space=SPACE, metadata=[{"even": n % 2 == 0} for n in range(300)]
    )

    assert engine.count(name) == 300
    np.testing.assert_array_equal(engine.fetch(name, rows), vectors)
    assert engine.missing(name, np.arange(250, 350)).tolist() == list(range(300, 350))
    query = f32([[1, 0]])
    for k in (10, 63, 64, 200):
        best = engine.search(name, query, k, space=SPACE)[1][0]
        assert best.tolist() == list(range(299, 299 - k, -1))
    asked = {"space": SPACE, "where": {"even": True}, "allowed": np.arange(0, 280)}
    assert engine.search(name, query, 70, **asked)[1][0].tolist() == list(range(278, 138, -2))
    engine.delete(name, np.arange(0, 250))
    assert engine.count(name) == 50


def test_rows_that_tie_beyond_what_one_search_returns_are_found_in_order(monkeypatch, engine, name):
    monkeypatch.setattr(adapters, "MOST_HITS", 64)
    engine.create(collection(name))
    engine.upsert(name, np.arange(200), np.tile(f32([[1, 2]]), (200, 1)), space=SPACE)

    assert engine.search(name, f32([[3, 1]]), 7, space=SPACE)[1].tolist() == [list(range(7))]


def test_metadata_longer_than_it_keeps_are_refused_and_nothing_is_written(engine, name):
    engine.create(collection(name))
    long = {f"k{n}": "日" * 1000 for n in range(32)}
    some = {f"k{n}": "日" * 1000 for n in range(21)}

    with pytest.raises(PermanentError, match="invalid_metadata"):
        engine.upsert(name, ids(0, 1), f32([[1, 0], [2, 0]]), space=SPACE, metadata=[{}, long])
    assert engine.count(name) == 0
    engine.upsert(name, ids(0), f32([[1, 0]]), space=SPACE, metadata=[some])
    found = engine.search(name, f32([[1, 0]]), 1, space=SPACE, where={"k20": "日" * 1000})[1]
    assert found.tolist() == [[0]]


def test_a_collection_that_was_left_half_made_is_finished(monkeypatch, kind, engine, name):
    def breaks_off(*_):
        raise EngineUnavailableError("it broke off")

    with monkeypatch.context() as patch:
        patch.setattr(MilvusAdapter, "_serve", breaks_off)
        with pytest.raises(EngineUnavailableError):
            engine.create(collection(name))
    assert engine.find(name) == collection(name)
    with pytest.raises(EngineUnavailableError, match="not loaded"):
        engine.count(name)

    engine.create(collection(name))

    assert engine.count(name) == 0


def test_collections_of_others_on_the_same_server_are_not_ours(milvus, engine):
    pymilvus.connections.connect("other", uri=milvus.url)
    schema = pymilvus.CollectionSchema(
        [
            pymilvus.FieldSchema("id", pymilvus.DataType.INT64, is_primary=True),
            pymilvus.FieldSchema("v", pymilvus.DataType.FLOAT_VECTOR, dim=2),
        ]
    )
    theirs = pymilvus.Collection("theirs", schema, using="other")

    assert engine.names() == []
    assert engine.find("theirs") is None

    theirs.drop()
    pymilvus.connections.remove_connection("other")


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:19530", "ftp://127.0.0.1", "http://", "http://h:port"]
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(PermanentError, match="engine_not_configured"):
        MilvusAdapter(url)


def test_where_nobody_listens_it_is_unavailable_and_no_password_is_told():
    engine = Engine(MilvusAdapter("http://someone:sesame@127.0.0.1:1"))

    with pytest.raises(EngineUnavailableError) as refused:
        engine.names()
    assert "sesame" not in str(refused.value)
