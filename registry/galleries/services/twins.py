"""Twins: items embedded by a second version as well, so that going back to it finds them.

During the probation that follows a cutover the former encoder embeds what is inserted. A rollback
has the rest embedded that no evidence covers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from compat.plan import HeldSegment
from registry.audit.services.record import record
from registry.catalog.models import ModelVersion
from registry.catalog.rewriting import needs_rewritten, rewriter_of
from registry.core import leases
from registry.core.data import gallery_folder
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import InvalidInputError
from registry.core.leases import WorkState
from registry.core.store import Store
from registry.galleries.models import Gallery, InsertBatch, Item, Segment, Twin, ViewSegment
from registry.galleries.services.holding import require_vectors_here
from registry.galleries.services.rewrite import RewriteJob, unwritten

LONGEST_PROBATION_HOURS = 24 * 366

WITH_INPUTS = Q(upload__isnull=False) | Q(backfill__isnull=False)
"""Batches whose inputs are stored; who handed in vectors kept the inputs."""


@dataclass(frozen=True)
class TwinJob:
    """What a worker needs to embed a batch once more.

    Attributes:
        sources: by row of the batch, the upload that holds its input and the row there.
    """

    claim: leases.Claim
    gallery_id: int
    segment_id: int
    artifact_digest: str
    manifest: dict[str, Any]
    sources: tuple[tuple[str, int], ...]


def begin_probation(gallery: Gallery, former: ModelVersion) -> None:
    """Have ``former`` embed what is inserted from now on, for the gallery's hours of probation.

    The caller holds the gallery locked. Recorded outputs embed nothing: with such a version, or
    without hours, there is none, and the one before ends.
    """
    hours = gallery.probation_hours
    if hours and not gallery.is_attached and not former.is_recorded:
        _write_probation(gallery, former, timezone.now() + timedelta(hours=hours))
    else:
        end_probation(gallery)


def end_probation(gallery: Gallery) -> None:
    """Embed what is inserted by the live encoder alone; the caller holds the gallery locked."""
    _write_probation(gallery, None, None)


@transaction.atomic
def set_probation(*, gallery: Gallery, hours: int, actor: AbstractUser) -> Gallery:
    """Change how long a probation lasts, the one that is open included; 0 hours: there is none.

    Raises:
        InvalidInputError: below 0 hours or above a year.
        ConflictError: the gallery is attached: its vectors are not here.
    """
    require_vectors_here(gallery)
    if not 0 <= hours <= LONGEST_PROBATION_HOURS:
        raise InvalidInputError(
            f"a probation lasts 0 to {LONGEST_PROBATION_HOURS} hours", code="invalid_probation"
        )
    locked = Gallery.objects.select_for_update(of=("self",)).get(pk=gallery.pk)
    replaced, locked.probation_hours = locked.probation_hours, hours
    locked.save(update_fields=["probation_hours"])
    if locked.probation_until is not None:
        began = locked.probation_until - timedelta(hours=replaced)
        until = began + timedelta(hours=hours)
        if until > timezone.now():
            _write_probation(locked, locked.probation_encoder, until)
        else:
            end_probation(locked)
    if replaced != hours:
        record(
            actor=actor.get_username(),
            action="gallery.set_probation",
            subject=f"gallery:{gallery.name}",
            hours=hours,
            replaced=replaced,
        )
    return locked


def twin_on_probation(batch: InsertBatch) -> None:
    """Ask for the twin of a batch that was inserted during a probation."""
    former_id = on_probation_for(Gallery.objects.get(pk=batch.gallery_id))
    if former_id is not None:
        _ask(InsertBatch.objects.filter(pk=batch.pk), former_id)


def twin_moved(batch: InsertBatch, former_id: int | None, chunk_digest: str) -> None:
    """Keep as a twin what ``former_id`` had made of the items that a backfill has moved.

    Nothing is to be embedded then, and a rollback finds them at any moment. Without those vectors,
    or where the probation is another one by now, a twin is asked for. The caller holds the gallery
    locked.
    """
    gallery = Gallery.objects.get(pk=batch.gallery_id)
    if chunk_digest and former_id is not None and on_probation_for(gallery) == former_id:
        Twin.objects.create(
            batch=batch,
            encoder_id=former_id,
            chunk_digest=chunk_digest,
            work_state=WorkState.DONE,
        )
    else:
        twin_on_probation(batch)


def on_probation_for(gallery: Gallery) -> int | None:
    """Return the id of the version that embeds as well what is inserted now."""
    until = gallery.probation_until
    return gallery.probation_encoder_id if until is not None and until > timezone.now() else None


def twin_what_is_missing(gallery: Gallery, encoder: ModelVersion, segment_ids: list[int]) -> None:
    """Ask for the twins of all batches of these segments whose inputs are stored."""
    if not encoder.is_recorded:
        _ask(_untwinned(gallery, encoder).filter(segment__in=segment_ids), encoder.pk)


def held_segments(
    gallery: Gallery, encoder: ModelVersion, *, returning: bool = False
) -> list[HeldSegment]:
    """Return the segments that hold items; reads rows of segments and twins, and removed items.

    Args:
        returning: count what could still be embedded by ``encoder`` afterwards.
    """
    twinned = _twinned_items(gallery, encoder)
    missing = {}
    if returning and not encoder.is_recorded and not gallery.is_attached:
        missing = live_items(_untwinned(gallery, encoder))
    by = rewriter_of(encoder)
    rewritten = _twinned_items(gallery, by) if by else {}
    rewritable = live_items(unwritten(gallery, by)) if by and returning else {}
    return [
        HeldSegment(
            segment.pk,
            segment.producer_id,
            segment.live_items,
            twinned.get(segment.pk, 0),
            missing.get(segment.pk, 0),
            by.pk if by and needs_rewritten(encoder, segment.producer) else None,
            rewritten.get(segment.pk, 0),
            rewritable.get(segment.pk, 0),
        )
        for segment in gallery.segments.filter(live_items__gt=0)
        .select_related("producer")
        .order_by("number")
    ]


def claim(*, twin_id: int) -> TwinJob | None:
    """Take a twin that waits to be made, or return None."""
    taken = leases.claim(Twin, twin_id, only=Q(transform=None))
    if taken is None:
        return None
    twin = Twin.objects.select_related("batch", "encoder").get(pk=twin_id)
    rows = twin.batch.items.order_by("row").values_list("input_batch__upload", "input_row", "row")
    sources = tuple(
        (twin.batch.upload_id, row) if upload is None else (upload, input_row)
        for upload, input_row, row in rows
    )
    return TwinJob(
        taken,
        twin.batch.gallery_id,
        twin.batch.segment_id,
        twin.encoder.artifact_id or "",
        twin.encoder.manifest,
        sources,
    )


def record_twin(*, job: TwinJob | RewriteJob, chunk_digest: str) -> bool:
    """Keep the vectors of a twin and let readers look again; False when the claim was lost.

    The gallery is locked first: who removes items counts the segment's revision up as well.
    """
    with transaction.atomic():
        Gallery.objects.select_for_update(of=("self",)).get(pk=job.gallery_id)
        kept = leases.finish(Twin, job.claim, chunk_digest=chunk_digest)
        if kept:
            Segment.objects.filter(pk=job.segment_id).update(revision=F("revision") + 1)
    return kept


def fail(*, job: TwinJob | RewriteJob, code: str, detail: str) -> bool:
    """Record that a batch cannot be embedded by that version, with the reason."""
    return leases.fail(Twin, job.claim, code, detail)


def discard_past_probation() -> int:
    """Forget the twins that no probation, live view or rewriting needs; return how many.

    One gallery after the other, so that none is locked for the sake of another.
    """
    twinned = Gallery.objects.filter(batches__twins__isnull=False).distinct().order_by("pk")
    return sum(map(_discard_of, twinned.values_list("pk", flat=True)))


@transaction.atomic
def _discard_of(gallery_id: int) -> int:
    locked = Gallery.objects.select_for_update(of=("self",)).get(pk=gallery_id)
    if locked.probation_until is not None and locked.probation_until <= timezone.now():
        end_probation(locked)
    return _discard(locked)


def _discard(gallery: Gallery) -> int:
    used = ViewSegment.objects.filter(
        view=gallery.live_view_id,
        segment=OuterRef("batch__segment"),
        twins_by=OuterRef("encoder"),
    )
    unused = Twin.objects.filter(~Exists(used), batch__gallery=gallery)
    wanted = gallery.rewritings.filter(is_wanted=True)
    unused = unused.exclude(encoder__in=wanted.values("encoder"))
    if gallery.probation_encoder_id is not None:
        unused = unused.exclude(encoder=gallery.probation_encoder_id)
    forgotten = list(unused.select_related("batch"))
    Twin.objects.filter(pk__in=[twin.pk for twin in forgotten]).delete()
    for twin in forgotten:
        if twin.chunk_digest:
            _discard_file(gallery, twin.batch.segment_id, twin.chunk_digest)
    return len(forgotten)


def _discard_file(gallery: Gallery, segment_id: int, digest: str) -> None:
    """Remove a chunk once the transaction stands, unless its bytes have another use."""
    batches = InsertBatch.objects.filter(segment=segment_id)
    if not batches.filter(Q(chunk_digest=digest) | Q(twins__chunk_digest=digest)).exists():
        files = Store(gallery_folder(gallery.pk, segment_id))
        transaction.on_commit(lambda: files.discard(digest))


def _write_probation(gallery: Gallery, encoder: ModelVersion | None, until: Any) -> None:
    gallery.probation_encoder, gallery.probation_until = encoder, until
    gallery.save(update_fields=["probation_encoder", "probation_until"])


def _untwinned(gallery: Gallery, encoder: ModelVersion) -> QuerySet[InsertBatch]:
    """Return the batches with inputs that ``encoder`` has embedded neither first nor as well."""
    twins = Twin.objects.filter(batch=OuterRef("pk"), encoder=encoder, work_state=WorkState.DONE)
    found = InsertBatch.objects.filter(WITH_INPUTS, ~Exists(twins), segment__gallery=gallery)
    return found.filter(work_state=WorkState.DONE).exclude(segment__producer=encoder)


def _twinned_items(gallery: Gallery, encoder: ModelVersion) -> dict[int, int]:
    return live_items(
        InsertBatch.objects.filter(
            segment__gallery=gallery, twins__encoder=encoder, twins__work_state=WorkState.DONE
        )
    )


def live_items(batches: QuerySet[InsertBatch]) -> dict[int, int]:
    """Return by segment how many items of these batches are live; reads no live item."""
    rows = dict(batches.order_by().values_list("segment").annotate(total=Sum("rows")))
    if not rows:
        return {}
    removed = Item.objects.filter(
        segment__in=list(rows), removed_at_revision__isnull=False, batch__in=batches
    )
    gone = dict(removed.order_by().values_list("segment").annotate(total=Count("pk")))
    return {segment: total - gone.get(segment, 0) for segment, total in rows.items()}


def _ask(batches: QuerySet[InsertBatch], encoder_id: int | None) -> None:
    """Write the twins that are not there yet, and have them made; what failed is tried again."""
    wanted: Iterable[int] = batches.filter(WITH_INPUTS).values_list("pk", flat=True)
    Twin.objects.bulk_create(
        (Twin(batch_id=pk, encoder_id=encoder_id) for pk in wanted), ignore_conflicts=True
    )
    asked = Twin.objects.filter(batch__in=batches, encoder=encoder_id)
    for pk in asked.filter(work_state=WorkState.FAILED).values_list("pk", flat=True):
        leases.requeue(Twin, pk)
    for pk in asked.filter(work_state=WorkState.QUEUED).values_list("pk", flat=True):
        send_on_commit(TaskName.EMBED_TWIN, pk)
