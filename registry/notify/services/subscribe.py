"""Subscribe a receiver to events, and make the secrets that sign what it gets."""

import base64
import secrets
from collections.abc import Sequence

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from registry.audit.services.record import record
from registry.core.errors import InvalidInputError, Refusal
from registry.notify.filters import checked_patterns
from registry.notify.models import Subscription
from registry.notify.targets import Target, parse_target

SECRET_BYTES = 32


@transaction.atomic
def subscribe(
    *, owner: AbstractUser, url: str, kinds: Sequence[str], description: str = ""
) -> tuple[Subscription, str]:
    """Create a subscription and return it with its secret, which is shown once.

    Raises:
        InvalidInputError: the URL has another form or leads where it may not, or the kinds of
            events are none.
    """
    target = _target(url)
    subscription = Subscription.objects.create(
        owner=owner,
        url=url,
        kinds=checked_patterns(kinds),
        description=description[:200],
        secret=new_secret(),
        created_at=timezone.now(),
    )
    record(
        actor=owner.get_username(),
        action="webhook.create",
        subject=f"webhook:{subscription.pk}",
        target=target.origin,
        kinds=subscription.kinds,
    )
    return subscription, subscription.secret


def new_secret() -> str:
    """Return a signing secret in the form that Standard Webhooks libraries take."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def _target(url: str) -> Target:
    """A target that is not allowed is an attempt at something: the ledger keeps it."""
    try:
        return parse_target(url, allow_private=settings.WEBHOOK_ALLOW_PRIVATE)
    except InvalidInputError as exc:
        if exc.code == "target_not_allowed":
            exc.refusal = Refusal("webhook.create", "webhook:new")
        raise
