"""What a worker does after a cutover: count, checksum and index of the segment left behind."""

from dataclasses import dataclass

from django.db import transaction

from registry.audit.services.record import record
from registry.core import leases
from registry.galleries.models import Segment


@dataclass(frozen=True)
class SealJob:
    """What a worker needs to build the index of a sealed segment from its chunks, in order."""

    claim: leases.Claim
    gallery_id: int
    dimension: int
    distance: str
    chunk_digests: tuple[str, ...]
    rows: int


def claim(*, segment_id: int) -> SealJob | None:
    """Take a sealed segment whose index is not there yet, or return None."""
    taken = leases.claim(Segment, segment_id)
    if taken is None:
        return None
    segment = Segment.objects.get(pk=segment_id)
    batches = list(segment.batches.filter(work_state="done").order_by("pk"))
    return SealJob(
        taken,
        segment.gallery_id,
        segment.dimension,
        segment.distance,
        tuple(batch.chunk_digest for batch in batches),
        sum(batch.rows for batch in batches),
    )


@transaction.atomic
def record_sealed(*, job: SealJob, index_digest: str) -> bool:
    """Record the index of a sealed segment; False when the claim was lost."""
    kept = leases.finish(Segment, job.claim, sealed_rows=job.rows, index_digest=index_digest)
    if kept:
        segment = Segment.objects.select_related("gallery").get(pk=job.claim.pk)
        record(
            actor="worker",
            action="gallery.seal",
            subject=f"gallery:{segment.gallery.name}",
            segment=segment.number,
            rows=job.rows,
            index=index_digest,
        )
    return kept


def fail(*, job: SealJob, code: str, detail: str) -> bool:
    """Record that the index could not be built; the chunks stay what is served."""
    return leases.fail(Segment, job.claim, code, detail)
