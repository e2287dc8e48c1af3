"""A probation end to end, through the services and the real tasks with their children."""

import numpy as np
import pytest

from registry.core.data import artifact_store
from registry.galleries.models import Gallery, Twin
from registry.galleries.services import twins
from registry.galleries.services.insert import segment_store, submit_inputs
from tests.builders import backfills as build
from tests.builders import registry as make
from tests.builders import toy
from tests.builders.galleries import move, point
from workers.indexing.chunks import read_chunk
from workers.tasks.embed_twin import embed_twin

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery(queue):
    """A gallery of a second encoder, on probation for the first one."""
    alias = make.an_alias(make.a_model("line", task="embedding"))
    first, second = (
        build.a_runnable_version(alias, toy.encoder(kind)) for kind in ("old", "compatible")
    )
    point(alias, first)
    gallery = make.a_gallery(alias)
    move(gallery, second, covers=[first])
    gallery.refresh_from_db()
    twins.begin_probation(gallery, first)
    return gallery


def insert(gallery, queue, upload):
    artifact = make.an_artifact(upload, kind=make.Upload.TABLE)
    values = {"gallery": gallery, "upload": artifact, "actor": gallery.created_by}
    queue.act(submit_inputs, **values)
    queue.settle()


def made_by_the_first(rows, seed):
    inputs = toy.samples(rows, seed)[0]
    vectors = inputs * np.array([1.0] * toy.SIDE + [0.9] * toy.SIDE)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def vectors_of(twin):
    files = segment_store(twin.batch.gallery_id, twin.batch.segment_id)
    return read_chunk(files.path(twin.chunk_digest), 2 * toy.SIDE)


def test_new_items_have_the_vector_of_the_former_encoder_row_by_row(gallery, queue):
    insert(gallery, queue, toy.items(12))

    twin = Twin.objects.get()

    assert twin.work_state == "done", twin.error_detail
    np.testing.assert_allclose(vectors_of(twin), made_by_the_first(12, 5), atol=1e-5)


def test_after_a_rollback_what_has_no_twin_is_embedded_in_the_background(gallery, queue):
    Gallery.objects.update(probation_until=None, probation_encoder=None)
    insert(gallery, queue, toy.items(12))
    former = gallery.views.earliest("number").encoder
    assert not Twin.objects.exists()

    queue.act(move, gallery=gallery, encoder=former, returning=True)
    queue.settle()

    twin = Twin.objects.get()
    np.testing.assert_allclose(vectors_of(twin), made_by_the_first(12, 5), atol=1e-5)
    held = twins.held_segments(gallery, former)
    assert [(s.live_items, s.twin_items) for s in held] == [(12, 12)]


def test_an_upload_that_is_gone_is_a_failed_twin_that_a_rollback_tries_again(gallery, queue):
    insert(gallery, queue, toy.items(12))
    Twin.objects.update(work_state="queued", chunk_digest="")
    twin = Twin.objects.select_related("batch").get()
    artifact_store().path(twin.batch.upload_id).unlink()

    embed_twin(twin.pk)

    twin.refresh_from_db()
    assert (twin.work_state, twin.error_code) == ("failed", "artifact_missing")
    former = gallery.views.earliest("number").encoder
    held = twins.held_segments(gallery, former, returning=True)
    assert [(s.live_items, s.twin_items, s.returning_items) for s in held] == [(12, 0, 12)]
    queue.act(move, gallery=gallery, encoder=former, returning=True)
    assert ("embed_twin", (twin.pk,)) in queue.sent
