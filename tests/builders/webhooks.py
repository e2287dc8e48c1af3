"""Subscriptions and messages for them."""

from typing import Any

from django.contrib.auth.models import User

from registry.core.leases import WorkState
from registry.notify.models import Delivery, Subscription
from registry.notify.services import deliveries
from registry.notify.services.fan_out import fan_out
from registry.notify.services.publish import publish
from registry.notify.services.subscribe import subscribe
from tests.builders import registry as make

URL = "https://hooks.example.com/registry?token=1"
BODY = {"alias": "digits@production", "epoch": 2, "reason": "größer"}


def a_subscription(owner: User | None = None, **given: Any) -> Subscription:
    """Return a subscription to everything."""
    given = {"url": URL, "kinds": ["*"], **given}
    return subscribe(owner=owner or make.a_user(), **given)[0]


def an_event(kind: str = "alias.moved") -> None:
    """Let something happen, and fan it out."""
    publish(kind=kind, subject="alias:digits@production", **BODY)
    fan_out()


def a_delivery(subscription: Subscription | None = None) -> Delivery:
    """Return a message that is due."""
    subscription = subscription or a_subscription()
    an_event()
    return subscription.deliveries.select_related("event").latest("pk")


def try_once(delivery: Delivery, code: str = "", *, status: int | None = None) -> Delivery:
    """Do what a worker does, without a network."""
    job = deliveries.claim(delivery_id=delivery.pk)
    assert job is not None
    status = status or (None if code else 204)
    report = deliveries.Report(code, code and f"it was {code}", status, "", 12)
    assert deliveries.record(job=job, report=report)
    delivery.refresh_from_db()
    return delivery


def make_due(**which: Any) -> None:
    """Let the time of the next try come, for every message that waits."""
    waiting = Delivery.objects.filter(work_state=WorkState.QUEUED, **which)
    waiting.update(next_attempt_at="2020-01-01T00:00:00Z")
