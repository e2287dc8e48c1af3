"""What may have become of an upgrade by the moment at which it was to be promoted."""

import pytest
from django.contrib.auth.models import User

from registry.galleries.services.drift_alarm import acknowledge_drift
from registry.upgrades.models import ScheduledPromotion, Upgrade
from registry.upgrades.services.carry_out import carry_out
from registry.upgrades.services.gates import set_approvals
from registry.upgrades.services.promote import promote
from tests.builders import canaries
from tests.builders import registry as make
from tests.builders.staging import a_schedule, let_it_be_due, the_alias

pytestmark = pytest.mark.django_db

State = ScheduledPromotion.State


def judged_anew(upgrade):
    Upgrade.objects.filter(pk=upgrade.pk).update(state="evaluating")


def approvals_missing(upgrade):
    approver = make.a_user()
    asked = {"needed": 1, "approvers": [approver], "uploader_may_approve": False}
    set_approvals(alias=upgrade.alias, actor=make.a_user(), **asked)


def another_promoted(upgrade):
    rival = make.a_judged_upgrade(upgrade.alias)
    promote(upgrade_id=rival.pk, actor=rival.created_by)


def drifted(upgrade):
    canaries.an_alarm(upgrade.alias.galleries.get())


def a_due_schedule():
    gallery = canaries.with_canaries()
    held = a_schedule(make.a_judged_upgrade(the_alias(gallery.alias_id)))
    let_it_be_due(held)
    return held


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (judged_anew, "illegal_transition"),
        (approvals_missing, "approvals_missing"),
        (another_promoted, "verdict_stale"),
        (drifted, "gallery_drifted"),
    ],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_what_closes_the_gate_meanwhile_ends_the_schedule_and_nothing_moves(what, code):
    held = a_due_schedule()
    what(held.upgrade)
    epoch = the_alias(held.upgrade.alias_id).epoch

    for _ in range(2):  # by two beat processes
        carry_out(schedule_id=held.pk)

    held.refresh_from_db()
    assert (held.state, held.code, held.move) == (State.REFUSED, code, None)
    assert the_alias(held.upgrade.alias_id).epoch == epoch


def test_a_drift_that_a_person_took_upon_them_closes_nothing():
    held = a_due_schedule()
    drifted(held.upgrade)
    who = User.objects.latest("pk")
    acknowledge_drift(gallery=held.upgrade.alias.galleries.get(), reason="known", actor=who)

    carry_out(schedule_id=held.pk)

    held.refresh_from_db()
    assert held.state == State.DONE
