"""What a worker does for a segment's index: claim, record; count and checksum after a cutover."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import F, Q, Sum

from registry.audit.services.record import record
from registry.core import leases
from registry.galleries.models import InsertBatch, Segment
from registry.galleries.services.insert import ROWS_AT_ONCE

GROWN_ROWS = 20_000
"""Rows outside the index that make a segment that still grows worth another one: to compare so
many takes 0.5 ms at 64 numbers (measured)."""

GROWN_SHARE = 4
"""An index is built again when it lacks a quarter of what it holds, so that over its life a
segment is indexed five times over, not once an insert (chosen)."""


@dataclass(frozen=True)
class SealJob:
    """What a worker needs to build the index of a segment from its chunks, in order.

    Attributes:
        engine: what is to search it.
        space: the digest of the version that made its vectors.
        held_ids: the batches whose rows the index so far holds.
        is_sealed: nothing will be added; the count is final.
        replaced: the digest of the index so far, or nothing.
    """

    claim: leases.Claim
    gallery_id: int
    engine: str
    space: str
    dimension: int
    distance: str
    batch_ids: tuple[int, ...]
    batch_rows: tuple[int, ...]
    chunk_digests: tuple[str, ...]
    held_ids: frozenset[int]
    is_sealed: bool
    replaced: str

    @property
    def rows(self) -> int:
        """How many rows all batches have."""
        return sum(self.batch_rows)


@dataclass(frozen=True)
class PublishedIndex:
    """An index as it lies on disk or in an engine, and how well it finds.

    Attributes:
        digest: of the file; of an engine's, what tells this publication from every other.
    """

    digest: str
    kind: str
    recall_at_10: float
    note: str = ""


def claim(*, segment_id: int) -> SealJob | None:
    """Take a segment that waits for an index, or return None."""
    taken = leases.claim(Segment, segment_id)
    if taken is None:
        return None
    segment = Segment.objects.select_related("gallery", "producer").get(pk=segment_id)
    batches = list(segment.batches.filter(work_state="done").order_by("pk"))
    return SealJob(
        taken,
        segment.gallery_id,
        segment.gallery.engine,
        segment.producer.digest,
        segment.dimension,
        segment.distance,
        tuple(batch.pk for batch in batches),
        tuple(batch.rows for batch in batches),
        tuple(batch.chunk_digest for batch in batches),
        frozenset(
            batch.pk
            for batch in batches
            if segment.index_digest and batch.index_digest == segment.index_digest
        ),
        segment.state == Segment.State.SEALED,
        segment.index_digest,
    )


@transaction.atomic
def record_sealed(*, job: SealJob, index: PublishedIndex) -> bool:
    """Record the index of a segment and whose rows it holds; False when the claim was lost.

    A cutover takes the claim away from who indexes a segment that still grows.
    """
    kept = leases.finish(
        Segment,
        job.claim,
        index_digest=index.digest,
        index_kind=index.kind,
        index_note=index.note[:300],
        recall_at_10=index.recall_at_10,
        indexed_rows=job.rows,
        sealed_rows=job.rows if job.is_sealed else None,
        attempt_limit=F("attempt") + leases.MAX_ATTEMPTS,
    )
    if kept:
        for start in range(0, len(job.batch_ids), ROWS_AT_ONCE):
            held = InsertBatch.objects.filter(pk__in=job.batch_ids[start : start + ROWS_AT_ONCE])
            held.update(index_digest=index.digest)
        segment = Segment.objects.select_related("gallery").get(pk=job.claim.pk)
        record(
            actor="worker",
            action="gallery.seal" if job.is_sealed else "gallery.index",
            subject=f"gallery:{segment.gallery.name}",
            segment=segment.number,
            rows=job.rows,
            index=index.digest,
            kind=index.kind,
        )
    return kept


def postpone(*, job: SealJob, code: str, detail: str) -> bool:
    """Give the work back until an engine answers again: that is waited for without end."""
    return leases.release(
        Segment,
        job.claim,
        attempt_limit=F("attempt") + leases.MAX_ATTEMPTS,
        error_code=code,
        error_detail=detail[:4000],
    )


def fail(*, job: SealJob, code: str, detail: str) -> bool:
    """Record that the index could not be built; what was served so far stays so."""
    return leases.fail(Segment, job.claim, code, detail)


def queue_grown() -> None:
    """Let every segment be indexed that has grown by enough since it was."""
    grown = (
        InsertBatch.objects.filter(
            work_state="done", index_digest="", segment__state="insert", segment__work_state="done"
        )
        .values("segment")
        .annotate(missing=Sum("rows"))
        .filter(Q(missing__gte=F("segment__indexed_rows") / GROWN_SHARE), missing__gte=GROWN_ROWS)
    )
    due = [row["segment"] for row in grown]
    Segment.objects.filter(pk__in=due, work_state="done", state="insert").update(
        work_state="queued"
    )
