"""Delete what a log holds no longer, little by little."""

from datetime import datetime

from django.db.models import Q, QuerySet

CHUNK = 500
"""Rows of one statement: short beside what else waits for the database (chosen)."""

MOST = 20_000
"""Rows that one call deletes; what is left waits for the next one (chosen)."""

ALL = Q()


def discard_old(rows: QuerySet, *, before: datetime, only: Q = ALL, most: int = MOST) -> int:
    """Delete rows that were made ``before`` and fit ``only``; return how many.

    It walks along the ids and ends at the first younger row, so that it reads little where there is
    nothing to delete. Each chunk is a transaction of its own: call it in none.
    """
    deleted, last = 0, 0
    while deleted < most:
        ahead = rows.filter(pk__gt=last).order_by("pk").values_list("pk", "created_at")
        chunk = list(ahead[: min(CHUNK, most - deleted)])
        old = [pk for pk, created_at in chunk if created_at < before]
        if old:
            last = old[-1]
            deleted += rows.filter(only, pk__in=old).delete()[0]
        if len(old) < len(chunk) or not chunk:
            break
    return deleted
