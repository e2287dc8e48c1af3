"""Logs are shortened in chunks: what is old and has ended goes, whatever else there is stays."""

from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from registry.api.forgetting import forget_old_keys
from registry.api.models import IdempotencyKey
from registry.core import env, pruning
from registry.core.leases import WorkState
from registry.notify.models import Delivery, OutboxEvent, Subscription
from registry.notify.services.redeliver import redeliver
from registry.notify.services.sweep import discard_old_deliveries
from registry.notify.services.sweep import sweep as sweep_notify
from tests.builders import registry as make
from tests.builders import webhooks as build
from workers.tasks.sweep import sweep

pytestmark = pytest.mark.django_db

NOW = timezone.now()


def keys(*days_ago):
    owner = make.a_user()
    for at, days in enumerate(days_ago):
        IdempotencyKey.objects.create(
            owner=owner, key=f"{at}", request_sha256="", created_at=NOW - timedelta(days=days)
        )


def kept():
    return sorted(IdempotencyKey.objects.values_list("key", flat=True))


def a_delivery_of(days_ago, **changes):
    delivery = build.a_delivery(Subscription.objects.first())
    then = NOW - timedelta(days=days_ago)
    values = {"created_at": then, "next_attempt_at": then, "work_state": WorkState.DONE}
    Delivery.objects.filter(pk=delivery.pk).update(**(values | changes))
    return delivery


def test_keys_of_a_week_are_kept_and_older_ones_are_not():
    keys(30, 7.01, 6.99, 0)

    assert forget_old_keys(NOW) == 2
    assert kept() == ["2", "3"]


def test_how_long_keys_are_kept_is_a_setting(settings):
    settings.IDEMPOTENCY_KEPT_DAYS = 1
    keys(2, 0)

    forget_old_keys(NOW)

    assert kept() == ["1"]


@pytest.mark.parametrize("state", [WorkState.DONE, WorkState.FAILED])
def test_old_messages_that_have_ended_go_and_their_events_stay(state):
    a_delivery_of(91, work_state=state, delivered_at=NOW - timedelta(days=91))
    young = a_delivery_of(89)

    assert discard_old_deliveries(NOW) == 1
    assert list(Delivery.objects.all()) == [young]
    assert OutboxEvent.objects.filter(kind="alias.moved").count() == 2
    sweep_notify()
    assert Delivery.objects.filter(event__kind="alias.moved", pk__lt=young.pk).count() == 0


@pytest.mark.parametrize("state", [WorkState.QUEUED, WorkState.RUNNING])
def test_a_message_that_waits_is_never_removed(state):
    a_delivery_of(10_000, work_state=state)
    a_delivery_of(100)

    assert discard_old_deliveries(NOW) == 1
    assert Delivery.objects.get().work_state == state


def test_an_old_message_that_was_sent_again_counts_from_then():
    again = a_delivery_of(200)
    subscription = again.subscription
    redeliver(subscription_id=subscription.pk, delivery_id=again.pk, actor=subscription.owner)
    build.try_once(again)

    assert discard_old_deliveries(timezone.now()) == 0
    assert discard_old_deliveries(timezone.now() + timedelta(days=91)) == 1


def test_chunks_are_bounded_and_what_stays_does_not_hold_up_what_comes_after(monkeypatch):
    monkeypatch.setattr(pruning, "CHUNK", 2)
    stays = [a_delivery_of(100, work_state=WorkState.QUEUED) for _ in range(3)]
    goes = [a_delivery_of(100) for _ in range(3)]

    rows, before = Delivery.objects.all(), NOW - timedelta(days=90)
    ended = {"before": before, "only": pruning.Q(work_state=WorkState.DONE)}
    assert pruning.discard_old(rows, **ended, most=2) == 2
    assert pruning.discard_old(rows, **ended) == 1
    assert sorted(rows.values_list("pk", flat=True)) == [one.pk for one in stays]
    assert len(goes) == 3


def test_where_nothing_is_old_one_chunk_is_read(django_assert_num_queries, monkeypatch):
    monkeypatch.setattr(pruning, "CHUNK", 2)
    keys(0, 0, 0, 0, 0)

    with django_assert_num_queries(1):
        assert forget_old_keys(NOW) == 0


def test_the_sweep_shortens_both_logs():
    keys(8)
    a_delivery_of(91)

    sweep()

    assert kept() == []
    assert not Delivery.objects.exists()


def test_a_setting_out_of_range_is_told_at_the_start(monkeypatch):
    monkeypatch.setenv("DELIVERIES_KEPT_DAYS", "1000000000")

    with pytest.raises(ImproperlyConfigured, match="at most 36500"):
        env.integer("DELIVERIES_KEPT_DAYS", 90, minimum=1, maximum=36_500)
