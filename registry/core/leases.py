"""A worker's right to a piece of work: one conditional update, an end, and a fencing number."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

LEASE = timedelta(seconds=settings.LEASE_S)
"""How long a claim holds without a heartbeat; workers beat every third of it."""

MAX_ATTEMPTS = 3
"""After so many lost workers the work fails with ``gave_up`` (chosen)."""

LOST = Q(work_state="running", lease_until__lt=Now()) | Q(work_state="queued")
"""Held by no live worker."""


class WorkState(models.TextChoices):
    """Where a piece of background work stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Work(models.Model):
    """The job is this row; a message carries only its id."""

    work_state = models.CharField(
        max_length=10, choices=WorkState, default=WorkState.QUEUED, db_index=True
    )
    attempt = models.PositiveIntegerField(default=0)
    attempt_limit = models.PositiveIntegerField(default=MAX_ATTEMPTS)
    lease_until = models.DateTimeField(null=True, blank=True)
    progress_done = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=64, blank=True)
    error_detail = models.TextField(blank=True)

    class Meta:
        abstract = True


@dataclass(frozen=True)
class Claim:
    """A row id with the fencing number under which every later write is made."""

    pk: int
    attempt: int


def claim(model: type[Work], pk: int, *, only: Q = Q()) -> Claim | None:  # noqa: B008 - constant
    """Take the work if it is queued, or running under a lease that ran out; else return None.

    The clock is the database's, so that workers with wrong clocks cannot both hold it. ``only``
    narrows further, in the same statement.
    """
    with transaction.atomic():
        taken = model.objects.filter(LOST, only, pk=pk, attempt__lt=F("attempt_limit")).update(
            work_state=WorkState.RUNNING,
            attempt=F("attempt") + 1,
            lease_until=Now() + LEASE,
            progress_done=0,
        )
        if not taken:
            return None
        return Claim(pk, model.objects.values_list("attempt", flat=True).get(pk=pk))


def extend(model: type[Work], claim: Claim, done: int, total: int) -> bool:
    """Push the lease's end out and note the progress; False when the claim was lost."""
    return (
        _held(model, claim).update(
            lease_until=Now() + LEASE, progress_done=done, progress_total=total
        )
        == 1
    )


def release(model: type[Work], claim: Claim, **changes: Any) -> bool:
    """Give the work back for another attempt."""
    return _held(model, claim).update(work_state=WorkState.QUEUED, lease_until=None, **changes) == 1


def finish(model: type[Work], claim: Claim, **changes: Any) -> bool:
    """Record a result under the claim; False, and nothing written, when the claim was lost."""
    return (
        _held(model, claim).update(
            work_state=WorkState.DONE, lease_until=None, error_code="", error_detail="", **changes
        )
        == 1
    )


def fail(model: type[Work], claim: Claim, code: str, detail: str, **changes: Any) -> bool:
    """Record a permanent failure under the claim; False when the claim was lost."""
    return (
        _held(model, claim).update(
            work_state=WorkState.FAILED,
            lease_until=None,
            error_code=code,
            error_detail=detail[:4000],
            **changes,
        )
        == 1
    )


def give_up_lost(model: type[Work], only: Q = Q(), **changes: Any) -> int:  # noqa: B008 - constant
    """Fail work whose last permitted attempt was lost; return how many rows."""
    spent = model.objects.filter(LOST, only, attempt__gte=F("attempt_limit"))
    return spent.update(
        work_state=WorkState.FAILED,
        lease_until=None,
        error_code="gave_up",
        error_detail="every attempt is used up, the last one without a result",
        **changes,
    )


def waiting(work: models.QuerySet) -> list[int]:
    """Return the ids that no live worker holds and that may still be tried."""
    free = work.filter(LOST, attempt__lt=F("attempt_limit"))
    return list(free.values_list("pk", flat=True))


def requeue(model: type[Work], pk: int) -> bool:
    """Let failed work be tried again; the fencing number goes on, it never starts anew."""
    failed = model.objects.filter(pk=pk, work_state=WorkState.FAILED)
    return (
        failed.update(
            work_state=WorkState.QUEUED,
            attempt_limit=F("attempt") + MAX_ATTEMPTS,
            error_code="",
            error_detail="",
        )
        == 1
    )


def _held(model: type[Work], claim: Claim) -> models.QuerySet:
    return model.objects.filter(pk=claim.pk, attempt=claim.attempt, work_state=WorkState.RUNNING)
