"""A message is tried under a claim, waits longer each time, and ends delivered or given up."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from registry.audit.models import LedgerEntry
from registry.core.errors import IllegalTransitionError, UnknownObjectError
from registry.notify.backoff import ATTEMPTS, FAILING_FOR, JITTER, LONGEST, delay_after
from registry.notify.models import Delivery, Subscription
from registry.notify.services import deliveries
from registry.notify.services.ping import ping
from registry.notify.services.redeliver import redeliver
from registry.notify.services.sweep import sweep
from registry.notify.services.switch import deactivate
from tests.builders import registry as make
from tests.builders import webhooks as build

pytestmark = pytest.mark.django_db

REPORT = deliveries.Report("refused_status", "the receiver answered 500", 500, "oh no", 30)


def test_the_body_is_one_text_that_does_not_change_between_tries():
    delivery = build.a_delivery()
    first = deliveries.claim(delivery_id=delivery.pk)
    deliveries.record(job=first, report=REPORT)
    build.make_due()

    again = deliveries.claim(delivery_id=delivery.pk)

    assert (again.body, again.message_id) == (first.body, first.message_id)
    assert json.loads(first.body) == {
        "type": "alias.moved",
        "timestamp": delivery.event.at.isoformat(),
        "data": {
            "id": delivery.event_id,
            "subject": "alias:digits@production",
            "body": build.BODY,
        },
    }
    assert "größer".encode() in first.body


def test_a_failure_waits_for_its_next_try_and_says_why():
    delivery = build.a_delivery()
    job = deliveries.claim(delivery_id=delivery.pk)

    assert deliveries.record(job=job, report=REPORT)

    delivery.refresh_from_db()
    assert (delivery.work_state, delivery.attempt) == ("queued", 1)
    assert (delivery.error_code, delivery.error_detail) == (REPORT.code, REPORT.detail)
    assert (delivery.response_status, delivery.response_excerpt) == (500, "oh no")
    wait = (delivery.next_attempt_at - timezone.now()).total_seconds()
    assert 6 < wait < 12.5
    assert deliveries.claim(delivery_id=delivery.pk) is None


def test_a_success_after_failures_clears_what_was_wrong():
    delivery = build.try_once(build.a_delivery(), "refused_status", status=500)
    assert delivery.subscription.failing_since is not None
    build.make_due()

    build.try_once(delivery)

    assert (delivery.work_state, delivery.attempt, delivery.error_code) == ("done", 2, "")
    assert delivery.delivered_at is not None
    delivery.subscription.refresh_from_db()
    assert delivery.subscription.failing_since is None


def test_after_the_last_try_a_message_is_given_up_and_its_subscription_is_not():
    delivery = build.a_delivery()
    for _ in range(ATTEMPTS):
        assert delivery.work_state == "queued"
        build.make_due()
        build.try_once(delivery, "timed_out")

    assert (delivery.work_state, delivery.attempt) == ("failed", ATTEMPTS)
    assert delivery.error_code == "timed_out"
    build.make_due()
    assert deliveries.claim(delivery_id=delivery.pk) is None
    assert Subscription.objects.get().active


def test_the_waits_grow_to_a_limit_and_sum_to_most_of_a_day():
    waits = [delay_after(tries) for tries in range(1, ATTEMPTS)]
    hours = [wait.total_seconds() / 3600 for wait in waits]

    assert all(later > earlier * 1.5 for earlier, later in zip(hours[:7], hours[1:8], strict=True))
    assert max(waits) <= LONGEST * (1 + JITTER)
    assert 16 < sum(hours) < 26
    assert len({delay_after(1) for _ in range(20)}) > 15


def test_a_message_whose_worker_was_lost_is_claimed_again_with_the_same_id():
    delivery = build.a_delivery()
    lost = deliveries.claim(delivery_id=delivery.pk)
    assert deliveries.claim(delivery_id=delivery.pk) is None
    Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    held = deliveries.claim(delivery_id=delivery.pk)

    assert (held.message_id, held.claim.attempt) == (lost.message_id, 2)
    delivered = deliveries.Report("", "", 204, "", 3)
    assert deliveries.record(job=lost, report=delivered) is False
    assert deliveries.record(job=lost, report=REPORT) is False
    assert Subscription.objects.get().failing_since is None
    assert deliveries.record(job=held, report=delivered) is True


def test_410_switches_the_subscription_off_and_gives_up_the_rest():
    subscription = build.a_subscription()
    first, second = build.a_delivery(subscription), build.a_delivery(subscription)

    build.try_once(first, "gone", status=410)

    second.refresh_from_db()
    subscription.refresh_from_db()
    assert (subscription.active, subscription.inactive_reason) == (False, "gone")
    assert (first.work_state, first.error_code) == ("failed", "gone")
    assert (second.work_state, second.error_code) == ("failed", "webhook_inactive")
    entry = LedgerEntry.objects.latest("seq")
    assert (entry.actor, entry.action) == ("worker", "webhook.deactivate")
    assert entry.body == {"reason": "gone", "given_up": 1}


def test_days_without_one_success_switch_the_subscription_off_once():
    subscription = build.a_subscription()
    first, second = build.a_delivery(subscription), build.a_delivery(subscription)
    build.try_once(first, "refused_status", status=500)
    since = timezone.now() - FAILING_FOR + timedelta(minutes=1)
    Subscription.objects.update(failing_since=since)
    build.make_due()
    build.try_once(first, "refused_status", status=500)
    assert Subscription.objects.get().active

    Subscription.objects.update(failing_since=since - timedelta(minutes=2))
    build.make_due()
    late = deliveries.claim(delivery_id=second.pk)
    build.try_once(first, "refused_status", status=500)
    deliveries.record(job=late, report=REPORT)

    subscription.refresh_from_db()
    assert (subscription.active, subscription.inactive_reason) == (False, "failing")
    assert LedgerEntry.objects.filter(action="webhook.deactivate").count() == 1
    second.refresh_from_db()
    assert second.work_state == "failed"


def test_a_silent_receiver_is_left_alone_by_its_other_messages_only():
    silent, other = build.a_subscription(), build.a_subscription()
    build.an_event()
    build.an_event()
    first, second = silent.deliveries.order_by("pk")

    build.try_once(first, "timed_out")

    assert deliveries.claim(delivery_id=second.pk) is None
    for delivery in other.deliveries.all():
        assert deliveries.claim(delivery_id=delivery.pk) is not None
    build.make_due()
    build.try_once(first, "refused_status", status=500)
    assert deliveries.claim(delivery_id=second.pk) is not None


def test_what_is_claimed_after_the_end_of_its_subscription_is_given_up():
    for ends in ("subscription", "owner"):
        delivery = build.a_delivery()
        if ends == "subscription":
            Subscription.objects.filter(pk=delivery.subscription_id).update(active=False)
        else:
            delivery.subscription.owner.is_active = False
            delivery.subscription.owner.save()

        assert deliveries.claim(delivery_id=delivery.pk) is None

        delivery.refresh_from_db()
        assert (delivery.work_state, delivery.error_code) == ("failed", "webhook_inactive")


def test_a_message_under_way_when_its_subscription_ends_is_not_tried_again():
    delivery = build.a_delivery()
    job = deliveries.claim(delivery_id=delivery.pk)
    deactivate(subscription_id=job.subscription_id, actor=delivery.subscription.owner)

    deliveries.record(job=job, report=REPORT)

    delivery.refresh_from_db()
    assert (delivery.work_state, delivery.error_code) == ("failed", "refused_status")


def test_the_sweeper_asks_for_what_is_due_and_for_nothing_else(queue):
    subscription = build.a_subscription()
    due, waits, done = (build.a_delivery(subscription) for _ in range(3))
    build.try_once(waits, "refused_status", status=500)
    build.try_once(done)
    queue.sent.clear()

    queue.act(sweep)

    assert [args for name, args in queue.sent if name == "deliver_webhook"] == [(due.pk,)]


def test_redelivery_keeps_the_id_and_starts_a_full_round():
    delivery = build.try_once(build.a_delivery())
    again = redeliver(
        subscription_id=delivery.subscription_id,
        delivery_id=delivery.pk,
        actor=delivery.subscription.owner,
    )

    job = deliveries.claim(delivery_id=delivery.pk)
    assert (again.work_state, job.message_id) == ("queued", delivery.message_id)
    assert (job.claim.attempt, job.tries_left) == (2, ATTEMPTS - 1)
    entry = LedgerEntry.objects.latest("seq")
    assert (entry.action, entry.body) == ("webhook.redeliver", {"message": delivery.message_id})


def test_a_message_that_waits_can_be_sent_now():
    delivery = build.try_once(build.a_delivery(), "timed_out")

    redeliver(
        subscription_id=delivery.subscription_id,
        delivery_id=delivery.pk,
        actor=delivery.subscription.owner,
    )

    assert deliveries.claim(delivery_id=delivery.pk) is not None


def test_what_is_under_way_or_switched_off_or_of_others_is_not_sent_again():
    delivery = build.a_delivery()
    owner = delivery.subscription.owner
    which = {"subscription_id": delivery.subscription_id, "delivery_id": delivery.pk}
    deliveries.claim(delivery_id=delivery.pk)

    with pytest.raises(IllegalTransitionError) as under_way:
        redeliver(**which, actor=owner)
    with pytest.raises(UnknownObjectError) as foreign:
        redeliver(**which, actor=make.a_user())
    with pytest.raises(UnknownObjectError) as elsewhere:
        redeliver(
            subscription_id=build.a_subscription(owner).pk, delivery_id=delivery.pk, actor=owner
        )
    deactivate(subscription_id=delivery.subscription_id, actor=owner)
    with pytest.raises(IllegalTransitionError) as off:
        redeliver(**which, actor=owner)

    codes = [error.value.code for error in (under_way, foreign, elsewhere, off)]
    assert codes == [
        "delivery_under_way",
        "unknown_webhook",
        "unknown_delivery",
        "webhook_inactive",
    ]


def test_a_ping_goes_to_one_subscription_whatever_its_filter(queue):
    subscription, other = build.a_subscription(kinds=["alias.moved"]), build.a_subscription()
    delivery = queue.act(ping, subscription_id=subscription.pk, actor=subscription.owner)

    queue.act(sweep)

    assert delivery.event.kind == "webhook.ping"
    assert not other.deliveries.exists()
    assert queue.sent[0] == ("deliver_webhook", (delivery.pk,))
    assert LedgerEntry.objects.latest("seq").action == "webhook.ping"
    deactivate(subscription_id=subscription.pk, actor=subscription.owner)
    with pytest.raises(IllegalTransitionError) as refused:
        ping(subscription_id=subscription.pk, actor=subscription.owner)
    assert refused.value.code == "webhook_inactive"


def test_no_secret_is_in_what_a_worker_might_log():
    job = deliveries.claim(delivery_id=build.a_delivery().pk)

    assert job.secrets[0].startswith("whsec_")
    assert "whsec_" not in repr(job)
