"""When its moment has come a scheduled promotion is done once, or ends and says why."""

from datetime import timedelta

import pytest
from django.utils import timezone

from registry.audit.models import LedgerEntry
from registry.catalog.models import AliasMove
from registry.core.dispatch import TaskName
from registry.notify.models import OutboxEvent
from registry.upgrades.models import ScheduledPromotion
from registry.upgrades.services.carry_out import carry_out, sweep, waits_for
from registry.upgrades.services.policy_scopes import set_policy
from registry.upgrades.services.promote import promote
from registry.upgrades.services.schedule import ShadowCondition, cancel
from registry.upgrades.services.withdraw import withdraw
from tests.builders import registry as make
from tests.builders.new_lines import a_new_line
from tests.builders.staging import a_schedule, a_shadow, let_it_be_due, the_alias
from tests.registry.upgrades.test_promote import race

pytestmark = pytest.mark.django_db

State = ScheduledPromotion.State
ENOUGH = ShadowCondition(queries=1000, overlap=0.9)


def a_due_schedule(upgrade=None, **changes):
    held = a_schedule(upgrade, **changes)
    let_it_be_due(held)
    return held


def done(held):
    carry_out(schedule_id=held.pk)
    held.refresh_from_db()
    return held


def alias_of(held):
    return the_alias(held.upgrade.alias_id)


def test_a_due_schedule_promotes_in_the_name_of_who_asked_and_is_done():
    held = done(a_due_schedule(reason="the night is quiet"))

    assert held.state == State.DONE
    assert alias_of(held).version == held.upgrade.candidate
    assert held.move.actor == held.created_by
    assert held.move.reason == "the night is quiet"
    promoted, after = LedgerEntry.objects.order_by("-seq")[:2][::-1]
    assert (promoted.action, promoted.actor) == ("upgrade.promote", str(held.created_by))
    assert (after.action, after.body["schedule"]) == ("schedule.done", held.pk)
    assert OutboxEvent.objects.get(kind="schedule.done").body["epoch"] == 1


def test_before_its_moment_nothing_happens():
    held = done(a_schedule())

    assert held.state == State.OPEN
    assert alias_of(held).version is None


def test_delivered_twice_it_is_done_once():
    held = done(a_due_schedule())

    assert carry_out(schedule_id=held.pk) is None

    assert AliasMove.objects.count() == 1
    assert carry_out(schedule_id=999_999) is None


def test_a_cancelled_schedule_is_not_done():
    held = a_due_schedule()
    cancel(schedule_id=held.pk, actor=held.created_by)

    assert done(held).state == State.CANCELLED
    assert alias_of(held).version is None


def test_the_gate_is_asked_anew_and_a_refusal_ends_it_for_good():
    held = a_due_schedule()
    set_policy(alias=held.upgrade.alias, revision=make.a_policy_revision(), actor=make.a_user())

    refused = done(held)
    again = done(held)

    assert (refused.state, refused.code) == (State.REFUSED, "verdict_stale")
    assert "another situation" in refused.detail
    assert again.ended_at == refused.ended_at
    assert alias_of(held).version is None
    entry = LedgerEntry.objects.get(action="schedule.refused")
    assert entry.body["refused"] == "verdict_stale"
    assert OutboxEvent.objects.filter(kind="schedule.refused").count() == 1


def test_nobody_promotes_in_the_name_of_an_account_that_is_closed():
    held = a_due_schedule()
    held.created_by.is_active = False
    held.created_by.save()

    held = done(held)

    assert (held.state, held.code) == (State.REFUSED, "account_inactive")
    assert alias_of(held).version is None


def test_after_its_window_it_expires():
    held = a_schedule()
    let_it_be_due(held, over=True)

    held = done(held)

    assert (held.state, held.code) == (State.EXPIRED, "window_passed")
    assert held.detail == "it was not done in time"
    assert alias_of(held).version is None


@pytest.mark.parametrize("close", ["promote", "withdraw"])
def test_with_its_upgrade_it_is_closed_also_before_its_moment(close):
    held = a_schedule()
    act = {"promote": promote, "withdraw": withdraw}[close]
    act(upgrade_id=held.upgrade_id, actor=held.created_by)

    assert sweep() == 1
    held = done(held)

    assert (held.state, held.code) == (State.CANCELLED, "upgrade_closed")
    assert sweep() == 0


def test_the_sweep_asks_for_what_is_due_and_for_nothing_else(queue):
    a_schedule()
    due, ended = a_due_schedule(), a_due_schedule()
    cancel(schedule_id=ended.pk, actor=ended.created_by)

    assert queue.act(sweep) == 1
    assert list(queue.sent) == [(TaskName.CARRY_OUT, (due.pk,))]
    queue.settle()

    due.refresh_from_db()
    assert due.state == State.DONE


def test_a_dual_query_is_done_as_it_was_asked_for():
    held = done(a_due_schedule(a_new_line(), dual_query=True))

    assert held.state == State.DONE
    view = held.upgrade.alias.galleries.get().live_view
    assert view.entries.values("encoder").distinct().count() == 2


def test_an_error_after_the_promotion_leaves_nothing_of_it_and_the_schedule_open(monkeypatch):
    held = a_due_schedule()

    def broken(*values, **facts):
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("registry.upgrades.services.carry_out.note", broken)
        with pytest.raises(ZeroDivisionError):
            carry_out(schedule_id=held.pk)
    held.refresh_from_db()
    assert held.state == State.OPEN
    assert not AliasMove.objects.exists()

    assert done(held).state == State.DONE


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_promotes_and_who_cancels_meanwhile_wins_or_is_told():
    held, other = a_due_schedule(), a_due_schedule()

    answers = race(*[lambda: carry_out(schedule_id=held.pk)] * 4)
    race(
        lambda: carry_out(schedule_id=other.pk),
        lambda: cancel(schedule_id=other.pk, actor=other.created_by),
    )

    assert len([a for a in answers if a is not None]) == 1, answers
    assert alias_of(held).epoch == 1
    other.refresh_from_db()
    assert (other.state, alias_of(other).epoch) in [(State.DONE, 1), (State.CANCELLED, 0)]


# The condition of a shadow


def a_shadowed(condition=ENOUGH, **shadow):
    upgrade = make.a_judged_upgrade(make.a_gallery(items=1).alias)
    if shadow:
        a_shadow(upgrade, **shadow)
    return a_due_schedule(upgrade, after_shadow=condition)


@pytest.mark.parametrize(
    ("shadow", "says"),
    [
        ({}, "there is no shadow"),
        ({"compared": 999}, "999 so far"),
        ({"compared": 2000, "overlap": 0.9}, "not 0.9"),
        ({"compared": 2000, "overlap": 0.95, "failed": 200}, "not 0.9"),
    ],
)
def test_a_condition_that_is_not_met_waits(shadow, says):
    held = done(a_shadowed(**shadow))

    assert held.state == State.OPEN
    assert says in waits_for(held)
    assert alias_of(held).epoch == 1


def test_a_condition_that_is_met_promotes():
    held = a_shadowed(compared=2000, overlap=0.97)

    assert waits_for(held) == ""
    assert done(held).state == State.DONE
    assert alias_of(held).epoch == 2


def test_a_shadow_beside_another_incumbent_shows_nothing():
    held = a_shadowed(compared=2000, overlap=0.97)
    rival = make.a_judged_upgrade(held.upgrade.alias)
    promote(upgrade_id=rival.pk, actor=rival.created_by)

    assert "there is no shadow" in waits_for(held)


def test_a_condition_that_is_never_met_expires_with_what_was_missing():
    held = a_shadowed(compared=10)
    let_it_be_due(held, over=True)

    held = done(held)

    assert (held.state, held.code) == (State.EXPIRED, "window_passed")
    assert "10 so far" in held.detail
    assert OutboxEvent.objects.filter(kind="schedule.expired").count() == 1


def test_a_clock_that_runs_ahead_promotes_nothing_too_early(monkeypatch):
    held = a_schedule()

    monkeypatch.setattr(timezone, "now", lambda: held.not_before + timedelta(days=3))

    assert done(held).state == State.OPEN
