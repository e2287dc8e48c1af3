"""The rows of a segment go into an engine once, whatever breaks them off."""

import hashlib

import numpy as np
import pytest

from tests.builders.engines import SPACE, collection
from workers.engines import publication
from workers.engines.engine import Engine
from workers.engines.memory import MemoryAdapter
from workers.engines.part import EnginePart
from workers.engines.protocol import EngineUnavailableError
from workers.engines.publication import Batch, digest_of, numbers_of, publish
from workers.errors import PermanentError
from workers.indexing.live import Live
from workers.indexing.protocol import MISSING, Distance

NAME = "g1-s1"
HERE = collection(NAME)


class Watched(MemoryAdapter):
    """Counts what is written, and breaks down after so many writes."""

    def __init__(self):
        super().__init__()
        self.written, self.writes_left = [], 99
        self.flat_if_asked = True
        self.recall_of = None

    def upsert(self, collection, rows, vectors, metadata):
        if not self.writes_left:
            raise EngineUnavailableError("it broke down")
        self.writes_left -= 1
        self.written += rows.tolist()
        super().upsert(collection, rows, vectors, metadata)


class Careless(Watched):
    """Says that it approximates, and finds the farthest rows until it is told to be exact."""

    arranged = "hnsw"

    def arrange(self, collection, *, approximate):
        self.arranged = "hnsw" if approximate else "flat"
        return self.arranged

    def nearest(self, collection, query, n, where):
        wanted = -query if self.arranged == "hnsw" else query
        return self.compared(collection, wanted, n, where, None)


@pytest.fixture
def adapter():
    return Watched()


@pytest.fixture
def batch(tmp_path):
    """Makes a batch with its chunk file."""

    def made(pk, rows, *, is_published=False, seed=0):
        vectors = np.random.default_rng(pk + 100 * seed).normal(size=(rows, 2)).astype("<f4")
        digest = hashlib.sha256(vectors.tobytes()).hexdigest()
        (tmp_path / digest).write_bytes(vectors.tobytes())
        return Batch(pk, rows, tmp_path / digest, is_published)

    return made


def published(adapter, *batches, spec=HERE):
    return publish(Engine(adapter), spec, batches, lambda done, total: None)


def test_every_row_is_put_in_under_its_batch_and_place(adapter, batch):
    done = published(adapter, batch(3, 2), batch(7, 1))

    assert (done.written, done.arranged, done.recall_at_10) == (3, "flat", 1.0)
    assert adapter.written == [3 * 2**32, 3 * 2**32 + 1, 7 * 2**32]
    assert Engine(adapter).find(NAME) == HERE


def test_again_only_what_is_missing_is_put_in(adapter, batch, monkeypatch):
    published(adapter, batch(1, 3))
    adapter.written.clear()

    done = published(adapter, batch(1, 3, is_published=True), batch(2, 2))

    assert done.written == 2
    assert adapter.written == numbers_of(2, 2).tolist()


def test_broken_off_it_goes_on_where_it_was(adapter, batch, monkeypatch):
    monkeypatch.setattr(publication, "BLOCK_ROWS", 2)
    adapter.writes_left = 2
    with pytest.raises(EngineUnavailableError):
        published(adapter, batch(1, 3), batch(2, 5))
    before, adapter.writes_left = list(adapter.written), 99

    done = published(adapter, batch(1, 3), batch(2, 5))

    assert done.written == 5
    assert sorted(adapter.written) == [*numbers_of(1, 3), *numbers_of(2, 5)]
    assert adapter.written[: len(before)] == before


def test_rows_that_another_history_left_under_the_same_numbers_are_replaced(adapter, batch):
    """A restored database gives the number of a lost batch to another one."""
    published(adapter, batch(1, 4, seed=1))

    done = published(adapter, batch(1, 4, seed=2))

    assert done.written == 4
    wanted = np.frombuffer(batch(1, 4, seed=2).chunk.read_bytes(), "<f4").reshape(4, 2)
    np.testing.assert_array_equal(Engine(adapter).fetch(NAME, numbers_of(1, 4)), wanted)


def test_rows_that_a_published_batch_has_lost_are_put_in_again(adapter, batch):
    published(adapter, batch(1, 4))
    Engine(adapter).delete(NAME, numbers_of(1, 4)[1:3])

    assert published(adapter, batch(1, 4, is_published=True)).written == 2


@pytest.mark.parametrize("code", ["row_count", "chunk_corrupt", "collection_differs"])
def test_what_is_not_as_it_should_be_is_refused(adapter, batch, code):
    spec, handed_in = HERE, batch(1, 2)
    if code == "row_count":
        handed_in = Batch(1, 3, handed_in.chunk, is_published=False)
    elif code == "chunk_corrupt":
        handed_in.chunk.write_bytes(b"")
    else:
        Engine(adapter).create(collection(NAME, 3))

    with pytest.raises(PermanentError) as refused:
        published(adapter, handed_in, spec=spec)
    assert refused.value.code == code


def test_cosine_rows_are_put_in_as_directions(adapter, batch):
    published(adapter, batch(1, 5), spec=collection(NAME, 2, Distance.COSINE))

    lengths = np.linalg.norm(Engine(adapter).fetch(NAME, numbers_of(1, 5)), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)


def test_an_arrangement_that_finds_too_little_is_undone(batch):
    adapter = Careless()

    done = published(adapter, batch(1, 60))

    assert (done.arranged, done.recall_at_10) == ("flat", 1.0)
    assert done.note == "hnsw found 0.000 of the nearest, 0.95 is asked"
    assert adapter.arranged == "flat"


def test_an_arrangement_that_finds_enough_stays_with_what_it_finds(batch, monkeypatch):
    monkeypatch.setattr(Careless, "nearest", MemoryAdapter.nearest)

    done = published(Careless(), batch(1, 60))

    assert (done.arranged, done.recall_at_10, done.note) == ("hnsw", 1.0, "")


def test_publications_are_told_apart():
    digests = {
        digest_of("pgvector", HERE, 1, ["a", "b"]),
        digest_of("pgvector", HERE, 2, ["a", "b"]),
        digest_of("pgvector", HERE, 1, ["a"]),
        digest_of("pgvector", collection("g1-s2"), 1, ["a", "b"]),
        digest_of("milvus", HERE, 1, ["a", "b"]),
    }

    assert len(digests) == 5
    assert {len(digest) for digest in digests} == {64}


class TestPart:
    """The published rows, numbered from 0, as one of the parts of a segment."""

    @pytest.fixture
    def part(self, adapter, batch):
        published(adapter, batch(2, 3), batch(5, 4), batch(9, 6))
        return EnginePart("memory", Engine(adapter), HERE, [(2, 3), (5, 4)])

    def test_rows_are_those_of_its_batches_alone(self, part):
        scores, rows = part.search(np.ones((2, 2), np.float32), 10)

        assert len(part) == 7
        assert sorted(rows[0]) == [*[MISSING] * 3, *range(7)]
        assert (np.diff(scores[:, :7]) <= 0).all()

    def test_a_row_is_where_its_vector_is(self, part, batch):
        wanted = np.frombuffer(batch(5, 4).chunk.read_bytes(), "<f4").reshape(4, 2)

        np.testing.assert_array_equal(part.vector(4), wanted[1])
        assert part.search(1e3 * wanted[1:2], 7)[1].tolist()[0].index(4) >= 0

    def test_hidden_rows_are_never_found_whichever_mask_came_before(self, part):
        query = np.ones((1, 2), np.float32)
        for seed in range(3):
            live = Live(np.random.default_rng(seed).random(7) < 0.5)
            for _ in range(2):
                rows = part.search(query, 7, live)[1][0]
                assert sorted(rows[rows != MISSING]) == np.flatnonzero(live.rows).tolist()
        assert (part.search(query, 7)[1] != MISSING).all()

    def test_what_is_not_there_as_it_should_be_is_refused(self, adapter, part):
        def refusal(spec, batches):
            with pytest.raises(PermanentError) as refused:
                EnginePart("memory", Engine(adapter), spec, batches)
            return refused.value.code

        assert refusal(collection("g1-s2"), [(2, 3)]) == "unknown_collection"
        assert refusal(collection(NAME, space="b" * 64), [(2, 3)]) == "collection_differs"
        assert refusal(HERE, [(2, 3), (5, 4), (9, 7)]) == "row_count"

    def test_rows_that_got_lost_are_not_passed_over(self, adapter, part):
        Engine(adapter).delete(NAME, numbers_of(5, 1))

        assert part.search(np.ones((1, 2), np.float32), 6)[1].min() >= 0
        with pytest.raises(PermanentError) as refused:
            part.search(np.ones((1, 2), np.float32), 7)
        assert refused.value.code == "row_count"
        assert HERE.space == SPACE
