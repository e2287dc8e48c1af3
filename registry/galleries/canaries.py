"""Reads of canaries: what a gallery has to be checked by, what the last checks said."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from compat.drift import TOLERANCE
from registry.catalog.models import Alias, ModelVersion
from registry.core.errors import UnknownObjectError
from registry.core.leases import WorkState
from registry.galleries.models import (
    CanaryCheck,
    CanarySet,
    DriftAlarm,
    Gallery,
    InsertBatch,
    Item,
    Segment,
)
from registry.galleries.selectors import with_inputs

MOST_CANARIES = 50
"""Canaries of one segment (chosen): where one vector in ten is another encoder's, 50 of them miss
it once in 190 times, and embedding them costs little beside loading the encoder."""

SPARE = 4
"""How many times as many places are drawn, since some hold items that were removed (chosen)."""

MOST_SUSPECTS = 5
"""Other versions that are tried on canaries that differ (chosen)."""

SEGMENTS_IN_WORDS = 3

OPEN_WORK = (WorkState.QUEUED, WorkState.RUNNING)


@dataclass(frozen=True)
class Drawn:
    """An item of a segment: where its input lies, and where its vector."""

    external_id: str
    upload_digest: str
    input_row: int
    chunk_digest: str
    row: int


@dataclass(frozen=True)
class SegmentCanaries:
    """What one segment is checked by: items that were drawn, or an upload of its owner.

    Attributes:
        set_id: the set that was handed in, if one was; its file is ``table_digest``.
        drawn: items of an embedded gallery.
    """

    segment: Segment
    tolerance: float
    set_id: int | None = None
    table_digest: str = ""
    drawn: tuple[Drawn, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to check by."""
        return self.set_id is None and not self.drawn


def canaries_of(gallery: Gallery) -> list[SegmentCanaries]:
    """Return what each segment with items is checked by, in their order."""
    segments = gallery.segments.select_related("producer__model").filter(live_items__gt=0)
    segments = segments.order_by("number")
    if not gallery.is_attached:
        return [SegmentCanaries(s, TOLERANCE, drawn=tuple(draw(s))) for s in segments]
    current = {one.segment_id: one for one in gallery.canary_sets.filter(is_current=True)}
    found = []
    for segment in segments:
        held = current.get(segment.pk)
        found.append(
            SegmentCanaries(segment, held.tolerance, held.pk, held.upload_id)
            if held
            else SegmentCanaries(segment, TOLERANCE)
        )
    return found


def draw(segment: Segment) -> list[Drawn]:
    """Draw live items with stored inputs: the same ones while the segment stays as it is.

    Places are drawn from the batches, so that no more rows are read than are drawn. They are drawn
    anew for each check: what came last is among them as likely as what came first.
    """
    batches = list(_batches_with_inputs(segment).values_list("pk", "rows"))
    total = sum(rows for _, rows in batches)
    drawn = random.Random(segment.pk)  # noqa: S311 - a sample, no secret
    positions = drawn.sample(range(total), min(total, SPARE * MOST_CANARIES))
    places = _places(batches, sorted(positions))
    asked = Q(pk__in=[])
    for batch, rows in places.items():
        asked |= Q(batch=batch, row__in=rows)
    items = with_inputs(Item.objects.filter(asked, removed_at_revision=None))
    by_place = {(item.batch_id, item.row): item for item in items.select_related(*_SOURCES)}
    where = {at: place for at, place in zip(sorted(positions), _flat(places), strict=True)}
    found = [by_place[where[at]] for at in positions if where[at] in by_place]
    return [_drawn(item) for item in found[:MOST_CANARIES]]


_SOURCES = ("batch", "input_batch")


def _batches_with_inputs(segment: Segment) -> QuerySet[InsertBatch]:
    stored = Q(upload__isnull=False) | Q(backfill__isnull=False)
    return InsertBatch.objects.filter(stored, segment=segment, work_state="done").order_by("pk")


def _places(batches: Sequence[tuple[int, int]], positions: list[int]) -> dict[int, list[int]]:
    """Return, batch by batch, the rows at positions counted over all batches, in their order."""
    places: dict[int, list[int]] = {}
    start, at = 0, 0
    for batch, rows in batches:
        while at < len(positions) and positions[at] < start + rows:
            places.setdefault(batch, []).append(positions[at] - start)
            at += 1
        start += rows
    return places


def _flat(places: dict[int, list[int]]) -> list[tuple[int, int]]:
    return [(batch, row) for batch, rows in places.items() for row in rows]


def _drawn(item: Item) -> Drawn:
    source = item.input_batch or item.batch
    return Drawn(
        item.external_id,
        source.upload_id,
        item.row if item.input_row is None else item.input_row,
        item.batch.chunk_digest,
        item.row,
    )


def suspects(alias: Alias, producer_id: int) -> list[ModelVersion]:
    """Return the other versions that may have made vectors: what the alias named, then newest.

    Candidates count too: a version may be in use before anybody promoted it.
    """
    named = alias.moves.filter(to_version=OuterRef("pk"))
    versions = ModelVersion.objects.select_related("model").filter(
        model=alias.model_id, state=ModelVersion.State.READY, artifact__isnull=False
    )
    versions = versions.exclude(pk=producer_id).annotate(was_named=Exists(named))
    return list(versions.order_by("-was_named", "-number")[:MOST_SUSPECTS])


def segments_with_canaries() -> QuerySet[Segment]:
    """Return the segments that can be checked, by what batches and sets say."""
    stored = Q(upload__isnull=False) | Q(backfill__isnull=False)
    batches = InsertBatch.objects.filter(stored, segment=OuterRef("pk"), work_state="done")
    handed_in = CanarySet.objects.filter(segment=OuterRef("pk"), is_current=True)
    return Segment.objects.filter(Exists(batches) | Exists(handed_in), live_items__gt=0)


def galleries_due(*, now: datetime, every: timedelta) -> list[tuple[int, str]]:
    """Return the galleries to be checked now, and why.

    Due is one whose live encoder has made its first items with canaries, and one whose last check
    is older than ``every``. A check that is still to be done is not asked for again.
    """
    checks = CanaryCheck.objects.filter(gallery=OuterRef("pk"))
    known = checks.filter(newest_segment__gte=OuterRef("live_view__insert_segment__number"))
    here = segments_with_canaries().filter(gallery=OuterRef("pk"))
    of_encoder = here.filter(pk=OuterRef("live_view__insert_segment"))
    idle = Gallery.objects.filter(~Exists(checks.filter(work_state__in=OPEN_WORK)))
    new = idle.filter(Exists(of_encoder), ~Exists(known))
    lapsed = idle.filter(Exists(here), ~Exists(checks.filter(requested_at__gt=now - every)))
    causes = dict.fromkeys(lapsed.values_list("pk", flat=True), CanaryCheck.Cause.SCHEDULE)
    causes |= dict.fromkeys(new.values_list("pk", flat=True), CanaryCheck.Cause.NEW_ENCODER)
    return sorted(causes.items())


def checks_of(gallery: Gallery) -> QuerySet[CanaryCheck]:
    """Return the checks of a gallery, newest first."""
    return gallery.canary_checks.select_related("gallery", "requested_by").order_by("-pk")


def check_numbered(gallery: Gallery, pk: int) -> CanaryCheck:
    """Return a check of a gallery, or raise UnknownObjectError."""
    found = checks_of(gallery).filter(pk=pk).first()
    if found is None:
        raise UnknownObjectError(f"no check {pk} of {gallery}", code="unknown_canary_check")
    return found


def sets_of(gallery: Gallery) -> QuerySet[CanarySet]:
    """Return the canaries that were handed in for a gallery, newest first."""
    return gallery.canary_sets.select_related("segment__producer__model", "created_by")


def set_numbered(gallery: Gallery, pk: int) -> CanarySet:
    """Return a set of canaries of a gallery, or raise UnknownObjectError."""
    found = sets_of(gallery).filter(pk=pk).first()
    if found is None:
        raise UnknownObjectError(f"no canaries {pk} of {gallery}", code="unknown_canaries")
    return found


def standing_alarms() -> QuerySet[DriftAlarm]:
    """Return the alarms that no check has cleared, the open ones first."""
    return (
        DriftAlarm.objects.select_related(
            "gallery__alias__model", "raised_by", "last_check", "acknowledged_by"
        )
        .exclude(state=DriftAlarm.State.CLEARED)
        .order_by("-state", "gallery__name")
    )


def is_drifted() -> Exists:
    """Return whether the alarm of a gallery is open, to annotate a query of galleries with."""
    return Exists(DriftAlarm.objects.filter(gallery=OuterRef("pk"), state=DriftAlarm.State.OPEN))


def alarm_of(gallery_name: str) -> DriftAlarm | None:
    """Return the alarm of a gallery that no check has cleared."""
    return standing_alarms().filter(gallery__name=gallery_name).first()


def in_words(finding: Sequence[dict[str, Any]]) -> str:
    """Say which canaries differ and whose they are; of many segments the first few.

    Example:
        >>> in_words([{"segment": 1, "producer": "m:2", "over": 3, "items": 50, "of": ["m:1"]}])
        'segment 1: 3 of 50 canaries are not of m:2, they are of m:1'
    """
    said = [
        f"segment {one['segment']}: {one['over']} of {one['items']} canaries are not of "
        f"{one['producer']}, {_whose(one['of'])}"
        for one in finding[:SEGMENTS_IN_WORDS]
    ]
    more = len(finding) - len(said)
    return "; ".join([*said, *([f"and {more} more segments"] if more > 0 else [])])


def _whose(versions: Sequence[str]) -> str:
    if not versions:
        return "nor of another version that was tried"
    return f"they are of {' or '.join(versions)}"
