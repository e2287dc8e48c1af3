"""Turn new events into deliveries."""

from celery import shared_task

from registry.core.dispatch import TaskName
from registry.notify.services.fan_out import fan_out


@shared_task(name=TaskName.FAN_OUT_EVENTS.value, acks_late=True, ignore_result=True)
def fan_out_events() -> None:
    """Make a delivery for every subscription that asked for an event."""
    fan_out()
