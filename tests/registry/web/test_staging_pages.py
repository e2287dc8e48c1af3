"""Promoting later, and signals that take it back: on the pages of the upgrade and of the alias."""

from datetime import timedelta

import pytest
from django.utils import timezone

from compat.verdict import Outcome
from registry.audit.models import LedgerEntry
from registry.upgrades.models import Safeguard, ScheduledPromotion
from registry.upgrades.services.carry_out import carry_out
from registry.upgrades.services.gates import set_approvals
from registry.upgrades.services.policy_scopes import set_policy
from registry.upgrades.services.signals import receive
from tests.builders import registry as make
from tests.builders.new_lines import a_new_line
from tests.builders.staging import (
    SIGNAL,
    a_guarded_alias,
    a_schedule,
    a_shadow,
    let_it_be_due,
    the_alias,
)
from tests.registry.web.conftest import outcomes_of, text_of


def promote_path(upgrade):
    return f"/upgrades/{upgrade.pk}/promote/"


def schedule_later(pages, upgrade, **changes):
    tomorrow = timezone.now() + timedelta(days=1)
    data = {"not_before": f"{tomorrow:%Y-%m-%dT%H:%M}", "hours": "6", "reason": "at night"}
    named = {f"later-{key}": value for key, value in (data | changes).items()}
    if "dual_query" in changes:
        named["dual_query"] = named.pop("later-dual_query")
    return pages.post(f"/upgrades/{upgrade.pk}/schedule/", named)


def test_the_page_offers_now_and_later(pages):
    upgrade = make.a_judged_upgrade()

    words = text_of(pages.get(promote_path(upgrade)))

    assert f"Promote {upgrade.candidate} now" in words
    assert "Promote later" in words
    assert "Not before (UTC)" in words


def test_what_is_scheduled_is_on_the_page_of_the_upgrade_with_its_end(pages):
    upgrade = make.a_judged_upgrade()

    response = schedule_later(pages, upgrade)

    held = ScheduledPromotion.objects.get()
    assert (response.status_code, response.url) == (303, f"/upgrades/{upgrade.pk}/#schedule")
    assert held.not_after - held.not_before == timedelta(hours=6)
    words = text_of(pages.get(f"/upgrades/{upgrade.pk}/"))
    assert f"It is promoted on {held.not_before:%Y-%m-%d at %H:%M} UTC" in words
    assert "Asked for by ada, just now : at night" in words
    assert "Cancel this schedule" in words
    assert "Cancel this schedule" in text_of(pages.get(promote_path(upgrade)))
    assert "Promote later" not in text_of(pages.get(promote_path(upgrade)))


def test_a_condition_is_shown_with_what_it_lacks(pages):
    upgrade = make.a_judged_upgrade(make.a_gallery(items=1).alias)
    a_shadow(upgrade, compared=12)

    schedule_later(pages, upgrade, not_before="", shadow_queries="1000", shadow_overlap="0.9")

    words = text_of(pages.get(f"/upgrades/{upgrade.pk}/"))
    assert "It is promoted as soon as its condition is met" in words
    assert "Only after 1,000 queries of a shadow, with a mean overlap@10 of at least 0.9" in words
    assert "12 so far" in words


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"shadow_queries": "1000"}, "Give both the queries and the overlap"),
        ({"not_before": "tonight"}, "Enter a valid date/time"),
        ({"not_before": "9999-12-31T23:59"}, "It ends within 30 days"),
        ({"hours": ""}, "This field is required"),
        ({"not_before": ""}, "say when, or what to wait for"),
        ({"not_before": "2020-01-31T03:00"}, "the moment has passed"),
    ],
)
def test_what_makes_no_sense_is_said_and_what_was_typed_stays(pages, changes, says):
    upgrade = make.a_judged_upgrade()

    response = schedule_later(pages, upgrade, **changes)

    assert response.status_code == 422
    assert says in text_of(response)
    assert "at night" in response.content.decode()
    assert not ScheduledPromotion.objects.exists()


def test_what_the_gate_refuses_cannot_be_scheduled(pages):
    upgrade = make.a_judged_upgrade(outcome=Outcome.FAILED)

    page, posted = pages.get(promote_path(upgrade)), schedule_later(pages, upgrade)

    assert "Promote later" not in text_of(page)
    assert posted.status_code == 409
    assert LedgerEntry.objects.last().body["refused"] == "gate_not_passed"


def test_while_approvals_are_missing_it_can_be_scheduled(pages):
    upgrade = make.a_judged_upgrade()
    set_approvals(
        alias=upgrade.alias,
        needed=1,
        approvers=[make.a_user()],
        uploader_may_approve=False,
        actor=make.a_user(),
    )

    words = text_of(pages.get(promote_path(upgrade)))

    assert "It cannot be promoted" in words
    assert "Promote later" in words
    assert schedule_later(pages, upgrade).status_code == 303


def test_a_dual_query_is_scheduled_where_it_helps(pages):
    upgrade = a_new_line()

    words = text_of(pages.get(promote_path(upgrade)))
    schedule_later(pages, upgrade, dual_query="on")

    assert "Promote later, with a dual query" in words
    assert ScheduledPromotion.objects.get().dual_query
    assert "with a dual query" in text_of(pages.get(f"/upgrades/{upgrade.pk}/"))


def test_it_is_cancelled(pages):
    held = a_schedule()

    response = pages.post(f"/schedules/{held.pk}/cancel/", follow=True)
    again = pages.post(f"/schedules/{held.pk}/cancel/", follow=True)

    assert "The scheduled promotion is cancelled." in text_of(response)
    assert "Cancel this schedule" not in text_of(response)
    assert "schedule_ended" in text_of(again)


def test_a_refusal_at_its_moment_is_loud_on_the_page(pages):
    held = a_schedule()
    let_it_be_due(held)
    set_policy(alias=held.upgrade.alias, revision=make.a_policy_revision(), actor=make.a_user())
    carry_out(schedule_id=held.pk)

    response = pages.get(f"/upgrades/{held.upgrade_id}/")

    assert "The scheduled promotion was refused" in text_of(response)
    assert "verdict_stale" in text_of(response)
    assert "failed" in outcomes_of(response)


def test_one_that_expired_is_told(pages):
    held = a_schedule()
    let_it_be_due(held, over=True)
    carry_out(schedule_id=held.pk)

    words = text_of(pages.get(f"/upgrades/{held.upgrade_id}/"))

    assert "The scheduled promotion has expired: it was not done in time" in words


def test_one_that_is_done_is_not_in_the_way(pages):
    held = a_schedule()
    let_it_be_due(held)
    carry_out(schedule_id=held.pk)

    assert 'id="schedule"' not in pages.get(f"/upgrades/{held.upgrade_id}/").content.decode()


# Safeguards


def path_of(alias):
    return f"/models/{alias.model.name}/aliases/{alias.name}/"


def declare(pages, alias, **changes):
    terms = {"signal": "latency", "armed_hours": "48", "at_most_unsearchable": "0"}
    data = {f"safeguard-{key}": value for key, value in (terms | changes).items()}
    return pages.post(f"{path_of(alias)}safeguards/", data)


def test_without_one_the_alias_says_so_and_what_the_next_would_do(pages):
    alias = make.a_promoted_upgrade().alias

    words = text_of(pages.get(path_of(alias)))

    assert "No signal rolls this alias back" in words
    assert "There is no promotion to undo now; the next one arms it." in words


def test_the_way_back_is_stated_before_it_is_declared(pages):
    alias = a_guarded_alias(items_after=3, forward=False)

    words = text_of(pages.get(path_of(alias)))

    assert "Going back to #1 now: 3 items become unsearchable" in words
    assert "refused, 3 items would become unsearchable" in words
    assert "armed until" in words


def test_it_is_declared_and_removed(pages):
    alias = a_guarded_alias()

    declared = declare(pages, alias, reason="the pager", dual_query="on")
    words = text_of(pages.get(path_of(alias)))
    removed = pages.post(f"{path_of(alias)}safeguards/latency/remove/", follow=True)

    assert (declared.status_code, declared.url) == (303, f"{path_of(alias)}#safeguards")
    assert "latency the pager armed" in words
    assert "back to #1 : every item stays searchable" in words
    assert "The signal latency rolls nothing back any more." in text_of(removed)
    assert [s.signal for s in Safeguard.objects.filter(withdrawn_at=None)] == [SIGNAL]


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"signal": "two words"}, "valid “slug”"), ({"armed_hours": "0"}, "greater than or equal")],
)
def test_terms_that_make_no_sense_are_said(pages, changes, says):
    alias = a_guarded_alias()

    response = declare(pages, alias, **changes)

    assert response.status_code == 422
    assert says in text_of(response)
    assert Safeguard.objects.count() == 1


def test_what_it_did_is_told_until_the_next_promotion(pages):
    alias = a_guarded_alias()
    receive(alias=alias, signal=SIGNAL, firing=True, detail="5 % fail")

    words = text_of(pages.get(path_of(alias)))
    make.a_promoted_upgrade(the_alias(alias.pk))
    later = text_of(pages.get(path_of(alias)))

    assert f"The signal {SIGNAL} rolled {alias} back to" in words
    assert "“5 % fail”" in words
    assert "rolled {alias} back to" not in later
    assert "armed until" in later


def test_a_refused_rollback_is_loud_with_the_way_to_do_it_by_hand(pages):
    alias = a_guarded_alias(items_after=3, forward=False)
    receive(alias=alias, signal=SIGNAL, firing=True)

    response = pages.get(path_of(alias))

    assert "its rollback to" in text_of(response)
    assert "was refused: 3 items would become unsearchable, and 0 may" in text_of(response)
    assert f"{path_of(alias)}roll-back/?to=1" in response.content.decode()
    assert outcomes_of(response)[0] == "failed"


def test_a_refused_rollback_is_on_the_first_page_until_somebody_answers_it(pages):
    alias = a_guarded_alias(items_after=3, forward=False)
    receive(alias=alias, signal=SIGNAL, firing=True)

    words = text_of(pages.get("/"))
    declare(pages, alias, signal=SIGNAL, at_most_unsearchable="3")
    answered = text_of(pages.get("/"))

    assert f"The signal {SIGNAL} fired for {alias} , and its rollback was refused: 3 items" in words
    assert "rollback was refused" not in answered


def test_hostile_texts_are_texts(pages):
    hostile = "<img src=x onerror=alert(1)>\"'><script>alert(1)</script>"
    alias = a_guarded_alias(items_after=3, forward=False, reason=hostile)
    receive(alias=alias, signal=SIGNAL, firing=True, detail=hostile)
    held = a_schedule(reason=hostile)

    for path in (path_of(alias), f"/upgrades/{held.upgrade_id}/"):
        body = pages.get(path).content.decode()
        assert "&lt;img src=x onerror" in body
        assert "<img src=x" not in body
