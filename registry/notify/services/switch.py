"""Switch a subscription off and on again; it is never removed, its log stays."""

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from registry.audit.services.record import record
from registry.core.errors import IllegalTransitionError
from registry.core.leases import WorkState
from registry.notify.models import Subscription
from registry.notify.selectors import subscription_of

INACTIVE = "webhook_inactive"
"""The code of a delivery that ended with its subscription."""


@transaction.atomic
def deactivate(*, subscription_id: int, actor: AbstractUser) -> Subscription:
    """Send nothing more; what waits is given up. A second time changes nothing.

    Raises:
        UnknownObjectError: there is none that the actor may change.
    """
    subscription_of(actor, subscription_id)
    subscription = Subscription.objects.select_for_update().get(pk=subscription_id)
    if subscription.active:
        switch_off(subscription, reason="by_person", actor=actor.get_username())
    return subscription


@transaction.atomic
def activate(*, subscription_id: int, actor: AbstractUser) -> Subscription:
    """Send again, what happens from now on.

    Raises:
        UnknownObjectError: there is none that the actor may change.
        IllegalTransitionError: it is active.
    """
    subscription_of(actor, subscription_id)
    subscription = Subscription.objects.select_for_update().get(pk=subscription_id)
    if subscription.active:
        raise IllegalTransitionError(f"{subscription} is active", code="webhook_active")
    subscription.active, subscription.inactive_reason = True, ""
    subscription.failing_since = None
    subscription.save(update_fields=["active", "inactive_reason", "failing_since"])
    record(
        actor=actor.get_username(),
        action="webhook.activate",
        subject=f"webhook:{subscription.pk}",
    )
    return subscription


def switch_off(subscription: Subscription, *, reason: str, actor: str) -> None:
    """End a subscription, which the caller has locked, and everything that waits for it."""
    subscription.active, subscription.inactive_reason = False, reason
    subscription.save(update_fields=["active", "inactive_reason"])
    given_up = subscription.deliveries.filter(work_state=WorkState.QUEUED).update(
        work_state=WorkState.FAILED,
        error_code=INACTIVE,
        error_detail="the webhook was switched off",
    )
    record(
        actor=actor,
        action="webhook.deactivate",
        subject=f"webhook:{subscription.pk}",
        reason=reason,
        given_up=given_up,
    )
