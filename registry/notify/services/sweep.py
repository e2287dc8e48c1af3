"""Find events and messages that wait, and ask for them again."""

from registry.core import leases
from registry.core.dispatch import TaskName, send_on_commit
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
