"""Reads of subscriptions and their deliveries; a person sees their own, an administrator all."""

from django.contrib.auth.models import AbstractUser
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from registry.core.errors import UnknownObjectError
from registry.core.leases import WorkState
from registry.notify.models import Delivery, Subscription

LIVE = Q(active=True, owner__is_active=True)
"""Of subscriptions that are sent to; a person who left hears no more."""

DUE = Q(next_attempt_at__lte=Now())


def subscriptions_of(person: AbstractUser) -> QuerySet[Subscription]:
    """Return the subscriptions that a person may see, newest first, without their secrets."""
    found = Subscription.objects.select_related("owner").defer("secret", "previous_secret")
    return found if person.is_staff else found.filter(owner=person)


def subscription_of(person: AbstractUser, subscription_id: int) -> Subscription:
    """Return one subscription that the person may see.

    Raises:
        UnknownObjectError: there is none.
    """
    found = subscriptions_of(person).filter(pk=subscription_id).first()
    if found is None:
        raise UnknownObjectError(f"no webhook {subscription_id}", code="unknown_webhook")
    return found


def deliveries_of(subscription: Subscription) -> QuerySet[Delivery]:
    """Return the delivery log of a subscription, newest first."""
    return subscription.deliveries.select_related("event").order_by("-pk")


def delivery_of(subscription: Subscription, delivery_id: int) -> Delivery:
    """Return one line of the delivery log.

    Raises:
        UnknownObjectError: there is none.
    """
    found = deliveries_of(subscription).filter(pk=delivery_id).first()
    if found is None:
        raise UnknownObjectError(
            f"no delivery {delivery_id} of {subscription}", code="unknown_delivery"
        )
    return found


def is_being_sent(deliveries: QuerySet[Delivery]) -> bool:
    """Whether a message is under way or due, so that the log is about to change."""
    return deliveries.filter(
        Q(work_state=WorkState.RUNNING) | Q(DUE, work_state=WorkState.QUEUED)
    ).exists()
