"""Canaries of a gallery: handing in, drawing, asking for checks, and what follows from them."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db.models import F

from registry.audit.models import LedgerEntry
from registry.core.errors import RegistryError
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
from registry.galleries.services.drift_alarm import acknowledge_drift
from registry.galleries.services.remove import remove_items
from registry.notify.models import OutboxEvent
from registry.upgrades.services.promote import promote
from registry.upgrades.services.roll_back import roll_back
from tests.builders import backfills, canaries
from tests.builders import registry as make

pytestmark = pytest.mark.django_db


def refused(act, *args, **kwargs):
    with pytest.raises(RegistryError) as found:
        act(*args, **kwargs)
    return found.value.code


def acknowledged(gallery, reason="the index was renamed, its vectors are right"):
    return acknowledge_drift(gallery=gallery, reason=reason, actor=make.a_user())


def kinds():
    return list(OutboxEvent.objects.filter(kind__startswith="gallery.").values_list("kind", flat=1))


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


# The alarm


def test_an_alarm_is_raised_once_for_one_finding_and_again_for_another():
    gallery = canaries.with_canaries()
    canaries.check(gallery, "differs", of=["m:1"])
    canaries.check(gallery, "differs", of=["m:1"])

    assert kinds() == ["gallery.drift"]
    alarm = alarm_of(gallery.name)
    assert alarm.last_check == gallery.canary_checks.first()
    acknowledged(gallery)
    canaries.check(gallery, "differs", of=["m:1"])
    assert alarm_of(gallery.name).state == "acknowledged"

    canaries.check(gallery, "differs", of=["m:7"])

    alarm = alarm_of(gallery.name)
    assert (alarm.state, alarm.reason, alarm.acknowledged_by) == ("open", "", None)
    assert kinds() == ["gallery.drift", "gallery.drift_acknowledged", "gallery.drift"]


def test_a_check_that_matches_clears_the_alarm_and_a_later_drift_raises_another():
    gallery = canaries.with_canaries()
    alarm = canaries.an_alarm(gallery)

    canaries.check(gallery, "matches")

    assert alarm_of(gallery.name) is None
    canaries.check(gallery, "differs")
    assert alarm_of(gallery.name).pk != alarm.pk
    assert kinds() == ["gallery.drift", "gallery.drift_cleared", "gallery.drift"]
    recorded = LedgerEntry.objects.filter(action__startswith="gallery.drift").order_by("seq")
    assert [entry.action for entry in recorded] == kinds()


@pytest.mark.parametrize("outcome", ["errored", "unchecked"])
def test_what_says_nothing_leaves_an_alarm_standing(outcome):
    alarm = canaries.an_alarm()
    asked = checks.request_check(gallery=alarm.gallery, actor=make.a_user())
    job = checks.claim(check_id=asked.pk)

    segments = [canaries.a_result(one.segment, outcome=outcome) for one in job.segments]
    beside = canaries.a_result(job.segments[0].segment) | {"segment": 77}
    checks.record(job=job, results=[*segments, beside])

    assert alarm_of(alarm.gallery.name).is_open


def test_an_alarm_is_cleared_by_its_segment_whatever_becomes_of_others():
    alarm = canaries.an_alarm()
    asked = checks.request_check(gallery=alarm.gallery, actor=make.a_user())
    job = checks.claim(check_id=asked.pk)
    [segment] = [one.segment for one in job.segments]
    broken = canaries.a_result(segment, outcome="errored") | {"segment": 77}

    checks.record(job=job, results=[canaries.a_result(segment), broken])

    asked.refresh_from_db()
    assert asked.outcome == "errored"
    assert alarm_of(alarm.gallery.name) is None


def checked(gallery, **outcomes):
    """Check a gallery with a finding for each segment: ``_1="differs"``."""
    asked = checks.request_check(gallery=gallery, actor=make.a_user())
    job = checks.claim(check_id=asked.pk)
    [segment] = [one.segment for one in job.segments]
    results = [
        canaries.a_result(segment, outcome=outcome) | {"segment": int(number[1:])}
        for number, outcome in outcomes.items()
    ]
    assert checks.record(job=job, results=results)


@pytest.mark.parametrize("outcome", ["errored", "unchecked"])
def test_a_segment_that_could_not_be_checked_stays_in_the_alarm_while_another_differs(outcome):
    gallery = canaries.with_canaries()
    checked(gallery, _1="differs", _2="differs")

    checked(gallery, _1=outcome, _2="differs")

    assert kinds() == ["gallery.drift"]
    checked(gallery, _1=outcome, _2="matches")
    alarm = alarm_of(gallery.name)
    assert alarm.is_open
    assert [one["segment"] for one in alarm.finding] == [1, 2]
    checked(gallery, _1="matches", _2="matches")
    assert alarm_of(gallery.name) is None


def test_what_a_later_check_matches_leaves_the_alarm_while_another_differs():
    gallery = canaries.with_canaries()
    checked(gallery, _1="differs", _2="differs")

    checked(gallery, _1="matches", _2="differs")

    assert [one["segment"] for one in alarm_of(gallery.name).finding] == [2]


def test_a_check_that_compared_nothing_clears_nothing():
    alarm = canaries.an_alarm()
    asked = checks.request_check(gallery=alarm.gallery, actor=make.a_user())
    declare_items(gallery=alarm.gallery, number=1, items=0, actor=make.a_user())

    checks.record(job=checks.claim(check_id=asked.pk), results=[])

    assert alarm_of(alarm.gallery.name).is_open


def test_an_alarm_about_vectors_that_are_gone_is_cleared_by_a_match_of_the_others():
    alarm = canaries.an_alarm()
    gallery = alarm.gallery
    asked = checks.request_check(gallery=gallery, actor=make.a_user())
    declare_items(gallery=gallery, number=1, items=0, actor=make.a_user())
    job = checks.claim(check_id=asked.pk)
    assert job.segments == ()

    checks.record(job=job, results=[canaries.a_result(gallery.segments.get()) | {"segment": 77}])

    assert alarm_of(gallery.name) is None


def test_an_acknowledgement_says_who_and_why():
    alarm = canaries.an_alarm()
    actor = make.a_user("grace")

    assert refused(acknowledged, alarm.gallery, " ") == "reason_missing"
    acknowledge_drift(gallery=alarm.gallery, reason="a test index", actor=actor)

    alarm.refresh_from_db()
    assert (alarm.state, alarm.acknowledged_by, alarm.reason) == (
        "acknowledged",
        actor,
        "a test index",
    )
    entry = LedgerEntry.objects.get(action="gallery.drift_acknowledged")
    assert (entry.actor, entry.body["reason"]) == ("grace", "a test index")
    assert refused(acknowledged, alarm.gallery) == "no_drift"


# The gate


def test_an_open_alarm_closes_the_gate_of_its_alias_until_it_is_acknowledged():
    gallery = canaries.with_canaries()
    upgrade = make.a_judged_upgrade(gallery.alias)
    canaries.an_alarm(gallery, of=["m:1"])

    for dry_run in (True, False):
        assert refused(promote, upgrade_id=upgrade.pk, actor=make.a_user(), dry_run=dry_run) == (
            "gallery_drifted"
        )
    acknowledged(gallery)
    promote(upgrade_id=upgrade.pk, actor=make.a_user())

    gallery.refresh_from_db()
    assert gallery.epoch == 2


def test_a_match_opens_the_gate_again():
    gallery = canaries.with_canaries()
    upgrade = make.a_judged_upgrade(gallery.alias)
    canaries.an_alarm(gallery)

    canaries.check(gallery, "matches")

    promote(upgrade_id=upgrade.pk, actor=make.a_user())


def test_an_alarm_of_one_alias_says_nothing_of_another():
    canaries.an_alarm()
    gallery = canaries.with_canaries()

    make.a_promoted_upgrade(gallery.alias)


def test_an_alarm_does_not_stop_going_back():
    gallery = canaries.with_canaries()
    first = gallery.live_view.encoder
    make.a_promoted_upgrade(gallery.alias)
    canaries.an_alarm(gallery)

    roll_back(alias=gallery.alias, target=first, actor=make.a_user(), reason="the alarm")

    gallery.refresh_from_db()
    assert gallery.live_view.encoder == first


def test_an_inspection_that_lost_its_lease_accepts_nothing():
    held = canaries.hand_in(canaries.an_attached_gallery())
    stale = handing_in.claim(set_id=held.pk)
    handing_in.release(job=stale)
    handing_in.claim(set_id=held.pk)

    assert handing_in.accept(job=stale, rows=8) is False
    held.refresh_from_db()
    assert not held.is_current
