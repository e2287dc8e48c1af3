"""Acknowledgements: which consumer has taken over which epoch."""

import pytest

from registry.audit.models import LedgerEntry
from registry.galleries.models import Acknowledgement
from registry.galleries.selectors import acknowledgements_of
from registry.galleries.services.acknowledge import acknowledge, forget_consumer
from registry.notify.models import OutboxEvent
from tests.builders import registry as build
from tests.refusals import refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery():
    """A gallery at epoch 2."""
    gallery = build.a_gallery()
    build.a_promoted_upgrade(gallery.alias)
    gallery.refresh_from_db()
    return gallery


def say(gallery, epoch, consumer="search-eu"):
    return acknowledge(gallery=gallery, consumer=consumer, epoch=epoch, actor=build.a_user())


def entries(action="gallery.acknowledge"):
    return [e.body for e in LedgerEntry.objects.filter(action=action).order_by("seq")]


def test_a_consumer_is_told_of_once_however_often_it_says_the_same(gallery):
    first = say(gallery, 2)

    again = say(gallery, 2)

    assert (again.pk, again.since, again.acknowledged_by) == (
        first.pk,
        first.since,
        first.acknowledged_by,
    )
    assert entries() == [{"consumer": "search-eu", "epoch": 2, "behind": 0}]
    [event] = OutboxEvent.objects.filter(kind="gallery.acknowledged")
    assert event.body == entries()[0]


def test_a_consumer_moves_on_and_never_back(gallery):
    say(gallery, 1)
    say(gallery, 2)

    assert refused(say, gallery, 1) == "epoch_behind"
    assert refused(say, gallery, 3) == "epoch_ahead"
    assert Acknowledgement.objects.get().epoch == 2
    assert [body["epoch"] for body in entries()] == [1, 2]


def test_no_consumer_is_ahead_of_the_live_epoch(gallery):
    assert refused(say, gallery, 3) == "epoch_ahead"
    assert refused(say, gallery, 0) == "invalid_input"
    assert refused(say, gallery, 2, consumer="search eu") == "invalid_name"
    assert not Acknowledgement.objects.exists()


def test_who_lags_behind_is_known_and_since_when(gallery):
    say(gallery, 1, "search-us")
    say(gallery, 2, "search-eu")

    eu, us = acknowledgements_of(gallery)

    assert (eu.consumer, eu.behind, eu.behind_since) == ("search-eu", 0, None)
    assert (us.consumer, us.behind) == ("search-us", 1)
    assert us.behind_since == gallery.cutovers.get(epoch=2).at


def test_the_next_cutover_leaves_everybody_behind_until_they_say_so(gallery):
    say(gallery, 2)
    build.a_promoted_upgrade(gallery.alias)

    [left] = acknowledgements_of(gallery)
    assert left.behind == 1
    gallery.refresh_from_db()
    say(gallery, 3)

    [caught_up] = acknowledgements_of(gallery)
    assert caught_up.behind == 0


def test_a_consumer_that_is_gone_is_waited_for_no_longer(gallery):
    say(gallery, 1)
    actor = build.a_user()

    forget_consumer(gallery=gallery, consumer="search-eu", actor=actor)

    assert not gallery.acknowledgements.exists()
    assert entries("gallery.forget_consumer") == [{"consumer": "search-eu"}]
    again = {"gallery": gallery, "consumer": "search-eu", "actor": actor}
    assert refused(forget_consumer, **again) == "unknown_consumer"
