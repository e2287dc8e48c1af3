"""What a worker does with a backfill: claim a step, record it, or say why it cannot be done.

Everything that is written is written under the lock of the gallery and its epoch, so that inserts,
removals, cutovers and the verbs of people come before it or after it, never in between.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from registry.audit.services.record import record
from registry.core import leases
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import ConflictError
from registry.core.leases import MAX_ATTEMPTS, WorkState
from registry.galleries.models import Backfill, Gallery, InsertBatch, Item, Segment
from registry.galleries.services.insert import ROWS_AT_ONCE
from registry.galleries.services.rewrite import rewrite_inserted
from registry.galleries.services.start_backfill import GROUP_ROWS
from registry.galleries.services.twins import on_probation_for, twin_moved

PACE_S = 10.0
"""A rate below ``GROUP_ROWS`` in this time makes the groups smaller, so that it is kept to evenly
(chosen)."""

FAILURES_KEPT = 20

DUE = Q(state="running") & (Q(not_before=None) | Q(not_before__lte=Now()))


@dataclass(frozen=True)
class BackfillJob:
    """What a worker needs for one step.

    Attributes:
        order_digest: the order that was drawn up; empty where that is the step.
        first: position in the order of the first item.
        rows: how many positions.
        former_id: the version that embeds as well what is inserted, during a probation.
    """

    claim: leases.Claim
    gallery_id: int
    epoch: int
    segment_id: int
    encoder_id: int
    artifact_digest: str
    manifest: dict[str, Any]
    order: str
    order_digest: str
    first: int
    rows: int
    former_id: int | None


def claim(*, backfill_id: int) -> BackfillJob | None:
    """Take the next step where it is due, or return None."""
    taken = leases.claim(Backfill, backfill_id, only=DUE)
    if taken is None:
        return None
    backfill = Backfill.objects.select_related("gallery__live_view", "encoder").get(pk=backfill_id)
    rate = backfill.rate_limit_per_s
    paced = backfill.group_rows if rate is None else max(1, int(rate * PACE_S))
    return BackfillJob(
        taken,
        backfill.gallery_id,
        backfill.epoch,
        backfill.gallery.live_view.insert_segment_id,
        backfill.encoder_id,
        backfill.encoder.artifact_id or "",
        backfill.encoder.manifest,
        backfill.order,
        backfill.order_digest,
        backfill.handled,
        min(backfill.group_rows, paced, max(0, backfill.total - backfill.handled)),
        on_probation_for(backfill.gallery),
    )


@transaction.atomic
def record_order(*, job: BackfillJob, digest: str, total: int, order: str, note: str) -> bool:
    """Keep the order that was drawn up, and ask for the first group; False when it came too late.

    Raises:
        ConflictError: the gallery was cut over.
    """
    backfill = _held(job)
    if backfill is None:
        return False
    backfill.order_digest, backfill.total = digest, total
    backfill.order, backfill.order_note = order, note
    backfill.save(update_fields=["order_digest", "total", "order", "order_note"])
    _go_on(job, backfill, delay_s=0)
    return True


def record_moved(
    *,
    job: BackfillJob,
    chunk_digest: str,
    item_ids: Sequence[int],
    busy_s: float,
    former_digest: str = "",
) -> bool:
    """Move a group of items to the live segment; False when the claim was lost, or it was stopped.

    Whatever was removed since the group was read keeps its removal: the chunk holds a vector for
    it, so its row is written as removed at once, and it counts as skipped.

    Args:
        busy_s: how long the worker took so far; what the recording takes is added.
        chunk_digest: the vectors, row by row those of ``item_ids``; empty where there are none.
        former_digest: those that ``job.former_id`` had made of the same inputs, where they are all
            there. During a probation that version embeds them as well otherwise.

    Raises:
        ConflictError: the gallery was cut over; nothing was written.
    """
    began = time.monotonic()
    with transaction.atomic():
        backfill = _held(job)
        if backfill is None:
            return False
        moved = 0
        if item_ids:
            batch, moved = _move(job, backfill, chunk_digest, item_ids)
            twin_moved(batch, job.former_id, former_digest)
            rewrite_inserted(batch)
        busy_s += time.monotonic() - began
        rate = backfill.rate_limit_per_s
        delay_s = max(0.0, len(item_ids) / rate - busy_s) if rate else 0.0
        backfill.moved += moved
        backfill.skipped += job.rows - moved
        backfill.busy_s += busy_s
        backfill.group_rows = min(GROUP_ROWS, 2 * backfill.group_rows)
        backfill.save(update_fields=["moved", "skipped", "busy_s", "group_rows"])
        _go_on(job, backfill, delay_s=delay_s)
    return True


@transaction.atomic
def record_failed_inputs(*, job: BackfillJob, external_id: str, code: str) -> bool:
    """Find the input that the encoder refuses: halve the group, or leave out the single item.

    Raises:
        ConflictError: the gallery was cut over.
    """
    backfill = _held(job)
    if backfill is None:
        return False
    if job.rows > 1:
        backfill.group_rows = job.rows // 2
    else:
        backfill.failed += 1
        backfill.group_rows = 2
        if len(backfill.failures) < FAILURES_KEPT:
            backfill.failures = [*backfill.failures, {"id": external_id, "code": code}]
    backfill.save(update_fields=["failed", "group_rows", "failures"])
    _go_on(job, backfill, delay_s=0)
    return True


@transaction.atomic
def fail(*, job: BackfillJob, code: str, detail: str) -> bool:
    """Pause the backfill with the reason: nothing was lost, and resuming goes on from there.

    Raises:
        ConflictError: the gallery was cut over.
    """
    if _held(job) is None:
        return False
    return leases.fail(Backfill, job.claim, code, detail, state=Backfill.State.PAUSED)


def release(*, job: BackfillJob) -> bool:
    """Give the step back for another attempt."""
    return leases.release(Backfill, job.claim)


def _held(job: BackfillJob) -> Backfill | None:
    """Lock the gallery in its epoch, then the backfill; None when the step is no longer wanted."""
    pointer = Gallery.objects.filter(pk=job.gallery_id, epoch=job.epoch)
    if pointer.update(epoch=job.epoch) != 1:
        raise ConflictError("the gallery was cut over meanwhile", code="epoch_moved")
    held = Backfill.objects.select_for_update(of=("self",)).select_related("gallery")
    return held.filter(
        pk=job.claim.pk,
        attempt=job.claim.attempt,
        work_state=WorkState.RUNNING,
        state__in=[Backfill.State.RUNNING, Backfill.State.PAUSED],
    ).first()


def _go_on(job: BackfillJob, backfill: Backfill, *, delay_s: float) -> None:
    """Give the work back with all its attempts, or end it; a paused one waits to be resumed."""
    if backfill.handled >= backfill.total:
        _finish(job, backfill)
        return
    not_before = timezone.now() + timedelta(seconds=delay_s) if delay_s else None
    leases.release(
        Backfill, job.claim, attempt_limit=F("attempt") + MAX_ATTEMPTS, not_before=not_before
    )
    if backfill.state == Backfill.State.RUNNING:
        send_on_commit(TaskName.BACKFILL, backfill.pk, delay_s=delay_s)


def _finish(job: BackfillJob, backfill: Backfill) -> None:
    leases.finish(
        Backfill, job.claim, state=Backfill.State.DONE, finished_at=timezone.now(), not_before=None
    )
    record(
        actor="worker",
        action="gallery.backfilled",
        subject=f"gallery:{backfill.gallery.name}",
        backfill=backfill.pk,
        moved=backfill.moved,
        skipped=backfill.skipped,
        failed=backfill.failed,
        total=backfill.total,
    )


def _move(
    job: BackfillJob, backfill: Backfill, chunk_digest: str, item_ids: Sequence[int]
) -> tuple[InsertBatch, int]:
    """Write the new rows in the live segment and mark the old ones removed; return how many."""
    live = Item.objects.filter(
        gallery=job.gallery_id, pk__in=item_ids, removed_at_revision=None
    ).exclude(segment__producer=job.encoder_id)
    alive = dict(live.values_list("pk", "segment"))
    for segment_id in sorted(set(alive.values())):
        _take_out(segment_id, [pk for pk, where in alive.items() if where == segment_id])
    segment = Segment.objects.select_for_update().get(pk=job.segment_id)
    revision = segment.revision + 1
    batch = InsertBatch.objects.create(
        gallery_id=job.gallery_id,
        segment=segment,
        chunk_digest=chunk_digest,
        rows=len(item_ids),
        backfill=backfill,
        created_by_id=backfill.created_by_id,
        created_at=timezone.now(),
        work_state=WorkState.DONE,
    )
    former = Item.objects.in_bulk(item_ids)
    Item.objects.bulk_create(
        (
            Item(
                gallery_id=job.gallery_id,
                segment=segment,
                batch=batch,
                row=row,
                external_id=former[pk].external_id,
                metadata=former[pk].metadata,
                input_batch_id=former[pk].input_batch_id or former[pk].batch_id,
                input_row=former[pk].row if former[pk].input_row is None else former[pk].input_row,
                removed_at_revision=None if pk in alive else revision,
            )
            for row, pk in enumerate(item_ids)
        ),
        batch_size=ROWS_AT_ONCE,
    )
    Segment.objects.filter(pk=segment.pk).update(
        live_items=F("live_items") + len(alive), revision=revision
    )
    return batch, len(alive)


def _take_out(segment_id: int, item_ids: Sequence[int]) -> None:
    segment = Segment.objects.select_for_update().get(pk=segment_id)
    Item.objects.filter(pk__in=item_ids).update(removed_at_revision=segment.revision + 1)
    Segment.objects.filter(pk=segment_id).update(
        live_items=F("live_items") - len(item_ids), revision=segment.revision + 1
    )
