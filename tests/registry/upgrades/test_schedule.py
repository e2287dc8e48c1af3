"""A promotion that was asked for beforehand: when, by whom, on what condition, and no longer."""

from datetime import timedelta

import pytest
from django.utils import timezone

from compat.verdict import Outcome
from registry.audit.models import LedgerEntry
from registry.core.errors import (
    ConflictError,
    DuplicateError,
    GateNotPassedError,
    IllegalTransitionError,
    InvalidInputError,
    UnknownObjectError,
)
from registry.notify.models import OutboxEvent
from registry.upgrades.models import ScheduledPromotion, Upgrade
from registry.upgrades.services.gates import set_approvals
from registry.upgrades.services.schedule import FURTHEST, WINDOW, ShadowCondition, cancel
from registry.upgrades.services.withdraw import KEPT_OPEN, expire_untouched
from tests.builders import registry as make
from tests.builders.staging import a_schedule, the_alias

pytestmark = pytest.mark.django_db

State = ScheduledPromotion.State


def in_days(days):
    return timezone.now() + timedelta(days=days)


def test_it_moves_nothing_and_is_in_the_ledger_and_an_event():
    held = a_schedule()

    assert the_alias(held.upgrade.alias_id).version is None
    assert held.state == State.OPEN
    assert held.not_after == held.not_before + WINDOW
    entry = LedgerEntry.objects.get(action="schedule.create")
    assert (entry.actor, entry.subject) == (str(held.created_by), f"upgrade:{held.upgrade_id}")
    assert entry.body["not_before"] == held.not_before.isoformat()
    assert OutboxEvent.objects.get(kind="schedule.create").body == entry.body


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.PASSED])
def test_what_the_gate_refuses_now_is_not_scheduled(outcome):
    upgrade = make.a_judged_upgrade(outcome=outcome)

    with pytest.raises(GateNotPassedError) as refused:
        a_schedule(upgrade)

    assert refused.value.code == "gate_not_passed"
    assert refused.value.refusal.action == "schedule.create"
    assert not ScheduledPromotion.objects.exists()


def test_what_is_not_judged_is_not_scheduled():
    with pytest.raises(IllegalTransitionError):
        a_schedule(make.an_upgrade())


def test_an_unknown_upgrade_is_not_scheduled():
    with pytest.raises(UnknownObjectError):
        a_schedule(make.a_judged_upgrade(), upgrade_id=999_999)


def test_approvals_may_be_given_meanwhile():
    upgrade = make.a_judged_upgrade()
    set_approvals(
        alias=upgrade.alias,
        needed=1,
        approvers=[make.a_user()],
        uploader_may_approve=False,
        actor=make.a_user(),
    )

    assert a_schedule(upgrade).state == State.OPEN


def test_an_upgrade_has_one_open_schedule():
    held = a_schedule()

    with pytest.raises(DuplicateError) as refused:
        a_schedule(held.upgrade)
    cancel(schedule_id=held.pk, actor=held.created_by)

    assert refused.value.code == "duplicate_schedule"
    assert a_schedule(held.upgrade).state == State.OPEN


@pytest.mark.parametrize(
    "window",
    [
        {"not_before": in_days(-1)},
        {"not_before": None},
        {"not_before": in_days(2), "not_after": in_days(1)},
        {"not_before": in_days(1), "not_after": in_days(FURTHEST.days + 1)},
    ],
)
def test_a_window_that_makes_no_sense_is_refused(window):
    with pytest.raises(InvalidInputError) as refused:
        a_schedule(**window)

    assert refused.value.code == "invalid_schedule"


def test_without_a_moment_it_begins_now_and_waits_for_its_condition():
    held = a_schedule(not_before=None, after_shadow=ShadowCondition(100, 0.9))

    assert held.not_before <= timezone.now()
    assert (held.shadow_queries, held.shadow_overlap) == (100, 0.9)


@pytest.mark.parametrize(
    "condition",
    [ShadowCondition(1, 0.9), ShadowCondition(2, 0.0), ShadowCondition(2, 1.01)]
    + [ShadowCondition(2, float("nan")), ShadowCondition(2_000_000_000, 0.5)],
)
def test_a_condition_that_shows_nothing_is_refused(condition):
    with pytest.raises(InvalidInputError) as refused:
        a_schedule(after_shadow=condition)

    assert refused.value.code == "invalid_condition"


def test_cancelling_ends_it_and_says_who_and_why():
    held = a_schedule()
    actor = make.a_user("grace")

    cancelled = cancel(schedule_id=held.pk, actor=actor, reason="not this week")

    assert (cancelled.state, cancelled.detail) == (State.CANCELLED, "by grace: not this week")
    assert cancelled.ended_at is not None
    assert LedgerEntry.objects.get(action="schedule.cancel").actor == "grace"
    assert OutboxEvent.objects.filter(kind="schedule.cancel").count() == 1


def test_what_has_ended_is_not_cancelled():
    held = a_schedule()
    cancel(schedule_id=held.pk, actor=held.created_by)

    with pytest.raises(ConflictError) as refused:
        cancel(schedule_id=held.pk, actor=held.created_by)

    assert refused.value.code == "schedule_ended"


def test_an_unknown_schedule_is_not_cancelled():
    with pytest.raises(UnknownObjectError) as refused:
        cancel(schedule_id=999_999, actor=make.a_user())

    assert refused.value.code == "unknown_schedule"


def test_an_upgrade_is_not_closed_as_forgotten_while_its_schedule_may_still_be_done():
    upgrade = make.a_judged_upgrade()
    Upgrade.objects.filter(pk=upgrade.pk).update(changed_at=timezone.now() - KEPT_OPEN)
    a_schedule(upgrade, not_before=in_days(FURTHEST.days - 2))

    expire_untouched()

    upgrade.refresh_from_db()
    assert upgrade.state == "judged"
