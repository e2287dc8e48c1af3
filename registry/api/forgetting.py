"""Forget the keys of requests that nobody repeats any more."""

from datetime import datetime, timedelta

from django.conf import settings

from registry.api.models import IdempotencyKey
from registry.core.pruning import discard_old


def forget_old_keys(now: datetime) -> int:
    """Delete the keys, with the answers, of requests from long ago; return how many."""
    kept = timedelta(days=settings.IDEMPOTENCY_KEPT_DAYS)
    return discard_old(IdempotencyKey.objects.all(), before=now - kept)
