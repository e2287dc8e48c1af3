"""Send one message to one receiver."""

from dataclasses import asdict

from celery import shared_task
from django.conf import settings

from registry.core.dispatch import TaskName
from registry.core.leases import LEASE
from registry.notify.services import deliveries
from workers.delivery.sender import Message, send

TIME_LIMIT_S = min(15.0, LEASE.total_seconds() / 2)
"""Of one attempt; it ends long before its lease, so that nobody sends beside it (chosen)."""


@shared_task(name=TaskName.DELIVER_WEBHOOK.value, acks_late=True, ignore_result=True)
def deliver_webhook(delivery_id: int) -> None:
    """Try once; when to try again is in the row."""
    job = deliveries.claim(delivery_id=delivery_id)
    if job is None:
        return
    attempt = send(
        Message(url=job.url, id=job.message_id, body=job.body, secrets=job.secrets),
        allow_private=settings.WEBHOOK_ALLOW_PRIVATE,
        time_limit_s=TIME_LIMIT_S,
    )
    deliveries.record(job=job, report=deliveries.Report(**asdict(attempt)))
