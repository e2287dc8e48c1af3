"""Write an event to the outbox, inside the transaction of the act."""

from typing import Any

from django.utils import timezone

from registry.core.dispatch import TaskName, send_on_commit
from registry.notify.models import OutboxEvent


def publish(*, kind: str, subject: str, **body: Any) -> OutboxEvent:
    """Append one event for readers outside; it exists if and only if the act does."""
    event = OutboxEvent.objects.create(kind=kind, subject=subject, body=body, at=timezone.now())
    send_on_commit(TaskName.FAN_OUT_EVENTS)
    return event
