"""Send a message once more, with the id that it had."""

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from registry.audit.services.record import record
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import IllegalTransitionError
from registry.core.leases import WorkState
from registry.notify.backoff import ATTEMPTS
from registry.notify.models import Delivery, Subscription
from registry.notify.selectors import delivery_of, subscription_of


@transaction.atomic
def redeliver(*, subscription_id: int, delivery_id: int, actor: AbstractUser) -> Delivery:
    """Queue a message again at once, be it delivered, given up or waiting for its next try.

    The fencing number goes on; a full round of tries begins.

    Raises:
        UnknownObjectError: there is none that the actor may use.
        IllegalTransitionError: the subscription is switched off, or the message is under way.
    """
    delivery_of(subscription_of(actor, subscription_id), delivery_id)
    subscription = Subscription.objects.select_for_update().get(pk=subscription_id)
    require_active(subscription)
    settled = subscription.deliveries.filter(pk=delivery_id).exclude(work_state=WorkState.RUNNING)
    queued = settled.update(
        work_state=WorkState.QUEUED,
        attempt_limit=F("attempt") + ATTEMPTS,
        next_attempt_at=Now(),
    )
    if not queued:
        raise IllegalTransitionError("the message is under way", code="delivery_under_way")
    delivery = delivery_of(subscription, delivery_id)
    record(
        actor=actor.get_username(),
        action="webhook.redeliver",
        subject=f"webhook:{subscription_id}",
        message=delivery.message_id,
    )
    send_on_commit(TaskName.DELIVER_WEBHOOK, delivery_id)
    return delivery


def require_active(subscription: Subscription) -> None:
    """Refuse to send to a subscription that is switched off.

    Raises:
        IllegalTransitionError: it is.
    """
    if not subscription.active:
        raise IllegalTransitionError(f"{subscription} is switched off", code="webhook_inactive")
