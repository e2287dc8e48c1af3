"""Checks of canaries: ask for one, claim it, record what was found; alarms follow from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from compat.drift import DriftOutcome
from registry.audit.services.record import record as ledger
from registry.catalog.models import ModelVersion
from registry.core import leases
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import ConflictError, noting_refusal
from registry.galleries.canaries import (
    OPEN_WORK,
    SegmentCanaries,
    canaries_of,
    galleries_due,
    segments_with_canaries,
    suspects,
)
from registry.galleries.models import CanaryCheck, CanarySet, Gallery
from registry.galleries.services.drift_alarm import follow

UNCHECKED = "unchecked"
"""The outcome of a segment without canaries: it is shown, and never counts as a match."""


@dataclass(frozen=True)
class CheckJob:
    """What a worker needs to check a gallery.

    Attributes:
        segments: what each segment with items is checked by, empty ones included.
        suspects: by segment id, the other versions to try where canaries differ.
    """

    claim: leases.Claim
    gallery_id: int
    segments: tuple[SegmentCanaries, ...]
    suspects: dict[int, list[ModelVersion]]


def request_check(*, gallery: Gallery, actor: AbstractUser, reason: str = "") -> CanaryCheck:
    """Have the canaries of a gallery checked now; one that is still to be done is returned.

    Raises:
        ConflictError: no segment with items has canaries (``no_canaries``).
    """
    subject = f"gallery:{gallery.name}"
    with noting_refusal("gallery.check_canaries", subject, reason=reason), transaction.atomic():
        asked = ask_for_check(gallery, CanaryCheck.Cause.PERSON, actor)
        if asked is None:
            how = "hand some in" if gallery.is_attached else "no item came with its input"
            raise ConflictError(
                f"no segment of {gallery} that holds items has canaries: {how}", code="no_canaries"
            )
        ledger(
            actor=actor.get_username(),
            action="gallery.check_canaries",
            subject=subject,
            check=asked.pk,
            reason=reason,
        )
    return asked


def ask_for_check(
    gallery: Gallery, cause: str, actor: AbstractUser | None = None
) -> CanaryCheck | None:
    """Queue a check under the lock of the gallery; None where nothing can be checked."""
    Gallery.objects.select_for_update(of=("self",)).get(pk=gallery.pk)
    waiting = gallery.canary_checks.filter(work_state__in=OPEN_WORK).first()
    if waiting is not None:
        return waiting
    newest = segments_with_canaries().filter(gallery=gallery.pk).aggregate(number=Max("number"))
    if newest["number"] is None:
        return None
    check = CanaryCheck.objects.create(
        gallery=gallery,
        cause=cause,
        newest_segment=newest["number"],
        requested_by=actor,
        requested_at=timezone.now(),
    )
    send_on_commit(TaskName.CHECK_CANARIES, check.pk)
    return check


def claim(*, check_id: int) -> CheckJob | None:
    """Take a check and draw up what it compares, or return None."""
    taken = leases.claim(CanaryCheck, check_id)
    if taken is None:
        return None
    gallery = Gallery.objects.select_related("alias").get(canary_checks=check_id)
    segments = canaries_of(gallery)
    others = {
        one.segment.pk: suspects(gallery.alias, one.segment.producer_id)
        for one in segments
        if not one.is_empty
    }
    return CheckJob(taken, gallery.pk, tuple(segments), others)


def record(*, job: CheckJob, results: Sequence[dict[str, Any]]) -> bool:
    """Keep what was found, raise or clear the alarm; False when the claim was lost.

    Raises:
        ConflictError: other canaries were handed in meanwhile; nothing was written.
    """
    with transaction.atomic():
        gallery = Gallery.objects.select_for_update(of=("self",)).get(pk=job.gallery_id)
        _require_current(job)
        outcome = outcome_of(results)
        now = timezone.now()
        if not leases.finish(
            CanaryCheck, job.claim, outcome=outcome, results=list(results), finished_at=now
        ):
            return False
        check = CanaryCheck.objects.get(pk=job.claim.pk)
        follow(gallery, check)
        ledger(
            actor="worker",
            action="gallery.canaries_checked",
            subject=f"gallery:{gallery.name}",
            check=check.pk,
            outcome=outcome,
            worst=check.worst,
            segments={str(one["segment"]): one["outcome"] for one in results},
        )
    return True


def outcome_of(results: Sequence[dict[str, Any]]) -> DriftOutcome:
    """Return what the segments say together: what differs first, then what could not be told."""
    said = {one["outcome"] for one in results}
    if DriftOutcome.DIFFERS in said:
        return DriftOutcome.DIFFERS
    if DriftOutcome.ERRORED in said or DriftOutcome.MATCHES not in said:
        return DriftOutcome.ERRORED
    return DriftOutcome.MATCHES


def fail(*, job: CheckJob, code: str, detail: str) -> bool:
    """Record that nothing could be compared, with the reason; an alarm stays as it is."""
    return leases.fail(CanaryCheck, job.claim, code, detail, **_errored())


def release(*, job: CheckJob) -> bool:
    """Give the check back for another attempt, by the canaries that are current then."""
    released = leases.release(CanaryCheck, job.claim)
    if released:
        send_on_commit(TaskName.CHECK_CANARIES, job.claim.pk)
    return released


def sweep() -> int:
    """Ask for checks that are due, and again for those that nobody holds; return how many.

    Galleries are locked before checks, as where findings are recorded: what is given up here is due
    the next time.
    """
    every = timedelta(seconds=settings.CANARY_CHECK_EVERY_S)
    if every:
        for pk, cause in galleries_due(now=timezone.now(), every=every):
            ask_for_check(Gallery(pk=pk), cause)
    leases.give_up_lost(CanaryCheck, **_errored())
    waiting = leases.waiting(CanaryCheck.objects.all())
    for pk in waiting:
        send_on_commit(TaskName.CHECK_CANARIES, pk)
    return len(waiting)


def _errored() -> dict[str, Any]:
    return {"outcome": DriftOutcome.ERRORED.value, "finished_at": timezone.now()}


def _require_current(job: CheckJob) -> None:
    """Refuse findings where their owner has handed in other canaries, or more, since the claim."""
    used = {one.set_id for one in job.segments if one.set_id is not None}
    current = CanarySet.objects.filter(
        gallery=job.gallery_id, is_current=True, segment__live_items__gt=0
    )
    if set(current.values_list("pk", flat=True)) != used:
        raise ConflictError("other canaries were handed in meanwhile", code="canaries_replaced")
