"""A backfill end to end, through the services and the real tasks with their children."""

import numpy as np
import pytest

from registry.core.data import artifact_store
from registry.galleries.models import Backfill, Item
from registry.galleries.selectors import live_view
from registry.galleries.services.insert import segment_store
from registry.galleries.services.start_backfill import start_backfill
from tests.builders import backfills as build
from tests.builders import toy
from tests.builders.galleries import move, point
from tests.builders.lines import Line
from workers.indexing.chunks import read_chunk

pytestmark = pytest.mark.django_db


@pytest.fixture
def line(queue):
    """A line whose gallery was filled by the old encoder and now follows the compatible one."""
    line = Line(queue)
    first = line.push(toy.encoder("old")).candidate
    second = line.push(toy.encoder("compatible")).candidate
    queue.settle()
    point(line.alias, first)
    line.alias.refresh_from_db()
    gallery = line.gallery(rows=40)
    line.insert(gallery, toy.items(10, seed=6, prefix="more"))
    move(gallery, second, covers=[first])
    gallery.refresh_from_db()
    line.held, line.first, line.second = gallery, first, second
    return line


def run(line, **changes):
    """Start a backfill and run all its steps."""
    values = {"gallery": line.held, "actor": line.person} | changes
    backfill = line.queue.act(start_backfill, **values)
    Backfill.objects.filter(pk=backfill.pk).update(group_rows=8)
    line.queue.settle()
    backfill.refresh_from_db()
    return backfill


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
def test_every_item_gets_the_vector_that_the_live_encoder_makes_of_its_input(line, order):
    before = vectors_of(line.held)
    assert np.allclose(before["item-0003"], expected(0.9)["item-0003"], atol=1e-5)

    backfill = run(line, order=order)

    assert (backfill.state, backfill.moved, backfill.skipped, backfill.failed) == ("done", 50, 0, 0)
    assert [(s.producer, s.live_items) for s in live_view(line.held.name).segments] == [
        ("line:1", 0),
        ("line:2", 50),
    ]
    found = vectors_of(line.held)
    wanted = expected(0.15)
    assert found.keys() == wanted.keys()
    for name, vector in wanted.items():
        np.testing.assert_allclose(found[name], vector, atol=1e-5)
    assert build.counts_are_true(line.held)
    assert backfill.busy_s > 0


def test_the_random_order_is_another_than_the_oldest_first(line):
    orders = {}
    for order in ("oldest", "random"):
        backfill = run(line, order=order)
        with artifact_store().open(backfill.order_digest) as file:
            orders[order] = np.frombuffer(file.read(), dtype="<i8").tolist()
        move(line.held, line.first if order == "oldest" else line.second)
        line.held.refresh_from_db()

    assert orders["oldest"] == sorted(orders["oldest"])
    assert orders["random"] != sorted(orders["random"])
    assert len(set(orders["random"])) == 50


def test_after_going_back_the_items_of_the_newer_encoder_are_backfilled_to_the_older(line):
    run(line)
    move(line.held, line.first)
    line.held.refresh_from_db()
    assert [s.searchable for s in live_view(line.held.name).segments if s.live_items] == [False]

    backfill = run(line)

    assert (backfill.state, backfill.moved) == ("done", 50)
    found, wanted = vectors_of(line.held), expected(0.9)
    for name, vector in wanted.items():
        np.testing.assert_allclose(found[name], vector, atol=1e-5)


def test_an_upload_that_is_gone_pauses_the_backfill_with_the_reason(line):
    digest = line.held.batches.first().upload_id
    artifact_store().path(digest).unlink()

    backfill = run(line)

    assert (backfill.state, backfill.moved) == ("paused", 0)
    assert backfill.error_code == "artifact_missing"
    assert len(build.live_ids(line.held)) == 50


def test_an_input_that_the_new_encoder_maps_to_nothing_is_left_where_it_is(line):
    inputs = toy.samples(6, 9)[0]
    line.held.refresh_from_db()
    move(line.held, line.first)
    inputs[2, : toy.SIDE] = 0
    upload = toy.npz(id=toy.ids(6, "odd"), input=inputs)
    line.insert(line.held, upload)
    blind = np.diag([1.0] * toy.SIDE + [0.0] * toy.SIDE)
    graph = toy.a_linear_model(blind, shape=(2 * toy.SIDE,)).SerializeToString()
    third = line.push((graph, toy.encoder("old")[1])).candidate
    line.queue.settle()
    move(line.held, third)
    line.held.refresh_from_db()

    backfill = run(line)

    assert (backfill.state, backfill.moved, backfill.failed) == ("done", 55, 1)
    assert backfill.failures == [{"id": "odd-0002", "code": "zero_embedding"}]
    left = Item.objects.get(external_id="odd-0002", removed_at_revision=None)
    assert left.segment.producer == line.first
