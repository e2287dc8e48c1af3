"""Give a subscription a new secret; the old one goes on signing for a while beside it."""

from datetime import timedelta

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from registry.audit.services.record import record
from registry.core.errors import InvalidInputError
from registry.notify.models import Subscription
from registry.notify.selectors import subscription_of
from registry.notify.services.subscribe import new_secret

OVERLAP_HOURS = 24
LONGEST_OVERLAP_HOURS = 168


@transaction.atomic
def rotate_secret(
    *, subscription_id: int, actor: AbstractUser, keep_old_hours: int = OVERLAP_HOURS
) -> tuple[Subscription, str]:
    """Return the subscription with its new secret, which is shown once.

    At most two secrets are live: one that was being phased out already ends now.

    Args:
        keep_old_hours: how long messages carry both signatures; 0 where the old one has leaked.

    Raises:
        UnknownObjectError: there is none that the actor may change.
        InvalidInputError: the overlap is out of range.
    """
    if not 0 <= keep_old_hours <= LONGEST_OVERLAP_HOURS:
        raise InvalidInputError(
            f"an old secret stays for 0 to {LONGEST_OVERLAP_HOURS} hours", code="invalid_overlap"
        )
    subscription_of(actor, subscription_id)
    subscription = Subscription.objects.select_for_update().get(pk=subscription_id)
    until = timezone.now() + timedelta(hours=keep_old_hours) if keep_old_hours else None
    subscription.previous_secret = subscription.secret if until else ""
    subscription.previous_secret_until = until
    subscription.secret = new_secret()
    subscription.save(update_fields=["secret", "previous_secret", "previous_secret_until"])
    record(
        actor=actor.get_username(),
        action="webhook.rotate_secret",
        subject=f"webhook:{subscription.pk}",
        keep_old_hours=keep_old_hours,
    )
    return subscription, subscription.secret
