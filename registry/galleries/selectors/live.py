"""The live pointer, and what a view searches."""

from dataclasses import dataclass, replace

from django.db import connection

from compat.calibration import Calibration
from registry.catalog.models import ModelVersion
from registry.core.errors import UnknownObjectError
from registry.galleries.models import Gallery, Segment, View, ViewSegment

POINTER_SQL = """
SELECT epoch, live_view_id, galleries_segment.id, revision, live_items, index_digest
FROM galleries_gallery
JOIN galleries_viewsegment ON view_id = live_view_id
JOIN galleries_segment ON galleries_segment.id = segment_id
WHERE galleries_gallery.name = %s
"""
"""The statement that every search begins with. Written out: compiling it took twenty times as long
as running it, and Django joins the view as well, which made PostgreSQL plan five times as long."""


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


def live_epochs() -> dict[str, int]:
    """Return the epoch of every gallery whose vectors are here, by name."""
    here = Gallery.objects.filter(kind=Gallery.Kind.EMBEDDED)
    return dict(here.values_list("name", "epoch"))
