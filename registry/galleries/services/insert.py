"""Put items into a gallery: the bytes first, then the rows that make them items."""

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from compat.metadata import fault_of
from registry.audit.services.record import record
from registry.catalog.models import Artifact, ModelVersion
from registry.core import leases
from registry.core.data import gallery_folder
from registry.core.dispatch import TaskName, send_on_commit
from registry.core.errors import ConflictError, DuplicateError, InvalidInputError
from registry.core.store import Store
from registry.galleries.models import Gallery, InsertBatch, Item, Segment
from registry.galleries.services.holding import require_vectors_here
from registry.galleries.services.rewrite import rewrite_inserted
from registry.galleries.services.twins import twin_on_probation

ROWS_AT_ONCE = 2000
"""Rows in one INSERT statement (chosen; SQLite bounds the number of parameters)."""


LARGEST_SQUARE = 1e37
"""Squared length above which a product of two vectors leaves the range of float32."""


@dataclass(frozen=True)
class InsertJob:
    """What a worker needs to embed a batch: it is bound to the epoch that it was claimed in."""

    claim: leases.Claim
    gallery_id: int
    epoch: int
    segment_id: int
    artifact_digest: str
    manifest: dict[str, Any]
    upload_digest: str


@transaction.atomic
def submit_inputs(*, gallery: Gallery, upload: Artifact, actor: AbstractUser) -> InsertBatch:
    """Queue uploaded inputs; a worker embeds them with the live encoder.

    Raises:
        ConflictError: the gallery is attached.
    """
    require_vectors_here(gallery)
    batch = InsertBatch.objects.create(
        gallery=gallery, upload=upload, created_by=actor, created_at=timezone.now()
    )
    record(
        actor=actor.get_username(),
        action="gallery.insert",
        subject=f"gallery:{gallery.name}",
        batch=batch.pk,
        upload=upload.digest,
    )
    send_on_commit(TaskName.INSERT_ITEMS, batch.pk)
    return batch


def insert_vectors(
    *,
    gallery: Gallery,
    producer: ModelVersion,
    ids: Sequence[str],
    vectors: Sequence[Sequence[float]],
    actor: AbstractUser,
    metadata: Sequence[Mapping[str, Any]] | None = None,
) -> InsertBatch:
    """Store vectors whose producer the caller declares; it must be the live encoder.

    Raises:
        InvalidInputError: another producer, another dimension, a number that is not finite, ids
            that are empty or repeated, metadata that no filter could ask for.
        DuplicateError: an id is in the gallery already.
        ConflictError: the gallery was cut over meanwhile, or is attached.
    """
    require_vectors_here(gallery)
    pointer = Gallery.objects.select_related("live_view__insert_segment").get(pk=gallery.pk)
    segment = pointer.live_view.insert_segment
    if segment.producer_id != producer.pk:
        raise InvalidInputError(
            f"{gallery} takes vectors of {segment.producer}, not of {producer}",
            code="wrong_producer",
        )
    chunk = _packed(ids, vectors, segment.dimension, segment.distance)
    for one in metadata or ():
        if fault := fault_of(one):
            raise InvalidInputError(fault, code="invalid_metadata")
    digest = segment_store(pointer.pk, segment.pk).write([chunk], max_bytes=len(chunk)).digest
    with transaction.atomic():
        batch = InsertBatch.objects.create(
            gallery=gallery, created_by=actor, created_at=timezone.now(), work_state="done"
        )
        _add_rows(batch, pointer.epoch, segment.pk, digest, ids, metadata)
        record(
            actor=actor.get_username(),
            action="gallery.insert",
            subject=f"gallery:{gallery.name}",
            batch=batch.pk,
            producer=str(producer),
            rows=len(ids),
        )
    return batch


def claim(*, batch_id: int) -> InsertJob | None:
    """Take a batch and bind it to the epoch of this moment, or return None."""
    taken = leases.claim(InsertBatch, batch_id)
    if taken is None:
        return None
    batch = InsertBatch.objects.select_related(
        "gallery__live_view__insert_segment", "gallery__live_view__encoder"
    ).get(pk=batch_id)
    view = batch.gallery.live_view
    return InsertJob(
        taken,
        batch.gallery_id,
        batch.gallery.epoch,
        view.insert_segment_id,
        view.encoder.artifact_id or "",
        view.encoder.manifest,
        batch.upload_id,
    )


def record_inserted(*, job: InsertJob, chunk_digest: str, ids: Sequence[str]) -> bool:
    """Turn an embedded batch into items; False when the claim was lost.

    Raises:
        ConflictError: the gallery was cut over since the claim; nothing was written.
        DuplicateError: an id is in the gallery already; nothing was written.
    """
    with transaction.atomic():
        if not leases.finish(InsertBatch, job.claim):
            return False
        batch = InsertBatch.objects.select_related("gallery").get(pk=job.claim.pk)
        _add_rows(batch, job.epoch, job.segment_id, chunk_digest, ids)
        twin_on_probation(batch)
        record(
            actor="worker",
            action="gallery.inserted",
            subject=f"gallery:{batch.gallery.name}",
            batch=batch.pk,
            rows=len(ids),
        )
    return True


def fail(*, job: InsertJob, code: str, detail: str) -> bool:
    """Record that a batch cannot be inserted, with the reason."""
    return leases.fail(InsertBatch, job.claim, code, detail)


def release(*, job: InsertJob) -> bool:
    """Give a batch back, to be embedded again by the encoder that is live now."""
    released = leases.release(InsertBatch, job.claim)
    if released:
        send_on_commit(TaskName.INSERT_ITEMS, job.claim.pk)
    return released


def segment_store(gallery_id: int, segment_id: int) -> Store:
    """Return the chunk files of one segment: written once under their digest."""
    return Store(gallery_folder(gallery_id, segment_id))


def _add_rows(
    batch: InsertBatch,
    epoch: int,
    segment_id: int,
    chunk_digest: str,
    ids: Sequence[str],
    metadata: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Write the rows if the epoch still stands; the UPDATE also serialises with a cutover."""
    gallery = Gallery.objects.filter(pk=batch.gallery_id, epoch=epoch)
    if gallery.update(epoch=epoch) != 1:
        raise ConflictError("the gallery was cut over meanwhile", code="epoch_moved")
    _require_new_ids(batch.gallery_id, ids)
    batch.segment_id, batch.chunk_digest, batch.rows = segment_id, chunk_digest, len(ids)
    batch.save(update_fields=["segment", "chunk_digest", "rows"])
    Item.objects.bulk_create(
        (
            Item(
                gallery_id=batch.gallery_id,
                segment_id=segment_id,
                batch=batch,
                row=row,
                external_id=external_id,
                metadata=known,
            )
            for row, (external_id, known) in enumerate(
                zip(ids, metadata or [{}] * len(ids), strict=True)
            )
        ),
        batch_size=ROWS_AT_ONCE,
    )
    Segment.objects.filter(pk=segment_id).update(
        live_items=F("live_items") + len(ids), revision=F("revision") + 1
    )
    rewrite_inserted(batch)


def _require_new_ids(gallery_id: int, ids: Sequence[str]) -> None:
    for start in range(0, len(ids), ROWS_AT_ONCE):
        held = Item.objects.filter(
            gallery_id=gallery_id,
            external_id__in=ids[start : start + ROWS_AT_ONCE],
            removed_at_revision=None,
        ).first()
        if held is not None:
            raise DuplicateError(f"item {held} is in the gallery already", code="duplicate_item")


def _packed(
    ids: Sequence[str], vectors: Sequence[Sequence[float]], dimension: int, distance: str
) -> bytes:
    """Return the vectors as float32 rows after checking every number and id."""
    if not ids or len(ids) != len(vectors):
        raise InvalidInputError("as many ids as vectors, at least one", code="invalid_items")
    if len(set(ids)) != len(ids) or not all(0 < len(i) <= 200 for i in ids):
        raise InvalidInputError("ids are unique and have 1 to 200 characters", code="duplicate_id")
    packed = array("f")
    for external_id, vector in zip(ids, vectors, strict=True):
        if len(vector) != dimension:
            raise InvalidInputError(
                f"item {external_id} has {len(vector)} numbers, expected {dimension}",
                code="wrong_dimension",
            )
        packed.extend(vector)
        _require_direction(external_id, packed[-dimension:], distance)
    return packed.tobytes()


def _require_direction(external_id: str, vector: Sequence[float], distance: str) -> None:
    """Refuse what no query can be compared with: one such row would spoil its whole segment."""
    square = math.fsum(x * x for x in vector)
    if not square <= LARGEST_SQUARE:
        raise InvalidInputError(
            f"item {external_id} is not finite, or too long for float32", code="not_finite"
        )
    if distance == "cosine" and square == 0:
        raise InvalidInputError(
            f"item {external_id} is the zero vector: it has no direction", code="zero_vector"
        )
