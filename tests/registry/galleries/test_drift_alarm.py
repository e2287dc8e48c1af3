"""The alarm of a gallery: what raises and clears it, who acknowledges it, and what it closes."""

import pytest

from registry.audit.models import LedgerEntry
from registry.galleries.canaries import alarm_of
from registry.galleries.services import check_canaries as checks
from registry.galleries.services.attach import declare_items
from registry.galleries.services.drift_alarm import acknowledge_drift
from registry.notify.models import OutboxEvent
from registry.upgrades.services.promote import promote
from registry.upgrades.services.roll_back import roll_back
from tests.builders import canaries
from tests.builders import registry as make
from tests.refusals import refused

pytestmark = pytest.mark.django_db


def acknowledged(gallery, reason="the index was renamed, its vectors are right"):
    return acknowledge_drift(gallery=gallery, reason=reason, actor=make.a_user())


def kinds():
    return list(OutboxEvent.objects.filter(kind__startswith="gallery.").values_list("kind", flat=1))


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
