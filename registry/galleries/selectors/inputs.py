"""Stored inputs of items."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from registry.galleries.models import Item


@dataclass(frozen=True)
class StoredInput:
    """A live item of another version, and where its input lies."""

    item_id: int
    external_id: str
    upload_digest: str
    row: int


def with_inputs(items: QuerySet[Item]) -> QuerySet[Item]:
    """Return those whose inputs are stored; who handed in a vector kept its input."""
    return items.filter(Q(batch__upload__isnull=False) | Q(input_batch__isnull=False))


def stored_inputs(encoder_id: int, item_ids: Sequence[int]) -> list[StoredInput]:
    """Return where the inputs lie of those that are still live and not of that encoder."""
    found = with_inputs(Item.objects.filter(pk__in=item_ids, removed_at_revision=None)).exclude(
        segment__producer=encoder_id
    )
    rows = found.values_list(
        "pk", "external_id", "row", "batch__upload", "input_row", "input_batch__upload"
    )
    by_id = {
        pk: StoredInput(pk, external_id, source or upload, row if at is None else at)
        for pk, external_id, row, upload, at, source in rows
    }
    return [by_id[pk] for pk in item_ids if pk in by_id]


def input_of(item_id: int) -> tuple[str, int] | None:
    """Return the upload and the row that hold the input of an item; None for a bare vector."""
    found = _places_of_inputs(Item.objects.filter(pk=item_id))
    return next((place for _, place in found if place), None)


def inputs_by_upload(
    gallery_id: int, external_ids: Sequence[str]
) -> list[tuple[str, dict[str, int]]]:
    """Return the rows of live items by upload and id, the upload of most items first."""
    items = Item.objects.filter(
        gallery=gallery_id, external_id__in=external_ids, removed_at_revision=None
    )
    by_upload: dict[str, dict[str, int]] = {}
    for external_id, place in _places_of_inputs(items):
        if place is not None:
            by_upload.setdefault(place[0], {})[external_id] = place[1]
    return sorted(by_upload.items(), key=lambda held: (-len(held[1]), held[0]))


def _places_of_inputs(items: QuerySet[Item]) -> list[tuple[str, tuple[str, int] | None]]:
    rows = items.values_list(
        "external_id", "batch__upload", "row", "input_batch__upload", "input_row"
    )
    return [
        (external_id, (source, at) if source else (upload, row) if upload else None)
        for external_id, upload, row, source, at in rows
    ]
