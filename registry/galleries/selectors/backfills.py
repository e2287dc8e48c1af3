"""Backfills, and what there is for them to do."""

from collections.abc import Sequence

from django.db.models import QuerySet

from registry.core.errors import UnknownObjectError
from registry.galleries.models import Backfill, Gallery, Item


def to_backfill(gallery: Gallery) -> QuerySet[Item]:
    """Return the live items whose vectors are not of the live encoder."""
    encoder = gallery.live_view.encoder_id
    return Item.objects.filter(gallery=gallery, removed_at_revision=None).exclude(
        segment__producer=encoder
    )


def vectors_made_by(encoder_id: int, item_ids: Sequence[int]) -> list[tuple[int, str, int]]:
    """Return segment, chunk digest and row of the vectors, in order; empty unless it made all."""
    found = Item.objects.filter(pk__in=item_ids, segment__producer=encoder_id)
    places = found.values_list("pk", "segment", "batch__chunk_digest", "row")
    by_id = {pk: place for pk, *place in places}
    if len(by_id) < len(item_ids):
        return []
    return [tuple(by_id[pk]) for pk in item_ids]


def backfills_of(gallery: Gallery) -> QuerySet[Backfill]:
    """Return the backfills of a gallery, newest first."""
    return gallery.backfills.select_related("gallery", "encoder__model", "created_by")


def backfill_numbered(gallery: Gallery, pk: int) -> Backfill:
    """Return a backfill of a gallery, or raise UnknownObjectError."""
    found = backfills_of(gallery).filter(pk=pk).first()
    if found is None:
        raise UnknownObjectError(f"no backfill {pk} in {gallery}", code="unknown_backfill")
    return found


def open_backfill(gallery: Gallery) -> Backfill | None:
    """Return the backfill of a gallery that may still move items."""
    return backfills_of(gallery).filter(state__in=["running", "paused"]).first()
