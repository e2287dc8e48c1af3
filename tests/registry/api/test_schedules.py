"""Schedules: asked for by an upgrade, listed, cancelled; the answer says what they wait for."""

from datetime import timedelta

import pytest
from django.utils import timezone

from compat.verdict import Outcome
from registry.audit.models import LedgerEntry
from registry.upgrades.models import ScheduledPromotion
from registry.upgrades.services.carry_out import carry_out
from tests.builders import registry as make
from tests.builders.staging import a_schedule, a_shadow, let_it_be_due
from tests.registry.api.conftest import refusal


def tomorrow():
    return (timezone.now() + timedelta(days=1)).isoformat()


def asked_for(api, upgrade, **body):
    return api.post(f"upgrades/{upgrade.pk}/schedule", **({"not_before": tomorrow()} | body))


def test_it_is_asked_for_and_read(api):
    upgrade = make.a_judged_upgrade()

    made = asked_for(api, upgrade, reason="at night", dual_query=False)

    assert made.status_code == 201
    body = made.json()
    assert (body["state"], body["reason"]) == ("open", "at night")
    assert body["candidate"] == str(upgrade.candidate)
    assert (body["after_shadow"], body["waits_for"], body["epoch"]) == (None, "", None)
    assert body["created_by"] == api.owner.username
    assert api.get(f"schedules/{body['id']}").json() == body


def test_a_condition_says_what_it_lacks(api):
    upgrade = make.a_judged_upgrade(make.a_gallery(items=1).alias)
    a_shadow(upgrade, compared=12)

    body = asked_for(api, upgrade, after_shadow={"queries": 100, "overlap": 0.9}).json()

    assert body["after_shadow"] == {"queries": 100, "overlap": 0.9}
    assert "12 so far" in body["waits_for"]


def test_a_repetition_with_the_key_is_the_same_schedule(api):
    upgrade = make.a_judged_upgrade()
    key, moment = {"Idempotency-Key": "night"}, tomorrow()
    path = f"upgrades/{upgrade.pk}/schedule"

    first = api.post(path, key, not_before=moment)

    assert api.post(path, key, not_before=moment).json() == first.json()
    assert refusal(api.post(path, not_before=moment)) == (409, "duplicate_schedule")
    assert ScheduledPromotion.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"not_before": None}, "invalid_schedule"),
        ({"not_before": "2001-01-01T00:00:00Z"}, "invalid_schedule"),
        ({"not_before": "tonight"}, "invalid_input"),
        ({"not_before": "9999-12-31T23:59:59Z"}, "invalid_schedule"),
        ({"not_after": "9999-12-31T23:59:59Z"}, "invalid_schedule"),
        ({"not_after": "2001-01-01T00:00:00Z"}, "invalid_schedule"),
        ({"after_shadow": {"queries": 100}}, "invalid_input"),
        ({"after_shadow": {"queries": 100, "overlap": 0}}, "invalid_condition"),
        ({"after_shadow": {"queries": 1, "overlap": 0.9}}, "invalid_input"),
    ],
)
def test_what_makes_no_sense_is_refused(api, body, code):
    assert refusal(asked_for(api, make.a_judged_upgrade(), **body)) == (400, code)


def test_what_the_gate_refuses_is_refused_now_and_in_the_ledger(api):
    upgrade = make.a_judged_upgrade(outcome=Outcome.FAILED)

    assert refusal(asked_for(api, upgrade)) == (409, "gate_not_passed")
    last = LedgerEntry.objects.last()
    assert (last.action, last.body["refused"]) == ("schedule.create", "gate_not_passed")


def test_an_unknown_upgrade_and_an_unknown_schedule_are_told(api):
    response = api.post("upgrades/999999/schedule", not_before=tomorrow())

    assert refusal(response) == (404, "unknown_upgrade")
    assert refusal(api.get("schedules/999999")) == (404, "unknown_schedule")
    assert refusal(api.post("schedules/999999/cancel")) == (404, "unknown_schedule")


def test_cancelling_says_so_and_once(api):
    held = a_schedule()

    cancelled = api.post(f"schedules/{held.pk}/cancel", reason="another week")
    again = api.post(f"schedules/{held.pk}/cancel")

    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert cancelled.json()["detail"] == f"by {api.owner.username}: another week"
    assert refusal(again) == (409, "schedule_ended")
    assert LedgerEntry.objects.last().body["refused"] == "schedule_ended"


def test_the_list_is_narrowed_and_shows_what_became_of_each(api):
    done, opened = a_schedule(), a_schedule()
    let_it_be_due(done)
    carry_out(schedule_id=done.pk)

    listed = api.get("schedules").json()["results"]
    only = api.get("schedules", state="done").json()["results"]
    of_model = api.get("schedules", model=opened.upgrade.alias.model.name).json()["results"]

    assert [one["id"] for one in listed] == [opened.pk, done.pk]
    assert [(one["id"], one["epoch"]) for one in only] == [(done.pk, 1)]
    assert [one["id"] for one in of_model] == [opened.pk]
    assert refusal(api.get("schedules", state="maybe")) == (400, "invalid_input")
