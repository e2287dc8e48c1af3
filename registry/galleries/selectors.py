"""Reads of galleries: the live pointer, what a view searches, what lies on disk."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from django.db import connection
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Coalesce

from compat.calibration import Calibration
from registry.catalog.models import Alias, ModelVersion
from registry.core.errors import UnknownObjectError
from registry.galleries.metadata import equals
from registry.galleries.models import (
    Acknowledgement,
    Backfill,
    Cutover,
    Gallery,
    InsertBatch,
    Item,
    Segment,
    Twin,
    View,
    ViewSegment,
)
from registry.galleries.services.insert import segment_store

PLACES_AT_ONCE = 5000
"""Items in one query for their ids (chosen; SQLite bounds the number of parameters)."""


POINTER_SQL = """
SELECT epoch, live_view_id, galleries_segment.id, revision, live_items, index_digest
FROM galleries_gallery
JOIN galleries_viewsegment ON view_id = live_view_id
JOIN galleries_segment ON galleries_segment.id = segment_id
WHERE galleries_gallery.name = %s
"""
"""The statement that every search begins with. Written out: compiling it took twenty times as long
as running it, and Django joins the view as well, which made PostgreSQL plan five times as long."""

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
class LiveSegment:
    """One segment of the live view as a reader needs it.

    ``encoder`` makes its query; ``calibration`` is there where versions differ in that. Where
    ``twins_by`` names a version, the vectors are what it made of the segment's batches, and
    producer, dimension and distance are its own. ``engine`` searches what is published of it, all
    of it of one ``space``: the digest of who made its vectors.
    """

    segment_id: int
    number: int
    producer: str
    encoder: ModelVersion
    dimension: int
    distance: str
    index_digest: str
    revision: int
    live_items: int
    searchable: bool
    evidence: str
    calibration: Calibration | None
    twins_by: int | None = None
    engine: str = Gallery.Engine.FILES
    space: str = ""

    @property
    def key(self) -> tuple[int, int]:
        """What tells apart the vectors of one segment: its id, and whose twins, or 0."""
        return self.segment_id, self.twins_by or 0


@dataclass(frozen=True)
class LiveView:
    """The live pointer resolved once: everything that one request may use."""

    gallery_id: int
    gallery: str
    epoch: int
    view: int
    encoder: ModelVersion
    segments: tuple[LiveSegment, ...]

    @property
    def encoders(self) -> dict[int, ModelVersion]:
        """Every version that makes queries under this view, its encoder among them."""
        asking = {s.encoder.pk: s.encoder for s in self.segments if s.searchable}
        return {self.encoder.pk: self.encoder} | asking

    def at(self, pointer: "LivePointer") -> "LiveView":
        """Return the same view with what ``pointer`` says of its segments."""
        moved = {segment_id: state for segment_id, *state in pointer.segments}
        return replace(
            self,
            epoch=pointer.epoch,
            segments=tuple(
                replace(
                    segment,
                    revision=revision,
                    live_items=items,
                    index_digest="" if segment.twins_by else digest,
                )
                for segment in self.segments
                for revision, items, digest in (moved[segment.segment_id],)
            ),
        )


@dataclass(frozen=True)
class LivePointer:
    """Where a gallery points, and all of its live view that changes; read in one statement.

    Attributes:
        segments: id, revision, live items and index digest of each segment of the view.
    """

    epoch: int
    view_id: int
    segments: tuple[tuple[int, int, int, str], ...]


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


def gallery_to_search(name: str) -> Gallery:
    """Return what has to be known to pass a search on, or raise UnknownObjectError."""
    found = Gallery.objects.only("name", "kind").filter(name=name).first()
    if found is None:
        raise UnknownObjectError(f"no gallery {name}", code="unknown_gallery")
    return found


def gallery_named(name: str) -> Gallery:
    """Return the gallery with its live pointer, or raise UnknownObjectError."""
    found = (
        Gallery.objects.select_related(
            "alias__model",
            "live_view__encoder__model",
            "live_view__insert_segment",
            "probation_encoder__model",
        )
        .filter(name=name)
        .first()
    )
    if found is None:
        raise UnknownObjectError(f"no gallery {name}", code="unknown_gallery")
    return found


def live_pointer(name: str) -> LivePointer:
    """Return where a gallery points now, or raise UnknownObjectError."""
    with connection.cursor() as cursor:
        cursor.execute(POINTER_SQL, [name])
        rows = cursor.fetchall()
    if not rows:  # every view has its insert segment
        raise UnknownObjectError(f"no gallery {name}", code="unknown_gallery")
    epoch, view_id = rows[0][:2]
    return LivePointer(epoch, view_id, tuple(row[2:] for row in rows))


def view_plan(view_id: int) -> LiveView:
    """Return a view, of which only what ``LiveView.at`` replaces may ever change."""
    view = View.objects.select_related("gallery", "encoder__model").get(pk=view_id)
    entries = view.entries.select_related(
        "segment__gallery", "segment__producer__model", "encoder__model", "twins_by__model"
    )
    segments = tuple(map(_live_segment, entries.order_by("segment__number")))
    return LiveView(
        view.gallery_id, view.gallery.name, view.gallery.epoch, view.number, view.encoder, segments
    )


def _live_segment(entry: ViewSegment) -> LiveSegment:
    segment, made_by = entry.segment, entry.twins_by or entry.segment.producer
    output = made_by.manifest["output"] if entry.twins_by else {}
    return LiveSegment(
        entry.segment_id,
        segment.number,
        str(made_by),
        entry.encoder,
        output.get("dimension", segment.dimension),
        output.get("distance", segment.distance),
        "" if entry.twins_by else segment.index_digest,
        segment.revision,
        segment.live_items,
        entry.searchable,
        entry.evidence,
        Calibration(**entry.calibration) if entry.calibration else None,
        entry.twins_by_id,
        segment.gallery.engine,
        made_by.digest,
    )


def by_its_own_vectors(segment: LiveSegment) -> LiveSegment:
    """Return a segment that is searched by twins as it would be by what its producer made."""
    held = Segment.objects.select_related("producer__model").get(pk=segment.segment_id)
    return replace(
        segment,
        producer=str(held.producer),
        dimension=held.dimension,
        distance=held.distance,
        index_digest=held.index_digest,
        twins_by=None,
        space=held.producer.digest,
    )


def live_view(name: str) -> LiveView:
    """Resolve the live pointer and the segments of its view."""
    pointer = live_pointer(name)
    return view_plan(pointer.view_id).at(pointer)


def galleries() -> QuerySet[Gallery]:
    """Return galleries by name, with what they follow and how many items they hold."""
    return (
        Gallery.objects.select_related("alias__model", "live_view__encoder__model", "created_by")
        .annotate(item_count=Coalesce(Sum("segments__live_items"), 0))
        .order_by("name")
    )


def segments_of(gallery: Gallery) -> QuerySet[Segment]:
    """Return the segments of a gallery in their order."""
    return gallery.segments.select_related("producer__model").order_by("number")


def segments_by_id(ids: Iterable[int]) -> dict[int, Segment]:
    """Return segments with their producers, by id."""
    found = Segment.objects.select_related("producer__model").filter(pk__in=list(ids))
    return {segment.pk: segment for segment in found}


def acknowledgements_of(gallery: Gallery) -> QuerySet[Acknowledgement]:
    """Return the consumers of a gallery: how many epochs each is behind, and since when."""
    missed = Cutover.objects.filter(gallery=OuterRef("gallery"), epoch=OuterRef("epoch") + 1)
    return (
        gallery.acknowledgements.select_related("acknowledged_by")
        .annotate(
            behind=F("gallery__epoch") - F("epoch"), behind_since=Subquery(missed.values("at"))
        )
        .order_by("consumer")
    )


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


def index_digests() -> dict[int, str]:
    """Return the index of every segment that has one, by the segment's id."""
    return dict(Segment.objects.exclude(index_digest="").values_list("pk", "index_digest"))


def items_after(segment_id: int, last_pk: int) -> QuerySet[Item]:
    """Return the items of a segment that were added after ``last_pk``, removed ones included."""
    return Item.objects.filter(segment=segment_id, pk__gt=last_pk).order_by("pk")


def removed_after(segment_id: int, revision: int) -> QuerySet[Item]:
    """Return the items of a segment that were removed after ``revision``."""
    return Item.objects.filter(segment=segment_id, removed_at_revision__gt=revision)


def live_epochs() -> dict[str, int]:
    """Return the epoch of every gallery whose vectors are here, by name."""
    here = Gallery.objects.filter(kind=Gallery.Kind.EMBEDDED)
    return dict(here.values_list("name", "epoch"))


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


@dataclass(frozen=True)
class StoredInput:
    """A live item of another version, and where its input lies."""

    item_id: int
    external_id: str
    upload_digest: str
    row: int


def to_backfill(gallery: Gallery) -> QuerySet[Item]:
    """Return the live items whose vectors are not of the live encoder."""
    encoder = gallery.live_view.encoder_id
    return Item.objects.filter(gallery=gallery, removed_at_revision=None).exclude(
        segment__producer=encoder
    )


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


def vectors_made_by(encoder_id: int, item_ids: Sequence[int]) -> list[tuple[int, str, int]]:
    """Return segment, chunk digest and row of the vectors, in order; empty unless it made all."""
    found = Item.objects.filter(pk__in=item_ids, segment__producer=encoder_id)
    places = found.values_list("pk", "segment", "batch__chunk_digest", "row")
    by_id = {pk: place for pk, *place in places}
    if len(by_id) < len(item_ids):
        return []
    return [tuple(by_id[pk]) for pk in item_ids]


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
