"""What a safeguard is declared with, and what it says of itself beforehand."""

import pytest
from django.db import connection
from django.utils import timezone

from registry.audit.models import LedgerEntry
from registry.catalog.models import AliasMove
from registry.core.errors import InvalidInputError, UnknownObjectError
from registry.notify.models import OutboxEvent
from registry.upgrades.models import Safeguard
from registry.upgrades.safeguards import guarded, live_safeguards, signals_with_a_reaction
from registry.upgrades.services.roll_back import roll_back
from registry.upgrades.services.safeguards import withdraw_safeguard
from registry.upgrades.services.signals import receive
from tests.builders import registry as make
from tests.builders.staging import SIGNAL, a_guarded_alias, a_safeguard, the_alias

pytestmark = pytest.mark.django_db


def standing(alias):
    """Return the alias's one safeguard as it stands."""
    alias = the_alias(alias.pk)
    (one,) = guarded(alias, live_safeguards(alias))
    return one


def test_a_declaration_is_in_the_ledger_and_an_event():
    alias = make.an_alias()
    actor = make.a_user("grace")

    held = a_safeguard(alias, actor=actor, armed_hours=48, at_most_unsearchable=7, reason="pager")

    entry = LedgerEntry.objects.get(action="safeguard.declare")
    assert (entry.actor, entry.subject) == ("grace", f"alias:{alias}")
    assert entry.body["armed_hours"] == 48
    assert entry.body["at_most_unsearchable"] == 7
    assert entry.body["safeguard"] == held.pk
    assert OutboxEvent.objects.get(kind="safeguard.declare").body == entry.body


def test_other_terms_take_the_place_of_the_former_and_the_same_are_the_former():
    alias = make.an_alias()
    former = a_safeguard(alias)

    assert a_safeguard(alias) == former
    changed = a_safeguard(alias, armed_hours=2)

    former.refresh_from_db()
    assert former.withdrawn_at is not None
    assert list(live_safeguards(alias)) == [changed]
    assert LedgerEntry.objects.filter(action="safeguard.declare").count() == 2
    assert LedgerEntry.objects.last().body["replaces"] == former.pk


@pytest.mark.parametrize(
    "terms",
    [
        {"signal": ""},
        {"signal": "error rate"},
        {"signal": "x" * 65},
        {"armed_hours": 0},
        {"armed_hours": 366 * 24 + 1},
        {"at_most_unsearchable": -1},
        {"at_most_unsearchable": 2**63},
    ],
)
def test_terms_that_make_no_sense_are_refused(terms):
    with pytest.raises(InvalidInputError) as refused:
        a_safeguard(make.an_alias(), **terms)

    assert refused.value.code == "invalid_safeguard"
    assert not Safeguard.objects.exists()


def test_withdrawing_ends_it_and_what_is_not_declared_cannot_end():
    alias = make.an_alias()
    a_safeguard(alias)

    withdraw_safeguard(alias=alias, signal=SIGNAL, actor=make.a_user("grace"))
    with pytest.raises(UnknownObjectError) as refused:
        withdraw_safeguard(alias=alias, signal=SIGNAL, actor=make.a_user())

    assert refused.value.code == "unknown_safeguard"
    assert not live_safeguards(alias).exists()
    assert LedgerEntry.objects.get(action="safeguard.withdraw").actor == "grace"


def test_before_there_is_a_promotion_to_undo_it_is_idle():
    one = standing_of_a_first_version()

    assert (one.state, one.move, one.plan) == ("idle", None, None)
    assert not one.would_refuse


def standing_of_a_first_version():
    alias = make.a_promoted_upgrade().alias
    a_safeguard(alias)
    return standing(alias)


def test_after_a_promotion_it_is_armed_and_says_what_going_back_means():
    alias = a_guarded_alias(items_after=3)

    one = standing(alias)

    assert one.state == "armed"
    assert one.move.epoch == alias.epoch
    assert (one.until - one.move.at).total_seconds() == 24 * 3600
    assert one.plan.target == one.move.from_version
    assert (one.plan.unsearchable_items, one.would_refuse) == (0, False)


def test_it_says_beforehand_that_it_would_be_refused():
    one = standing(a_guarded_alias(items_after=3, forward=False))

    assert one.state == "armed"
    assert (one.plan.unsearchable_items, one.would_refuse) == (3, True)


def test_so_many_items_as_are_allowed_do_not_stand_against_it():
    one = standing(a_guarded_alias(items_after=3, forward=False, at_most_unsearchable=3))

    assert not one.would_refuse


def test_a_dual_query_is_planned_only_where_it_is_needed():
    needed = standing(a_guarded_alias(items_after=3, forward=False, dual_query=True))
    spare = standing(a_guarded_alias(items_after=3, dual_query=True))

    assert (needed.dual_query, needed.plan.unsearchable_items) == (True, 0)
    assert (spare.dual_query, spare.plan.unsearchable_items) == (False, 0)


def test_when_its_hours_are_over_it_is_idle(monkeypatch):
    one = standing(a_guarded_alias())

    monkeypatch.setattr(timezone, "now", lambda: one.until)

    assert one.state == "idle"


def test_a_person_who_rolls_back_disarms_it():
    alias = a_guarded_alias()
    before = AliasMove.objects.get(alias=alias, epoch=1).to_version
    roll_back(alias=alias, target=before, actor=make.a_user(), reason="")

    assert standing(alias).state == "idle"


def test_what_it_did_is_its_state_until_the_next_promotion():
    alias = a_guarded_alias()
    receive(alias=alias, signal=SIGNAL, firing=True)
    fired = standing(alias)

    make.a_promoted_upgrade(the_alias(alias.pk))

    assert (fired.state, fired.last.move.epoch) == ("rolled_back", 3)
    assert standing(alias).state == "armed"


def test_a_refusal_is_its_state_until_it_is_declared_anew():
    alias = a_guarded_alias(items_after=3, forward=False)
    receive(alias=alias, signal=SIGNAL, firing=True)

    assert standing(alias).state == "refused"
    a_safeguard(alias, at_most_unsearchable=3)

    assert standing(alias).state == "armed"


@pytest.mark.postgres
def test_signals_that_led_to_nothing_are_not_read_however_many_there_are():
    alias = a_guarded_alias()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")

    plan = signals_with_a_reaction(alias, list(live_safeguards(alias))).explain()

    assert "one_automatic_rollback_per_promotion" in plan
    assert "one_refusal_per_promotion" in plan
