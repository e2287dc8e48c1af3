"""Rewriting: the stored vectors of one version made into those of another, from vectors alone.

What comes out are twins: nothing is written over, and a view that names them searches them.
"""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from registry.catalog.models import Artifact, ModelVersion
from registry.core import leases
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.leases import WorkState
from registry.galleries.models import Gallery, InsertBatch, Rewriting, Twin


@dataclass(frozen=True)
class RewriteJob:
    """What a worker needs to rewrite a batch.

    Attributes:
        chunk_digest: the vectors, rows of ``dimension`` numbers in a chunk of their segment.
        output: what the manifest of the version says of its output.
    """

    claim: leases.Claim
    gallery_id: int
    segment_id: int
    chunk_digest: str
    rows: int
    dimension: int
    transform_digest: str
    output: dict[str, Any]


@transaction.atomic
def want(
    *, gallery: Gallery, producer: ModelVersion, encoder: ModelVersion, transform: Artifact
) -> None:
    """Have all batches of ``producer`` rewritten, and those that come later.

    What could not be rewritten is tried again only where it was not wanted before.
    """
    Gallery.objects.select_for_update(of=("self",)).get(pk=gallery.pk)
    row, created = Rewriting.objects.get_or_create(
        gallery=gallery,
        encoder=encoder,
        defaults={"producer": producer, "transform": transform},
    )
    anew = created or not row.is_wanted
    if not row.is_wanted:
        row.is_wanted = True
        row.save(update_fields=["is_wanted"])
    _ask(row, unwritten(gallery, encoder), failed_too=anew)


@transaction.atomic
def want_again(gallery: Gallery, encoder: ModelVersion) -> None:
    """Have rewritten once more what was; the caller holds the gallery locked."""
    for row in gallery.rewritings.filter(encoder=encoder):
        row.is_wanted = True
        row.save(update_fields=["is_wanted"])
        _ask(row, unwritten(gallery, encoder), failed_too=True)


@transaction.atomic
def want_no_more(*, gallery: Gallery, encoder: ModelVersion) -> None:
    """Let the sweeper remove what was rewritten, unless a live view searches it."""
    Gallery.objects.select_for_update(of=("self",)).get(pk=gallery.pk)
    gallery.rewritings.filter(encoder=encoder).update(is_wanted=False)


def rewrite_inserted(batch: InsertBatch) -> None:
    """Ask for what is wanted of a batch that was inserted just now."""
    wanted = Rewriting.objects.filter(
        gallery=batch.gallery_id, producer__segments=batch.segment_id, is_wanted=True
    )
    for row in wanted:
        _ask(row, InsertBatch.objects.filter(pk=batch.pk))


def unwritten(gallery: Gallery, encoder: ModelVersion) -> QuerySet[InsertBatch]:
    """Return the batches that ``encoder`` is to rewrite in this gallery and has not."""
    done = Twin.objects.filter(batch=OuterRef("pk"), encoder=encoder, work_state=WorkState.DONE)
    row = Rewriting.objects.filter(
        gallery=gallery, encoder=encoder, producer=OuterRef("segment__producer")
    )
    return InsertBatch.objects.filter(
        Exists(row), ~Exists(done), segment__gallery=gallery, work_state=WorkState.DONE
    ).exclude(chunk_digest="")


def claim(*, twin_id: int) -> RewriteJob | None:
    """Take a batch that waits to be rewritten, or return None."""
    taken = leases.claim(Twin, twin_id, only=~Q(transform=None))
    if taken is None:
        return None
    twin = Twin.objects.select_related("batch__segment", "encoder").get(pk=twin_id)
    return RewriteJob(
        taken,
        twin.batch.gallery_id,
        twin.batch.segment_id,
        twin.batch.chunk_digest,
        twin.batch.rows,
        twin.batch.segment.dimension,
        twin.transform_id,
        twin.encoder.manifest["output"],
    )


def _ask(row: Rewriting, batches: QuerySet[InsertBatch], *, failed_too: bool = False) -> None:
    """Write the twins that are not there yet, and have them made."""
    Twin.objects.bulk_create(
        (
            Twin(batch_id=pk, encoder_id=row.encoder_id, transform_id=row.transform_id)
            for pk in batches.values_list("pk", flat=True)
        ),
        ignore_conflicts=True,
    )
    asked = Twin.objects.filter(batch__in=batches, encoder=row.encoder_id)
    if failed_too:
        for pk in asked.filter(work_state=WorkState.FAILED).values_list("pk", flat=True):
            leases.requeue(Twin, pk)
    for pk in asked.filter(work_state=WorkState.QUEUED).values_list("pk", flat=True):
        send_on_commit(TaskName.REWRITE_TWIN, pk)
