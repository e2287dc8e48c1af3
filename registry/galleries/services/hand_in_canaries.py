"""Canaries of an attached gallery: its owner hands them in, a worker inspects them."""

import math
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from compat.drift import LEAST_TOLERANCE, MOST_TOLERANCE, TOLERANCE
from registry.audit.services.record import record
from registry.catalog.models import Artifact
from registry.core import leases
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import (
    ConflictError,
    InvalidInputError,
    UnknownObjectError,
    noting_refusal,
)
from registry.galleries.models import CanaryCheck, CanarySet, Gallery, Segment
from registry.galleries.services.check_canaries import ask_for_check


@dataclass(frozen=True)
class InspectionJob:
    """What a worker needs to look into canaries that were handed in."""

    claim: leases.Claim
    upload_digest: str
    manifest: dict[str, Any]


def hand_in_canaries(
    *,
    gallery: Gallery,
    number: int,
    upload: Artifact,
    actor: AbstractUser,
    tolerance: float = TOLERANCE,
) -> CanarySet:
    """Queue canaries of one segment; once they are accepted they replace those that were there.

    Raises:
        UnknownObjectError: there is no such segment.
        ConflictError: the gallery draws its own (``gallery_embedded``), or the segment's version
            embeds nothing (``encoder_without_weights``).
        InvalidInputError: a tolerance out of range (``invalid_tolerance``).
    """
    facts = {"segment": number, "upload": upload.digest, "tolerance": tolerance}
    noting = noting_refusal("gallery.hand_in_canaries", f"gallery:{gallery.name}", **facts)
    with noting, transaction.atomic():
        segment = _segment(gallery, number)
        if not gallery.is_attached:
            raise ConflictError(
                f"{gallery} draws its canaries from its own items", code="gallery_embedded"
            )
        if segment.producer.is_recorded:
            raise ConflictError(
                f"{segment.producer} is recorded outputs: it embeds nothing",
                code="encoder_without_weights",
            )
        _require_tolerance(tolerance)
        handed_in = CanarySet.objects.create(
            gallery=gallery,
            segment=segment,
            upload=upload,
            tolerance=tolerance,
            created_by=actor,
            created_at=timezone.now(),
        )
        record(
            actor=actor.get_username(),
            action="gallery.hand_in_canaries",
            subject=f"gallery:{gallery.name}",
            canaries=handed_in.pk,
            producer=str(segment.producer),
            **facts,
        )
        send_on_commit(TaskName.INSPECT_CANARIES, handed_in.pk)
    return handed_in


def claim(*, set_id: int) -> InspectionJob | None:
    """Take canaries to inspect, or return None."""
    taken = leases.claim(CanarySet, set_id)
    if taken is None:
        return None
    held = CanarySet.objects.select_related("segment__producer").get(pk=set_id)
    return InspectionJob(taken, held.upload_id, held.segment.producer.manifest)


def accept(*, job: InspectionJob, rows: int) -> bool:
    """Let the canaries take the place of those before, and check by them; False when it was lost.

    Of two that were handed in one after the other the later one stays current, whichever a worker
    looked into first.
    """
    held = CanarySet.objects.select_related("gallery").get(pk=job.claim.pk)
    with transaction.atomic():
        Gallery.objects.select_for_update(of=("self",)).get(pk=held.gallery_id)
        if not leases.finish(CanarySet, job.claim, rows=rows):
            return False
        of_segment = CanarySet.objects.filter(segment=held.segment_id)
        if not of_segment.filter(is_current=True, pk__gt=held.pk).exists():
            of_segment.filter(is_current=True).update(is_current=False)
            CanarySet.objects.filter(pk=held.pk).update(is_current=True)
            ask_for_check(held.gallery, CanaryCheck.Cause.HANDED_IN, held.created_by)
        record(
            actor="worker",
            action="gallery.canaries_accepted",
            subject=f"gallery:{held.gallery.name}",
            canaries=held.pk,
            rows=rows,
        )
    return True


def refuse(*, job: InspectionJob, code: str, detail: str) -> bool:
    """Record that the canaries cannot be used, with the reason; those before stay current."""
    return leases.fail(CanarySet, job.claim, code, detail)


def release(*, job: InspectionJob) -> bool:
    """Give the inspection back for another attempt."""
    return leases.release(CanarySet, job.claim)


def sweep() -> int:
    """Ask again for inspections that nobody holds; return how many."""
    leases.give_up_lost(CanarySet)
    waiting = leases.waiting(CanarySet.objects.all())
    for pk in waiting:
        send_on_commit(TaskName.INSPECT_CANARIES, pk)
    return len(waiting)


def _segment(gallery: Gallery, number: int) -> Segment:
    found = gallery.segments.select_related("producer__model").filter(number=number).first()
    if found is None:
        raise UnknownObjectError(f"{gallery} has no segment {number}", code="unknown_segment")
    return found


def _require_tolerance(tolerance: float) -> None:
    if not (math.isfinite(tolerance) and LEAST_TOLERANCE <= tolerance <= MOST_TOLERANCE):
        raise InvalidInputError(
            f"a tolerance is from {LEAST_TOLERANCE:g} to {MOST_TOLERANCE:g}",
            code="invalid_tolerance",
        )
