"""Batches of a segment, and their twins: what lies on disk."""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet

from registry.core.errors import UnknownObjectError
from registry.galleries.models import Gallery, InsertBatch, Twin
from registry.galleries.services.insert import segment_store


def batch_numbered(gallery: Gallery, pk: int) -> InsertBatch:
    """Return a batch of a gallery, or raise UnknownObjectError."""
    found = (
        gallery.batches.select_related("segment__producer__model", "created_by")
        .filter(pk=pk)
        .first()
    )
    if found is None:
        raise UnknownObjectError(f"no batch {pk} in {gallery}", code="unknown_batch")
    return found


def chunks_of(segment_id: int) -> QuerySet[InsertBatch]:
    """Return the finished batches of a segment in the order of its rows."""
    return InsertBatch.objects.filter(segment=segment_id, work_state="done").order_by("pk")


def twins_of(segment_id: int, encoder_id: int) -> QuerySet[Twin]:
    """Return the finished twins of a segment by that version, with their batches in order."""
    done = Twin.objects.filter(batch__segment=segment_id, encoder=encoder_id, work_state="done")
    return done.select_related("batch").order_by("batch")


@dataclass(frozen=True)
class TwinCounts:
    """How far batches of a gallery are embedded by a second version as well."""

    done: int
    waiting: int
    failed: int

    @property
    def total(self) -> int:
        """All that were asked for."""
        return self.done + self.waiting + self.failed


def twin_counts(gallery: Gallery) -> TwinCounts:
    """Return the twins of a gallery by where they stand."""
    states = Twin.objects.filter(batch__gallery=gallery).order_by().values_list("work_state")
    found = dict(states.annotate(total=Count("pk")))
    waiting = found.get("queued", 0) + found.get("running", 0)
    return TwinCounts(found.get("done", 0), waiting, found.get("failed", 0))


def indexed_chunks_of(segment_id: int, index_digest: str) -> QuerySet[InsertBatch]:
    """Return the batches whose rows that index holds, in the order of its rows."""
    return chunks_of(segment_id).filter(index_digest=index_digest)


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
