"""A backfill end to end, through the services and the real tasks with their children."""

import numpy as np
import pytest

from registry.core.data import artifact_store
from registry.galleries.models import Backfill, Gallery, Item, Twin
from registry.galleries.selectors import live_view
from registry.galleries.services import backfill_steps as steps
from registry.galleries.services import twins
from registry.galleries.services.insert import segment_store, submit_inputs
from registry.galleries.services.remove import remove_items
from registry.galleries.services.start_backfill import start_backfill
from tests.builders import backfills as build
from tests.builders import registry as make
from tests.builders import toy
from tests.builders.galleries import move, point
from workers.indexing.chunks import read_chunk

pytestmark = pytest.mark.django_db


class Shelf:
    """A gallery that the old encoder filled and that the compatible one was cut over to."""

    def __init__(self, queue):
        self.queue = queue
        self.alias = make.an_alias(make.a_model("line", task="embedding"))
        self.first, self.second = map(self.version, (toy.encoder("old"), toy.encoder("compatible")))
        point(self.alias, self.first)
        self.gallery = make.a_gallery(self.alias)

    def version(self, made):
        return build.a_runnable_version(self.alias, made)

    def insert(self, upload):
        artifact = make.an_artifact(upload, kind=make.Upload.TABLE)
        values = {"gallery": self.gallery, "upload": artifact, "actor": self.gallery.created_by}
        batch = self.queue.act(submit_inputs, **values)
        self.queue.settle()
        batch.refresh_from_db()
        assert batch.work_state == "done", batch.error_detail

    def move(self, encoder, *covers):
        move(self.gallery, encoder, covers=covers)
        self.gallery.refresh_from_db()

    def backfill(self, **changes):
        """Start a backfill and run all its steps."""
        values = {"gallery": self.gallery, "actor": self.gallery.created_by} | changes
        backfill = self.queue.act(start_backfill, **values)
        Backfill.objects.filter(pk=backfill.pk).update(group_rows=20)
        self.queue.settle()
        backfill.refresh_from_db()
        return backfill


@pytest.fixture
def shelf(queue):
    shelf = Shelf(queue)
    shelf.insert(toy.items(40))
    shelf.insert(toy.items(10, seed=6, prefix="more"))
    shelf.move(shelf.second, shelf.first)
    return shelf


def order_of(backfill):
    with artifact_store().open(backfill.order_digest) as file:
        return np.frombuffer(file.read(), dtype="<i8").tolist()


def vectors_of(gallery):
    """Return the live vector of every item from the chunk that its row names."""
    found = {}
    for item in Item.objects.filter(gallery=gallery, removed_at_revision=None):
        files = segment_store(gallery.pk, item.segment_id)
        chunk = read_chunk(files.path(item.batch.chunk_digest), item.segment.dimension)
        found[item.external_id] = chunk[item.row]
    return found


def expected(noise):
    """Return what an encoder of the toy world makes of the items."""
    inputs = np.vstack([toy.samples(40, 5)[0], toy.samples(10, 6)[0]])
    vectors = inputs * np.array([1.0] * toy.SIDE + [noise] * toy.SIDE)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [*toy.ids(40, "item"), *toy.ids(10, "more")]
    return dict(zip(map(str, names), vectors, strict=True))


@pytest.mark.parametrize("order", ["random", "oldest"])
def test_every_item_gets_the_vector_that_the_live_encoder_makes_of_its_input(shelf, order):
    before = vectors_of(shelf.gallery)
    assert np.allclose(before["item-0003"], expected(0.9)["item-0003"], atol=1e-5)
    oldest = list(Item.objects.order_by("pk").values_list("pk", flat=True))

    backfill = shelf.backfill(order=order)

    assert (backfill.state, backfill.moved, backfill.skipped, backfill.failed) == ("done", 50, 0, 0)
    assert [(s.producer, s.live_items) for s in live_view(shelf.gallery.name).segments] == [
        ("line:1", 0),
        ("line:2", 50),
    ]
    found = vectors_of(shelf.gallery)
    wanted = expected(0.15)
    assert found.keys() == wanted.keys()
    for name, vector in wanted.items():
        np.testing.assert_allclose(found[name], vector, atol=1e-5)
    assert build.counts_are_true(shelf.gallery)
    assert backfill.busy_s > 0
    assert (order_of(backfill) == oldest) == (order == "oldest")
    assert sorted(order_of(backfill)) == oldest


def test_after_going_back_the_items_of_the_newer_encoder_are_backfilled_to_the_older(shelf):
    shelf.backfill()
    shelf.move(shelf.first)
    held = live_view(shelf.gallery.name).segments
    assert [s.searchable for s in held if s.live_items] == [False]

    backfill = shelf.backfill()

    assert (backfill.state, backfill.moved) == ("done", 50)
    found, wanted = vectors_of(shelf.gallery), expected(0.9)
    for name, vector in wanted.items():
        np.testing.assert_allclose(found[name], vector, atol=1e-5)


def on_probation(shelf):
    twins.begin_probation(shelf.gallery, shelf.first)


def by_the_first(shelf):
    """Return what a rollback to the first encoder would find: the vector of each live item."""
    found = {}
    for twin in Twin.objects.filter(encoder=shelf.first, work_state="done"):
        files = segment_store(shelf.gallery.pk, twin.batch.segment_id)
        chunk = read_chunk(files.path(twin.chunk_digest), 2 * toy.SIDE)
        for item in twin.batch.items.filter(removed_at_revision=None):
            found[item.external_id] = chunk[item.row]
    return found


@pytest.mark.parametrize("order", ["random", "oldest"])
def test_on_probation_what_is_moved_stays_found_by_the_former_encoder_at_any_moment(shelf, order):
    on_probation(shelf)
    before = vectors_of(shelf.gallery)

    shelf.backfill(order=order)

    assert not Twin.objects.exclude(attempt=0).exists(), "what is stored was embedded once more"
    found = by_the_first(shelf)
    assert found.keys() == before.keys()
    assert all(np.array_equal(found[name], before[name]) for name in before)
    shelf.queue.act(remove_items, gallery=shelf.gallery, ids=["item-0003"], actor=make.a_user())
    cutover = shelf.queue.act(move, gallery=shelf.gallery, encoder=shelf.first, returning=True)
    assert cutover.unsearchable_items == 0
    held = twins.held_segments(shelf.gallery, shelf.first)
    assert [(s.live_items, s.twin_items) for s in held] == [(49, 49)]


def test_on_probation_what_the_former_encoder_has_not_made_is_embedded_by_it(shelf):
    on_probation(shelf)
    lost = shelf.gallery.batches.order_by("pk").first()
    segment_store(shelf.gallery.pk, lost.segment_id).path(lost.chunk_digest).unlink()

    assert shelf.backfill().moved == 50

    found, wanted = by_the_first(shelf), expected(0.9)
    assert found.keys() == wanted.keys()
    for name, vector in wanted.items():
        np.testing.assert_allclose(found[name], vector, atol=1e-5)


def test_a_probation_that_ended_during_a_step_keeps_nothing(shelf):
    on_probation(shelf)
    backfill = shelf.queue.act(
        start_backfill, gallery=shelf.gallery, actor=make.a_user(), order="oldest"
    )
    build.draw_up(backfill)
    job = steps.claim(backfill_id=backfill.pk)
    Gallery.objects.update(probation_until=None, probation_encoder=None)

    ids = list(Item.objects.order_by("pk").values_list("pk", flat=True))
    assert steps.record_moved(
        job=job, chunk_digest="a" * 64, item_ids=ids, busy_s=0, former_digest="b" * 64
    )

    assert job.former_id == shelf.first.pk
    assert not Twin.objects.exists()


def test_an_upload_that_is_gone_pauses_the_backfill_with_the_reason(shelf):
    digest = shelf.gallery.batches.order_by("pk").first().upload_id
    artifact_store().path(digest).unlink()

    backfill = shelf.backfill()

    assert (backfill.state, backfill.moved) == ("paused", 0)
    assert backfill.error_code == "artifact_missing"
    assert len(build.live_ids(shelf.gallery)) == 50


def test_an_input_that_the_new_encoder_maps_to_nothing_is_left_where_it_is(queue):
    shelf = Shelf(queue)
    inputs = toy.samples(6, 9)[0]
    inputs[2, : toy.SIDE] = 0
    shelf.insert(toy.npz(id=toy.ids(6, "odd"), input=inputs))
    blind = np.diag([1.0] * toy.SIDE + [0.0] * toy.SIDE)
    graph = toy.a_linear_model(blind, shape=(2 * toy.SIDE,)).SerializeToString()
    shelf.move(shelf.version((graph, toy.encoder("old")[1])), shelf.first)

    backfill = shelf.backfill()

    assert (backfill.state, backfill.moved, backfill.failed) == ("done", 5, 1)
    assert backfill.failures == [{"id": "odd-0002", "code": "zero_embedding"}]
    left = Item.objects.get(external_id="odd-0002", removed_at_revision=None)
    assert left.segment.producer == shelf.first


def test_a_learned_order_moves_first_what_the_new_encoder_moves_farthest(queue):
    shelf = Shelf(queue)
    shelf.insert(toy.items(600))
    shelf.move(shelf.second, shelf.first)
    before = vectors_of(shelf.gallery)

    backfill = shelf.backfill(order="predicted_gain")

    assert (backfill.state, backfill.order, backfill.moved) == ("done", "predicted_gain", 600)
    assert "held-out items it captures" in backfill.order_note
    after = vectors_of(shelf.gallery)
    names = dict(Item.objects.values_list("pk", "external_id"))
    gains = [np.square(before[n] - after[n]).sum() for n in map(names.get, order_of(backfill))]
    assert np.mean(gains[:150]) > 1.3 * np.mean(gains)


def test_an_order_that_cannot_be_learned_is_random_and_says_why(queue):
    shelf = Shelf(queue)
    shelf.insert(toy.items(20))
    shelf.move(shelf.second, shelf.first)

    backfill = shelf.backfill(order="predicted_gain")

    assert (backfill.state, backfill.order, backfill.moved) == ("done", "random", 20)
    assert backfill.order_note.endswith("fewer than 40 items to learn from")
