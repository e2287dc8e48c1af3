"""Twins: what a second version embeds as well, for a rollback that finds everything."""

from datetime import timedelta

import pytest
from django.utils import timezone

from registry.audit.models import LedgerEntry
from registry.core.errors import ConflictError, InvalidInputError
from registry.core.store import Store
from registry.galleries.models import Gallery, Segment, Twin
from registry.galleries.selectors import live_view
from registry.galleries.services import twins
from registry.galleries.services.sweep import sweep
from tests.builders import backfills as build
from tests.builders import registry as make
from tests.builders.galleries import files_of, move, remove

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery():
    """A gallery on probation: of the former encoder it holds two items with inputs."""
    gallery = build.a_gallery()
    former = gallery.live_view.encoder
    build.an_insert_of_inputs(gallery, ["old-1", "old-2"])
    build.move_on(gallery)
    gallery.refresh_from_db()
    twins.begin_probation(gallery, former)
    return gallery


def former_of(gallery):
    return gallery.views.earliest("number").encoder


def written(gallery, *ids):
    """Insert items with inputs; return the twin that was asked for, if one was."""
    batch = build.an_insert_of_inputs(gallery, ids)
    return Twin.objects.filter(batch=batch).first()


def make_twin(twin):
    job = twins.claim(twin_id=twin.pk)
    assert twins.record_twin(job=job, chunk_digest=make.a_digest())


def plan(gallery, *, returning=False):
    held = twins.held_segments(gallery, former_of(gallery), returning=returning)
    return [(s.live_items, s.twin_items, s.returning_items) for s in held]


def test_what_is_inserted_on_probation_is_embedded_by_the_former_encoder_as_well(gallery):
    twin = written(gallery, "new")

    assert (twin.encoder, twin.work_state) == (former_of(gallery), "queued")
    assert plan(gallery) == [(2, 0, 0), (1, 0, 0)]
    make_twin(twin)
    assert plan(gallery) == [(2, 0, 0), (1, 1, 0)]


@pytest.mark.parametrize("ended", ["by time", "by hand", "never begun"])
def test_without_a_probation_there_is_one_encoder_only(gallery, ended):
    if ended == "by time":
        Gallery.objects.update(probation_until=timezone.now() - timedelta(seconds=1))
    elif ended == "by hand":
        twins.set_probation(gallery=gallery, hours=0, actor=make.a_user())
    else:
        Gallery.objects.update(probation_until=None, probation_encoder=None)

    assert written(gallery, "new") is None


def test_no_probation_of_an_earlier_version_goes_on_after_one_that_cannot_embed(gallery):
    build.move_on(gallery)

    twins.begin_probation(gallery, make.a_version(gallery.alias.model, recorded=True))

    assert (gallery.probation_encoder, gallery.probation_until) == (None, None)
    assert written(gallery, "new") is None


def test_removed_items_are_no_twins(gallery):
    make_twin(written(gallery, "new-1", "new-2"))

    remove(gallery, "new-1")

    assert plan(gallery) == [(2, 0, 0), (1, 1, 0)]


def test_a_finished_twin_lets_readers_look_again(gallery):
    twin = written(gallery, "new")
    before = live_view(gallery.name).segments[-1].revision

    make_twin(twin)

    assert live_view(gallery.name).segments[-1].revision == before + 1


def test_a_worker_that_lost_its_claim_records_nothing(gallery):
    twin = written(gallery, "new")
    job = twins.claim(twin_id=twin.pk)
    Twin.objects.update(attempt=2)

    assert not twins.record_twin(job=job, chunk_digest=make.a_digest())
    twin.refresh_from_db()
    assert twin.chunk_digest == ""


def test_a_rollback_has_the_rest_embedded_whose_inputs_are_stored(gallery):
    make_twin(written(gallery, "new-1"))
    Gallery.objects.update(probation_until=None, probation_encoder=None)
    written(gallery, "new-2")
    make.an_insert(gallery, ["a bare vector"])
    assert plan(gallery, returning=True) == [(2, 0, 0), (3, 1, 1)]

    cutover = move(gallery, former_of(gallery), returning=True)

    assert cutover.unsearchable_items == 2
    entry = live_view(gallery.name).segments[1]
    assert (entry.twins_by, entry.searchable) == (former_of(gallery).pk, True)
    assert entry.evidence == "twins"
    assert entry.producer == str(former_of(gallery))
    missing = Twin.objects.get(work_state="queued")
    assert [item.external_id for item in missing.batch.items.all()] == ["new-2"]


def test_the_inputs_of_a_backfilled_batch_are_found_where_they_lie(gallery):
    backfill = build.a_backfill(gallery)
    build.a_step(backfill)
    move(gallery, former_of(gallery), returning=True)

    upload = gallery.batches.earliest("pk").upload_id
    twin = Twin.objects.latest("pk")
    job = twins.claim(twin_id=twin.pk)

    assert job.sources == ((upload, 0), (upload, 1))


def test_a_version_without_weights_embeds_nothing(gallery):
    recorded = make.a_version(gallery.alias.model, recorded=True)
    written(gallery, "new")

    held = twins.held_segments(gallery, recorded, returning=True)

    assert [segment.returning_items for segment in held] == [0, 0]


def test_what_lost_its_worker_is_asked_for_again(gallery, queue):
    twin = written(gallery, "new")

    queue.act(sweep)

    assert ("embed_twin", (twin.pk,)) in queue.sent


def test_twins_are_forgotten_after_the_probation(gallery):
    twin = written(gallery, "new")
    files = files_of(Segment.objects.get(pk=twin.batch.segment_id))
    stored = files.write([b"vectors"], max_bytes=10)
    twins.record_twin(job=twins.claim(twin_id=twin.pk), chunk_digest=stored.digest)
    assert twins.discard_past_probation() == 0

    Gallery.objects.update(probation_until=timezone.now() - timedelta(seconds=1))

    assert twins.discard_past_probation() == 1
    gallery.refresh_from_db()
    assert gallery.probation_encoder is None
    assert not Twin.objects.exists()


def test_the_bytes_of_a_forgotten_twin_go_with_it(gallery, queue):
    twin = written(gallery, "new")
    files: Store = files_of(Segment.objects.get(pk=twin.batch.segment_id))
    stored = files.write([b"vectors"], max_bytes=10)
    twins.record_twin(job=twins.claim(twin_id=twin.pk), chunk_digest=stored.digest)
    twins.set_probation(gallery=gallery, hours=0, actor=make.a_user())

    queue.act(twins.discard_past_probation)

    with pytest.raises(Exception, match="no stored bytes"):
        files.path(stored.digest)


def test_twins_that_the_live_view_searches_are_kept(gallery):
    make_twin(written(gallery, "new"))
    move(gallery, former_of(gallery), returning=True)
    Gallery.objects.update(probation_until=None, probation_encoder=None)

    assert twins.discard_past_probation() == 0
    assert Twin.objects.count() == 1


def test_a_longer_probation_moves_the_end_of_the_one_that_is_open(gallery):
    before = gallery.probation_until

    changed = twins.set_probation(gallery=gallery, hours=10 * 24, actor=make.a_user("ada"))

    assert changed.probation_until - before == timedelta(days=3)
    entry = LedgerEntry.objects.latest("pk")
    assert (entry.actor, entry.action) == ("ada", "gallery.set_probation")
    assert (entry.body["hours"], entry.body["replaced"]) == (240, 168)


@pytest.mark.parametrize("hours", [-1, 24 * 366 + 1])
def test_hours_out_of_range_change_nothing(gallery, hours):
    with pytest.raises(InvalidInputError) as refusal:
        twins.set_probation(gallery=gallery, hours=hours, actor=make.a_user())

    assert refusal.value.code == "invalid_probation"
    gallery.refresh_from_db()
    assert gallery.probation_hours == 168


def test_an_attached_gallery_has_no_probation(gallery):
    Gallery.objects.update(kind="attached", location="elsewhere")
    gallery.refresh_from_db()

    with pytest.raises(ConflictError):
        twins.set_probation(gallery=gallery, hours=1, actor=make.a_user())
