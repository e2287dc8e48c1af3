"""One message for one receiver: claimed, sent by a worker, recorded under the claim."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from registry.audit.chain import canonical
from registry.core import leases
from registry.core.leases import WorkState
from registry.notify.backoff import ATTEMPTS, FAILING_FOR, QUIET, delay_after
from registry.notify.models import Delivery, OutboxEvent, Subscription
from registry.notify.selectors import DUE
from registry.notify.services.switch import INACTIVE, switch_off

ENGINE = "worker"
GONE = "gone"


@dataclass(frozen=True)
class DeliveryJob:
    """What a worker needs to send a message; ``secrets`` are the live ones, the newest first."""

    claim: leases.Claim
    subscription_id: int
    url: str
    message_id: str
    body: bytes
    secrets: tuple[str, ...] = field(repr=False)
    tries_left: int


@dataclass(frozen=True)
class Report:
    """How an attempt went; without a code the receiver has the message."""

    code: str
    detail: str
    status: int | None
    excerpt: str
    duration_ms: int


def claim(*, delivery_id: int) -> DeliveryJob | None:
    """Take a message that is due, or return None; one whose subscription has ended is given up."""
    taken = leases.claim(Delivery, delivery_id, only=DUE)
    if taken is None:
        return None
    delivery = Delivery.objects.select_related("event", "subscription__owner").get(pk=delivery_id)
    subscription = delivery.subscription
    if not (subscription.active and subscription.owner.is_active):
        leases.fail(Delivery, taken, INACTIVE, "the webhook was switched off")
        return None
    return DeliveryJob(
        claim=taken,
        subscription_id=subscription.pk,
        url=subscription.url,
        message_id=delivery.message_id,
        body=_body(delivery.event),
        secrets=_live_secrets(subscription),
        tries_left=delivery.attempt_limit - taken.attempt,
    )


@transaction.atomic
def record(*, job: DeliveryJob, report: Report) -> bool:
    """Record an attempt under its claim; False when the claim was lost.

    The subscription is locked before the delivery, here and in every service that takes both.
    """
    subscription = Subscription.objects.select_for_update().get(pk=job.subscription_id)
    answer = {
        "response_status": report.status,
        "response_excerpt": report.excerpt[:500],
        "duration_ms": report.duration_ms,
    }
    if report.code:
        return _record_failure(job, report, subscription, answer)
    kept = leases.finish(Delivery, job.claim, delivered_at=timezone.now(), **answer)
    if kept and subscription.failing_since is not None:
        subscription.failing_since = None
        subscription.save(update_fields=["failing_since"])
    return kept


def _record_failure(
    job: DeliveryJob, report: Report, subscription: Subscription, answer: dict[str, Any]
) -> bool:
    delay = delay_after(ATTEMPTS - job.tries_left)
    if job.tries_left and subscription.active and report.code != GONE:
        kept = leases.release(
            Delivery,
            job.claim,
            error_code=report.code,
            error_detail=report.detail[:4000],
            next_attempt_at=Now() + delay,
            **answer,
        )
    else:
        kept = leases.fail(Delivery, job.claim, report.code, report.detail, **answer)
    if kept and subscription.active:
        _note_failure(report, subscription, delay)
    return kept


def _note_failure(report: Report, subscription: Subscription, delay: timedelta) -> None:
    """Switch a subscription off that is gone or fails too long; spare one that does not answer."""
    now = timezone.now()
    if subscription.failing_since is None:
        subscription.failing_since = now
        subscription.save(update_fields=["failing_since"])
    if report.code == GONE:
        switch_off(subscription, reason=GONE, actor=ENGINE)
    elif now - subscription.failing_since >= FAILING_FOR:
        switch_off(subscription, reason="failing", actor=ENGINE)
    elif report.status is None:
        again = Now() + min(delay, QUIET)
        waiting = subscription.deliveries.filter(work_state=WorkState.QUEUED)
        waiting.filter(next_attempt_at__lt=again).update(next_attempt_at=again)


def _body(event: OutboxEvent) -> bytes:
    """Return the one text of an event, the same on every attempt."""
    return canonical(
        {
            "type": event.kind,
            "timestamp": event.at.isoformat(),
            "data": {"id": event.pk, "subject": event.subject, "body": event.body},
        }
    ).encode()


def _live_secrets(subscription: Subscription) -> tuple[str, ...]:
    until = subscription.previous_secret_until
    if until is not None and until > timezone.now():
        return (subscription.secret, subscription.previous_secret)
    return (subscription.secret,)
