"""A drift alarm rolls an alias back where somebody declared that it shall."""

from datetime import timedelta

import pytest
from django.utils import timezone

from registry.galleries.services.drift_alarm import acknowledge_drift
from registry.upgrades.models import Signal
from registry.upgrades.services.drift_signals import DRIFT, send_drift_signals
from tests.builders import canaries
from tests.builders import registry as make
from tests.builders.staging import a_safeguard, the_alias

pytestmark = pytest.mark.django_db


def a_guarded_gallery():
    """Return an attached gallery whose alias was promoted twice, with canaries and a safeguard."""
    gallery = canaries.with_canaries()
    make.a_promoted_upgrade(the_alias(gallery.alias_id))
    a_safeguard(gallery.alias, signal=DRIFT)
    return gallery


def reactions():
    return list(Signal.objects.order_by("pk").values_list("reaction", "code"))


def test_an_alarm_after_the_promotion_rolls_it_back_once():
    gallery = a_guarded_gallery()
    canaries.an_alarm(gallery)

    assert send_drift_signals() == 1
    assert the_alias(gallery.alias_id).version.number == 1
    said = Signal.objects.get()
    assert (said.reaction, said.sent_by) == ("rolled_back", None)
    assert str(gallery) in said.detail
    send_drift_signals()

    assert the_alias(gallery.alias_id).epoch == 3


def test_the_same_check_is_told_once_and_the_next_one_anew():
    gallery = a_guarded_gallery()
    canaries.an_alarm(gallery)
    make.Alias.objects.filter(pk=gallery.alias_id).update(epoch=9)

    assert [send_drift_signals(), send_drift_signals()] == [1, 0]
    canaries.check(gallery, "differs")

    assert send_drift_signals() == 1
    assert reactions() == [("none", "not_armed"), ("none", "not_armed")]


def test_drift_that_was_there_before_the_promotion_says_nothing_of_it():
    gallery = canaries.with_canaries()
    upgrade = make.a_judged_upgrade(the_alias(gallery.alias_id))
    alarm = canaries.an_alarm(gallery)
    acknowledge_drift(gallery=gallery, reason="a test", actor=make.a_user())
    make.promote(upgrade_id=upgrade.pk, actor=upgrade.created_by)
    alarm.refresh_from_db()
    alarm.state = "open"
    alarm.save()
    a_safeguard(gallery.alias, signal=DRIFT)

    send_drift_signals()

    assert reactions() == [("none", "observed_before")]
    assert the_alias(gallery.alias_id).version.number == 2


def test_a_check_from_a_clock_that_runs_ahead_waits_and_keeps_no_other_alias_waiting():
    ahead, other = a_guarded_gallery(), a_guarded_gallery()
    for gallery in (ahead, other):
        canaries.an_alarm(gallery)
    ahead.canary_checks.update(finished_at=timezone.now() + timedelta(hours=1))

    assert send_drift_signals() == 1
    assert the_alias(other.alias_id).epoch == 3
    assert the_alias(ahead.alias_id).epoch == 2


@pytest.mark.parametrize("what", ["acknowledged", "not declared"])
def test_what_a_person_took_upon_them_or_nobody_declared_sends_nothing(what):
    gallery = a_guarded_gallery() if what == "acknowledged" else canaries.with_canaries()
    canaries.an_alarm(gallery)
    if what == "acknowledged":
        acknowledge_drift(gallery=gallery, reason="known", actor=make.a_user())

    assert send_drift_signals() == 0
    assert not Signal.objects.exists()
