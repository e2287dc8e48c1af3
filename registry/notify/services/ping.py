"""Send a test message to one receiver."""

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from registry.audit.services.record import record
from registry.core.dispatch import TaskName, send_on_commit
from registry.notify.models import Delivery, OutboxEvent
from registry.notify.selectors import subscription_of
from registry.notify.services.redeliver import require_active

KIND = "webhook.ping"


@transaction.atomic
def ping(*, subscription_id: int, actor: AbstractUser) -> Delivery:
    """Queue a message of the kind ``webhook.ping`` for this subscription, whatever its filter.

    Raises:
        UnknownObjectError: there is none that the actor may use.
        IllegalTransitionError: it is switched off.
    """
    subscription = subscription_of(actor, subscription_id)
    require_active(subscription)
    now = timezone.now()
    event = OutboxEvent.objects.create(
        kind=KIND, subject=f"webhook:{subscription.pk}", body={}, at=now, fanned_out_at=now
    )
    delivery = Delivery.objects.create(subscription=subscription, event=event)
    record(actor=actor.get_username(), action="webhook.ping", subject=f"webhook:{subscription.pk}")
    send_on_commit(TaskName.DELIVER_WEBHOOK, delivery.pk)
    delivery.refresh_from_db()
    return delivery
