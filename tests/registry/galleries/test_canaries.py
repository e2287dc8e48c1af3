"""Canaries of a gallery: handing in, drawing, and asking for checks."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db.models import F

from registry.audit.models import LedgerEntry
from registry.galleries.canaries import (
    MOST_CANARIES,
    alarm_of,
    canaries_of,
    draw,
    galleries_due,
    suspects,
)
from registry.galleries.models import CanaryCheck, DriftAlarm, Item
from registry.galleries.services import check_canaries as checks
from registry.galleries.services import hand_in_canaries as handing_in
from registry.galleries.services.attach import declare_items
from registry.galleries.services.remove import remove_items
from tests.builders import backfills, canaries
from tests.builders import registry as make
from tests.refusals import refused

pytestmark = pytest.mark.django_db


# Handing in


def test_the_last_set_that_was_accepted_is_the_current_one_and_the_former_stays():
    gallery = canaries.an_attached_gallery()
    first, second = (canaries.accept(canaries.hand_in(gallery)) for _ in range(2))
    first.refresh_from_db()

    assert (first.is_current, second.is_current) == (False, True)
    assert [one.set_id for one in canaries_of(gallery)] == [second.pk]
    assert gallery.canary_sets.count() == 2


def test_of_two_sets_the_later_one_stays_current_whichever_is_inspected_first():
    gallery = canaries.an_attached_gallery()
    first, second = canaries.hand_in(gallery), canaries.hand_in(gallery)

    canaries.accept(second)
    canaries.accept(first)

    assert [one.set_id for one in canaries_of(gallery)] == [second.pk]


def test_what_cannot_be_a_hand_in_is_refused_and_in_the_ledger():
    gallery = canaries.an_attached_gallery()
    embedded = make.a_gallery(items=1)

    assert refused(canaries.hand_in, gallery, number=9) == "unknown_segment"
    assert refused(canaries.hand_in, embedded) == "gallery_embedded"
    for tolerance in (0.0, float("nan"), 0.06):
        assert refused(canaries.hand_in, gallery, tolerance=tolerance) == "invalid_tolerance"
    recorded = make.an_alias(make.a_model(task="embedding"))
    recorded.version = make.a_version(recorded.model, recorded=True)
    recorded.save()
    assert refused(canaries.hand_in, canaries.an_attached_gallery(recorded)) == (
        "encoder_without_weights"
    )


def test_an_inspection_that_lost_its_lease_accepts_nothing():
    held = canaries.hand_in(canaries.an_attached_gallery())
    stale = handing_in.claim(set_id=held.pk)
    handing_in.release(job=stale)
    handing_in.claim(set_id=held.pk)

    assert handing_in.accept(job=stale, rows=8) is False
    held.refresh_from_db()
    assert not held.is_current


# Drawing


def test_the_same_items_are_drawn_while_a_segment_stays_as_it_is():
    gallery = backfills.a_gallery()
    for lot in range(4):
        backfills.an_insert_of_inputs(gallery, [f"{lot}-{i}" for i in range(40)])
    segment = gallery.segments.get()

    drawn = draw(segment)

    assert len({one.external_id for one in drawn}) == MOST_CANARIES
    assert draw(segment) == drawn
    assert {one.external_id.partition("-")[0] for one in drawn} == {"0", "1", "2", "3"}
    for one in drawn:
        item = Item.objects.get(external_id=one.external_id)
        assert (one.upload_digest, one.input_row) == (item.batch.upload_id, item.row)
        assert (one.chunk_digest, one.row) == (item.batch.chunk_digest, item.row)


def test_removed_items_are_not_drawn_and_others_take_their_place():
    gallery = backfills.a_gallery()
    backfills.an_insert_of_inputs(gallery, [f"item-{i}" for i in range(150)])
    segment = gallery.segments.get()
    gone = [one.external_id for one in draw(segment)]

    remove_items(gallery=gallery, ids=gone, actor=gallery.created_by)

    drawn = {one.external_id for one in draw(segment)}
    assert len(drawn) == MOST_CANARIES
    assert not drawn & set(gone)


def test_items_that_a_backfill_moved_are_drawn_with_the_inputs_of_their_first_upload():
    backfill = backfills.a_backfill(group_rows=6)
    backfills.a_step(backfill)
    gallery = backfill.gallery
    gallery.refresh_from_db()

    [moved] = [one for one in canaries_of(gallery) if one.drawn]

    first = gallery.batches.get(backfill=None)
    assert moved.segment.number == 2
    assert {one.upload_digest for one in moved.drawn} == {first.upload_id}
    assert sorted(one.input_row for one in moved.drawn) == list(range(6))
    assert {one.chunk_digest for one in moved.drawn} != {first.chunk_digest}


def test_suspects_are_the_versions_that_the_alias_named_before_those_it_did_not():
    alias = make.an_alias(make.a_model(task="embedding"))
    first = make.a_promoted_upgrade(alias).candidate
    others = [make.a_version(alias.model) for _ in range(6)]
    make.a_version(alias.model, recorded=True)
    make.a_version(alias.model, state="refused")
    second = make.a_promoted_upgrade(alias).candidate

    assert suspects(alias, second.pk) == [first, *reversed(others[2:])]


# Asking for checks


def test_a_check_is_asked_for_once_while_it_is_to_be_done():
    gallery = canaries.with_canaries()
    [waiting] = gallery.canary_checks.all()

    assert checks.request_check(gallery=gallery, actor=make.a_user("grace")) == waiting
    assert LedgerEntry.objects.get(action="gallery.check_canaries").actor == "grace"
    canaries.check(gallery)
    assert checks.request_check(gallery=gallery, actor=make.a_user()) != waiting


def test_a_gallery_without_canaries_cannot_be_checked():
    for gallery in (canaries.an_attached_gallery(), make.a_gallery(items=3)):
        assert refused(checks.request_check, gallery=gallery, actor=make.a_user()) == "no_canaries"


def due():
    every = timedelta(seconds=settings.CANARY_CHECK_EVERY_S)
    return galleries_due(now=make.timezone.now(), every=every)


def test_a_gallery_is_due_again_after_a_day():
    gallery = canaries.with_canaries()
    canaries.check(gallery)
    assert due() == []

    CanaryCheck.objects.update(requested_at=F("requested_at") - timedelta(hours=25))

    assert due() == [(gallery.pk, "schedule")]
    checks.sweep()
    assert due() == []
    assert gallery.canary_checks.first().cause == "schedule"


def test_a_check_that_waits_for_a_worker_is_not_due_again():
    canaries.with_canaries()
    CanaryCheck.objects.update(requested_at=F("requested_at") - timedelta(hours=25))

    assert due() == []


def test_nothing_is_scheduled_where_that_is_switched_off(settings):
    gallery = canaries.with_canaries()
    canaries.check(gallery)
    CanaryCheck.objects.update(requested_at=F("requested_at") - timedelta(days=30))
    settings.CANARY_CHECK_EVERY_S = 0

    checks.sweep()

    assert gallery.canary_checks.count() == 1


def test_a_check_that_lost_its_last_worker_is_errored_and_never_a_match():
    gallery = canaries.with_canaries()
    canaries.check(gallery, "differs")
    asked = checks.request_check(gallery=gallery, actor=make.a_user())
    CanaryCheck.objects.filter(pk=asked.pk).update(attempt=3)

    checks.sweep()

    asked.refresh_from_db()
    assert (asked.work_state, asked.outcome, asked.error_code) == ("failed", "errored", "gave_up")
    assert alarm_of(gallery.name).is_open


def test_findings_about_canaries_that_were_replaced_meanwhile_are_not_recorded():
    gallery = canaries.with_canaries()
    [waiting] = gallery.canary_checks.all()
    job = checks.claim(check_id=waiting.pk)
    canaries.accept(canaries.hand_in(gallery))
    results = [canaries.a_result(one.segment, outcome="differs") for one in job.segments]

    assert refused(checks.record, job=job, results=results) == "canaries_replaced"
    assert not DriftAlarm.objects.exists()


def test_canaries_of_another_segment_that_came_meanwhile_are_not_left_out():
    gallery = canaries.with_canaries()
    make.a_promoted_upgrade(gallery.alias)
    declare_items(gallery=gallery, number=2, items=5, actor=make.a_user())
    [waiting] = gallery.canary_checks.all()
    job = checks.claim(check_id=waiting.pk)
    canaries.accept(canaries.hand_in(gallery, number=2))
    results = [canaries.a_result(one.segment) for one in job.segments]

    assert refused(checks.record, job=job, results=results) == "canaries_replaced"
    checks.release(job=job)
    again = checks.claim(check_id=waiting.pk)
    assert [one.segment.number for one in again.segments if not one.is_empty] == [1, 2]


def test_a_worker_that_lost_its_lease_raises_no_alarm():
    gallery = canaries.with_canaries()
    [waiting] = gallery.canary_checks.all()
    stale = checks.claim(check_id=waiting.pk)
    checks.release(job=stale)
    checks.claim(check_id=waiting.pk)
    results = [canaries.a_result(one.segment, outcome="differs") for one in stale.segments]

    assert checks.record(job=stale, results=results) is False
    assert not DriftAlarm.objects.exists()


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (["matches", "unchecked"], "matches"),
        (["matches", "errored"], "errored"),
        (["errored", "differs", "matches"], "differs"),
        (["unchecked"], "errored"),
        ([], "errored"),
    ],
)
def test_a_gallery_matches_only_where_something_was_compared_and_all_of_it_does(said, outcome):
    assert checks.outcome_of([{"outcome": one} for one in said]) == outcome
