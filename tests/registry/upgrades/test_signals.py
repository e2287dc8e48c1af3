"""A signal that fires for a guarded promotion undoes it once; every other one is kept and told."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from registry.audit.models import LedgerEntry
from registry.audit.selectors import verified_head
from registry.core.errors import InvalidInputError, UnknownObjectError
from registry.core.immutable import ImmutableRowError
from registry.notify.models import OutboxEvent
from registry.upgrades.models import Safeguard, Signal
from registry.upgrades.services.promote import promote
from registry.upgrades.services.safeguards import withdraw_safeguard
from registry.upgrades.services.signals import receive
from registry.upgrades.states import State
from tests.builders import registry as make
from tests.builders.staging import SIGNAL, a_guarded_alias, a_safeguard, the_alias
from tests.registry.upgrades.test_promote import race

pytestmark = pytest.mark.django_db

Reaction = Signal.Reaction


def fire(alias, **values):
    return receive(**({"alias": alias, "signal": SIGNAL, "firing": True} | values))


def at(alias):
    alias = the_alias(alias.pk)
    return alias.epoch, alias.version.number


def test_it_goes_back_to_the_version_before_with_its_galleries():
    alias = a_guarded_alias()

    said = fire(alias, detail="5 % of searches fail")

    assert said.reaction == Reaction.ROLLED_BACK
    assert at(alias) == (3, 1)
    assert alias.galleries.get().live_view.encoder.number == 1
    assert said.move.reason == "signal error-rate: 5 % of searches fail"
    states = dict(alias.upgrades.values_list("candidate__number", "state"))
    assert states == {1: State.PROMOTED, 2: State.ROLLED_BACK}


def test_the_ledger_shows_the_safeguard_on_behalf_of_who_declared_it():
    alias = a_guarded_alias(actor=make.a_user("grace"))

    said = fire(alias, actor=make.a_user("monitoring"))

    moved, after = LedgerEntry.objects.order_by("-seq")[:2][::-1]
    assert (moved.action, moved.actor) == ("upgrade.roll_back", "safeguard:error-rate")
    assert moved.body["on_behalf_of"] == "grace"
    assert (after.action, after.actor) == ("safeguard.rolled_back", "safeguard:error-rate")
    assert (after.subject, after.body["sent_by"]) == (f"alias:{alias}", "monitoring")
    assert (after.body["on_behalf_of"], after.body["received"]) == ("grace", said.pk)
    assert said.move.actor.username == "grace"
    assert OutboxEvent.objects.get(kind="safeguard.rolled_back").body == after.body
    assert verified_head()[0] == after.seq


def test_a_second_firing_does_nothing_more():
    alias = a_guarded_alias()
    fire(alias)
    entries = LedgerEntry.objects.count()

    again = fire(the_alias(alias.pk))

    assert (again.reaction, again.code) == (Reaction.NONE, "not_armed")
    assert at(alias) == (3, 1)
    assert LedgerEntry.objects.count() == entries


def test_a_flapping_signal_undoes_each_promotion_once_and_no_rollback():
    alias = a_guarded_alias()

    for firing in (True, False, True, False, True):
        fire(the_alias(alias.pk), firing=firing)

    assert at(alias) == (3, 1)
    make.a_promoted_upgrade(the_alias(alias.pk))
    fire(the_alias(alias.pk))
    assert at(alias) == (5, 1)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"firing": False}, "not_firing"),
        ({"epoch": 1}, "other_epoch"),
        ({"observed_at": timezone.now() - timedelta(days=1)}, "observed_before"),
    ],
)
def test_a_signal_that_says_nothing_of_this_promotion_is_kept_and_not_acted_on(values, code):
    alias = a_guarded_alias()

    said = fire(alias, **values)

    assert (said.reaction, said.code) == (Reaction.NONE, code)
    assert said.explanation
    assert Signal.objects.get() == said
    assert at(alias) == (2, 2)


def test_when_its_hours_are_over_nothing_is_undone(monkeypatch):
    alias = a_guarded_alias(armed_hours=1)
    late = timezone.now() + timedelta(hours=1, seconds=1)

    monkeypatch.setattr("registry.upgrades.services.signals.timezone.now", lambda: late)

    assert fire(alias).code == "not_armed"
    assert at(alias) == (2, 2)


def test_a_first_version_has_nothing_to_go_back_to():
    alias = make.a_promoted_upgrade().alias
    a_safeguard(alias)

    assert fire(the_alias(alias.pk)).code == "not_armed"


def test_too_many_items_refuse_it_loudly_once_and_leave_everything():
    alias = a_guarded_alias(items_after=3, forward=False, at_most_unsearchable=2)

    said, again = fire(alias), fire(alias)

    assert (said.reaction, said.code) == (Reaction.REFUSED, "unsearchable_items")
    assert said.explanation == "3 items would become unsearchable, and 2 may"
    assert (again.reaction, again.code) == (Reaction.NONE, "refused_already")
    assert at(alias) == (2, 2)
    assert alias.galleries.get().live_view.encoder.number == 2
    entry = LedgerEntry.objects.get(action="safeguard.refused")
    assert entry.body["refused"] == "unsearchable_items"
    assert OutboxEvent.objects.get(kind="safeguard.refused").body == entry.body


def test_so_many_items_as_are_allowed_are_given_up():
    alias = a_guarded_alias(items_after=3, forward=False, at_most_unsearchable=3)

    assert fire(alias).reaction == Reaction.ROLLED_BACK
    assert LedgerEntry.objects.filter(action="upgrade.roll_back").get().body["galleries"] == [
        {"gallery": alias.galleries.get().name, "epoch": 3, "unsearchable": 3}
    ]


def test_a_dual_query_keeps_them_where_it_is_allowed():
    alias = a_guarded_alias(items_after=3, forward=False, dual_query=True)

    assert fire(alias).reaction == Reaction.ROLLED_BACK
    moved = LedgerEntry.objects.get(action="upgrade.roll_back").body
    assert (moved["dual_query"], moved["galleries"][0]["unsearchable"]) == (True, 0)


def test_after_a_refusal_other_terms_are_tried_anew():
    alias = a_guarded_alias(items_after=3, forward=False)
    fire(alias)

    a_safeguard(alias, at_most_unsearchable=3)

    assert fire(alias).reaction == Reaction.ROLLED_BACK


def test_a_signal_that_nobody_declared_is_refused_and_not_kept():
    alias = make.an_alias()

    with pytest.raises(UnknownObjectError) as refused:
        fire(alias)

    assert refused.value.code == "unknown_safeguard"
    assert not Signal.objects.exists()


def test_what_was_observed_in_the_future_is_refused():
    with pytest.raises(InvalidInputError) as refused:
        fire(a_guarded_alias(), observed_at=timezone.now() + timedelta(minutes=6))

    assert refused.value.code == "observed_in_future"


def test_a_promotion_that_came_between_is_not_undone_by_a_signal_from_before():
    alias = a_guarded_alias()
    make.a_promoted_upgrade(the_alias(alias.pk))

    said = fire(alias)

    assert (said.reaction, said.code, said.epoch) == (Reaction.NONE, "alias_moved", 2)
    assert at(alias) == (3, 3)


def test_a_safeguard_that_was_withdrawn_meanwhile_does_nothing(monkeypatch):
    alias = a_guarded_alias()

    def withdrawn_meanwhile(held, name):
        found = Safeguard.objects.get(alias=held, signal=name)
        withdraw_safeguard(alias=held, signal=name, actor=found.declared_by)
        return found

    monkeypatch.setattr("registry.upgrades.services.signals.declared", withdrawn_meanwhile)

    assert fire(alias).code == "withdrawn"
    assert at(alias) == (2, 2)


def test_an_error_after_the_rollback_leaves_nothing_of_it(monkeypatch):
    alias = a_guarded_alias()

    def broken(**facts):
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("registry.upgrades.services.signals.publish", broken)
        with pytest.raises(ZeroDivisionError):
            fire(alias)
    assert at(alias) == (2, 2)
    assert not Signal.objects.exists()

    assert fire(alias).reaction == Reaction.ROLLED_BACK


def test_a_signal_is_written_once_for_the_database_too():
    said = fire(a_guarded_alias(), firing=False)

    with pytest.raises(ImmutableRowError):
        said.save()
    with pytest.raises(DatabaseError), transaction.atomic():
        Signal.objects.filter(pk=said.pk).update(firing=True)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_signals_at_the_same_moment_one_rolls_back():
    alias = a_guarded_alias()
    a_safeguard(alias, signal="latency")

    answers = race(
        *[lambda: fire(alias)] * 3,
        *[lambda: fire(alias, signal="latency")] * 3,
    )

    reactions = [a.reaction for a in answers]
    assert reactions.count(Reaction.ROLLED_BACK) == 1, answers
    assert {a.code for a in answers if a.reaction == Reaction.NONE} == {"alias_moved"}
    assert at(alias) == (3, 1)
    assert Signal.objects.count() == 6


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_signal_undoes_the_promotion_it_was_for_and_never_the_one_beside_it():
    alias = a_guarded_alias()
    rival = make.a_judged_upgrade(the_alias(alias.pk))

    said, promotion = race(
        lambda: fire(alias), lambda: promote(upgrade_id=rival.pk, actor=rival.created_by)
    )

    if said.reaction == Reaction.ROLLED_BACK:
        assert promotion.code == "verdict_stale"
        assert at(alias) == (3, 1)
    else:
        assert said.code == "alias_moved"
        assert at(alias) == (3, 3)
