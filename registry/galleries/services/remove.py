"""Take items out of a gallery; their bytes stay in the chunk, without a live row."""

from collections.abc import Sequence

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import F

from registry.audit.services.record import record
from registry.core.errors import UnknownObjectError
from registry.galleries.models import Gallery, Item, Segment
from registry.galleries.services.holding import require_vectors_here


@transaction.atomic
def remove_items(*, gallery: Gallery, ids: Sequence[str], actor: AbstractUser) -> int:
    """Remove items by id from whatever segment holds them.

    Raises:
        UnknownObjectError: one of them is not in the gallery; none is removed.
        ConflictError: the gallery is attached.
    """
    require_vectors_here(gallery)
    Gallery.objects.select_for_update().get(pk=gallery.pk)
    live = Item.objects.filter(gallery=gallery, external_id__in=list(ids), removed_at_revision=None)
    found = dict(live.values_list("external_id", "segment"))
    missing = sorted(set(ids) - set(found))
    if missing:
        raise UnknownObjectError(f"no item {missing[0]} in {gallery}", code="unknown_item")
    for segment_id in set(found.values()):
        segment = Segment.objects.get(pk=segment_id)
        removed = live.filter(segment=segment).update(removed_at_revision=segment.revision + 1)
        Segment.objects.filter(pk=segment_id).update(
            live_items=F("live_items") - removed, revision=F("revision") + 1
        )
    record(
        actor=actor.get_username(),
        action="gallery.remove",
        subject=f"gallery:{gallery.name}",
        items=len(found),
    )
    return len(found)
