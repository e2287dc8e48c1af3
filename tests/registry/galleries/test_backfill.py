"""Backfill: an item moves between segments exactly once, whatever comes in between."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from registry.audit.models import LedgerEntry
from registry.audit.selectors import verified_head
from registry.core.dispatch import TaskName
from registry.core.errors import ConflictError, IllegalTransitionError, RegistryError
from registry.core.leases import WorkState
from registry.galleries.models import Backfill, InsertBatch, Item, Rewriting, Segment, Twin
from registry.galleries.services import backfill_steps as steps
from registry.galleries.services import sweep as sweeping
from registry.galleries.services.remove import remove_items
from registry.galleries.services.start_backfill import GROUP_ROWS, start_backfill
from registry.galleries.services.steer_backfill import (
    pause_backfill,
    resume_backfill,
    stop_backfill,
)
from tests.builders import backfills as build
from tests.builders import registry as make

pytestmark = pytest.mark.django_db

ALL = [f"item-{i}" for i in range(6)]


@pytest.fixture
def gallery():
    return build.a_gallery_to_backfill(6)


@pytest.fixture
def backfill(gallery):
    return build.a_backfill(gallery)


def counters(backfill):
    backfill.refresh_from_db()
    return backfill.state, backfill.moved, backfill.skipped, backfill.failed


def actions(backfill):
    entries = LedgerEntry.objects.filter(action__startswith="gallery.backfill").order_by("seq")
    return [entry.action.removeprefix("gallery.") for entry in entries]


def is_asked_for(queue):
    """Whether the sweeper asks for a step."""
    queue.sent.clear()
    queue.act(sweeping.sweep)
    return TaskName.BACKFILL in dict(queue.sent)


def expire(backfill):
    """Let the lease of a worker that was killed run out."""
    past = timezone.now() - timedelta(seconds=1)
    Backfill.objects.filter(pk=backfill.pk).update(lease_until=past)


def test_every_item_moves_once_and_keeps_its_id_metadata_and_input(gallery, backfill):
    Item.objects.filter(external_id="item-3").update(metadata={"shelf": 7})
    before = {item.external_id: item for item in Item.objects.all()}

    while build.a_step(backfill):
        assert build.live_ids(gallery) == ALL
        assert build.counts_are_true(gallery)

    assert counters(backfill) == ("done", 6, 0, 0)
    live = gallery.live_view.insert_segment
    for item in Item.objects.filter(removed_at_revision=None):
        former = before[item.external_id]
        assert item.segment == live
        assert (item.input_batch_id, item.input_row) == (former.batch_id, former.row)
        assert item.metadata == former.metadata
    assert Item.objects.count() == 12
    assert backfill.finished_at is not None
    assert actions(backfill) == ["backfill_start", "backfilled"]
    assert verified_head()[0] > 0


def test_a_step_that_is_done_again_after_a_kill_moves_nothing_twice(gallery, backfill):
    killed = steps.claim(backfill_id=backfill.pk)
    ids = build.ids_of(killed)
    expire(backfill)

    assert build.a_step(backfill)

    assert steps.record_moved(job=killed, chunk_digest="a" * 64, item_ids=ids, busy_s=1) is False
    assert counters(backfill) == ("running", 2, 0, 0)
    assert build.live_ids(gallery) == ALL
    assert InsertBatch.objects.filter(backfill=backfill).count() == 1


def test_a_step_that_is_under_way_is_not_claimed_again(backfill):
    assert steps.claim(backfill_id=backfill.pk) is not None
    assert steps.claim(backfill_id=backfill.pk) is None


def test_an_item_that_is_removed_during_a_step_stays_removed(gallery, backfill):
    job = steps.claim(backfill_id=backfill.pk)
    ids = build.ids_of(job)
    remove_items(gallery=gallery, ids=["item-1"], actor=make.a_user())

    assert steps.record_moved(job=job, chunk_digest="a" * 64, item_ids=ids, busy_s=1)

    assert counters(backfill) == ("running", 1, 1, 0)
    assert build.live_ids(gallery) == [name for name in ALL if name != "item-1"]
    assert build.counts_are_true(gallery)
    batch = InsertBatch.objects.get(backfill=backfill)
    rows = batch.items.order_by("row").values_list("external_id", "removed_at_revision")
    segment = Segment.objects.get(pk=batch.segment_id)
    assert list(rows) == [("item-0", None), ("item-1", segment.revision)]


def test_an_item_that_was_removed_and_came_back_is_not_moved(gallery, backfill):
    job = steps.claim(backfill_id=backfill.pk)
    ids = build.ids_of(job)
    remove_items(gallery=gallery, ids=["item-0"], actor=make.a_user())
    build.an_insert_of_inputs(gallery, ["item-0"])
    newest = Item.objects.get(external_id="item-0", removed_at_revision=None)

    assert steps.record_moved(job=job, chunk_digest="a" * 64, item_ids=ids, busy_s=1)

    assert counters(backfill) == ("running", 1, 1, 0)
    assert Item.objects.get(external_id="item-0", removed_at_revision=None) == newest
    assert build.live_ids(gallery) == ALL


def test_an_insert_during_a_step_goes_beside_it(gallery, backfill):
    job = steps.claim(backfill_id=backfill.pk)
    ids = build.ids_of(job)
    make.an_insert(gallery, ["late"])

    assert steps.record_moved(job=job, chunk_digest="a" * 64, item_ids=ids, busy_s=1)
    while build.a_step(backfill):
        pass

    assert build.live_ids(gallery) == [*ALL, "late"]
    assert counters(backfill) == ("done", 6, 0, 0)
    assert build.counts_are_true(gallery)


def test_a_cutover_during_a_step_ends_the_backfill_and_nothing_of_the_step_is_left(
    gallery, backfill
):
    assert build.a_step(backfill)
    job = steps.claim(backfill_id=backfill.pk)
    ids = build.ids_of(job)
    build.move_on(gallery)
    rows = Item.objects.count()

    with pytest.raises(ConflictError) as refused:
        steps.record_moved(job=job, chunk_digest="a" * 64, item_ids=ids, busy_s=1)

    assert refused.value.code == "epoch_moved"
    assert Item.objects.count() == rows
    assert counters(backfill) == ("superseded", 2, 0, 0)
    assert actions(backfill)[-1] == "backfill_supersede"
    assert build.live_ids(gallery) == ALL
    steps.release(job=job)
    assert steps.claim(backfill_id=backfill.pk) is None
    again = build.a_backfill(gallery)
    assert again.total == 6


def test_what_was_moved_can_be_moved_again_to_a_later_encoder(gallery, backfill):
    while build.a_step(backfill):
        pass
    first_inputs = set(Item.objects.values_list("input_batch", "input_row")) - {(None, None)}
    build.move_on(gallery)

    again = build.a_backfill(gallery)
    while build.a_step(again):
        pass

    assert counters(again) == ("done", 6, 0, 0)
    live = Item.objects.filter(removed_at_revision=None)
    assert set(live.values_list("input_batch", "input_row")) == first_inputs


def test_a_paused_backfill_begins_no_step_and_goes_on_where_it_was(gallery, backfill, queue):
    actor = make.a_user()
    assert build.a_step(backfill)
    pause_backfill(backfill=backfill, actor=actor)

    assert not build.a_step(backfill)
    assert not is_asked_for(queue)

    resume_backfill(backfill=backfill, actor=actor)
    while build.a_step(backfill):
        pass
    assert counters(backfill) == ("done", 6, 0, 0)
    assert build.live_ids(gallery) == ALL
    assert actions(backfill) == [
        "backfill_start",
        "backfill_pause",
        "backfill_resume",
        "backfilled",
    ]


def test_a_step_that_was_under_way_when_it_was_paused_is_recorded(gallery, backfill):
    job = steps.claim(backfill_id=backfill.pk)
    pause_backfill(backfill=backfill, actor=make.a_user())

    ids = build.ids_of(job)
    assert steps.record_moved(job=job, chunk_digest="a" * 64, item_ids=ids, busy_s=1)

    assert counters(backfill) == ("paused", 2, 0, 0)


def test_a_stop_leaves_what_was_moved_and_drops_the_step_that_is_under_way(gallery, backfill):
    assert build.a_step(backfill)
    job = steps.claim(backfill_id=backfill.pk)
    ids = build.ids_of(job)
    stop_backfill(backfill=backfill, actor=make.a_user())

    assert steps.record_moved(job=job, chunk_digest="a" * 64, item_ids=ids, busy_s=1) is False
    assert steps.fail(job=job, code="gave_up", detail="") is False

    assert counters(backfill) == ("stopped", 2, 0, 0)
    assert build.live_ids(gallery) == ALL
    assert build.counts_are_true(gallery)
    held = {s.number: s.live_items for s in gallery.segments.all()}
    assert held == {1: 4, 2: 2}
    expire(backfill)
    assert steps.claim(backfill_id=backfill.pk) is None


def test_the_sweeper_revives_no_stopped_backfill(gallery, backfill):
    for _ in range(3):
        steps.claim(backfill_id=backfill.pk)
        expire(backfill)
    stop_backfill(backfill=backfill, actor=make.a_user())
    expire(backfill)

    sweeping.sweep()

    assert counters(backfill)[0] == "stopped"


@pytest.mark.parametrize(
    ("before", "verb"),
    [
        ("running", resume_backfill),
        ("paused", pause_backfill),
        ("stopped", resume_backfill),
        ("stopped", pause_backfill),
        ("stopped", stop_backfill),
        ("done", stop_backfill),
        ("superseded", resume_backfill),
    ],
)
def test_verbs_that_do_not_fit_the_state_are_refused_for_the_ledger(backfill, before, verb):
    Backfill.objects.filter(pk=backfill.pk).update(state=before)

    with pytest.raises(IllegalTransitionError) as refused:
        verb(backfill=backfill, actor=make.a_user())

    assert refused.value.refusal.action.startswith("gallery.backfill_")
    assert counters(backfill)[0] == before


def test_a_gallery_has_one_open_backfill(gallery, backfill):
    with pytest.raises(ConflictError) as refused:
        start_backfill(gallery=gallery, actor=make.a_user())

    assert refused.value.code == "backfill_open"
    assert refused.value.refusal is not None
    with pytest.raises(IntegrityError), transaction.atomic():
        Backfill.objects.create(
            gallery=gallery,
            encoder=backfill.encoder,
            epoch=1,
            group_rows=1,
            total=1,
            created_by=make.a_user(),
            created_at=timezone.now(),
        )


def test_what_cannot_be_backfilled_is_refused_with_the_reason():
    fresh, vectors_only = build.a_gallery(), build.a_gallery()
    make.an_insert(vectors_only, ["a", "b"])
    build.move_on(vectors_only)
    for gallery, changes, code in (
        (fresh, {}, "nothing_to_backfill"),
        (vectors_only, {}, "inputs_missing"),
        (fresh, {"order": "newest"}, "invalid_input"),
        (fresh, {"rate_limit_per_s": 0}, "invalid_rate"),
        (fresh, {"rate_limit_per_s": float("nan")}, "invalid_rate"),
    ):
        with pytest.raises(RegistryError) as refused:
            start_backfill(gallery=gallery, actor=make.a_user(), **changes)
        assert refused.value.code == code
    assert not Backfill.objects.exists()


def test_a_rate_makes_the_next_step_wait_and_its_group_small(gallery, queue):
    backfill = build.a_backfill(gallery, group_rows=GROUP_ROWS, rate_limit_per_s=0.2)

    assert build.a_step(backfill, busy_s=0.5)

    assert counters(backfill) == ("running", 2, 0, 0)
    wait_s = (backfill.not_before - timezone.now()).total_seconds()
    assert 9 < wait_s <= 9.5
    assert not build.a_step(backfill)
    assert not is_asked_for(queue)
    Backfill.objects.update(not_before=timezone.now())
    assert is_asked_for(queue)
    assert build.a_step(backfill)


def test_an_input_that_the_encoder_refuses_is_found_and_left_out(gallery):
    backfill = build.a_backfill(gallery, group_rows=4)
    while (job := steps.claim(backfill_id=backfill.pk)) is not None:
        ids = build.ids_of(job)
        names = list(Item.objects.filter(pk__in=ids).order_by("pk").values_list("external_id"))
        if ("item-1",) in names:
            failed = {"external_id": names[0][0], "code": "zero_embedding"}
            assert steps.record_failed_inputs(job=job, **failed)
        else:
            digest = make.a_digest()
            assert steps.record_moved(job=job, chunk_digest=digest, item_ids=ids, busy_s=0)

    assert counters(backfill) == ("done", 5, 0, 1)
    assert backfill.failures == [{"id": "item-1", "code": "zero_embedding"}]
    assert build.live_ids(gallery) == ALL


def test_a_failure_pauses_with_its_reason_and_resuming_tries_again(gallery, backfill):
    job = steps.claim(backfill_id=backfill.pk)

    assert steps.fail(job=job, code="artifact_missing", detail="gone")

    assert counters(backfill) == ("paused", 0, 0, 0)
    assert backfill.error_code == "artifact_missing"
    assert not build.a_step(backfill)
    resumed = resume_backfill(backfill=backfill, actor=make.a_user())
    assert (resumed.error_code, resumed.work_state) == ("", WorkState.QUEUED)
    assert build.a_step(backfill)


def test_a_step_that_kills_every_worker_pauses_the_backfill(gallery, backfill):
    for _ in range(3):
        assert steps.claim(backfill_id=backfill.pk) is not None
        expire(backfill)

    sweeping.sweep()

    assert counters(backfill) == ("paused", 0, 0, 0)
    assert backfill.error_code == "gave_up"


def test_attempts_are_counted_anew_for_each_step(backfill):
    for _ in range(2):
        assert steps.claim(backfill_id=backfill.pk) is not None
        expire(backfill)
        assert steps.claim(backfill_id=backfill.pk) is not None
        expire(backfill)
        assert build.a_step(backfill)

    assert counters(backfill) == ("done", 6, 0, 0)


def test_no_position_is_handled_twice(backfill):
    with pytest.raises(IntegrityError), transaction.atomic():
        Backfill.objects.filter(pk=backfill.pk).update(moved=7)


def test_what_is_moved_while_a_rewriting_is_wanted_is_rewritten_at_once(gallery, queue):
    rewriter = make.a_version(gallery.alias.model)
    wanted = {"producer": gallery.live_view.encoder, "encoder": rewriter}
    transform = make.an_artifact()
    Rewriting.objects.create(gallery=gallery, transform=transform, **wanted)

    backfill = build.a_backfill(gallery)
    queue.act(build.a_step, backfill=backfill)

    twin = Twin.objects.get()
    assert (twin.batch.backfill, twin.encoder, twin.transform) == (backfill, rewriter, transform)
    assert (TaskName.REWRITE_TWIN, (twin.pk,)) in queue.sent
