"""Turn events into deliveries, after the act has committed."""

from itertools import product

from django.db import transaction
from django.utils import timezone

from registry.core.dispatch import TaskName, send_on_commit
from registry.notify.filters import matches
from registry.notify.models import Delivery, OutboxEvent, Subscription
from registry.notify.selectors import LIVE

EVENTS_AT_ONCE = 200
"""Events of one transaction (chosen)."""


@transaction.atomic
def fan_out() -> int:
    """Make one delivery for each new event and each subscription that asked for its kind.

    Whatever calls it twice makes nothing twice: the events are locked and marked, and a
    subscription has one delivery an event. Returns how many events were looked at.
    """
    pending = OutboxEvent.objects.select_for_update().filter(fanned_out_at=None)
    events = list(pending.order_by("pk")[:EVENTS_AT_ONCE])
    if not events:
        return 0
    wanted = [
        Delivery(subscription=subscription, event=event)
        for event, subscription in product(events, Subscription.objects.filter(LIVE))
        if event.at >= subscription.created_at and matches(event.kind, subscription.kinds)
    ]
    Delivery.objects.bulk_create(wanted, ignore_conflicts=True)
    made = Delivery.objects.filter(message_id__in=[one.message_id for one in wanted])
    for pk in made.values_list("pk", flat=True):
        send_on_commit(TaskName.DELIVER_WEBHOOK, pk)
    OutboxEvent.objects.filter(pk__in=[event.pk for event in events]).update(
        fanned_out_at=timezone.now()
    )
    if len(events) == EVENTS_AT_ONCE:
        send_on_commit(TaskName.FAN_OUT_EVENTS)
    return len(events)
