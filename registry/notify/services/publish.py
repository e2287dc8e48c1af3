"""Write an event to the outbox, inside the transaction of the act."""

from typing import Any

from django.utils import timezone

from registry.notify.models import OutboxEvent


def publish(*, kind: str, subject: str, **body: Any) -> OutboxEvent:
    """Append one event for readers outside; it exists if and only if the act does."""
    return OutboxEvent.objects.create(kind=kind, subject=subject, body=body, at=timezone.now())
