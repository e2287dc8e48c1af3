"""Find events and messages that wait, and ask for them again."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from registry.core import leases
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.pruning import discard_old
from registry.notify.models import Delivery
from registry.notify.selectors import DUE
from registry.notify.services.fan_out import fan_out


def sweep() -> int:
    """Fan out what was missed and resend what is due; return how many messages were resent."""
    fan_out()
    leases.give_up_lost(Delivery)
    due = leases.waiting(Delivery.objects.filter(DUE))
    for pk in due:
        send_on_commit(TaskName.DELIVER_WEBHOOK, pk)
    return len(due)


def discard_old_deliveries(now: datetime) -> int:
    """Shorten the delivery log; return by how many messages.

    What still waits or is under way stays, whatever its age; what was sent again counts from then.
    """
    before = now - timedelta(days=settings.DELIVERIES_KEPT_DAYS)
    ended = Q(work_state__in=[leases.WorkState.DONE, leases.WorkState.FAILED])
    untouched = Q(next_attempt_at__lt=before) & (Q(delivered_at=None) | Q(delivered_at__lt=before))
    return discard_old(Delivery.objects.all(), before=before, only=ended & untouched)
