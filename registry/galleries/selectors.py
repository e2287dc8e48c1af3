"""Reads of galleries: the live pointer, what a view searches, what lies on disk."""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from registry.catalog.models import Alias, ModelVersion
from registry.core.errors import UnknownObjectError
from registry.galleries.models import Gallery, InsertBatch, Item, Segment
from registry.galleries.services.insert import segment_store


@dataclass(frozen=True)
class LiveSegment:
    """One segment of the live view as a reader needs it."""

    segment_id: int
    number: int
    producer: str
    encoder_id: int
    dimension: int
    distance: str
    index_digest: str
    revision: int
    live_items: int
    searchable: bool
    evidence: str


@dataclass(frozen=True)
class LiveView:
    """The live pointer resolved once: everything that one request may use."""

    gallery_id: int
    gallery: str
    epoch: int
    view: int
    encoder: ModelVersion
    segments: tuple[LiveSegment, ...]


def gallery_named(name: str) -> Gallery:
    """Return the gallery with its live pointer, or raise UnknownObjectError."""
    found = (
        Gallery.objects.select_related(
            "alias__model", "live_view__encoder__model", "live_view__insert_segment"
        )
        .filter(name=name)
        .first()
    )
    if found is None:
        raise UnknownObjectError(f"no gallery {name}", code="unknown_gallery")
    return found


def live_view(name: str) -> LiveView:
    """Resolve the live pointer and the segments of its view."""
    gallery = gallery_named(name)
    view = gallery.live_view
    entries = view.entries.select_related("segment__producer__model").order_by("segment__number")
    segments = tuple(
        LiveSegment(
            entry.segment_id,
            entry.segment.number,
            str(entry.segment.producer),
            entry.encoder_id,
            entry.segment.dimension,
            entry.segment.distance,
            entry.segment.index_digest,
            entry.segment.revision,
            entry.segment.live_items,
            entry.searchable,
            entry.evidence,
        )
        for entry in entries
    )
    return LiveView(gallery.pk, gallery.name, gallery.epoch, view.number, view.encoder, segments)


def chunks_of(segment_id: int) -> QuerySet[InsertBatch]:
    """Return the finished batches of a segment in the order of its rows."""
    return InsertBatch.objects.filter(segment=segment_id, work_state="done").order_by("pk")


def items_after(segment_id: int, last_pk: int) -> QuerySet[Item]:
    """Return the items of a segment that were added after ``last_pk``, removed ones included."""
    return Item.objects.filter(segment=segment_id, pk__gt=last_pk).order_by("pk")


def removed_after(segment_id: int, revision: int) -> QuerySet[Item]:
    """Return the items of a segment that were removed after ``revision``."""
    return Item.objects.filter(segment=segment_id, removed_at_revision__gt=revision)


def producers_held(alias: Alias) -> dict[int, ModelVersion]:
    """Return the distinct producers with at least one live item in galleries of ``alias``."""
    held = (
        Segment.objects.filter(gallery__alias=alias, live_items__gt=0)
        .select_related("producer__model")
        .order_by("pk")
    )
    return {segment.producer_id: segment.producer for segment in held}


def stored_vectors(gallery: Gallery) -> dict[str, Any]:
    """Read every stored vector and return their number and one digest over all of them.

    Raises:
        CorruptError: the bytes of a chunk are not those that were stored.
    """
    sha, rows, size_bytes = hashlib.sha256(), 0, 0
    batches = gallery.batches.filter(work_state="done").order_by("segment__number", "pk")
    for batch in batches:
        path = segment_store(gallery.pk, batch.segment_id).verified_path(batch.chunk_digest)
        sha.update(batch.chunk_digest.encode())
        rows += batch.rows
        size_bytes += path.stat().st_size
    return {"vectors": rows, "bytes": size_bytes, "sha256": sha.hexdigest()}
