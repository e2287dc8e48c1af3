"""Every event becomes one message for each subscription that asked for it, and never two."""

import threading

import pytest
from django.db import connections

from registry.notify.models import Delivery, OutboxEvent
from registry.notify.services import fan_out as fanning
from registry.notify.services.publish import publish
from registry.notify.services.sweep import sweep
from tests.builders import registry as make
from tests.builders import webhooks as build

pytestmark = pytest.mark.django_db


def happen(times=1):
    for number in range(times):
        publish(kind="alias.moved", subject=f"alias:m@{number}")


def test_an_event_asks_to_be_fanned_out_once_its_act_has_committed(queue):
    subscription = build.a_subscription()

    queue.act(happen)

    assert list(queue.sent) == [("fan_out_events", ())]
    assert not Delivery.objects.exists()
    queue.act(fanning.fan_out)
    assert queue.sent[-1] == ("deliver_webhook", (subscription.deliveries.get().pk,))


def test_each_subscription_hears_what_it_asked_for():
    moves = build.a_subscription(kinds=["alias.moved"])
    verdicts = build.a_subscription(kinds=["upgrade.*"])
    everything = build.a_subscription(kinds=["*"])

    for kind in ("alias.moved", "upgrade.judged", "upgrade.withdrawn"):
        build.an_event(kind)

    def heard(by):
        return sorted(by.deliveries.values_list("event__kind", flat=True))

    assert heard(moves) == ["alias.moved"]
    assert heard(verdicts) == ["upgrade.judged", "upgrade.withdrawn"]
    assert heard(everything) == ["alias.moved", "upgrade.judged", "upgrade.withdrawn"]


def test_fanning_out_again_makes_nothing_again():
    build.a_delivery()

    OutboxEvent.objects.update(fanned_out_at=None)
    fanning.fan_out()

    assert Delivery.objects.count() == 1


def test_what_happened_before_a_subscription_is_not_sent_to_it():
    happen()
    subscription = build.a_subscription()

    fanning.fan_out()

    assert not subscription.deliveries.exists()


def test_who_left_hears_nothing_more():
    subscription = build.a_subscription()
    subscription.owner.is_active = False
    subscription.owner.save()

    build.an_event()

    assert not subscription.deliveries.exists()


def test_many_events_go_in_pieces(queue, monkeypatch):
    monkeypatch.setattr(fanning, "EVENTS_AT_ONCE", 3)
    subscription = build.a_subscription()
    happen(7)

    queue.act(fanning.fan_out)
    assert subscription.deliveries.count() == 3
    assert queue.sent.pop() == ("fan_out_events", ())
    queue.act(fanning.fan_out)
    queue.act(fanning.fan_out)

    assert subscription.deliveries.count() == 7
    assert not OutboxEvent.objects.filter(fanned_out_at=None).exists()


def test_the_sweeper_finds_events_whose_message_was_lost(queue):
    subscription = build.a_subscription()
    happen()

    queue.act(sweep)

    assert ("deliver_webhook", (subscription.deliveries.get().pk,)) in queue.sent


def test_the_cost_does_not_grow_with_the_events(django_assert_num_queries):
    build.a_subscription()
    happen(20)

    with django_assert_num_queries(7):  # two are the savepoint's
        fanning.fan_out()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_many_that_fan_out_at_once_each_event_is_sent_once():
    subscription = build.a_subscription(make.a_user())
    happen(10)
    barrier, looked_at = threading.Barrier(4), []

    def work():
        barrier.wait(timeout=20)
        looked_at.append(fanning.fan_out())
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert subscription.deliveries.count() == 10
    assert sorted(looked_at) == [0, 0, 0, 10]
