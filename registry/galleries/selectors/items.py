"""Items of a segment: which are live, and where each lies."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.db.models.fields.json import KeyTransform

from compat.metadata import equals
from registry.galleries.models import Item

PLACES_AT_ONCE = 5000
"""Items in one query for their ids (chosen; SQLite bounds the number of parameters)."""

ITEMS_SQL = """
SELECT batch_id, "row", external_id, NULL
FROM (VALUES {}) AS place
JOIN galleries_item ON batch_id = column1 AND "row" = column2
WHERE removed_at_revision IS NULL
"""

STATES_SQL = """
SELECT galleries_segment.id, revision, NULL, epoch
FROM galleries_segment JOIN galleries_gallery ON galleries_gallery.id = gallery_id
WHERE galleries_segment.id IN ({})
"""

Place = tuple[int, int]
"""Where an item lies: the id of its batch, and its row in the batch."""


@dataclass(frozen=True)
class LookedUp:
    """What was read in one statement, and so of one moment.

    Attributes:
        names: the external ids of live items by where they lie.
        epoch: of the gallery.
        revisions: of its segments, by id.
    """

    names: dict[Place, str]
    epoch: int
    revisions: dict[int, int]


def items_after(segment_id: int, last_pk: int) -> QuerySet[Item]:
    """Return the items of a segment that were added after ``last_pk``, removed ones included."""
    return Item.objects.filter(segment=segment_id, pk__gt=last_pk).order_by("pk")


def removed_after(segment_id: int, revision: int) -> QuerySet[Item]:
    """Return the items of a segment that were removed after ``revision``."""
    return Item.objects.filter(segment=segment_id, removed_at_revision__gt=revision)


def live_item(gallery_id: int, external_id: str) -> Item | None:
    """Return the item of that id, unless it was removed."""
    return Item.objects.filter(
        gallery=gallery_id, external_id=external_id, removed_at_revision=None
    ).first()


def places_where(segment_id: int, where: Mapping[str, Any]) -> list[Place]:
    """Return where the live items of a segment lie whose metadata equal ``where``.

    Its items are read one by one: there is no index over metadata.
    """
    names = {f"said_{number}": key for number, key in enumerate(where)}
    said = {name: KeyTransform(key, "metadata") for name, key in names.items()}
    found = Item.objects.filter(segment=segment_id, removed_at_revision=None).alias(**said)
    found = found.filter(**{name: where[key] for name, key in names.items()}).order_by()
    rows = found.values_list("batch", "row", "metadata").iterator()
    return [(batch, row) for batch, row, metadata in rows if equals(metadata, where)]


def look_up(places: Sequence[Place], segment_ids: Collection[int]) -> LookedUp:
    """Return the ids of the live items at ``places``, and where their gallery stood just then.

    Args:
        places: batch id and row in the batch.
        segment_ids: segments of one gallery, one at least.

    Every search ends with this statement, so it is written out: to compile it took five times as
    long as to run it.
    """
    parts = [places[at : at + PLACES_AT_ONCE] for at in range(0, len(places), PLACES_AT_ONCE)]
    names: dict[Place, str] = {}
    with connection.cursor() as cursor:
        for part in parts[:-1]:
            cursor.execute(_items_sql(part), list(chain(*part)))
            names |= {row[:2]: row[2] for row in cursor.fetchall()}
        last = parts[-1] if parts else []
        states = STATES_SQL.format(", ".join(["%s"] * len(segment_ids)))
        statement = f"{_items_sql(last)} UNION ALL {states}" if last else states
        cursor.execute(statement, [*chain(*last), *segment_ids])
        rows = cursor.fetchall()
    epoch, revisions = 0, {}
    for first, second, external_id, moment in rows:
        if external_id is None:
            epoch, revisions[first] = moment, second
        else:
            names[first, second] = external_id
    return LookedUp(names, epoch, revisions)


def _items_sql(places: Sequence[Place]) -> str:
    return ITEMS_SQL.format(", ".join(["(%s, %s)"] * len(places)))
